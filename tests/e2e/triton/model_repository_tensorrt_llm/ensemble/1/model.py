# mypy: ignore-errors
"""Says what it was given, a tensor at a time, and stops at max_tokens."""

import numpy as np
import triton_python_backend_utils as pb_utils

INPUTS = ["text_input", "max_tokens", "bad_words", "stop_words", "exclude_input_in_output", "end_id", "top_k", "top_p",
          "temperature", "seed", "stream"]  # fmt: skip


class TritonPythonModel:
    """Each given input becomes one response of one token; after them an empty response ends the stream.

    Before them comes a token without text, as where a token holds the first bytes of a character only.
    """

    def execute(self, requests):
        """Answers in the order of INPUTS; the last response has no tensors, as the ensemble's."""
        for request in requests:
            sender = request.get_response_sender()
            given = [(name, pb_utils.get_input_tensor_by_name(request, name)) for name in INPUTS]
            pieces = [
                f"{name}={self._plain(tensor)}{list(tensor.as_numpy().shape)} " for name, tensor in given if tensor
            ]
            limit = int(given[1][1].as_numpy().reshape(-1)[0])
            for piece in ["", *pieces][:limit]:
                sender.send(pb_utils.InferenceResponse(self._tensors(piece)))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _plain(self, tensor):
        elements = tensor.as_numpy().reshape(-1).tolist()
        return ",".join(e.decode() if isinstance(e, bytes) else f"{e:.4g}" for e in elements)

    def _tensors(self, piece):
        return [
            pb_utils.Tensor("text_output", np.array([[piece.encode()]], dtype=np.object_)),
            pb_utils.Tensor("cum_log_probs", np.zeros((1, 1), dtype=np.float32)),
            pb_utils.Tensor("num_output_tokens", np.array([[1]], dtype=np.int32)),
        ]
