import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
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

class GenerateRequest(_message.Message):
    __slots__ = ("request_id", "model", "prompt", "sampling", "answer_prefix")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    ANSWER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    prompt: _prompt_pb2.Prompt
    sampling: _generation_pb2.SamplingOptions
    answer_prefix: str
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., sampling: _Optional[_Union[_generation_pb2.SamplingOptions, _Mapping]] = ..., answer_prefix: _Optional[str] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: _generation_pb2.GenerationEvent
    def __init__(self, event: _Optional[_Union[_generation_pb2.GenerationEvent, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.ModelCard]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[_model_pb2.ModelCard, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchModelHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchModelHealthResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelHealth]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelHealth, _Mapping]]] = ...) -> None: ...

class ModelHealth(_message.Message):
    __slots__ = ("model", "state", "observe_time", "in_flight", "capacity", "detail")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ModelHealth.State]
        STATE_READY: _ClassVar[ModelHealth.State]
        STATE_LOADING: _ClassVar[ModelHealth.State]
        STATE_DEGRADED: _ClassVar[ModelHealth.State]
        STATE_UNAVAILABLE: _ClassVar[ModelHealth.State]
    STATE_UNSPECIFIED: ModelHealth.State
    STATE_READY: ModelHealth.State
    STATE_LOADING: ModelHealth.State
    STATE_DEGRADED: ModelHealth.State
    STATE_UNAVAILABLE: ModelHealth.State
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_TIME_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    model: str
    state: ModelHealth.State
    observe_time: _timestamp_pb2.Timestamp
    in_flight: int
    capacity: int
    detail: str
    def __init__(self, model: _Optional[str] = ..., state: _Optional[_Union[ModelHealth.State, str]] = ..., observe_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., in_flight: _Optional[int] = ..., capacity: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...
