"""One batch, three loss codes: verl's and Trinity's own functions against ours, value and gradient.

The settings are the ones where the definitions coincide; where they do not, a test says by how much. TRL's loss is
compared in `test_trl_trainer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from trainer_sources import trainer_sources

from agemem_grpo.training.objective import stepwise_grpo_loss

#: Modules that the files below import and that none of the functions calls.
VERL_STUBS = ("ray", "tensordict", "codetiming", "cachetools", "fastapi")
TRINITY_STUBS = (
    "ray", "vllm", "openai", "tensordict", "sqlalchemy", "verl", "latex2sympy2_extended", "math_verify", "pybase64",
    "agentscope", "word2number", "torch.utils.tensorboard", "sortedcontainers", "cachetools", "fastapi",
    "trinity.utils.eval_utils",
)  # fmt: skip

Loss = Callable[..., torch.Tensor]


class Case:
    """Log-probabilities of 6 steps with up to 7 tokens, masked in the middle and at the end."""

    def __init__(self, spread: float) -> None:
        generator = torch.Generator().manual_seed(11)
        shape = (6, 7)
        self.old = -3 * torch.rand(shape, generator=generator, dtype=torch.float64)
        self.new = self.old + spread * torch.randn(shape, generator=generator, dtype=torch.float64)
        self.ref = self.old + 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        lengths = torch.tensor([7, 5, 1, 6, 3, 7])
        self.mask = (torch.arange(7) < lengths.unsqueeze(1)).long()
        self.mask[0, 3] = self.mask[5, 0] = 0
        self.advantages = torch.tensor([1.2, -0.7, 0.4, -1.5, 0.9, -0.3], dtype=torch.float64)

    def value_and_slope(self, loss: Loss) -> tuple[float, torch.Tensor]:
        logps = self.new.clone().requires_grad_()
        value = loss(logps)
        value.backward()
        assert logps.grad is not None
        return value.item(), logps.grad

    def ours(self, beta: float, clip: tuple[float, float], **changes: Any) -> tuple[float, torch.Tensor]:
        return self.value_and_slope(
            lambda logps: stepwise_grpo_loss(
                logps, self.old, self.ref, self.mask, self.advantages, beta=beta, clip=clip, **changes
            )[0]
        )


def same(theirs: tuple[float, torch.Tensor], ours: tuple[float, torch.Tensor]) -> None:
    assert theirs[0] == pytest.approx(ours[0], rel=1e-8)
    assert torch.allclose(theirs[1], ours[1], rtol=1e-8, atol=1e-12)
    assert ours[1].abs().max() > 1e-3


@pytest.fixture(scope="module")
def verl() -> Iterator[Any]:
    with trainer_sources("verl", VERL_STUBS):
        from verl.trainer.ppo import core_algos

        yield core_algos


class VerlActor:
    """What the functions read of the actor's configuration."""

    def __init__(self, low: float, high: float, dual: float = 3.0) -> None:
        self.global_batch_info: dict[str, Any] = {}
        self.clip_ratio, self.clip_ratio_low, self.clip_ratio_high, self.clip_ratio_c = low, low, high, dual

    def get(self, name: str, default: Any) -> Any:
        return getattr(self, name, default)


def verls(verl: Any, case: Case, clip: tuple[float, float], beta: float, mode: str, dual: float = 3.0) -> Any:
    def loss(logps: torch.Tensor) -> torch.Tensor:
        wide = case.advantages.unsqueeze(1) * case.mask
        gain, _ = verl.compute_policy_loss_vanilla(case.old, logps, wide, case.mask, mode, VerlActor(*clip, dual))
        kl = verl.agg_loss(verl.kl_penalty(logps, case.ref, "low_var_kl"), case.mask, mode)
        return gain + beta * kl

    return case.value_and_slope(loss)


