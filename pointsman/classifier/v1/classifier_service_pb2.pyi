from pointsman.llm.v1 import prompt_pb2 as _prompt_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClassifierTier(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASSIFIER_TIER_UNSPECIFIED: _ClassVar[ClassifierTier]
    CLASSIFIER_TIER_FAST: _ClassVar[ClassifierTier]
    CLASSIFIER_TIER_ENCODER: _ClassVar[ClassifierTier]
CLASSIFIER_TIER_UNSPECIFIED: ClassifierTier
CLASSIFIER_TIER_FAST: ClassifierTier
CLASSIFIER_TIER_ENCODER: ClassifierTier

class ClassifyRequest(_message.Message):
    __slots__ = ("prompt", "wanted_tier")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    WANTED_TIER_FIELD_NUMBER: _ClassVar[int]
    prompt: _prompt_pb2.Prompt
    wanted_tier: ClassifierTier
    def __init__(self, prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., wanted_tier: _Optional[_Union[ClassifierTier, str]] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("classification",)
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    classification: Classification
    def __init__(self, classification: _Optional[_Union[Classification, _Mapping]] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("intents", "complexity", "confidence", "estimated_input_tokens", "estimated_output_tokens", "language_code", "model_revision", "tier", "right", "estimated_output_tokens_p10", "estimated_output_tokens_p90", "script_code", "routes", "from_cache")
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_REVISION_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_OUTPUT_TOKENS_P10_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_OUTPUT_TOKENS_P90_FIELD_NUMBER: _ClassVar[int]
    SCRIPT_CODE_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    FROM_CACHE_FIELD_NUMBER: _ClassVar[int]
    intents: _containers.RepeatedCompositeFieldContainer[IntentScore]
    complexity: float
    confidence: float
    estimated_input_tokens: int
    estimated_output_tokens: int
    language_code: str
    model_revision: str
    tier: ClassifierTier
    right: RightChances
    estimated_output_tokens_p10: int
    estimated_output_tokens_p90: int
    script_code: str
    routes: _containers.RepeatedCompositeFieldContainer[RouteMatch]
    from_cache: bool
    def __init__(self, intents: _Optional[_Iterable[_Union[IntentScore, _Mapping]]] = ..., complexity: _Optional[float] = ..., confidence: _Optional[float] = ..., estimated_input_tokens: _Optional[int] = ..., estimated_output_tokens: _Optional[int] = ..., language_code: _Optional[str] = ..., model_revision: _Optional[str] = ..., tier: _Optional[_Union[ClassifierTier, str]] = ..., right: _Optional[_Union[RightChances, _Mapping]] = ..., estimated_output_tokens_p10: _Optional[int] = ..., estimated_output_tokens_p90: _Optional[int] = ..., script_code: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[RouteMatch, _Mapping]]] = ..., from_cache: _Optional[bool] = ...) -> None: ...

class IntentScore(_message.Message):
    __slots__ = ("intent", "probability")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    intent: str
    probability: float
    def __init__(self, intent: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class RightChances(_message.Message):
    __slots__ = ("small", "medium", "frontier")
    SMALL_FIELD_NUMBER: _ClassVar[int]
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    FRONTIER_FIELD_NUMBER: _ClassVar[int]
    small: float
    medium: float
    frontier: float
    def __init__(self, small: _Optional[float] = ..., medium: _Optional[float] = ..., frontier: _Optional[float] = ...) -> None: ...

class RouteMatch(_message.Message):
    __slots__ = ("route", "similarity", "matched")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    route: str
    similarity: float
    matched: bool
    def __init__(self, route: _Optional[str] = ..., similarity: _Optional[float] = ..., matched: _Optional[bool] = ...) -> None: ...
