from pointsman.classifier.v1 import classifier_service_pb2 as _classifier_service_pb2
from pointsman.llm.v1 import generation_pb2 as _generation_pb2
from pointsman.llm.v1 import model_pb2 as _model_pb2
from pointsman.llm.v1 import prompt_pb2 as _prompt_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SwitchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SWITCH_MODE_UNSPECIFIED: _ClassVar[SwitchMode]
    SWITCH_MODE_CONTINUE_OR_RESTART: _ClassVar[SwitchMode]
    SWITCH_MODE_CONTINUE: _ClassVar[SwitchMode]
    SWITCH_MODE_FAIL: _ClassVar[SwitchMode]
SWITCH_MODE_UNSPECIFIED: SwitchMode
SWITCH_MODE_CONTINUE_OR_RESTART: SwitchMode
SWITCH_MODE_CONTINUE: SwitchMode
SWITCH_MODE_FAIL: SwitchMode

class RoutingConstraints(_message.Message):
    __slots__ = ("pinned_model", "policy", "required_capabilities", "max_cost_micros", "session_key", "switch_mode")
    PINNED_MODEL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    SESSION_KEY_FIELD_NUMBER: _ClassVar[int]
    SWITCH_MODE_FIELD_NUMBER: _ClassVar[int]
    pinned_model: _model_pb2.ModelRef
    policy: str
    required_capabilities: _containers.RepeatedScalarFieldContainer[_model_pb2.Capability]
    max_cost_micros: int
    session_key: str
    switch_mode: SwitchMode
    def __init__(self, pinned_model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., policy: _Optional[str] = ..., required_capabilities: _Optional[_Iterable[_Union[_model_pb2.Capability, str]]] = ..., max_cost_micros: _Optional[int] = ..., session_key: _Optional[str] = ..., switch_mode: _Optional[_Union[SwitchMode, str]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "prompt", "sampling", "constraints")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    constraints: RoutingConstraints
    def __init__(self, request_id: _Optional[str] = ..., prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., constraints: _Optional[_Union[RoutingConstraints, _Mapping]] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("sequence", "decided", "event", "switched")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SWITCHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    decided: RouteDecision
    event: _generation_pb2.GenerationEvent
    switched: ModelSwitch
    def __init__(self, sequence: _Optional[int] = ..., decided: _Optional[_Union[RouteDecision, _Mapping]] = ..., event: _Optional[_Union[_generation_pb2.GenerationEvent, _Mapping]] = ..., switched: _Optional[_Union[ModelSwitch, _Mapping]] = ...) -> None: ...

class ModelSwitch(_message.Message):
    __slots__ = ("from_model", "to_model", "reason", "kept_characters")
    FROM_MODEL_FIELD_NUMBER: _ClassVar[int]
    TO_MODEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KEPT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    from_model: _model_pb2.ModelRef
    to_model: _model_pb2.ModelRef
    reason: str
    kept_characters: int
    def __init__(self, from_model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., to_model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., reason: _Optional[str] = ..., kept_characters: _Optional[int] = ...) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ("request_id", "prompt", "sampling", "constraints")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    constraints: RoutingConstraints
    def __init__(self, request_id: _Optional[str] = ..., prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., constraints: _Optional[_Union[RoutingConstraints, _Mapping]] = ...) -> None: ...

class CompleteResponse(_message.Message):
    __slots__ = ("turn", "finished", "decision", "switches")
    TURN_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SWITCHES_FIELD_NUMBER: _ClassVar[int]
    turn: _prompt_pb2.Turn
    finished: _generation_pb2.GenerationFinished
    decision: RouteDecision
    switches: _containers.RepeatedCompositeFieldContainer[ModelSwitch]
    def __init__(self, turn: _Optional[_Union[_prompt_pb2.Turn, _Mapping]] = ..., finished: _Optional[_Union[_generation_pb2.GenerationFinished, _Mapping]] = ..., decision: _Optional[_Union[RouteDecision, _Mapping]] = ..., switches: _Optional[_Iterable[_Union[ModelSwitch, _Mapping]]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("prompt", "sampling", "constraints")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    constraints: RoutingConstraints
    def __init__(self, prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., constraints: _Optional[_Union[RoutingConstraints, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: RouteDecision
    def __init__(self, decision: _Optional[_Union[RouteDecision, _Mapping]] = ...) -> None: ...

class RouteDecision(_message.Message):
    __slots__ = ("chosen", "candidates", "classification", "policy", "config_revision", "propensity", "reason", "default_complexity", "request_id")
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    chosen: _model_pb2.ModelRef
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    classification: _classifier_service_pb2.Classification
    policy: str
    config_revision: str
    propensity: float
    reason: str
    default_complexity: bool
    request_id: str
    def __init__(self, chosen: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., classification: _Optional[_Union[_classifier_service_pb2.Classification, _Mapping]] = ..., policy: _Optional[str] = ..., config_revision: _Optional[str] = ..., propensity: _Optional[float] = ..., reason: _Optional[str] = ..., default_complexity: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("model", "verdict", "detail", "score", "expected_quality", "expected_cost_micros", "expected_first_token_seconds", "expected_tokens_per_second")
    class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VERDICT_UNSPECIFIED: _ClassVar[Candidate.Verdict]
        VERDICT_ELIGIBLE: _ClassVar[Candidate.Verdict]
        VERDICT_LACKS_CAPABILITY: _ClassVar[Candidate.Verdict]
        VERDICT_CONTEXT_TOO_SMALL: _ClassVar[Candidate.Verdict]
        VERDICT_CIRCUIT_OPEN: _ClassVar[Candidate.Verdict]
        VERDICT_OVER_BUDGET: _ClassVar[Candidate.Verdict]
        VERDICT_EXCLUDED_BY_POLICY: _ClassVar[Candidate.Verdict]
        VERDICT_TOO_SLOW: _ClassVar[Candidate.Verdict]
        VERDICT_UNAVAILABLE: _ClassVar[Candidate.Verdict]
        VERDICT_NOT_PINNED: _ClassVar[Candidate.Verdict]
    VERDICT_UNSPECIFIED: Candidate.Verdict
    VERDICT_ELIGIBLE: Candidate.Verdict
    VERDICT_LACKS_CAPABILITY: Candidate.Verdict
    VERDICT_CONTEXT_TOO_SMALL: Candidate.Verdict
    VERDICT_CIRCUIT_OPEN: Candidate.Verdict
    VERDICT_OVER_BUDGET: Candidate.Verdict
    VERDICT_EXCLUDED_BY_POLICY: Candidate.Verdict
    VERDICT_TOO_SLOW: Candidate.Verdict
    VERDICT_UNAVAILABLE: Candidate.Verdict
    VERDICT_NOT_PINNED: Candidate.Verdict
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    verdict: Candidate.Verdict
    detail: str
    score: float
    expected_quality: float
    expected_cost_micros: int
    expected_first_token_seconds: float
    expected_tokens_per_second: float
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., verdict: _Optional[_Union[Candidate.Verdict, str]] = ..., detail: _Optional[str] = ..., score: _Optional[float] = ..., expected_quality: _Optional[float] = ..., expected_cost_micros: _Optional[int] = ..., expected_first_token_seconds: _Optional[float] = ..., expected_tokens_per_second: _Optional[float] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelStatus]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelStatus, _Mapping]]] = ...) -> None: ...

class ModelStatus(_message.Message):
    __slots__ = ("card", "available", "tokens_per_second", "first_token_seconds", "detail")
    CARD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    card: _model_pb2.ModelCard
    available: bool
    tokens_per_second: float
    first_token_seconds: float
    detail: str
    def __init__(self, card: _Optional[_Union[_model_pb2.ModelCard, _Mapping]] = ..., available: _Optional[bool] = ..., tokens_per_second: _Optional[float] = ..., first_token_seconds: _Optional[float] = ..., detail: _Optional[str] = ...) -> None: ...
