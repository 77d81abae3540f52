"""Joining steps that continue each other: which ones, and that the objective stays the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_policy import ON_A_PROCESSOR, save_policy
from transformers import AutoModelForCausalLM
from trl import GRPOConfig

from agemem_grpo.feed.samples import Sample
from agemem_grpo.training.joined import join_steps
from agemem_grpo.training.trl_trainer import StepwiseGRPOTrainer

FIRST = Sample((5, 6, 7), (8, 9), (-0.5, -1.5), (1, 1), 0.7, "r0", 0.25, 3, "g0", 1)
SECOND = replace(
    FIRST,
    prompt_ids=(5, 6, 7, 8, 9, 10, 11),
    completion_ids=(12, 13),
    old_logprobs=(-2.0, -0.25),
    completion_mask=(1, 1),
    stage=2,
)


def test_a_step_that_continues_the_last_one_is_joined_to_it() -> None:
    (joined,) = join_steps([FIRST, SECOND])
    assert joined.prompt_ids == (5, 6, 7)
    assert joined.completion_ids == (8, 9, 10, 11, 12, 13)
    assert joined.completion_mask == (1, 1, 0, 0, 1, 1)
    assert joined.old_logprobs == (-0.5, -1.5, 0.0, 0.0, -2.0, -0.25)
    third = replace(SECOND, prompt_ids=(5, 6, 7, 8, 9, 10, 11, 12, 13, 14), completion_ids=(15,))
    third = replace(third, old_logprobs=(-1.0,), completion_mask=(1,))
    (all_three,) = join_steps([FIRST, SECOND, third])
    assert all_three.completion_ids == (8, 9, 10, 11, 12, 13, 14, 15)


@pytest.mark.parametrize(
    "other",
    [
        replace(SECOND, prompt_ids=(5, 6, 7, 8, 99, 10, 11)),  # tokenized otherwise, or the context was edited
        replace(SECOND, prompt_ids=(5, 6)),
        replace(SECOND, trajectory_id="r1"),
        replace(SECOND, advantage=-0.7),
        replace(SECOND, policy_version=4),
    ],
)
def test_other_steps_stay_by_themselves(other: Sample) -> None:
    assert join_steps([FIRST, other]) == [FIRST, other]


def test_loss_gradients_and_ratios_are_those_of_the_single_steps(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = save_policy(tmp_path / "policy")
    results = []
    for samples in ([FIRST, SECOND], join_steps([FIRST, SECOND])):
        model = AutoModelForCausalLM.from_pretrained(folder)
        fields = {"max_steps": 1, "learning_rate": 1e-3, "logging_steps": 1, "use_bias_correction_kl": False}
        args = GRPOConfig(str(tmp_path / f"out{len(samples)}"), **{**ON_A_PROCESSOR, **fields})
        trainer = StepwiseGRPOTrainer(model, args, feed=lambda _, samples=samples: samples)
        trainer.train()
        results.append((trainer.state.log_history[0], [each.detach().clone() for each in model.parameters()]))
    (apart, one), (joined, other) = results
    assert (apart["feed/samples"], joined["feed/samples"]) == (2, 1)
    assert apart["feed/tokens"] == joined["feed/tokens"] == 4
    for name in ("loss", "grad_norm", "ratio/mean", "ratio/max_deviation", "entropy", "kl"):
        assert joined[name] == pytest.approx(apart[name], abs=2e-5), name
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
