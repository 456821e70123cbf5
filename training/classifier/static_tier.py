"""The fast tier: averaged embeddings of word pieces and hashed pairs of them, with the same heads."""

import torch
from torch import Tensor, nn

from training.classifier.encoder import RIGHT_TIERS, Outputs

WIDTH = 96
PAIR_BUCKETS = 32768
EDGE_TOKENS = 16
HIDDEN = 160


class StaticClassifier(nn.Module):
    """No attention, no layers: tables, three averages, one hidden layer.

    Tokens are averaged with a learned weight each; the first and the last few once more on their own, because
    that is where people say what they want.
    """

    def __init__(self, classes: int, features: int, vocabulary: int = 30522) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH)
        self.pairs = nn.Embedding(PAIR_BUCKETS, WIDTH)
        self.salience = nn.Embedding(vocabulary, 1)
        nn.init.normal_(self.words.weight, std=0.1)
        nn.init.normal_(self.pairs.weight, std=0.05)
        nn.init.zeros_(self.salience.weight)
        self.dropout = nn.Dropout(0.2)
        width = 4 * WIDTH + features
        self.shared = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(0.1))
        self.intent = nn.Linear(HIDDEN, classes)
        self.right_hidden = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(0.1))
        self.right = nn.Linear(HIDDEN, len(RIGHT_TIERS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, features: Tensor) -> Outputs:
        return self.heads(self.words(input_ids), self.pairs(pair_ids(input_ids)), input_ids, attention_mask, features)

    def heads(
        self, words: Tensor, pairs: Tensor, input_ids: Tensor, attention_mask: Tensor, features: Tensor
    ) -> Outputs:
        """Pool looked-up embeddings and predict; apart, so that export may look up in int8 tables."""
        mask = attention_mask.to(words.dtype)
        weight = torch.exp(self.salience(input_ids).squeeze(-1)) * mask
        everything = _average(words, weight)
        position = attention_mask.cumsum(1)
        left = position.to(words.dtype)
        remaining = mask.sum(1, keepdim=True) - left
        head = _average(words, mask * (left <= EDGE_TOKENS).to(words.dtype))
        tail = _average(words, mask * (remaining < EDGE_TOKENS).to(words.dtype))
        pooled = torch.cat([everything, head, tail, _average(pairs, mask[:, 1:])], dim=1)
        inputs = torch.cat([self.dropout(pooled), features], dim=1)
        return Outputs(self.intent(self.shared(inputs)), self.right(self.right_hidden(inputs)), pooled)


def pair_ids(input_ids: Tensor) -> Tensor:
    """Hash neighbouring tokens to buckets: (B, T) to (B, T - 1)."""
    return (input_ids[:, :-1] * 7919 + input_ids[:, 1:] * 104729) % PAIR_BUCKETS


def _average(vectors: Tensor, weight: Tensor) -> Tensor:
    return (vectors * weight.unsqueeze(-1)).sum(1) / weight.sum(1, keepdim=True).clamp(min=1e-6)
