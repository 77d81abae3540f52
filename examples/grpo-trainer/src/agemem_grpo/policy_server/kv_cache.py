"""Keys and values of the rows being generated, one slot per row, behind the cache interface of transformers.

Owns the buffers and where a forward pass reads and writes. Every row starts at position 0 of its slot, so that rows of
different lengths can share a batch, and rows can join and leave without moving the positions of the others. Leaves out
which row has which slot (`decoder.py`) and which prefixes are kept (`prefix_pool.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin

_STEP = 128
"""Buffers grow by this many positions, so that they are rarely copied."""


@dataclass(slots=True)
class Window:
    """Slots [first, last) and positions [0, length) that one forward pass sees, and the positions it writes."""

    first: int
    last: int
    length: int
    slots: Tensor
    """[rows, 1]"""
    positions: Tensor
    """[rows, queries]; the last position of the buffer receives the writes of padding."""


class _SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """The buffers of one layer; the window is set by the cache before each pass."""

    window: Window
    keys: Tensor
    values: Tensor
    is_initialized: bool

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            raise RuntimeError("SlotCache.reserve() comes before the first pass")
        window = self.window
        self.keys[window.slots, :, window.positions] = key_states.transpose(1, 2)
        self.values[window.slots, :, window.positions] = value_states.transpose(1, 2)
        rows = slice(window.first, window.last)
        return self.keys[rows, :, : window.length], self.values[rows, :, : window.length]

    def grow(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        """Zeros, not uninitialized memory: the values of masked positions are multiplied by 0 and must be finite."""
        old = (self.keys, self.values) if self.is_initialized else None
        self.keys, self.values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        if old is not None:
            self.keys[:, :, : old[0].shape[2]] = old[0]
            self.values[:, :, : old[1].shape[2]] = old[1]
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise RuntimeError("SlotCache.reserve() allocates")

    # The model needs these only when it builds the mask itself, which never happens here.
    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.length, 0

    def get_seq_length(self) -> int:
        return self.window.length

    def get_max_length(self) -> int:
        return -1

    # Its name in earlier versions of transformers 5, where it is abstract.
    get_max_cache_shape = get_max_length


class SlotCache(Cache):  # type: ignore[misc]
    """Keys and values of up to `rows` rows. Memory grows with the longest row seen, not with the window."""

    def __init__(self, config: PreTrainedConfig, rows: int, *, dtype: torch.dtype, device: torch.device) -> None:
        text = config.get_text_config()
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self.shape = (rows, text.num_key_value_heads, head_dim)
        self.dtype, self.device = dtype, device
        self.capacity = 0
        self.slot_layers = [_SlotLayer() for _ in range(text.num_hidden_layers)]
        super().__init__(layers=self.slot_layers)

    def reserve(self, length: int) -> None:
        """Makes room for rows of `length` positions, and one position for the writes of padding."""
        if length < self.capacity:
            return
        self.capacity = -(-(length + 1) // _STEP) * _STEP
        rows, heads, dim = self.shape
        for layer in self.slot_layers:
            layer.grow((rows, heads, self.capacity, dim), self.dtype, self.device)

    def look(self, window: Window) -> None:
        """Sets what the next forward pass sees."""
        for layer in self.slot_layers:
            layer.window = window

    def copy(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` positions of a slot to another."""
        for layer in self.slot_layers:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def take(self, slot: int, length: int) -> Tensor:
        """A copy of the first `length` positions: [layers, 2, heads, length, dim]."""
        both = [torch.stack((one.keys[slot, :, :length], one.values[slot, :, :length])) for one in self.slot_layers]
        return torch.stack(both)

    def put(self, slot: int, kept: Tensor, length: int) -> None:
        """Writes the first `length` positions of what `take` returned."""
        for layer, both in zip(self.slot_layers, kept, strict=True):
            layer.keys[slot, :, :length] = both[0, :, :length]
            layer.values[slot, :, :length] = both[1, :, :length]
