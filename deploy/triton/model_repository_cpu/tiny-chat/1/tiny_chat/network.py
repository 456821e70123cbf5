"""The ONNX network, its tokenizer, and the key-value cache of the requests that advance together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tiny_chat.text_stream import byte_of_character

Floats = NDArray[np.float32]
# The cache grows in steps of this many positions, so that growing is rare.
CACHE_STEP = 128
END_MARK = "<|end|>"


class KvCache:
    """Keys and values [L, B, KV, T, D] of B sequences; of sequence b only the first `lengths[b]` positions count."""

    def __init__(self, layers: int, kv_heads: int, head_width: int) -> None:
        self.keys: Floats = np.zeros((layers, 0, kv_heads, 0, head_width), dtype=np.float32)
        self.values: Floats = self.keys.copy()
        self.lengths: list[int] = []

    def join(self, other: "KvCache") -> None:
        """Adds the sequences of `other` behind ours."""
        room = max(self.keys.shape[3], other.keys.shape[3])
        self._resize(room)
        other._resize(room)
        self.keys = np.concatenate((self.keys, other.keys), axis=1)
        self.values = np.concatenate((self.values, other.values), axis=1)
        self.lengths += other.lengths

    def keep(self, indices: list[int]) -> None:
        """Drops all sequences but these, and the room that only the dropped ones needed."""
        self.lengths = [self.lengths[i] for i in indices]
        room = _rounded(max(self.lengths, default=0))
        self.keys = np.ascontiguousarray(self.keys[:, indices, :, :room])
        self.values = np.ascontiguousarray(self.values[:, indices, :, :room])

    def append(self, keys: Floats, values: Floats) -> None:
        """Adds S new positions, [L, B, KV, S, D], to every sequence."""
        added = keys.shape[3]
        self._resize(max(self.keys.shape[3], _rounded(max(self.lengths) + added)))
        for b, start in enumerate(self.lengths):
            self.keys[:, b, :, start : start + added] = keys[:, b]
            self.values[:, b, :, start : start + added] = values[:, b]
        self.lengths = [length + added for length in self.lengths]

    def add_empty(self) -> "KvCache":
        """Adds one sequence without positions; returns self."""
        layers, _, kv_heads, room, width = self.keys.shape
        blank = np.zeros((layers, 1, kv_heads, room, width), dtype=np.float32)
        self.keys = np.concatenate((self.keys, blank), axis=1)
        self.values = np.concatenate((self.values, blank), axis=1)
        self.lengths.append(0)
        return self

    def _resize(self, room: int) -> None:
        missing = room - self.keys.shape[3]
        if missing > 0:
            padding = [(0, 0), (0, 0), (0, 0), (0, missing), (0, 0)]
            self.keys, self.values = np.pad(self.keys, padding), np.pad(self.values, padding)


def _rounded(positions: int) -> int:
    return -(-positions // CACHE_STEP) * CACHE_STEP


@dataclass(frozen=True, slots=True)
class Network:
    """The loaded model; `run` is pure but for the cache, to which it adds."""

    session: onnxruntime.InferenceSession
    tokenizer: Tokenizer
    token_bytes: tuple[bytes, ...]
    end_token: int
    context_tokens: int

    @classmethod
    def load(cls, folder: Path, threads: int) -> "Network":
        """Reads model.onnx and tokenizer.json; raises OSError, ValueError or onnxruntime's own errors when unfit."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the processor from the services that share it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        alphabet = byte_of_character()
        # Special tokens steer the model and are no text.
        special = {token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special}
        written = ((token, tokenizer.id_to_token(token) or "") for token in range(tokenizer.get_vocab_size()))
        token_bytes = tuple(b"" if token in special else bytes(alphabet[c] for c in text) for token, text in written)
        end_token = tokenizer.token_to_id(END_MARK)
        if end_token is None:
            raise ValueError(f"tokenizer.json: expected a token {END_MARK}")
        context = int(session.get_modelmeta().custom_metadata_map["context_tokens"])
        return cls(session, tokenizer, token_bytes, end_token, context)

    def new_cache(self) -> KvCache:
        layers, _, kv_heads, _, width = next(i for i in self.session.get_inputs() if i.name == "past_keys").shape
        return KvCache(layers, kv_heads, width)

    def run(self, ids: NDArray[np.int64], cache: KvCache) -> Floats:
        """Reads S more tokens of every sequence, ids [B, S]; returns logits [B, V] after the last."""
        lengths = np.array(cache.lengths, dtype=np.int64)
        feed = {
            "ids": ids,
            "positions": lengths[:, None] + np.arange(ids.shape[1]),
            "past_lengths": lengths,
            "past_keys": cache.keys,
            "past_values": cache.values,
        }
        logits: Floats
        logits, keys, values = self.session.run(["logits", "keys", "values"], feed)
        cache.append(keys, values)
        return logits
