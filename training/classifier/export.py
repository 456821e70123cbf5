"""Writes a trained tier as ONNX: the encoder with fused operators and int8 weights, the static tier with int8 tables."""

from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from torch import Tensor, nn

from training.classifier.encoder import HEADS, HIDDEN, EncoderClassifier
from training.classifier.static_tier import StaticClassifier, pair_ids

OPSET = 17


def export_encoder(model: EncoderClassifier, features: int, path: Path) -> None:
    """Export, fuse attention and normalisation, quantise weights to int8 and activations on the fly."""
    plain, fused = path.with_suffix(".plain.onnx"), path.with_suffix(".fused.onnx")
    _to_onnx(_Shipped(model), features, plain)
    options = FusionOptions("bert")
    # Fused with the residual it is five times slower on a CPU than apart; see services/classifier/onnx_model.py.
    options.enable_skip_layer_norm = False
    options.enable_gelu_approximation = True
    optimized = optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, optimization_options=options, opt_level=0
    )
    optimized.save_model_to_file(str(fused))
    quantize_dynamic(
        str(fused),
        str(path),
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    for temporary in (plain, fused):
        temporary.unlink()


class _Shipped(nn.Module):
    """The outputs that the service reads, in their order."""

    def __init__(self, model: EncoderClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        found = self.model(input_ids, attention_mask, features)
        return found.intent, found.right, found.embedding


class _QuantisedStatic(nn.Module):
    def __init__(self, model: StaticClassifier) -> None:
        super().__init__()
        self.model = model
        self.word_rows, self.word_scale = _int8_rows(model.words.weight)
        self.pair_rows, self.pair_scale = _int8_rows(model.pairs.weight)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        pairs = pair_ids(input_ids)
        found = self.model.heads(
            self.word_rows[input_ids].float() * self.word_scale[input_ids],
            self.pair_rows[pairs].float() * self.pair_scale[pairs],
            input_ids,
            attention_mask,
            features,
        )
        return found.intent, found.right, found.embedding


def export_static(model: StaticClassifier, features: int, path: Path) -> None:
    """Export with one int8 scale a table row; everything else stays float."""
    quantised = _QuantisedStatic(model)
    model.words = model.pairs = nn.Embedding(1, 1)  # the float tables must not be written
    _to_onnx(quantised, features, path)


def _int8_rows(table: Tensor) -> tuple[nn.Parameter, nn.Parameter]:
    scale = table.detach().abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
    rows = (table.detach() / scale).round().clamp(-127, 127).to(torch.int8)
    return nn.Parameter(rows, requires_grad=False), nn.Parameter(scale, requires_grad=False)


def _to_onnx(model: nn.Module, features: int, path: Path) -> None:
    model.eval()
    example = (torch.randint(5, 1000, (2, 12)), torch.ones(2, 12, dtype=torch.int64), torch.zeros(2, features))
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=["input_ids", "attention_mask", "features"],
        output_names=["intent_logits", "right_logits", "embedding"],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "tokens"},
            "attention_mask": {0: "batch", 1: "tokens"},
            "features": {0: "batch"},
            "intent_logits": {0: "batch"},
            "right_logits": {0: "batch"},
            "embedding": {0: "batch"},
        },
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(str(path))
