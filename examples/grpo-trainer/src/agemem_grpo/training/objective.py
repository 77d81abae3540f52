"""The objective of step-wise GRPO (AgeMem, eq. 6), written out in one place.

    J = 1/|E| * sum over tokens of  rho_t * A - beta * KL_t,      rho_t = pi_theta(a_t) / pi_old(a_t)

A is the advantage of the whole trajectory on each of its steps. KL_t is the estimator that GRPO and TRL use ("k3",
never negative, unbiased): exp(ref - logp) - (ref - logp) - 1, against the frozen reference. With `clip` the first
term is PPO's: min(rho * A, clamp(rho, 1 - low, 1 + high) * A).

That is the token level. At the action level rho_t is one ratio per step, that of the whole response (the product of its
tokens' ratios), KL_t the sum over its tokens, and |E| the number of steps: eq. 6 as it is written; a_t is a response.

TRL computes the same in its own code when it trains (`trl_trainer.py`); a test compares the two. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch

from agemem_grpo.feed.samples import Batch


def stepwise_grpo_loss(
    logps: torch.Tensor,
    old_logps: torch.Tensor,
    ref_logps: torch.Tensor | None,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    *,
    beta: float = 0.1,
    clip: float | tuple[float, float] | None = None,
    normalize: Literal["token", "trajectory"] = "token",
    trajectory_ids: Sequence[str] | None = None,
    correct_kl: bool = False,
    level: Literal["token", "action"] = "token",
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss -J of a batch of steps, and its metrics.

    `logps`, `old_logps`, `ref_logps` and `mask` are (B, T): natural log-probabilities of the sampled tokens under the
    weights in training, the weights that sampled, and the reference; the mask is 1 where a token is trained on. Values
    where the mask is 0 are never read. `advantages` is (B,).

    - `beta`: weight of the KL term. Default 0.1, the paper's. With 0, `ref_logps` may be None.
    - `clip`: epsilon, or (low, high). Default None: no clipping, as eq. 6 is written.
    - `normalize`: "token" (default) divides by all trained tokens, so that long trajectories weigh more; "trajectory"
      takes the mean within each trajectory first, then over trajectories. It needs `trajectory_ids`, one per row.
    - `correct_kl`: multiplies KL_t by rho, since the tokens came from the old policy and not from the one in training
      (default False, eq. 6 as written; TRL's `use_bias_correction_kl`, which is on there unless switched off).

    - `level`: "token" (default), or "action": one ratio and one KL per row, and rows in place of tokens in `normalize`.

    A batch without trained tokens has loss 0 and gradient 0. The metrics: "ratio_mean", "ratio_max_deviation" (largest
    |rho - 1|), "clip_fraction", "kl" (mean per token), "tokens".

    Raises ValueError for a missing reference or missing trajectory ids.

    >>> loss, metrics = stepwise_grpo_loss(logps, batch.old_logps, None, batch.loss_mask, batch.advantages, beta=0)
    >>> loss.backward()
    """
    trained = mask.bool()
    # `where` instead of a product, because padding may hold -inf or NaN, and 0 * NaN is NaN.
    log_ratio = torch.where(trained, logps - old_logps, 0.0)
    if level == "action":
        log_ratio = log_ratio.sum(1, keepdim=True)
    ratio = log_ratio.exp()
    advantage = advantages.to(logps.dtype).unsqueeze(1)
    gain, clipped = _surrogate(ratio, advantage, clip)
    kl = torch.zeros_like(log_ratio)
    counted = trained.any(1, keepdim=True) if level == "action" else trained
    if beta != 0:
        if ref_logps is None:
            raise ValueError("beta is not 0: give the log-probabilities of the reference")
        drift = torch.where(trained, ref_logps - logps, 0.0)
        kl = drift.exp() - drift - 1
        if level == "action":
            kl = kl.sum(1, keepdim=True)
        if correct_kl:
            kl = kl * ratio
    weights = token_weights(counted, normalize, trajectory_ids, dtype=logps.dtype)
    loss = -((gain - beta * kl) * weights).sum()
    return loss, {**_metrics(ratio.detach(), kl.detach(), clipped, counted), "tokens": float(trained.sum())}


