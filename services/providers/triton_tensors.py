"""The tensors of a Triton language model, by either of the two contracts in use.

vLLM backend: github.com/triton-inference-server/vllm_backend, src/utils/request.py.
TensorRT-LLM ensemble: github.com/NVIDIA/TensorRT-LLM, triton_backend/all_models/inflight_batcher_llm/ensemble/config.pbtxt.

Server versions differ in the optional tensors. The model's metadata lists what it takes, so only that is sent.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from tritonclient.grpc import InferInput

from pointsman.config.schema import TensorContract
from pointsman.errors import InvalidRequest, ProviderProtocol
from pointsman.llm.v1.generation_pb2 import SamplingOptions

NUMPY_TYPES = {"BYTES": np.object_, "BOOL": np.bool_, "INT32": np.int32, "UINT64": np.uint64, "FP32": np.float32}
# In one response; the contract's counts have 32 bits.
MOST_TOKENS = 10**9
_STRUCT_TYPES = {"INT32": "<i", "UINT32": "<I", "INT64": "<q", "UINT64": "<Q"}


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What one model takes: tensor names with their types, and whether each carries a batch axis in front."""

    datatypes: Mapping[str, str]
    batched: bool

    @classmethod
    def from_metadata(cls, metadata: Any) -> "ModelInputs":
        """Reads a ModelMetadataResponse; raises ProviderProtocol where the model takes no `text_input`."""
        tensors = {tensor.name: tensor for tensor in metadata.inputs}
        text = tensors.get("text_input")
        if text is None or text.datatype != "BYTES":
            raise ProviderProtocol(f"model {metadata.name}: expected an input text_input of BYTES")
        return cls({name: tensor.datatype for name, tensor in tensors.items()}, batched=len(text.shape) == 2)

    def tensors(self, values: Mapping[str, Sequence[object]]) -> list[InferInput]:
        """Builds the tensors that the model knows; what it does not know is left out."""
        built = []
        for name, elements in values.items():
            datatype = self.datatypes.get(name)
            if datatype is None:
                continue
            if datatype not in NUMPY_TYPES:
                raise ProviderProtocol(
                    f"input {name}: expected a type among {', '.join(NUMPY_TYPES)}, found {datatype}"
                )
            shape = [1, len(elements)] if self.batched else [len(elements)]
            encoded = [e.encode() if isinstance(e, str) else e for e in elements]
            tensor = InferInput(name, shape, datatype)
            tensor.set_data_from_numpy(np.array(encoded, dtype=NUMPY_TYPES[datatype]).reshape(shape))
            built.append(tensor)
        return built


def input_values(
    contract: TensorContract, text: str, sampling: SamplingOptions, max_tokens: int
) -> dict[str, Sequence[object]]:
    """Names and elements of a call's tensors; raises InvalidRequest for sampling that no model can honour."""
    _check(sampling)
    shared: dict[str, Sequence[object]] = {
        "text_input": [text],
        "stream": [True],
        "exclude_input_in_output": [True],
        "return_num_input_tokens": [True],
        "return_num_output_tokens": [True],
    }
    match contract:
        case TensorContract.VLLM:
            parameters = json.dumps(_vllm_parameters(sampling, max_tokens))
            return shared | {"sampling_parameters": [parameters], "return_finish_reason": [True]}
        case TensorContract.TENSORRT_LLM:
            return shared | _tensorrt_llm_values(sampling, max_tokens)
        case unreachable:
            assert_never(unreachable)


def _check(sampling: SamplingOptions) -> None:
    if sampling.HasField("temperature") and not sampling.temperature >= 0:
        raise InvalidRequest.of("sampling.temperature", f"expected 0 or more, found {sampling.temperature}")
    if sampling.HasField("top_p") and not 0 < sampling.top_p <= 1:
        raise InvalidRequest.of("sampling.top_p", f"expected above 0 and up to 1, found {sampling.top_p}")
    if not all(sampling.stop):
        raise InvalidRequest.of("sampling.stop", "expected texts that are not empty")


def _vllm_parameters(sampling: SamplingOptions, max_tokens: int) -> dict[str, object]:
    parameters: dict[str, object] = {"max_tokens": max_tokens}
    # A float of the contract has 32 bits; its shortest decimal form is what the caller wrote.
    if sampling.HasField("temperature"):
        parameters["temperature"] = float(f"{sampling.temperature:.7g}")
    if sampling.HasField("top_p"):
        parameters["top_p"] = float(f"{sampling.top_p:.7g}")
    if sampling.HasField("seed"):
        parameters["seed"] = sampling.seed
    if sampling.stop:
        parameters["stop"] = list(sampling.stop)
    return parameters


def _tensorrt_llm_values(sampling: SamplingOptions, max_tokens: int) -> dict[str, Sequence[object]]:
    values: dict[str, Sequence[object]] = {"max_tokens": [max_tokens]}
    if sampling.HasField("temperature"):
        # Its samplers divide by the temperature: greedy is asked for by leaving one token in.
        values |= {"temperature": [sampling.temperature]} if sampling.temperature > 0 else {"top_k": [1]}
    if sampling.HasField("top_p"):
        values["top_p"] = [sampling.top_p]
    if sampling.HasField("seed"):
        # Renamed in TensorRT-LLM 0.18; a model knows one of the two.
        values |= {"seed": [sampling.seed % 2**64], "random_seed": [sampling.seed % 2**64]}
    if sampling.stop:
        values["stop_words"] = list(sampling.stop)
    return values


@dataclass(frozen=True, slots=True)
class Piece:
    """What one response says; counts are None where the model does not give them, `finish` where it goes on."""

    text: str
    input_tokens: int | None
    output_tokens: int | None
    finish: str | None


def read_piece(response: Any) -> Piece:
    """Reads a ModelInferResponse; raises ProviderProtocol where its bytes are not what its header says."""
    text, finish = "", None
    counts: dict[str, int] = {}
    try:
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
            if output.name == "text_output":
                text = "".join(_texts(raw))
            elif output.name == "finish_reason":
                finish = next(iter(_texts(raw)), "None")
            elif output.name in ("num_input_tokens", "num_output_tokens"):
                (count,) = struct.unpack_from(_STRUCT_TYPES[output.datatype], raw)
                if not 0 <= count <= MOST_TOKENS:
                    raise ValueError(f"expected 0 to {MOST_TOKENS} in {output.name}, found {count}")
                counts[output.name] = count
    except (ValueError, KeyError, struct.error) as error:
        raise ProviderProtocol(f"a response of {response.model_name} cannot be read: {error}") from error
    # The backend writes Python's None while there is no reason yet.
    finish = None if finish in ("None", "") else finish
    return Piece(text, counts.get("num_input_tokens"), counts.get("num_output_tokens"), finish)


def _texts(raw: bytes) -> list[str]:
    """Elements of a BYTES tensor: each a 32-bit little-endian length and as many bytes. Raises ValueError."""
    texts, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        element = raw[at + 4 : at + 4 + length]
        if len(element) != length:
            raise ValueError(f"expected {length} bytes of text, found {len(element)}")
        texts.append(element.decode("utf-8", "replace"))
        at += 4 + length
    return texts
