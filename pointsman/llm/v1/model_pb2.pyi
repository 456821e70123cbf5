from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_UNSPECIFIED: _ClassVar[Capability]
    CAPABILITY_TOOLS: _ClassVar[Capability]
    CAPABILITY_IMAGE_INPUT: _ClassVar[Capability]
    CAPABILITY_JSON_OUTPUT: _ClassVar[Capability]
    CAPABILITY_JSON_SCHEMA_OUTPUT: _ClassVar[Capability]
    CAPABILITY_REASONING: _ClassVar[Capability]
    CAPABILITY_CONTINUE_FROM_PREFIX: _ClassVar[Capability]
    CAPABILITY_SEED: _ClassVar[Capability]
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_TOOLS: Capability
CAPABILITY_IMAGE_INPUT: Capability
CAPABILITY_JSON_OUTPUT: Capability
CAPABILITY_JSON_SCHEMA_OUTPUT: Capability
CAPABILITY_REASONING: Capability
CAPABILITY_CONTINUE_FROM_PREFIX: Capability
CAPABILITY_SEED: Capability

class ModelRef(_message.Message):
    __slots__ = ("provider", "model")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    provider: str
    model: str
    def __init__(self, provider: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class ModelCard(_message.Message):
    __slots__ = ("ref", "capabilities", "context_tokens", "max_output_tokens", "price")
    REF_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ref: ModelRef
    capabilities: _containers.RepeatedScalarFieldContainer[Capability]
    context_tokens: int
    max_output_tokens: int
    price: Price
    def __init__(self, ref: _Optional[_Union[ModelRef, _Mapping]] = ..., capabilities: _Optional[_Iterable[_Union[Capability, str]]] = ..., context_tokens: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., price: _Optional[_Union[Price, _Mapping]] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("currency_code", "input_micros_per_mtok", "cache_read_micros_per_mtok", "output_micros_per_mtok", "cache_write_micros_per_mtok")
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    INPUT_MICROS_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_MICROS_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MICROS_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_MICROS_PER_MTOK_FIELD_NUMBER: _ClassVar[int]
    currency_code: str
    input_micros_per_mtok: int
    cache_read_micros_per_mtok: int
    output_micros_per_mtok: int
    cache_write_micros_per_mtok: int
    def __init__(self, currency_code: _Optional[str] = ..., input_micros_per_mtok: _Optional[int] = ..., cache_read_micros_per_mtok: _Optional[int] = ..., output_micros_per_mtok: _Optional[int] = ..., cache_write_micros_per_mtok: _Optional[int] = ...) -> None: ...
