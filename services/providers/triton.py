"""Adapter for language models on a Triton Inference Server, by decoupled streaming over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpc.aio import AioRpcError
from tritonclient.grpc import KeepAliveOptions
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from pointsman.config.load import ConfigError, Problem
from pointsman.config.schema import CapabilityName, ModelSection, TritonSection
from pointsman.errors import InvalidRequest, ProviderUnavailable, StreamCut
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.chat_template import ChatTemplate, TemplateInvalid
from services.providers.contract import Event, Finished, FinishReason, ModelHealth, ModelState, Text, Usage
from services.providers.tokens import estimate_tokens
from services.providers.triton_errors import map_error
from services.providers.triton_tensors import ModelInputs, Piece, input_values, read_piece

DEFAULT_MAX_OUTPUT_TOKENS = 1_024
MAX_INT32 = 2**31 - 1
FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
Foreign = (AioRpcError, InferenceServerException)


class TritonAdapter:
    """One Triton server. Each answer is a stream of its own on one shared connection.

    A failure inside a stream comes as words without a status. The header `triton_grpc_error` would bring the status, but
    servers before 25.04 crash when such a stream is cancelled (triton-inference-server/server, pull request 8078).
    """

    def __init__(self, section: TritonSection, models: Mapping[str, ModelSection], folder: Path) -> None:
        """Needs a running event loop; raises ConfigError for a template that is not fit."""
        self._section = section
        self._models = models
        self._templates = {name: _template(model, folder) for name, model in models.items()}
        self._inputs: dict[str, ModelInputs] = {}
        self._client = InferenceServerClient(
            section.url, keepalive_options=KeepAliveOptions(keepalive_time_ms=60_000, keepalive_timeout_ms=20_000)
        )

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Streams the answer; ending the generator ends the stream, and the model stops within one token."""
        section = self._models[request.model]
        _check(request, section)
        text = self._templates[request.model].render(request.prompt, request.answer_prefix)
        wanted = request.sampling.max_output_tokens or section.max_output_tokens or DEFAULT_MAX_OUTPUT_TOKENS
        limit = min(wanted, MAX_INT32)
        values = input_values(self._section.tensor_contract, text, request.sampling, limit)
        inputs = await self._inputs_of(request.model)
        call = {"model_name": request.model, "inputs": inputs.tensors(values), "request_id": request.request_id}
        answer = _Answer(prompt_text=text, limit=limit, gives_reason="return_finish_reason" in inputs.datatypes)
        stream = self._client.stream_infer(_once(call))
        try:
            async for result, error in stream:
                if error is not None:
                    raise error
                piece = read_piece(result.get_response())
                text_event = answer.add(piece)
                if piece.finish is not None:
                    yield [text_event, answer.finished()]
                    return
                yield [text_event]
        except Foreign as error:
            # The server may have been replaced by one whose model takes other tensors.
            self._inputs.pop(request.model, None)
            raise map_error(error, text_delivered=answer.output_tokens > 0) from error
        finally:
            stream.cancel()
        yield [answer.finished()]

    async def check_health(self) -> Mapping[str, ModelHealth]:
        """Asks the server for itself, then for each model."""
        limit_s = self._section.connect_timeout_s
        try:
            async with asyncio.timeout(limit_s + 1):
                if not await self._client.is_server_live(client_timeout=limit_s):
                    return self._all(ModelState.UNAVAILABLE, "the server is not live")
                index = await self._client.get_model_repository_index(client_timeout=limit_s)
        except Foreign as error:
            return self._all(ModelState.UNAVAILABLE, str(map_error(error)))
        except TimeoutError:
            return self._all(ModelState.UNAVAILABLE, f"the server did not answer within {limit_s} s")
        states = {model.name: (model.state, model.reason) for model in index.models}
        return {name: _health(*states.get(name, ("", "the server has no such model"))) for name in self._models}

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._client.close()

    async def _inputs_of(self, model: str) -> ModelInputs:
        """What the model takes; asked once, and again after a failure."""
        if model not in self._inputs:
            try:
                metadata = await self._client.get_model_metadata(model)
            except Foreign as error:
                raise map_error(error) from error
            self._inputs[model] = ModelInputs.from_metadata(metadata)
        return self._inputs[model]

    def _all(self, state: ModelState, detail: str) -> Mapping[str, ModelHealth]:
        return dict.fromkeys(self._models, ModelHealth(state, detail))


@dataclass(slots=True)
class _Answer:
    """Counts what one stream has said."""

    prompt_text: str
    limit: int
    gives_reason: bool
    input_tokens: int | None = None
    output_tokens: int = 0
    # Tokens without text of their own so far: the first bytes of a character, or what may be the beginning of a stop text.
    unshown_tokens: int = 0
    counted: bool = True
    finish: str | None = None

    def add(self, piece: Piece) -> Text:
        """Takes the next piece; where the model gives no count, the text is estimated."""
        self.counted = self.counted and piece.output_tokens is not None
        tokens = estimate_tokens(piece.text) if piece.output_tokens is None else piece.output_tokens
        self.output_tokens += tokens
        self.input_tokens = piece.input_tokens if piece.input_tokens is not None else self.input_tokens
        self.finish = piece.finish or self.finish
        self.unshown_tokens += tokens
        if not piece.text:
            return Text("", 0)
        shown, self.unshown_tokens = self.unshown_tokens, 0
        return Text(piece.text, shown)

    def finished(self) -> Finished:
        """The last event; raises StreamCut when the end came too early, ProviderUnavailable for a strange reason."""
        if self.finish is None:
            if self.gives_reason or self.output_tokens == 0:
                raise StreamCut("Triton ended the stream before the answer was whole")
            # TensorRT-LLM's ensemble gives no reason; reaching the limit is one.
            reason = FinishReason.LENGTH if self.counted and self.output_tokens >= self.limit else FinishReason.STOP
        elif self.finish in FINISH_REASONS:
            reason = FINISH_REASONS[self.finish]
        else:
            raise ProviderUnavailable(f"the model ended its answer for the reason {self.finish!r}")
        estimated = self.input_tokens is None or not self.counted
        input_tokens = estimate_tokens(self.prompt_text) if self.input_tokens is None else self.input_tokens
        return Finished(reason, Usage(input_tokens, self.output_tokens, estimated=estimated))


async def _once(call: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield call


def _template(model: ModelSection, folder: Path) -> ChatTemplate:
    try:
        return ChatTemplate.read(model.chat_template or "", folder)
    except TemplateInvalid as error:
        problem = Problem(0, f"models.{model.provider}/{model.model}.chat_template", str(error))
        raise ConfigError(folder, [problem]) from error


def _check(request: GenerateRequest, section: ModelSection) -> None:
    """Raises InvalidRequest for what no Triton model of ours can do."""
    if request.prompt.tools:
        raise InvalidRequest.of("prompt.tools", "expected none; this model cannot call tools")
    output_format = request.prompt.output_format
    if output_format.json or output_format.HasField("json_schema"):
        raise InvalidRequest.of("prompt.output_format", "expected none; this model writes plain text")
    if request.answer_prefix and CapabilityName.CONTINUE_FROM_PREFIX not in section.capabilities:
        raise InvalidRequest.of(
            "answer_prefix", "expected none; this model is not configured with continue_from_prefix"
        )


def _health(state: str, reason: str) -> ModelHealth:
    """From the states of Triton's repository index: READY, LOADING, UNLOADING, UNAVAILABLE, or none for never loaded."""
    match state:
        case "READY":
            return ModelHealth(ModelState.READY)
        case "LOADING":
            return ModelHealth(ModelState.LOADING, reason or "loading")
        case _:
            return ModelHealth(ModelState.UNAVAILABLE, reason or state.lower() or "not loaded")
