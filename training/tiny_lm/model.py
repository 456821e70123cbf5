"""The tiny decoder-only language model in PyTorch: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied embeddings."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of the network; `head_width` is per head and even."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 64
    hidden: int = 640
    context: int = 1024
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5


def rope_tables(shape: ModelShape) -> tuple[Tensor, Tensor]:
    """cos and sin, each [context, head_width / 2]."""
    frequencies = shape.rope_base ** (-torch.arange(0, shape.head_width, 2).float() / shape.head_width)
    angles = torch.arange(shape.context).float()[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates [.., S, head_width] by position; the two halves of a head form the pairs."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.attention_norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        self.query = nn.Linear(shape.width, shape.heads * shape.head_width, bias=False)
        self.key = nn.Linear(shape.width, kv_width, bias=False)
        self.value = nn.Linear(shape.width, kv_width, bias=False)
        self.attention_out = nn.Linear(shape.heads * shape.head_width, shape.width, bias=False)
        self.mlp_norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape

        def heads(projected: Tensor, count: int) -> Tensor:
            return projected.view(batch, length, count, self.shape.head_width).transpose(1, 2)

        h = self.attention_norm(x)
        query = rotate(heads(self.query(h), self.shape.heads), cos, sin)
        key = rotate(heads(self.key(h), self.shape.kv_heads), cos, sin)
        value = heads(self.value(h), self.shape.kv_heads)
        group = self.shape.heads // self.shape.kv_heads
        mixed = functional.scaled_dot_product_attention(
            query, key.repeat_interleave(group, 1), value.repeat_interleave(group, 1), is_causal=True
        )
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, -1))
        h = self.mlp_norm(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))


class TinyLm(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.final_norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [B, S] to logits [B, S, vocabulary]."""
        x = self.embedding(ids)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cos, sin)
        return functional.linear(self.final_norm(x), self.embedding.weight)
