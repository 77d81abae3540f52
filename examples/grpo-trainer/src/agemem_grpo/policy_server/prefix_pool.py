"""Keys and values of finished rows, for prompts with the same beginning.

The calls of a rollout share their system prompt, and later ones repeat the conversation so far, so most of a prompt has
been computed before. Owns what is kept and for how long. Leaves out the buffers (`kv_cache.py`). Entries belong to one
set of weights: a new set has a new pool.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from torch import Tensor

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


def common_prefix(a: Ids, b: Ids) -> int:
    """Number of equal tokens before the first difference."""
    shorter = min(len(a), len(b))
    different = np.flatnonzero(a[:shorter] != b[:shorter])
    return int(different[0]) if len(different) else shorter


class PrefixPool:
    """The most recently used rows, with at most `tokens` tokens together; 0 keeps nothing."""

    def __init__(self, tokens: int) -> None:
        self.limit = tokens
        self.held = 0
        self._entries: OrderedDict[int, tuple[Ids, Tensor]] = OrderedDict()
        self._next = 0

    def add(self, ids: Sequence[int], kept: Tensor) -> None:
        """Keeps what `SlotCache.take` returned for `ids`; the least recently used rows are dropped."""
        if len(ids) > self.limit:
            return
        self._entries[self._next] = (np.asarray(ids, dtype=np.int64), kept)
        self._next += 1
        self.held += len(ids)
        while self.held > self.limit:
            _, (gone, _) = self._entries.popitem(last=False)
            self.held -= len(gone)

    def longest(self, ids: Ids) -> tuple[int, Tensor | None]:
        """The longest prefix of `ids` that a kept row shares, in tokens, and that row."""
        best, length = -1, 0
        for key, (kept, _) in self._entries.items():
            # One comparison rules out most rows.
            if len(kept) > length and kept[length] == ids[length]:
                shared = common_prefix(kept, ids)
                if shared > length:
                    best, length = key, shared
                if length == len(ids):
                    break
        if best < 0:
            return 0, None
        self._entries.move_to_end(best)
        return length, self._entries[best][1]
