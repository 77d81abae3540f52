"""From logits to tokens and their log-probabilities, for rows that each have their own sampling settings.

Owns temperature, top_k, top_p and the draw. The log-probability of a token is that of the distribution it was drawn
from, because a trainer's ratio divides by it. Leaves out the logits (`decoder.py`) and when to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one row samples; the defaults give the model's own distribution."""

    temperature: float = 1.0
    """0 takes the most likely token, with its log-probability at temperature 1, as vLLM does."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps all tokens."""


def sample(logits: Tensor, sampling: Sequence[Sampling], uniforms: Sequence[float]) -> tuple[list[int], list[float]]:
    """Draws one token per row of `logits` [rows, vocabulary].

    The draw inverts the cumulative probabilities at the row's number of `uniforms` in [0, 1), so that a row depends on
    no other. Sums use double precision, because single precision would lose tokens of a vocabulary of 150,000.
    """
    logp = log_probabilities(logits, sampling)
    cumulated = logp.double().exp().cumsum(dim=-1)
    drawn = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None]
    # Below 1 by more than rounding errors, so that the sum always reaches it.
    aims = drawn * (1 - 1e-12) * cumulated[:, -1:]
    tokens = torch.searchsorted(cumulated, aims, right=True)
    greedy = [row for row, one in enumerate(sampling) if one.temperature == 0]
    if greedy:
        tokens[greedy] = logp[greedy].argmax(dim=-1, keepdim=True)
    chosen = logp.gather(-1, tokens)
    return tokens[:, 0].tolist(), chosen[:, 0].tolist()


def log_probabilities(logits: Tensor, sampling: Sequence[Sampling]) -> Tensor:
    """What each row draws from, as float32 log-probabilities; tokens outside top_k and top_p have -inf.

    top_k is applied before top_p, and the rest is normalized again, as vLLM does.
    """
    scores = logits.float()
    scales = [one.temperature or 1.0 for one in sampling]
    if any(scale != 1.0 for scale in scales):
        scores = scores / torch.tensor(scales, device=scores.device)[:, None]
    cut = [row for row, one in enumerate(sampling) if one.top_p < 1 or one.top_k > 0]
    if cut:
        scores = scores.clone()
        for row in cut:
            scores[row] = _cut(scores[row], sampling[row])
    return torch.log_softmax(scores, dim=-1)


def _cut(scores: Tensor, one: Sampling) -> Tensor:
    kept = scores
    if 0 < one.top_k < scores.numel():
        lowest = torch.topk(scores, one.top_k).values[-1]
        kept = kept.masked_fill(kept < lowest, float("-inf"))
    if one.top_p < 1:
        ordered, order = kept.sort(descending=True)
        before = ordered.softmax(dim=-1).double().cumsum(dim=-1).roll(1)
        before[0] = 0
        kept = kept.clone()
        kept[order[before >= one.top_p]] = float("-inf")
    return kept
