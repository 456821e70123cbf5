import datetime

from google.protobuf import duration_pb2 as _duration_pb2
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
    __slots__ = ("pinned_model", "policy", "required_capabilities", "max_cost_micros", "session_key", "switch_mode", "tenant", "tags", "metadata", "data_class", "max_first_token_time", "min_tokens_per_second")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PINNED_MODEL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    SESSION_KEY_FIELD_NUMBER: _ClassVar[int]
    SWITCH_MODE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    MAX_FIRST_TOKEN_TIME_FIELD_NUMBER: _ClassVar[int]
    MIN_TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    pinned_model: _model_pb2.ModelRef
    policy: str
    required_capabilities: _containers.RepeatedScalarFieldContainer[_model_pb2.Capability]
    max_cost_micros: int
    session_key: str
    switch_mode: SwitchMode
    tenant: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    data_class: str
    max_first_token_time: _duration_pb2.Duration
    min_tokens_per_second: float
    def __init__(self, pinned_model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., policy: _Optional[str] = ..., required_capabilities: _Optional[_Iterable[_Union[_model_pb2.Capability, str]]] = ..., max_cost_micros: _Optional[int] = ..., session_key: _Optional[str] = ..., switch_mode: _Optional[_Union[SwitchMode, str]] = ..., tenant: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., data_class: _Optional[str] = ..., max_first_token_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., min_tokens_per_second: _Optional[float] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "prompt", "sampling", "constraints", "resumable")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    constraints: RoutingConstraints
    resumable: bool
    def __init__(self, request_id: _Optional[str] = ..., prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., constraints: _Optional[_Union[RoutingConstraints, _Mapping]] = ..., resumable: _Optional[bool] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("sequence", "decided", "event", "switched", "resume_token")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SWITCHED_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    decided: RouteDecision
    event: _generation_pb2.GenerationEvent
    switched: ModelSwitch
    resume_token: str
    def __init__(self, sequence: _Optional[int] = ..., decided: _Optional[_Union[RouteDecision, _Mapping]] = ..., event: _Optional[_Union[_generation_pb2.GenerationEvent, _Mapping]] = ..., switched: _Optional[_Union[ModelSwitch, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("request_id", "resume_token", "after_sequence")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    resume_token: str
    after_sequence: int
    def __init__(self, request_id: _Optional[str] = ..., resume_token: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: GenerateResponse
    def __init__(self, frame: _Optional[_Union[GenerateResponse, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("request_id", "resume_token")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    resume_token: str
    def __init__(self, request_id: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

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
    __slots__ = ("prompt", "sampling", "constraints", "request_id")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    constraints: RoutingConstraints
    request_id: str
    def __init__(self, prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., constraints: _Optional[_Union[RoutingConstraints, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: RouteDecision
    def __init__(self, decision: _Optional[_Union[RouteDecision, _Mapping]] = ...) -> None: ...

class RouteDecision(_message.Message):
    __slots__ = ("chosen", "candidates", "classification", "policy", "config_revision", "propensity", "reason", "default_complexity", "request_id", "rule", "experiment", "explored", "shadows")
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    EXPLORED_FIELD_NUMBER: _ClassVar[int]
    SHADOWS_FIELD_NUMBER: _ClassVar[int]
    chosen: _model_pb2.ModelRef
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    classification: _classifier_service_pb2.Classification
    policy: str
    config_revision: str
    propensity: float
    reason: str
    default_complexity: bool
    request_id: str
    rule: str
    experiment: str
    explored: bool
    shadows: _containers.RepeatedCompositeFieldContainer[_model_pb2.ModelRef]
    def __init__(self, chosen: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., classification: _Optional[_Union[_classifier_service_pb2.Classification, _Mapping]] = ..., policy: _Optional[str] = ..., config_revision: _Optional[str] = ..., propensity: _Optional[float] = ..., reason: _Optional[str] = ..., default_complexity: _Optional[bool] = ..., request_id: _Optional[str] = ..., rule: _Optional[str] = ..., experiment: _Optional[str] = ..., explored: _Optional[bool] = ..., shadows: _Optional[_Iterable[_Union[_model_pb2.ModelRef, _Mapping]]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("model", "verdict", "detail", "score", "expected_quality", "expected_cost_micros", "expected_first_token_seconds", "expected_tokens_per_second", "ability", "ability_deviation", "reliability", "expected_output_tokens", "cached_input_tokens", "quality_value_micros", "time_cost_micros", "stay_bonus_micros", "propensity")
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
        VERDICT_WRONG_RESIDENCY: _ClassVar[Candidate.Verdict]
        VERDICT_NOT_SELF_HOSTED: _ClassVar[Candidate.Verdict]
        VERDICT_EXCLUDED_BY_RULE: _ClassVar[Candidate.Verdict]
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
    VERDICT_WRONG_RESIDENCY: Candidate.Verdict
    VERDICT_NOT_SELF_HOSTED: Candidate.Verdict
    VERDICT_EXCLUDED_BY_RULE: Candidate.Verdict
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    ABILITY_FIELD_NUMBER: _ClassVar[int]
    ABILITY_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_VALUE_MICROS_FIELD_NUMBER: _ClassVar[int]
    TIME_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    STAY_BONUS_MICROS_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    verdict: Candidate.Verdict
    detail: str
    score: float
    expected_quality: float
    expected_cost_micros: int
    expected_first_token_seconds: float
    expected_tokens_per_second: float
    ability: float
    ability_deviation: float
    reliability: float
    expected_output_tokens: int
    cached_input_tokens: int
    quality_value_micros: float
    time_cost_micros: float
    stay_bonus_micros: float
    propensity: float
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., verdict: _Optional[_Union[Candidate.Verdict, str]] = ..., detail: _Optional[str] = ..., score: _Optional[float] = ..., expected_quality: _Optional[float] = ..., expected_cost_micros: _Optional[int] = ..., expected_first_token_seconds: _Optional[float] = ..., expected_tokens_per_second: _Optional[float] = ..., ability: _Optional[float] = ..., ability_deviation: _Optional[float] = ..., reliability: _Optional[float] = ..., expected_output_tokens: _Optional[int] = ..., cached_input_tokens: _Optional[int] = ..., quality_value_micros: _Optional[float] = ..., time_cost_micros: _Optional[float] = ..., stay_bonus_micros: _Optional[float] = ..., propensity: _Optional[float] = ...) -> None: ...

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

class RecordFeedbackRequest(_message.Message):
    __slots__ = ("request_id", "quality", "comment")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    quality: float
    comment: str
    def __init__(self, request_id: _Optional[str] = ..., quality: _Optional[float] = ..., comment: _Optional[str] = ...) -> None: ...

class RecordFeedbackResponse(_message.Message):
    __slots__ = ("model", "intent", "ability", "ability_deviation")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    ABILITY_FIELD_NUMBER: _ClassVar[int]
    ABILITY_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    intent: str
    ability: float
    ability_deviation: float
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., intent: _Optional[str] = ..., ability: _Optional[float] = ..., ability_deviation: _Optional[float] = ...) -> None: ...
