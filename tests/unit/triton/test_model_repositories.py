"""The model repositories as Triton reads them: both speak the tensor contract that the adapter sends."""

import json
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from pointsman.config.schema import TensorContract
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.prompt_pb2 import Prompt
from services.providers.chat_template import ChatTemplate
from services.providers.triton_tensors import input_values

TRITON = Path(__file__).resolve().parents[3] / "deploy" / "triton"
TINY_CHAT = TRITON / "model_repository_cpu" / "tiny-chat"
QWEN = TRITON / "model_repository_vllm" / "qwen2.5-7b-instruct"


def config_of(model: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("model", [TINY_CHAT, QWEN])
def test_a_model_is_decoupled_and_batches_by_itself(model: Path) -> None:
    config = config_of(model)
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == 0
    assert config.name in ("", model.name)
    assert {tensor.name for tensor in config.input} >= {"text_input", "stream", "sampling_parameters"}


def test_tiny_chat_takes_every_tensor_that_the_adapter_knows() -> None:
    values = input_values(TensorContract.VLLM, "Hi", SamplingOptions(), 16)
    assert set(values) == {tensor.name for tensor in config_of(TINY_CHAT).input}


def test_the_vllm_model_names_its_weights() -> None:
    engine = json.loads((QWEN / "1" / "model.json").read_text())
    assert engine["model"] == "Qwen/Qwen2.5-7B-Instruct"
    assert engine["max_model_len"] == 32768


def test_qwens_template_is_chatml() -> None:
    turns = Prompt(turns=[{"role": "ROLE_USER", "parts": [{"text": "Hi"}]}])
    template = ChatTemplate.read(str(TRITON / "chat_template_qwen2.5.jinja"), Path("/"))
    assert template.render(turns) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_what_is_shipped_stays_small() -> None:
    assert sum(file.stat().st_size for file in TINY_CHAT.rglob("*") if file.is_file() and file.suffix != ".pyc") < 8e6
