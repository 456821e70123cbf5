import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
    __slots__ = ("request_id", "trace_id", "start_time", "total_time", "policy", "intent", "complexity", "attempts", "cost_micros", "decision_time", "decision_reason", "error_reason", "config_revision")
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
    def __init__(self, request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., total_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., policy: _Optional[str] = ..., intent: _Optional[str] = ..., complexity: _Optional[float] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., cost_micros: _Optional[int] = ..., decision_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_reason: _Optional[str] = ..., error_reason: _Optional[str] = ..., config_revision: _Optional[str] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("model", "start_offset", "usage", "outcome", "error_reason", "tokens_per_second", "hedge")
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
    model: _model_pb2.ModelRef
    start_offset: _duration_pb2.Duration
    usage: _generation_pb2.Usage
    outcome: Attempt.Outcome
    error_reason: str
    tokens_per_second: float
    hedge: bool
    def __init__(self, model: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., usage: _Optional[_Union[_generation_pb2.Usage, _Mapping]] = ..., outcome: _Optional[_Union[Attempt.Outcome, str]] = ..., error_reason: _Optional[str] = ..., tokens_per_second: _Optional[float] = ..., hedge: _Optional[bool] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("records", "send_time")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[RequestRecord]
    send_time: _timestamp_pb2.Timestamp
    def __init__(self, records: _Optional[_Iterable[_Union[RequestRecord, _Mapping]]] = ..., send_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
