"""Triton's door to tiny-chat: reads request tensors, sends response tensors. The work is done in `tiny_chat/`.

The tensors are those of Triton's vLLM backend, so that one client drives both:
github.com/triton-inference-server/vllm_backend, src/utils/request.py.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tiny_chat.network import Network
from tiny_chat.parameters import ParameterError, parse
from tiny_chat.scheduler import FinishReason, Outcome, Scheduler

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


def _value(request: Any, name: str) -> Any:
    """The one element of an optional input tensor, or None; raises ParameterError where it has another count."""
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        return None
    array = tensor.as_numpy().reshape(-1)
    if array.size != 1:
        raise ParameterError(f"{name}: expected one element, got {array.size}")
    return array[0]


def _text(request: Any, name: str) -> str:
    """A BYTES tensor as text; empty where it is absent."""
    value = _value(request, name)
    try:
        return value.decode("utf-8") if value is not None else ""
    except UnicodeDecodeError:
        raise ParameterError(f"{name}: expected UTF-8") from None


class _Answer:
    """Sends one request's answer; a `Receiver` of the scheduler."""

    def __init__(self, request: Any, prompt_text: str, input_tokens: int) -> None:
        self._sender = request.get_response_sender()
        self._stream = bool(_value(request, "stream"))
        excluded = _value(request, "exclude_input_in_output")
        if self._stream and excluded is not None and not excluded:
            raise ParameterError("exclude_input_in_output: expected true when streaming")
        self._text = "" if self._stream or excluded else prompt_text
        self._tokens = 0
        self._input_tokens = input_tokens
        self._returns = {
            name: bool(_value(request, f"return_{name}"))
            for name in ("finish_reason", "num_input_tokens", "num_output_tokens")
        }

    def is_cancelled(self) -> bool:
        return bool(self._sender.is_cancelled())

    def deliver(self, text: str, tokens: int, finish: FinishReason | None) -> None:
        self._text += text
        self._tokens += tokens
        if self._stream or finish is not None:
            self._sender.send(self._response(finish), flags=FINAL if finish is not None else 0)
            self._text, self._tokens = "", 0

    def abort(self, reason: str, cancelled: bool) -> None:
        code = pb_utils.TritonError.CANCELLED if cancelled else pb_utils.TritonError.UNAVAILABLE
        _refuse(self._sender, reason, code)

    def _response(self, finish: FinishReason | None) -> Any:
        tensors = [pb_utils.Tensor("text_output", np.array([self._text.encode()], dtype=np.object_))]
        if self._returns["finish_reason"]:
            tensors.append(pb_utils.Tensor("finish_reason", np.array([str(finish).encode()], dtype=np.object_)))
        if self._returns["num_input_tokens"]:
            tensors.append(pb_utils.Tensor("num_input_tokens", np.array([self._input_tokens], dtype=np.uint32)))
        if self._returns["num_output_tokens"]:
            tensors.append(pb_utils.Tensor("num_output_tokens", np.array([self._tokens], dtype=np.uint32)))
        return pb_utils.InferenceResponse(output_tensors=tensors)


def _refuse(sender: Any, message: str, code: int) -> None:
    sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code)), flags=FINAL)


class _Metrics:
    """Shows the scheduler's counts beside Triton's own metrics; a `Meter`. Silent where the server's metrics are off."""

    def __init__(self) -> None:
        self._families: list[Any] = []
        self._requests: dict[Outcome, Any] = {}
        self._gauges: list[Any] = []
        try:
            requests = self._family("requests_total", "Requests by how they ended.", "COUNTER")
            self._tokens = self._family("output_tokens_total", "Tokens generated.", "COUNTER").Metric(labels={})
            running = self._family("running_requests", "Requests that advance together.", "GAUGE")
            waiting = self._family("waiting_requests", "Requests that wait for a place.", "GAUGE")
            self._requests = {outcome: requests.Metric(labels={"outcome": outcome.value}) for outcome in Outcome}
            self._gauges = [running.Metric(labels={}), waiting.Metric(labels={})]
        except pb_utils.TritonModelException as error:
            if "metrics not supported" not in str(error).lower():
                raise

    def ended(self, outcome: Outcome, output_tokens: int) -> None:
        if self._requests:
            self._requests[outcome].increment(1)
            self._tokens.increment(output_tokens)

    def depth(self, running: int, waiting: int) -> None:
        for gauge, value in zip(self._gauges, (running, waiting), strict=False):
            gauge.set(value)

    def close(self) -> None:
        """Lets go of the metrics before their families; in another order, or later, Triton's stub crashes."""
        self._requests.clear()
        self._gauges.clear()
        self._tokens = None
        self._families.clear()

    def _family(self, name: str, description: str, kind: str) -> Any:
        family = pb_utils.MetricFamily(
            name=f"tiny_chat_{name}", description=description, kind=getattr(pb_utils.MetricFamily, kind)
        )
        self._families.append(family)
        return family


class TritonPythonModel:
    """One instance serves all requests; its scheduler batches them."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]

        def setting(name: str) -> int:
            value = int(parameters[name]["string_value"])
            if value < 1:
                raise pb_utils.TritonModelException(f"parameter {name}: expected 1 or more, got {value}")
            return value

        folder = Path(args["model_repository"]) / args["model_version"]
        self._network = Network.load(folder, setting("threads"))
        self._metrics = _Metrics()
        self._scheduler = Scheduler(self._network, self._metrics, setting("max_running"), setting("max_waiting"))
        self._scheduler.start()

    def execute(self, requests: list[Any]) -> None:
        """Queues the requests; all answers, refusals too, come from the scheduler's thread.

        Triton 24.10 crashes now and then when a last response is sent before this method returned. While too many wait it
        blocks, and the rest stays in Triton's own queue.
        """
        for request in requests:
            try:
                self._submit(request)
            except ParameterError as error:
                refusal = partial(_refuse, request.get_response_sender(), str(error), pb_utils.TritonError.INVALID_ARG)
                self._scheduler.refuse(refusal)

    def _submit(self, request: Any) -> None:
        text = _text(request, "text_input")
        prompt = self._network.tokenizer.encode(text).ids
        limit = self._network.context_tokens
        if not prompt:
            raise ParameterError("text_input: expected some text, got none")
        if len(prompt) >= limit:
            raise ParameterError(
                f"text_input: {len(prompt)} tokens are longer than the maximum model length of {limit} allows"
            )
        parameters = parse(_text(request, "sampling_parameters"))
        self._scheduler.submit(prompt, parameters, _Answer(request, text, len(prompt)))

    def finalize(self) -> None:
        self._scheduler.close()
        self._metrics.close()
