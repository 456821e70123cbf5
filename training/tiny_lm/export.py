"""Writes a trained TinyLm as an ONNX graph with an explicit KV cache, and proves that the graph computes the same.

Inputs   ids i64 [B, S], positions i64 [B, S], past_lengths i64 [B], past_keys and past_values f32 [L, B, KV, T, D].
Outputs  logits f32 [B, V] after the last position, keys and values f32 [L, B, KV, S, D] of the S new positions.

The cache stays with the caller: the graph reads its first `past_lengths[b]` entries of T and never copies it, so a
step costs no more than the arithmetic. Matrices are stored as int8 with a scale per output; onnxruntime
widens them once, when it loads the file.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from training.tiny_lm.model import ModelShape, TinyLm, rope_tables

OPSET = 23


def quantise(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and f32 scales, one for each row of [rows, columns]."""
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127.0
    scale = np.maximum(scale, 1e-12).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def round_weights(model: TinyLm) -> None:
    """Replaces every matrix by what its int8 form means, so that PyTorch and ONNX hold the same numbers."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                values, scale = quantise(parameter.numpy())
                parameter.copy_(torch.from_numpy(values.astype(np.float32) * scale))


class _Graph:
    """Collects nodes and initializers under fresh names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.constants: dict[tuple[object, ...], str] = {}

    def node(self, op: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: object) -> str:
        """Adds a node; returns its (first) output."""
        return self.nodes_of(op, *inputs, outputs=outputs, name=name, **attributes)[0]

    def nodes_of(self, op: str, *inputs: str, outputs: int, name: str = "", **attributes: object) -> list[str]:
        stem = name or f"{op.lower()}_{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def array(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        if values not in self.constants:
            self.constants[values] = self.array("ints_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))
        return self.constants[values]

    def matrix(self, name: str, weight: torch.Tensor) -> str:
        """A Linear's weight [out, in], stored as int8, for use as [in, out]."""
        values, scale = quantise(weight.detach().numpy())
        wide = self.node("Cast", self.array(f"{name}_int8", values.T), to=TensorProto.FLOAT)
        return self.node("Mul", wide, self.array(f"{name}_scale", scale.T), name=name)


def build(model: TinyLm) -> onnx.ModelProto:
    """The ONNX graph of a model whose weights went through `round_weights`."""
    shape = model.shape
    group, depth = shape.heads // shape.kv_heads, shape.head_width
    query_width, kv_width = shape.heads * depth, shape.kv_heads * depth
    g = _Graph()
    cos, sin = (
        g.array(name, table.numpy()) for name, table in zip(("rope_cos", "rope_sin"), rope_tables(shape), strict=True)
    )
    zero, forbidden = g.array("zero", np.float32(0)), g.array("forbidden", np.float32(-1e9))
    scale = g.array("attention_scale", np.float32(depth**-0.5))

    def size_of(tensor: str, axis: int) -> str:
        return g.node("Shape", tensor, start=axis, end=axis + 1)

    def count_to(size: str) -> str:
        scalar = g.node("Squeeze", size, g.ints(0))
        return g.node(
            "Range", g.array(f"from_{len(g.nodes)}", np.int64(0)), scalar, g.array(f"by_{len(g.nodes)}", np.int64(1))
        )

    def norm(x: str, name: str, module: torch.nn.RMSNorm) -> str:
        weight = g.array(name, module.weight.detach().numpy())
        return g.node("RMSNormalization", x, weight, axis=-1, epsilon=shape.norm_epsilon)

    past_size, new_size = size_of("past_keys", 3), size_of("ids", 1)
    visible = g.node(
        "Less", g.node("Unsqueeze", count_to(past_size), g.ints(0)), g.node("Unsqueeze", "past_lengths", g.ints(1))
    )
    past_mask = g.node("Unsqueeze", g.node("Where", visible, zero, forbidden), g.ints(1, 2))  # [B, 1, 1, T]
    steps = count_to(new_size)
    causal = g.node("LessOrEqual", g.node("Unsqueeze", steps, g.ints(0)), g.node("Unsqueeze", steps, g.ints(1)))
    causal = g.node("Where", causal, zero, forbidden)  # [S, S]
    new_mask = g.node("Tile", causal, g.ints(group, 1))  # [group * S, S]

    table_int8, table_scale = quantise(model.embedding.weight.detach().numpy())
    table = g.node("Cast", g.array("embedding_int8", table_int8), to=TensorProto.FLOAT)
    table = g.node("Mul", table, g.array("embedding_scale", table_scale), name="embedding")
    x = g.node("Gather", table, "ids", axis=0)
    keys, values = [], []
    for index, block in enumerate(model.blocks):
        p = f"layer{index}_"
        h = norm(x, p + "attention_norm", block.attention_norm)
        joined = torch.cat((block.query.weight, block.key.weight, block.value.weight))
        query, key, value = g.nodes_of(
            "Split",
            g.node("MatMul", h, g.matrix(p + "qkv", joined)),
            g.ints(query_width, kv_width, kv_width),
            outputs=3,
            axis=-1,
        )

        def heads(projected: str, count: int) -> str:
            return g.node("Transpose", g.node("Reshape", projected, g.ints(0, 0, count, depth)), perm=[0, 2, 1, 3])

        query = g.node("RotaryEmbedding", heads(query, shape.heads), cos, sin, "positions")
        key = g.node("RotaryEmbedding", heads(key, shape.kv_heads), cos, sin, "positions")
        value = heads(value, shape.kv_heads)
        keys.append(g.node("Unsqueeze", key, g.ints(0)))
        values.append(g.node("Unsqueeze", value, g.ints(0)))
        past_key = g.node("Gather", "past_keys", g.array(f"{p}index_k", np.int64(index)), axis=0)
        past_value = g.node("Gather", "past_values", g.array(f"{p}index_v", np.int64(index)), axis=0)

        query = g.node("Mul", g.node("Reshape", query, g.ints(0, shape.kv_heads, -1, depth)), scale)
        past_scores = g.node(
            "Add", g.node("MatMul", query, g.node("Transpose", past_key, perm=[0, 1, 3, 2])), past_mask
        )
        new_scores = g.node("Add", g.node("MatMul", query, g.node("Transpose", key, perm=[0, 1, 3, 2])), new_mask)
        weights = g.node("Softmax", g.node("Concat", past_scores, new_scores, axis=-1), axis=-1)
        sizes = g.node("Concat", past_size, new_size, axis=0)
        past_weights, new_weights = g.nodes_of("Split", weights, sizes, outputs=2, axis=-1)
        mixed = g.node("Add", g.node("MatMul", past_weights, past_value), g.node("MatMul", new_weights, value))
        mixed = g.node("Reshape", mixed, g.node("Concat", g.ints(0, shape.heads), new_size, g.ints(depth), axis=0))
        mixed = g.node("Reshape", g.node("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, query_width))
        x = g.node("Add", x, g.node("MatMul", mixed, g.matrix(p + "attention_out", block.attention_out.weight)))

        h = norm(x, p + "mlp_norm", block.mlp_norm)
        joined = torch.cat((block.gate.weight, block.up.weight))
        gate, up = g.nodes_of(
            "Split", g.node("MatMul", h, g.matrix(p + "gate_up", joined)), outputs=2, axis=-1, num_outputs=2
        )
        h = g.node("Mul", g.node("Mul", gate, g.node("Sigmoid", gate)), up)
        x = g.node("Add", x, g.node("MatMul", h, g.matrix(p + "down", block.down.weight)))

    last = g.node("Gather", x, g.array("last", np.int64(-1)), axis=1)
    g.node("MatMul", norm(last, "final_norm", model.final_norm), g.node("Transpose", table, perm=[1, 0]), name="logits")
    g.node("Concat", *keys, axis=0, name="keys")
    g.node("Concat", *values, axis=0, name="values")

    def tensor(name: str, kind: int, *axes: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, list(axes))

    cache = ("batch", shape.kv_heads)
    graph = helper.make_graph(
        g.nodes,
        "tiny_lm",
        [tensor(name, TensorProto.INT64, "batch", "new") for name in ("ids", "positions")]
        + [tensor("past_lengths", TensorProto.INT64, "batch")]
        + [
            tensor(name, TensorProto.FLOAT, shape.layers, *cache, "past", depth)
            for name in ("past_keys", "past_values")
        ],
        [tensor("logits", TensorProto.FLOAT, "batch", shape.vocabulary)]
        + [tensor(name, TensorProto.FLOAT, shape.layers, *cache, "new", depth) for name in ("keys", "values")],
        g.initializers,
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=11)
    helper.set_model_props(onnx_model, {"context_tokens": str(shape.context)})
    onnx.checker.check_model(onnx_model)
    return onnx_model


def parity(model: TinyLm, path: Path, seed: int) -> dict[str, float]:
    """Largest difference of logits: ONNX against PyTorch, and cached steps against one pass over the whole text."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape: ModelShape = model.shape
    ids = np.random.default_rng(seed).integers(0, shape.vocabulary, size=(2, 96))

    def run(part: np.ndarray, start: int, past: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        positions = np.broadcast_to(np.arange(start, start + part.shape[1]), part.shape)
        lengths = np.full(len(part), start, dtype=np.int64)
        feed = {
            "ids": part,
            "positions": np.ascontiguousarray(positions),
            "past_lengths": lengths,
            "past_keys": past[0],
            "past_values": past[1],
        }
        return session.run(["logits", "keys", "values"], feed)

    empty = np.zeros((shape.layers, 2, shape.kv_heads, 0, shape.head_width), dtype=np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(ids)).numpy()
    against_torch = against_cache = 0.0
    # The cache is wider than what is in it, and the unused part is noise: the graph must not look there.
    wide = np.full((shape.layers, 2, shape.kv_heads, 128, shape.head_width), 1e3, dtype=np.float32)
    cache = (wide.copy(), wide.copy())
    for start, end in [(0, 32), (32, 64), *((i, i + 1) for i in range(64, 96))]:
        logits, keys, values = run(ids[:, start:end], start, cache)
        cache[0][:, :, :, start:end], cache[1][:, :, :, start:end] = keys, values
        whole = run(ids[:, :end], 0, (empty, empty))[0]
        against_cache = max(against_cache, float(np.abs(logits - whole).max()))
        against_torch = max(against_torch, float(np.abs(whole - expected[:, end - 1]).max()))
    return {"onnx_against_torch": against_torch, "cached_against_uncached": against_cache}
