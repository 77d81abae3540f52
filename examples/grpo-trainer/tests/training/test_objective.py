"""The objective against a case worked by hand, finite differences, and what it must do to a policy."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny_policy import PAD, drawn_samples, tiny_model

from agemem_grpo.feed.samples import Batch, Sample, collate
from agemem_grpo.training.objective import stepwise_grpo_loss, token_logps, token_weights

OLD = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], dtype=torch.float64)
REF = torch.tensor([[-1.2, -1.9], [-0.7, 0.0]], dtype=torch.float64)
NEW = torch.tensor([[-0.8, -2.1], [-0.6, 0.0]], dtype=torch.float64)
MASK = torch.tensor([[1, 1], [1, 0]])
ADVANTAGES = torch.tensor([1.5, -0.5], dtype=torch.float64)


def test_value_and_gradient_of_a_case_worked_by_hand() -> None:
    logps = NEW.clone().requires_grad_()
    loss, metrics = stepwise_grpo_loss(logps, OLD, REF, MASK, ADVANTAGES, beta=0.1)
    loss.backward()
    # Log ratios 0.2, -0.1, -0.1; reference minus policy -0.4, 0.2, -0.1; three tokens.
    ratios = [math.exp(0.2), math.exp(-0.1), math.exp(-0.1)]
    kls = [math.exp(d) - d - 1 for d in (-0.4, 0.2, -0.1)]
    gains = [1.5 * ratios[0], 1.5 * ratios[1], -0.5 * ratios[2]]
    assert loss.item() == pytest.approx(-(sum(gains) - 0.1 * sum(kls)) / 3, abs=1e-12)
    # d(rho A) = rho A, d(KL) = 1 - exp(ref - logp).
    slopes = [1 - math.exp(d) for d in (-0.4, 0.2, -0.1)]
    expected = [-(gain - 0.1 * slope) / 3 for gain, slope in zip(gains, slopes, strict=True)]
    assert logps.grad is not None
    assert logps.grad.flatten().tolist() == pytest.approx([*expected, 0.0], abs=1e-12)
    assert metrics == pytest.approx(
        {
            "ratio_mean": sum(ratios) / 3,
            "ratio_max_deviation": ratios[0] - 1,
            "clip_fraction": 0.0,
            "kl": sum(kls) / 3,
            "tokens": 3.0,
        }
    )


def test_action_level_of_a_case_worked_by_hand() -> None:
    logps = NEW.clone().requires_grad_()
    loss, metrics = stepwise_grpo_loss(logps, OLD, REF, MASK, ADVANTAGES, beta=0.1, level="action")
    loss.backward()
    # Two actions: log ratios 0.2 - 0.1 = 0.1 and -0.1; KLs summed over their tokens; |E| = 2.
    ratios = [math.exp(0.1), math.exp(-0.1)]
    kls = [math.exp(-0.4) + 0.4 - 1 + math.exp(0.2) - 0.2 - 1, math.exp(-0.1) + 0.1 - 1]
    gains = [1.5 * ratios[0], -0.5 * ratios[1]]
    assert loss.item() == pytest.approx(-(sum(gains) - 0.1 * sum(kls)) / 2, abs=1e-12)
    # Every token of an action has the slope of its action's ratio.
    slopes = [1 - math.exp(d) for d in (-0.4, 0.2, -0.1)]
    expected = [-(gain - 0.1 * slope) / 2 for gain, slope in zip([gains[0], *gains], slopes, strict=True)]
    assert logps.grad is not None
    assert logps.grad.flatten().tolist() == pytest.approx([*expected, 0.0], abs=1e-12)
    assert metrics["ratio_mean"] == pytest.approx(sum(ratios) / 2)
    assert metrics["tokens"] == 3.0


def test_trajectory_normalization_weighs_trajectories_alike() -> None:
    logps = OLD.clone().requires_grad_()
    loss, _ = stepwise_grpo_loss(
        logps, OLD, None, MASK, ADVANTAGES, beta=0, normalize="trajectory", trajectory_ids=["a", "b"]
    )
    assert loss.item() == pytest.approx(-(1.5 - 0.5) / 2)
    one, _ = stepwise_grpo_loss(
        logps, OLD, None, MASK, ADVANTAGES, beta=0, normalize="trajectory", trajectory_ids=["a", "a"]
    )
    assert one.item() == pytest.approx(-(1.5 + 1.5 - 0.5) / 3)
    # A trajectory without a trained token does not count.
    mask = torch.tensor([[1, 1], [0, 0]])
    assert token_weights(mask, "trajectory", ["a", "b"]).tolist() == [[0.5, 0.5], [0.0, 0.0]]


@pytest.mark.parametrize("clip", [None, 0.15, (0.05, 0.3)])
@pytest.mark.parametrize("normalize", ["token", "trajectory"])
def test_gradient_equals_finite_differences(clip: float | tuple[float, float] | None, normalize: str) -> None:
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(4, 5, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    ids = torch.randint(0, 9, (4, 5, 1), generator=generator)
    drift = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64) / 4
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    sampled = logits.detach().log_softmax(-1).gather(2, ids).squeeze(2)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return stepwise_grpo_loss(
            logits.log_softmax(-1).gather(2, ids).squeeze(2),
            sampled + drift[0],
            sampled + drift[1],
            mask,
            torch.tensor([1.0, -0.5, -1.5, 2.0], dtype=torch.float64),
            clip=clip,
            normalize=normalize,  # type: ignore[arg-type]
            trajectory_ids=["a", "b", "a", "c"],
        )[0]

    assert torch.autograd.gradcheck(loss, (logits,), eps=1e-6, atol=1e-9, rtol=1e-5)


@pytest.mark.parametrize(
    ("advantage", "log_ratio", "moves"),
    [(1.0, 0.3, False), (1.0, -0.3, True), (-1.0, 0.3, True), (-1.0, -0.3, False), (1.0, 0.1, True)],
)
def test_clipping_stops_what_has_gone_far_enough(advantage: float, log_ratio: float, moves: bool) -> None:
    logps = torch.tensor([[-1.0 + log_ratio]], requires_grad=True)
    loss, metrics = stepwise_grpo_loss(
        logps, torch.tensor([[-1.0]]), None, torch.tensor([[1]]), torch.tensor([advantage]), beta=0, clip=0.2
    )
    loss.backward()
    assert logps.grad is not None
    assert (logps.grad.abs().item() > 0) is moves
    assert metrics["clip_fraction"] == float(not moves)


def test_padding_is_never_read() -> None:
    dirty = [t.clone() for t in (NEW, OLD, REF)]
    for tensor, value in zip(dirty, (math.nan, math.inf, -math.inf), strict=True):
        tensor[1, 1] = value
    logps = dirty[0].requires_grad_()
    loss, _ = stepwise_grpo_loss(logps, dirty[1], dirty[2], MASK, ADVANTAGES)
    clean, _ = stepwise_grpo_loss(NEW, OLD, REF, MASK, ADVANTAGES)
    assert loss.item() == clean.item()
    loss.backward()
    assert logps.grad is not None
    assert logps.grad[1, 1].item() == 0
    assert logps.grad.isfinite().all()


def test_nothing_to_train_is_loss_zero_and_gradient_zero() -> None:
    logps = NEW.clone().requires_grad_()
    loss, metrics = stepwise_grpo_loss(logps, OLD, REF, torch.zeros_like(MASK), ADVANTAGES)
    loss.backward()
    assert (loss.item(), metrics["tokens"]) == (0, 0)
    assert logps.grad is not None
    assert logps.grad.abs().max() == 0


def test_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="reference"):
        stepwise_grpo_loss(NEW, OLD, None, MASK, ADVANTAGES, beta=0.1)
    with pytest.raises(ValueError, match="trajectory_ids"):
        stepwise_grpo_loss(NEW, OLD, REF, MASK, ADVANTAGES, normalize="trajectory")


def update(
    samples: list[Sample], *, beta: float, rate: float = 0.05
) -> tuple[Batch, torch.Tensor, torch.Tensor, float]:
    """One step of a real optimizer on a random policy: log-probabilities before and after, largest weight change."""
    model = tiny_model(5)
    batch = collate(samples, PAD)
    weights = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    logps = token_logps(model, batch)
    reference = None if beta == 0 else batch.old_logps
    loss, _ = stepwise_grpo_loss(logps, batch.old_logps, reference, batch.loss_mask, batch.advantages, beta=beta)
    loss.backward()
    optimizer.step()
    moved = max(float((a - b.detach()).abs().max()) for a, b in zip(weights, model.parameters(), strict=True))
    with torch.no_grad():
        return batch, logps.detach(), token_logps(model, batch), moved


def test_advantages_of_zero_without_kl_move_nothing() -> None:
    samples = drawn_samples(tiny_model(5))
    assert update([replace(one, advantage=0.0) for one in samples], beta=0)[3] == 0
    assert update(samples, beta=0)[3] > 0


def test_good_steps_become_more_likely_and_bad_ones_less() -> None:
    samples = drawn_samples(tiny_model(5))
    batch, before, after, _ = update(samples, beta=0.1)
    change = ((after - before) * batch.loss_mask).sum(1)
    assert change[batch.advantages > 0].sum() > 0
    assert change[batch.advantages < 0].sum() < 0


def test_order_of_samples_does_not_matter() -> None:
    model = tiny_model(5)
    samples = drawn_samples(model)
    results = []
    for order in ([0, 1, 2, 3, 4, 5], [4, 1, 5, 0, 3, 2]):
        batch = collate([samples[i] for i in order], PAD)
        model.zero_grad()
        loss, _ = stepwise_grpo_loss(
            token_logps(model, batch),
            batch.old_logps,
            batch.old_logps - 0.1,
            batch.loss_mask,
            batch.advantages,
            normalize="trajectory",
            trajectory_ids=batch.trajectory_ids,
        )
        loss.backward()
        results.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_ratio_is_one_at_the_first_update() -> None:
    """Log-probabilities computed one by one and without padding agree with those of the padded batch."""
    model = tiny_model(5)
    batch = collate(drawn_samples(model, 9), PAD)
    _, metrics = stepwise_grpo_loss(
        token_logps(model, batch), batch.old_logps, None, batch.loss_mask, batch.advantages, beta=0
    )
    assert metrics["ratio_max_deviation"] < 1e-4
