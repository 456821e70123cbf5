"""The adapter for the Anthropic Messages API."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from pointsman.config.schema import AnthropicHttpSection, ModelSection
from pointsman.errors import PointsmanError
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.anthropic_messages import build_body
from services.providers.anthropic_stream import MessageReader
from services.providers.anthropic_thinking import ThinkingSupport
from services.providers.contract import Event, ModelHealth, ModelState
from services.providers.http_health import (
    ABSENT,
    READY,
    UNREADABLE,
    ModelJson,
    judge_failure,
    judge_listing,
    parse_model,
)
from services.providers.http_upstream import HttpUpstream

HEALTH_TIMEOUT_S = 10.0
PAGE_SIZE = "1000"
MAX_PAGES = 10
MAX_LISTING_BYTES = 16 * 1024 * 1024


class AnthropicHttpAdapter:
    """One API, by its base URL (without `/v1`) and key. Needs a running event loop."""

    def __init__(self, section: AnthropicHttpSection, models: Mapping[str, ModelSection], api_key: str | None) -> None:
        self._models = models
        # What the API's list says of each model; filled by check_health.
        self._thinking: dict[str, ThinkingSupport] = {}
        self._upstream = HttpUpstream(
            base_url=section.base_url.rstrip("/").removesuffix("/v1"),
            headers={"anthropic-version": section.anthropic_version} | ({"x-api-key": api_key} if api_key else {}),
            configured=section.headers,
            key=api_key,
            connect_timeout_s=section.connect_timeout_s,
            join_s=section.join_ms / 1_000,
        )

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Streams the answer of `request.model`."""
        support = self._thinking.get(request.model, ThinkingSupport())
        body = build_body(request, self._models[request.model], support)
        return self._upstream.stream("v1/messages", body, MessageReader(request, self._upstream.error_event))

    async def check_health(self) -> Mapping[str, ModelHealth]:
        """Looks for every model in the API's list, and asks by name for those that are not in it: they may be aliases."""
        try:
            # Each question has its own limit; this one is for all of them.
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                listed = await self._list_models()
                if isinstance(listed, ModelHealth):
                    return dict.fromkeys(self._models, listed)
                for alias in self._models.keys() - listed.keys():
                    if resolved := await self._ask(alias):
                        listed[alias] = resolved
        except PointsmanError as error:
            return dict.fromkeys(self._models, judge_failure(error))
        except TimeoutError:
            slow = ModelHealth(ModelState.UNAVAILABLE, f"no list of models within {HEALTH_TIMEOUT_S:g} s")
            return dict.fromkeys(self._models, slow)
        self._thinking = {name: ThinkingSupport.of(listed[name]) for name in self._models if name in listed}
        return {name: _judge(listed.get(name)) for name in self._models}

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._upstream.aclose()

    async def _list_models(self) -> dict[str, ModelJson] | ModelHealth:
        listed: dict[str, ModelJson] = {}
        query = {"limit": PAGE_SIZE}
        for _ in range(MAX_PAGES):
            page = judge_listing(await self._upstream.get("v1/models", query, HEALTH_TIMEOUT_S, MAX_LISTING_BYTES))
            if isinstance(page, ModelHealth):
                return page
            listed |= {model["id"]: model for model in page["data"]}
            last = page.get("last_id")
            if not page.get("has_more") or not last:
                return listed
            query["after_id"] = last
        return UNREADABLE

    async def _ask(self, name: str) -> ModelJson | None:
        try:
            return parse_model(await self._upstream.get(f"v1/models/{name}", {}, HEALTH_TIMEOUT_S, MAX_LISTING_BYTES))
        except PointsmanError as error:
            if error.metadata.get("http_status") in ("400", "404", "405"):
                return None
            raise
        except ValueError:
            return None


def _judge(model: ModelJson | None) -> ModelHealth:
    if model is None:
        return ABSENT
    if model.get("lifecycle") == "retired":
        return ModelHealth(ModelState.UNAVAILABLE, "the provider has retired it")
    return READY
