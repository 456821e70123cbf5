import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from pointsman.classifier.v1 import classifier_service_pb2 as _classifier_service_pb2
from pointsman.llm.v1 import generation_pb2 as _generation_pb2
from pointsman.llm.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestRecord(_message.Message):
    __slots__ = ("request_id", "trace_id", "start_time", "total_time", "policy", "intent", "complexity", "attempts", "cost_micros", "decision_time", "decision_reason", "error_reason", "config_revision", "decision", "shadows", "retry_of")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    DECISION_TIME_FIELD_NUMBER: _ClassVar[int]
    DECISION_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SHADOWS_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    trace_id: str
    start_time: _timestamp_pb2.Timestamp
    total_time: _duration_pb2.Duration
    policy: str
    intent: str
    complexity: float
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    cost_micros: int
    decision_time: _duration_pb2.Duration
    decision_reason: str
    error_reason: str
    config_revision: str
    decision: DecisionFeatures
    shadows: _containers.RepeatedCompositeFieldContainer[Attempt]
    retry_of: str
    def __init__(self, request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., total_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., policy: _Optional[str] = ..., intent: _Optional[str] = ..., complexity: _Optional[float] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., cost_micros: _Optional[int] = ..., decision_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_reason: _Optional[str] = ..., error_reason: _Optional[str] = ..., config_revision: _Optional[str] = ..., decision: _Optional[_Union[DecisionFeatures, _Mapping]] = ..., shadows: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., retry_of: _Optional[str] = ...) -> None: ...

class DecisionFeatures(_message.Message):
    __slots__ = ("snapshot_id", "right", "confidence", "fallback", "input_tokens", "output_tokens", "language_code", "routes", "capabilities", "pinned_model", "max_cost_micros", "wanted_output_tokens", "tenant", "tags", "metadata", "data_class", "max_first_token_seconds", "min_tokens_per_second", "session", "session_model", "session_tokens", "asked_policy", "chosen", "propensity", "expected_quality", "expected_cost_micros", "explored", "rule", "experiment")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    PINNED_MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    WANTED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    MAX_FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MIN_TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_MODEL_FIELD_NUMBER: _ClassVar[int]
    SESSION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ASKED_POLICY_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPLORED_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    right: _classifier_service_pb2.RightChances
    confidence: float
    fallback: str
    input_tokens: int
    output_tokens: int
    language_code: str
    routes: _containers.RepeatedScalarFieldContainer[str]
    capabilities: _containers.RepeatedScalarFieldContainer[_model_pb2.Capability]
    pinned_model: str
    max_cost_micros: int
    wanted_output_tokens: int
    tenant: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    data_class: str
    max_first_token_seconds: float
    min_tokens_per_second: float
    session: int
    session_model: str
    session_tokens: int
    asked_policy: str
    chosen: _model_pb2.ModelRef
    propensity: float
    expected_quality: float
    expected_cost_micros: int
    explored: bool
    rule: str
    experiment: str
    def __init__(self, snapshot_id: _Optional[str] = ..., right: _Optional[_Union[_classifier_service_pb2.RightChances, _Mapping]] = ..., confidence: _Optional[float] = ..., fallback: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., language_code: _Optional[str] = ..., routes: _Optional[_Iterable[str]] = ..., capabilities: _Optional[_Iterable[_Union[_model_pb2.Capability, str]]] = ..., pinned_model: _Optional[str] = ..., max_cost_micros: _Optional[int] = ..., wanted_output_tokens: _Optional[int] = ..., tenant: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., data_class: _Optional[str] = ..., max_first_token_seconds: _Optional[float] = ..., min_tokens_per_second: _Optional[float] = ..., session: _Optional[int] = ..., session_model: _Optional[str] = ..., session_tokens: _Optional[int] = ..., asked_policy: _Optional[str] = ..., chosen: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., propensity: _Optional[float] = ..., expected_quality: _Optional[float] = ..., expected_cost_micros: _Optional[int] = ..., explored: _Optional[bool] = ..., rule: _Optional[str] = ..., experiment: _Optional[str] = ...) -> None: ...

class FleetSnapshot(_message.Message):
    __slots__ = ("id", "config_revision", "models")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_REVISION_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    id: str
    config_revision: str
    models: _containers.RepeatedCompositeFieldContainer[ModelState]
    def __init__(self, id: _Optional[str] = ..., config_revision: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ModelState, _Mapping]]] = ...) -> None: ...

class ModelState(_message.Message):
    __slots__ = ("card", "unavailable", "first_token_seconds", "tokens_per_second", "reliability", "residency", "self_hosted", "abilities", "circuit", "admits")
    CARD_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    RESIDENCY_FIELD_NUMBER: _ClassVar[int]
    SELF_HOSTED_FIELD_NUMBER: _ClassVar[int]
    ABILITIES_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    ADMITS_FIELD_NUMBER: _ClassVar[int]
    card: _model_pb2.ModelCard
    unavailable: str
    first_token_seconds: float
    tokens_per_second: float
    reliability: float
    residency: _containers.RepeatedScalarFieldContainer[str]
    self_hosted: bool
    abilities: _containers.RepeatedCompositeFieldContainer[AbilityState]
    circuit: str
    admits: float
    def __init__(self, card: _Optional[_Union[_model_pb2.ModelCard, _Mapping]] = ..., unavailable: _Optional[str] = ..., first_token_seconds: _Optional[float] = ..., tokens_per_second: _Optional[float] = ..., reliability: _Optional[float] = ..., residency: _Optional[_Iterable[str]] = ..., self_hosted: _Optional[bool] = ..., abilities: _Optional[_Iterable[_Union[AbilityState, _Mapping]]] = ..., circuit: _Optional[str] = ..., admits: _Optional[float] = ...) -> None: ...