def action_losses(
    logps: torch.Tensor,
    old_logps: torch.Tensor,
    ref_logps: torch.Tensor | None,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    *,
    beta: float,
    clip: float | tuple[float, float] | None,
    correct_kl: bool,
) -> torch.Tensor:
    """The loss of each step at the action level, (B,), for a trainer that weighs them itself: `stepwise_grpo_loss`."""
    rows = [
        stepwise_grpo_loss(
            logps[i : i + 1],
            old_logps[i : i + 1],
            None if ref_logps is None else ref_logps[i : i + 1],
            mask[i : i + 1],
            advantages[i : i + 1],
            beta=beta,
            clip=clip,
            correct_kl=correct_kl,
            level="action",
        )[0]
        for i in range(logps.shape[0])
    ]
    return torch.stack(rows)


def token_weights(
    trained: torch.Tensor,
    normalize: Literal["token", "trajectory"] = "token",
    trajectory_ids: Sequence[str] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """The weight of each token of a batch, (B, T): trained tokens sum to 1, others have 0.

    >>> token_weights(torch.tensor([[1, 1], [1, 0]]), "trajectory", ["a", "b"])
    tensor([[0.2500, 0.2500],
            [0.5000, 0.0000]])
    """
    weights = trained.to(dtype)
    if normalize == "token":
        return weights / weights.sum().clamp(min=1)
    if trajectory_ids is None or len(trajectory_ids) != weights.shape[0]:
        raise ValueError('normalize="trajectory" needs trajectory_ids, one per row')
    numbers = {one: i for i, one in enumerate(dict.fromkeys(trajectory_ids))}
    rows = torch.tensor([numbers[one] for one in trajectory_ids], device=trained.device)
    per_trajectory = weights.new_zeros(len(numbers)).index_add_(0, rows, weights.sum(1))
    # A trajectory whose steps are all masked teaches nothing and must not dilute the others.
    counted = (per_trajectory > 0).sum().clamp(min=1)
    return weights / (per_trajectory.clamp(min=1)[rows] * counted).unsqueeze(1)


def token_logps(model: Any, batch: Batch, *, temperature: float = 1.0) -> torch.Tensor:
    """Log-probabilities (B, C) that a Hugging Face causal LM gives the completions of a batch.

    `temperature` is the one that the tokens were sampled with (default 1). The logits are divided by it, as in servers
    that report processed log-probabilities. Positions of padding hold meaningless numbers.
    """
    ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)
    attention = torch.cat([batch.prompt_mask, batch.completion_mask], dim=1)
    width = batch.completion_ids.shape[1]
    logits = model(input_ids=ids, attention_mask=attention, logits_to_keep=width + 1, use_cache=False).logits
    scores = torch.log_softmax(logits[:, :-1].float() / temperature, dim=-1)
    return scores.gather(2, batch.completion_ids.unsqueeze(2)).squeeze(2)


def _surrogate(
    ratio: torch.Tensor, advantage: torch.Tensor, clip: float | tuple[float, float] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """rho * A, clipped if requested; and where the clip removed the gradient."""
    gain = ratio * advantage
    if clip is None:
        return gain, torch.zeros_like(ratio, dtype=torch.bool)
    low, high = clip if isinstance(clip, tuple) else (clip, clip)
    bounded = ratio.clamp(1 - low, 1 + high) * advantage
    return torch.minimum(gain, bounded), bounded < gain


def _metrics(ratio: torch.Tensor, kl: torch.Tensor, clipped: torch.Tensor, trained: torch.Tensor) -> dict[str, float]:
    tokens = int(trained.sum())
    return {
        "ratio_mean": float(ratio[trained].mean()) if tokens else 1.0,
        "ratio_max_deviation": float((ratio - 1).abs().max()),
        "clip_fraction": float((clipped & trained).sum() / max(tokens, 1)),
        "kl": float(kl.sum() / max(tokens, 1)),
        "tokens": float(tokens),
    }
