"""Which steps become samples, why the others do not, and how samples are padded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.samples import collate, samples_of

FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"


@pytest.fixture
def groups() -> list[Group]:
    with FIXTURE.open(encoding="utf-8") as file:
        return list(read_feed(file))


def equal_rewards() -> Group:
    """The first group as the recorder would have written it had all rewards been equal."""
    records = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()][:12]
    for record in records:
        if record["kind"] == "trajectory":
            record.update(reward=0.5, advantage=0)
            record["advantage_meta"].update(mean=0.5, std=0, zero_variance=True)
    return next(read_feed(records))


def test_each_step_is_a_sample_with_the_advantage_of_its_trajectory(groups: list[Group]) -> None:
    group = groups[0]
    samples = samples_of(group).samples
    assert len(samples) == 9
    for trajectory in group.trajectories:
        own = [one for one in samples if one.trajectory_id == trajectory.rollout_id]
        assert [one.advantage for one in own] == [trajectory.advantage] * 3
        assert [one.stage for one in own] == [1, 2, 3]
        assert [one.completion_ids for one in own] == [step.response_token_ids for step in trajectory.steps]
        assert [one.old_logprobs for one in own] == [step.response_logprobs for step in trajectory.steps]
        assert sum(one.trajectory_weight * sum(one.completion_mask) for one in own) == pytest.approx(1)


def test_a_failed_rollout_gives_no_samples_and_is_counted(groups: list[Group]) -> None:
    selection = samples_of(groups[1])
    assert len(selection.samples) == 6
    assert selection.dropped == {"unscored": 2}
    assert len(groups[1].trajectories) == 3


def test_cut_responses_are_left_out_on_request_and_weights_follow(groups: list[Group]) -> None:
    selection = samples_of(groups[0], mask_truncated=True)
    assert (len(selection.samples), selection.dropped) == (8, {"truncated": 1})
    own = [one for one in selection.samples if one.trajectory_id == groups[0].trajectories[1].rollout_id]
    assert sum(one.trajectory_weight * sum(one.completion_mask) for one in own) == pytest.approx(1)


def test_long_sequences_are_left_out_on_request(groups: list[Group]) -> None:
    lengths = [len(one.prompt_ids) + len(one.completion_ids) for one in samples_of(groups[0]).samples]
    limit = sorted(lengths)[4]
    selection = samples_of(groups[0], max_length=limit)
    assert len(selection.samples) == sum(length <= limit for length in lengths)
    assert selection.dropped == {"too_long": sum(length > limit for length in lengths)}


def test_groups_without_variance_teach_nothing() -> None:
    group = equal_rewards()
    assert samples_of(group).samples == []
    assert samples_of(group).dropped == {"zero_variance": 9}
    kept = samples_of(group, drop_zero_variance=False).samples
    assert [one.advantage for one in kept] == [0.0] * 9


def test_groups_of_hardly_any_variance_can_be_left_out(groups: list[Group]) -> None:
    assert groups[1].trajectories[0].group_std == pytest.approx(2.877e-5, rel=1e-3)
    assert samples_of(groups[1], min_reward_std=0.001).dropped == {"low_variance": 6, "unscored": 2}
    assert len(samples_of(groups[0], min_reward_std=0.001).samples) == 9


def test_masked_and_untrainable_steps_are_counted(groups: list[Group]) -> None:
    first = groups[0].trajectories[0]
    steps = (
        replace(first.steps[0], response_mask=(0,) * len(first.steps[0].response_mask)),
        replace(first.steps[1], trainable=False, drop_reason="token_mismatch"),
        first.steps[2],
    )
    group = replace(groups[0], trajectories=(replace(first, steps=steps),))
    selection = samples_of(group)
    assert selection.dropped == {"masked": 1, "token_mismatch": 1}
    assert [one.stage for one in selection.samples] == [3]


def test_prompts_are_padded_left_and_completions_right(groups: list[Group]) -> None:
    samples = samples_of(groups[0]).samples
    batch = collate(samples, pad_id=7)
    assert batch.prompt_ids.shape[1] == max(len(one.prompt_ids) for one in samples)
    assert batch.completion_ids.shape[1] == max(len(one.completion_ids) for one in samples)
    for row, one in enumerate(samples):
        pad = batch.prompt_ids.shape[1] - len(one.prompt_ids)
        assert batch.prompt_ids[row].tolist() == [7] * pad + list(one.prompt_ids)
        assert batch.prompt_mask[row].tolist() == [0] * pad + [1] * len(one.prompt_ids)
        length = len(one.completion_ids)
        assert batch.completion_ids[row, :length].tolist() == list(one.completion_ids)
        assert batch.completion_ids[row, length:].unique().tolist() in ([], [7])
        assert batch.completion_mask[row].sum() == length
        assert batch.old_logps[row, :length].tolist() == pytest.approx(one.old_logprobs)
    assert batch.trajectory_ids == [one.trajectory_id for one in samples]


def test_masked_tokens_are_seen_and_not_trained(groups: list[Group]) -> None:
    one = samples_of(groups[0]).samples[0]
    batch = collate([replace(one, completion_mask=(1, 0, 1, 1))], pad_id=0)
    assert batch.loss_mask.tolist() == [[1, 0, 1, 1]]
    assert batch.completion_mask.tolist() == [[1, 1, 1, 1]]


def test_a_batch_needs_a_sample() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        collate([], 0)