class AbilityState(_message.Message):
    __slots__ = ("intent", "ability", "deviation", "output_ratio", "prior", "prior_deviation")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    ABILITY_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_RATIO_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    PRIOR_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    intent: str
    ability: float
    deviation: float
    output_ratio: float
    prior: float
    prior_deviation: float
    def __init__(self, intent: _Optional[str] = ..., ability: _Optional[float] = ..., deviation: _Optional[float] = ..., output_ratio: _Optional[float] = ..., prior: _Optional[float] = ..., prior_deviation: _Optional[float] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("model", "start_offset", "usage", "outcome", "error_reason", "tokens_per_second", "hedge", "experiment", "answer_text")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Attempt.Outcome]
        OUTCOME_SUCCEEDED: _ClassVar[Attempt.Outcome]
        OUTCOME_FAILED: _ClassVar[Attempt.Outcome]
        OUTCOME_CANCELLED: _ClassVar[Attempt.Outcome]
    OUTCOME_UNSPECIFIED: Attempt.Outcome
    OUTCOME_SUCCEEDED: Attempt.Outcome
    OUTCOME_FAILED: Attempt.Outcome
    OUTCOME_CANCELLED: Attempt.Outcome
    MODEL_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TEXT_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    start_offset: _duration_pb2.Duration
    usage: _generation_pb2.Usage
    outcome: Attempt.Outcome
    error_reason: str
    tokens_per_second: float
    hedge: bool
    experiment: str
    answer_text: str
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., usage: _Optional[_Union[_generation_pb2.Usage, _Mapping]] = ..., outcome: _Optional[_Union[Attempt.Outcome, str]] = ..., error_reason: _Optional[str] = ..., tokens_per_second: _Optional[float] = ..., hedge: _Optional[bool] = ..., experiment: _Optional[str] = ..., answer_text: _Optional[str] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("records", "send_time", "snapshots")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[RequestRecord]
    send_time: _timestamp_pb2.Timestamp
    snapshots: _containers.RepeatedCompositeFieldContainer[FleetSnapshot]
    def __init__(self, records: _Optional[_Iterable[_Union[RequestRecord, _Mapping]]] = ..., send_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., snapshots: _Optional[_Iterable[_Union[FleetSnapshot, _Mapping]]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("accepted", "rejected")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: int
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[int] = ...) -> None: ...

class WatchStatsRequest(_message.Message):
    __slots__ = ("interval",)
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchStatsResponse(_message.Message):
    __slots__ = ("window_end_time", "window", "models")
    WINDOW_END_TIME_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    window_end_time: _timestamp_pb2.Timestamp
    window: _duration_pb2.Duration
    models: _containers.RepeatedCompositeFieldContainer[ModelStats]
    def __init__(self, window_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., models: _Optional[_Iterable[_Union[ModelStats, _Mapping]]] = ...) -> None: ...

class ModelStats(_message.Message):
    __slots__ = ("model", "attempts", "failures", "first_token_seconds", "tokens_per_second", "total_seconds", "output_tokens", "cost_micros", "cancelled", "input_tokens", "failures_by_reason")
    class FailuresByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    attempts: int
    failures: int
    first_token_seconds: Quantiles
    tokens_per_second: Quantiles
    total_seconds: Quantiles
    output_tokens: int
    cost_micros: int
    cancelled: int
    input_tokens: int
    failures_by_reason: _containers.ScalarMap[str, int]
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., attempts: _Optional[int] = ..., failures: _Optional[int] = ..., first_token_seconds: _Optional[_Union[Quantiles, _Mapping]] = ..., tokens_per_second: _Optional[_Union[Quantiles, _Mapping]] = ..., total_seconds: _Optional[_Union[Quantiles, _Mapping]] = ..., output_tokens: _Optional[int] = ..., cost_micros: _Optional[int] = ..., cancelled: _Optional[int] = ..., input_tokens: _Optional[int] = ..., failures_by_reason: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Quantiles(_message.Message):
    __slots__ = ("p10", "p50", "p90", "p99")
    P10_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P90_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    p10: float
    p50: float
    p90: float
    p99: float
    def __init__(self, p10: _Optional[float] = ..., p50: _Optional[float] = ..., p90: _Optional[float] = ..., p99: _Optional[float] = ...) -> None: ...

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
    __slots__ = ("learned",)
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    learned: LearnedAbility
    def __init__(self, learned: _Optional[_Union[LearnedAbility, _Mapping]] = ...) -> None: ...

class LearnedAbility(_message.Message):
    __slots__ = ("model", "intent", "offset", "deviation", "weight", "output_ratio")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_RATIO_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.ModelRef
    intent: str
    offset: float
    deviation: float
    weight: float
    output_ratio: float
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., intent: _Optional[str] = ..., offset: _Optional[float] = ..., deviation: _Optional[float] = ..., weight: _Optional[float] = ..., output_ratio: _Optional[float] = ...) -> None: ...

class WatchAbilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchAbilitiesResponse(_message.Message):
    __slots__ = ("learned", "whole")
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    learned: _containers.RepeatedCompositeFieldContainer[LearnedAbility]
    whole: bool
    def __init__(self, learned: _Optional[_Iterable[_Union[LearnedAbility, _Mapping]]] = ..., whole: _Optional[bool] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("records", "snapshots", "next_page_token")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[RequestRecord]
    snapshots: _containers.RepeatedCompositeFieldContainer[FleetSnapshot]
    next_page_token: str
    def __init__(self, records: _Optional[_Iterable[_Union[RequestRecord, _Mapping]]] = ..., snapshots: _Optional[_Iterable[_Union[FleetSnapshot, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
