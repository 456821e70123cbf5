"""Judges models by an API's list of them; the shapes of OpenAI's and Anthropic's lists agree in what is read here."""

from collections.abc import Callable
from typing import NotRequired, cast

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from pointsman import errors
from services.providers.contract import ModelHealth, ModelState


class SupportJson(TypedDict, total=False):
    supported: bool


class ThinkingTypesJson(TypedDict, total=False):
    adaptive: SupportJson
    enabled: SupportJson
    disabled: SupportJson


class ThinkingJson(TypedDict, total=False):
    supported: bool
    types: ThinkingTypesJson


class CapabilitiesJson(TypedDict, total=False):
    effort: SupportJson
    thinking: ThinkingJson


class ModelJson(TypedDict):
    id: str
    # Anthropic only.
    lifecycle: NotRequired[str]
    capabilities: NotRequired[CapabilitiesJson | None]


class ListingJson(TypedDict):
    data: list[ModelJson]
    has_more: NotRequired[bool]
    last_id: NotRequired[str | None]


# Together's list is a bare array.
_parse_listing = cast(
    "Callable[[bytes], ListingJson | list[ModelJson]]",
    TypeAdapter(ListingJson | list[ModelJson]).validator.validate_json,
)
parse_model: Callable[[bytes], ModelJson] = TypeAdapter(ModelJson).validator.validate_json

READY = ModelHealth(ModelState.READY)
ABSENT = ModelHealth(ModelState.UNAVAILABLE, "the provider does not have it")
UNREADABLE = ModelHealth(ModelState.DEGRADED, "the provider's list of models is not readable")


def judge_failure(error: errors.PointsmanError) -> ModelHealth:
    """What a list that could not be had says of every model."""
    if error.metadata.get("http_status") in ("404", "405"):
        # Many compatible servers have no such endpoint; they answered, so they are there.
        return READY
    match error:
        case errors.ProviderRateLimited():
            return ModelHealth(ModelState.DEGRADED, error.message)
        case errors.ProviderCredentials():
            return ModelHealth(ModelState.UNAVAILABLE, f"credentials: {error.message}")
        case _:
            return ModelHealth(ModelState.UNAVAILABLE, error.message)


def judge_listing(body: bytes) -> ListingJson | ModelHealth:
    """The list, or what to think of every model where it is none."""
    try:
        listing = _parse_listing(body)
    except ValidationError:
        return UNREADABLE
    return {"data": listing} if isinstance(listing, list) else listing
