"""Forward passes over rows that join and leave: prompts in, logits of each row's next token out.

Owns slots, masks and positions. Its float32 logits equal those of a plain forward pass over the whole sequence up to
rounding, so that a trainer's importance ratio starts at 1. Leaves out sampling (`sampling.py`) and when rows come and
go (`engine.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from agemem_grpo.policy_server.kv_cache import SlotCache, Window
from agemem_grpo.policy_server.prefix_pool import Ids, PrefixPool, common_prefix

_WORTH_SHARING = 16
"""A prefix shorter than this, in tokens, is faster to compute than to copy."""
_PREFILL_TOKENS = 8192
"""Most prompt tokens in one forward pass, including padding, to limit its memory."""


@dataclass(eq=False)
class Row:
    """One sequence: the prompt, the sampled tokens, and how many of its positions the cache holds."""

    prompt: list[int]
    generated: list[int] = field(default_factory=list)
    cached: int = 0
    slot: int = -1
    source: Row | Tensor | None = None
    """Where the beginning of the prompt is copied from: a row of this batch, an active row, or a kept row."""
    shared: int = 0
    """Tokens to copy from it."""
    ids: Ids = field(init=False)

    def __post_init__(self) -> None:
        self.ids = np.asarray(self.prompt, dtype=np.int64)

    @property
    def missing(self) -> int:
        """Prompt tokens to compute."""
        return len(self.prompt) - self.shared


@dataclass
class DecoderStats:
    """Sums since the weights were loaded."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were already there."""


class Decoder:
    """A model with the rows it is generating. Not thread-safe: use it from one thread."""

    def __init__(self, model: PreTrainedModel, *, max_rows: int, prefix_tokens: int = 16_384) -> None:
        self.model = model
        self.max_rows = max_rows
        self.device = model.device
        self.cache = SlotCache(model.config, max_rows, dtype=model.dtype, device=self.device)
        # What a model calls its cache: transformers has renamed it and drops the former name in 5.40.
        takes = inspect.signature(model.forward).parameters
        self._named_cache = {"cache" if "cache" in takes else "past_key_values": self.cache}
        self.pool = PrefixPool(prefix_tokens)
        self.rows: list[Row] = []
        self.stats = DecoderStats()

    @torch.inference_mode()
    def admit(self, rows: list[Row]) -> Tensor:
        """Adds rows and computes their prompts: logits [rows, vocabulary] in the given order."""
        if len(self.rows) + len(rows) > self.max_rows:
            raise ValueError(f"{len(rows)} rows do not fit beside {len(self.rows)} of {self.max_rows}")
        self.cache.reserve(max(len(row.prompt) for row in rows) + 1)
        self._find_prefixes(rows)
        logits: dict[int, Tensor] = {}
        for batch in _batches(rows):
            first = len(self.rows)
            for slot, row in enumerate(batch, first):
                row.slot = slot
                self._copy_prefix(row)
            self.rows.extend(batch)
            out = self._forward([row.prompt[row.cached :] for row in batch], first)
            for row, line in zip(batch, out, strict=True):
                row.cached = len(row.prompt)
                logits[id(row)] = line
        return torch.stack([logits[id(row)] for row in rows])

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Logits of the next token of all rows, each of which has one sampled token that is not in the cache yet."""
        self.cache.reserve(max(row.cached for row in self.rows) + 1)
        out = self._forward([row.generated[-1:] for row in self.rows], 0)
        for row in self.rows:
            row.cached += 1
        return out

    @torch.inference_mode()
    def retire(self, rows: list[Row]) -> None:
        """Removes rows; the last rows move into their slots."""
        for row in rows:
            if self.pool.limit:
                kept = (row.prompt + row.generated)[: row.cached]
                self.pool.add(kept, self.cache.take(row.slot, row.cached))
            last = self.rows.pop()
            if last is not row:
                self.cache.copy(last.slot, row.slot, last.cached)
                last.slot = row.slot
                self.rows[last.slot] = last

    def clear(self) -> None:
        """Drops all rows, after a pass that failed."""
        self.rows.clear()

    def _find_prefixes(self, rows: list[Row]) -> None:
        """Sets where the beginning of each prompt is copied from. Its last token is always computed, for its logits."""
        leaders: list[Row] = []
        for row in rows:
            if not self.pool.limit:
                continue
            row.shared, row.source = self.pool.longest(row.ids)
            for other in [*self.rows, *leaders]:
                shared = common_prefix(other.ids, row.ids)
                if shared > row.shared:
                    row.shared, row.source = shared, other
            row.shared = min(row.shared, len(row.prompt) - 1)
            if row.shared < _WORTH_SHARING:
                row.shared, row.source = 0, None
            # A row copies only from rows that copy from none of this batch, so two waves are enough.
            if not any(row.source is leader for leader in leaders):
                leaders.append(row)

    def _copy_prefix(self, row: Row) -> None:
        if isinstance(row.source, Row):
            self.cache.copy(row.source.slot, row.slot, row.shared)
        elif row.source is not None:
            self.cache.put(row.slot, row.source, row.shared)
        row.source = None
        row.cached = row.shared
        self.stats.prompt_tokens += len(row.prompt)
        self.stats.reused_tokens += row.shared

    def _forward(self, queries: list[list[int]], first: int) -> Tensor:
        """Logits after the last query of the rows from slot `first` on. Shorter rows are padded on the left."""
        rows = self.rows[first:]
        width = max(len(query) for query in queries)
        length = max(row.cached + len(query) for row, query in zip(rows, queries, strict=True))
        spare = self.cache.capacity - 1
        ids = np.zeros((len(rows), width), dtype=np.int64)
        positions = np.zeros_like(ids)
        writes = np.full_like(ids, spare)
        for at, (row, query) in enumerate(zip(rows, queries, strict=True)):
            ids[at, width - len(query) :] = query
            places = np.arange(row.cached, row.cached + len(query))
            positions[at, width - len(query) :] = places
            writes[at, width - len(query) :] = places
        position_ids = self._tensor(positions)
        slots = torch.arange(first, first + len(rows), device=self.device)[:, None]
        self.cache.look(Window(first, first + len(rows), length, slots, self._tensor(writes)))
        # A padding query attends to position 0, because attending to nothing would give NaN.
        mask = torch.arange(length, device=self.device) <= position_ids[:, None, :, None]
        out = self.model(
            input_ids=self._tensor(ids),
            attention_mask=mask,
            position_ids=position_ids,
            use_cache=True,
            logits_to_keep=1,
            **self._named_cache,
        )
        logits: Tensor = out.logits[:, -1]
        return logits

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    """Rows that others copy from come first; then rows of similar length together, to keep padding small."""
    for waits in (False, True):
        wave = [row for row in rows if any(row.source is other for other in rows) == waits]
        wave.sort(key=lambda row: row.missing, reverse=True)
        batch: list[Row] = []
        for row in wave:
            widest = batch[0].missing if batch else 0
            narrow = row.missing < widest / 2 - _WORTH_SHARING
            if batch and (narrow or (len(batch) + 1) * widest > _PREFILL_TOKENS):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch
