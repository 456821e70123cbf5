"""The adapter for any OpenAI-compatible chat completions API."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from pointsman.config.schema import ModelSection, OpenAiHttpSection
from pointsman.errors import PointsmanError
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.contract import Event, ModelHealth
from services.providers.http_health import ABSENT, READY, judge_failure, judge_listing
from services.providers.http_upstream import HttpUpstream
from services.providers.openai_messages import build_body
from services.providers.openai_stream import ChatReader

HEALTH_TIMEOUT_S = 10.0
# OpenRouter's list of some hundred models is one of about 1 MB.
MAX_LISTING_BYTES = 16 * 1024 * 1024


class OpenAiHttpAdapter:
    """One API, by its base URL (which ends in `/v1` for most) and key. Needs a running event loop."""

    def __init__(self, section: OpenAiHttpSection, models: Mapping[str, ModelSection], api_key: str | None) -> None:
        self._section = section
        self._models = models
        self._upstream = HttpUpstream(
            base_url=section.base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            configured=section.headers,
            key=api_key,
            connect_timeout_s=section.connect_timeout_s,
            join_s=section.join_ms / 1_000,
        )

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Streams the answer of `request.model`."""
        body = build_body(request, self._section, self._models[request.model])
        reader = ChatReader(request.prompt, self._upstream.error_event)
        return self._upstream.stream("chat/completions", body, reader)

    async def check_health(self) -> Mapping[str, ModelHealth]:
        """Looks for every model in the API's list; an API without a list is taken at its word that it is there."""
        try:
            listing = await self._upstream.get("models", {}, HEALTH_TIMEOUT_S, MAX_LISTING_BYTES)
        except PointsmanError as error:
            return dict.fromkeys(self._models, judge_failure(error))
        listed = judge_listing(listing)
        if isinstance(listed, ModelHealth):
            return dict.fromkeys(self._models, listed)
        # Google's API lists `models/NAME` and takes NAME.
        names = {model["id"].removeprefix("models/") for model in listed["data"]}
        return {name: READY if name.removeprefix("models/") in names else ABSENT for name in self._models}

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._upstream.aclose()