@pytest.mark.parametrize("clip", [(0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_verl_over_tokens(verl: Any, clip: tuple[float, float], beta: float, spread: float) -> None:
    case = Case(spread)
    same(verls(verl, case, clip, beta, "token-mean"), case.ours(beta, clip))


def test_verl_over_steps(verl: Any) -> None:
    """Its mean over rows is our mean over trajectories when every trajectory is one row."""
    case = Case(0.3)
    rows = [str(i) for i in range(6)]
    ours = case.ours(0.1, (0.2, 0.2), normalize="trajectory", trajectory_ids=rows)
    theirs = verls(verl, case, (0.2, 0.2), 0.1, "seq-mean-token-mean")
    # It adds 1e-8 to the number of tokens.
    same(theirs, ours)


def test_verl_bounds_a_punished_token_that_has_become_likelier(verl: Any) -> None:
    case = Case(0.02)
    case.new[1, 0] = case.old[1, 0] + 2  # ratio 7.4 at A = -0.7, beyond its bound of 3
    ours = case.ours(0.0, (0.2, 0.2))
    theirs = verls(verl, case, (0.2, 0.2), 0.0, "token-mean")
    tokens = int(case.mask.sum())
    assert ours[0] - theirs[0] == pytest.approx(0.7 * (np.exp(2) - 3) / tokens, rel=1e-9)
    assert theirs[1][1, 0] == 0
    same(verls(verl, case, (0.2, 0.2), 0.0, "token-mean", dual=100.0), ours)


def test_verl_group_advantages(verl: Any) -> None:
    rewards = torch.tensor([0.1, 0.5, 0.9, 0.2, 0.2, 0.8], dtype=torch.float64)
    mask = torch.ones(6, 1, dtype=torch.float64)
    theirs, _ = verl.compute_grpo_outcome_advantage(
        rewards.clone().unsqueeze(1), mask, np.array(["a", "a", "a", "b", "b", "b"])
    )
    groups = rewards.view(2, 3)
    ours = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-6)
    assert torch.allclose(theirs.flatten(), ours.flatten(), rtol=1e-12)


@pytest.fixture(scope="module", params=["trinity-0.3.1", "trinity-0.6.0"])
def trinity(request: pytest.FixtureRequest) -> Iterator[Any]:
    with trainer_sources("trinity", TRINITY_STUBS, release=request.param):
        from trinity.algorithm.kl_fn import kl_fn
        from trinity.algorithm.policy_loss_fn import ppo_policy_loss

        yield ppo_policy_loss.PPOPolicyLossFn, kl_fn, request.param


def trinitys(trinity: Any, case: Case, clip: tuple[float, float], beta: float, mode: str, kl: str = "K3Fn") -> Any:
    policy_loss, kl_fn, release = trinity
    # 0.3.1 takes the mean over tokens for the KL term whatever the mode.
    options = {} if release == "trinity-0.3.1" else {"loss_agg_mode": mode, "old_logprob": case.old}

    def loss(logps: torch.Tensor) -> torch.Tensor:
        function = policy_loss(clip_range_low=clip[0], clip_range_high=clip[1], loss_agg_mode=mode)
        wide = case.advantages.unsqueeze(1) * case.mask
        gain, _ = function(log_prob=logps, old_log_probs=case.old, response_mask=case.mask, advantages=wide)
        far, _ = getattr(kl_fn, kl)(kl_coef=beta).calculate_kl_loss(
            logprob=logps, ref_logprob=case.ref, response_mask=case.mask, **options
        )
        return gain + far

    return case.value_and_slope(loss)


@pytest.mark.parametrize("clip", [(0.2, 0.2), (0.1, 0.3)])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_trinity_over_tokens(trinity: Any, clip: tuple[float, float], beta: float, spread: float) -> None:
    case = Case(spread)
    same(trinitys(trinity, case, clip, beta, "token-mean"), case.ours(beta, clip))


def test_trinity_over_steps(trinity: Any) -> None:
    case = Case(0.3)
    rows = [str(i) for i in range(6)]
    ours = case.ours(0.0, (0.2, 0.2), normalize="trajectory", trajectory_ids=rows)
    same(trinitys(trinity, case, (0.2, 0.2), 0.0, "seq-mean-token-mean"), ours)


def test_trinity_corrected_kl(trinity: Any) -> None:
    if trinity[2] == "trinity-0.3.1":
        assert not hasattr(trinity[1], "CorrectedK3Fn")
        return
    case = Case(0.1)
    ours = case.ours(0.1, (0.2, 0.2), correct_kl=True)
    same(trinitys(trinity, case, (0.2, 0.2), 0.1, "token-mean", "CorrectedK3Fn"), ours)
