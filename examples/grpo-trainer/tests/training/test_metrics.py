"""Figures of rollouts, by hand-made groups; the control that shuffles advantages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agemem_grpo.feed.groups import Group, Step, Trajectory
from agemem_grpo.training.evaluate import measure
from agemem_grpo.training.metrics import (
    CONTEXT_PARTS,
    MEMORY_PARTS,
    PENALTIES,
    all_returns,
    measured_reward,
    normalize_answer,
    policy_calls,
    shuffle_advantages,
    summarize,
)


def step(stage: int, *operations: str, prompt: int = 4, response: int = 2) -> Step:
    return Step(
        rollout_id="r",
        group_id="g",
        step_index=0,
        stage=stage,
        prompt_token_ids=tuple(range(prompt)),
        response_token_ids=tuple(range(response)),
        response_logprobs=(-0.1,) * response,
        response_mask=(1,) * response,
        trainable=True,
        drop_reason=None,
        policy_version=0,
        truncated=False,
        finish_reason="stop",
        memory_ops=operations,
    )


def parts_of_one_value(value: float) -> dict[str, float | None]:
    leaves = dict.fromkeys((*CONTEXT_PARTS, *MEMORY_PARTS), value)
    return {"task": value, **leaves, **dict.fromkeys(PENALTIES, 0.0)}


def trajectory(name: str, reward: float | None, *steps: Step, answer: str | None = None) -> Trajectory:
    parts = parts_of_one_value(reward) if reward is not None else {}
    return Trajectory(
        rollout_id=name,
        group_id="g",
        task_id="t",
        attempt=1,
        status="ok" if reward is not None else "error",
        reward=reward,
        reward_parts=parts,
        advantage=None if reward is None else reward - 0.5,
        zero_variance=False,
        group_std=0.5,
        answer=answer,
        memory_op_counts={},
        aux_calls=0,
        steps=steps,
    )


GROUP = Group(
    "g",
    "t",
    (
        trajectory("a", 0.0, step(1, "ADD", "ADD"), step(3, "RETRIEVE", prompt=10)),
        trajectory("b", 1.0, step(1, "ADD"), answer="The Porto!"),
        trajectory("c", None, step(1, "ADD")),
    ),
)


def test_all_returns_weighs_thirds_and_adds_the_penalty() -> None:
    parts: dict[str, float | None] = {
        "task": 1.0,
        **dict(zip(CONTEXT_PARTS, (0.9, 0.6, 0.0), strict=True)),  # 0.5
        **dict(zip(MEMORY_PARTS, (0.3, 0.0, 0.0), strict=True)),  # 0.1
        **dict(zip(PENALTIES, (-0.5, -0.2), strict=True)),
    }
    assert all_returns(parts) == pytest.approx(1.6 / 3 - 0.7)
    # The sums of a record carry the weights of the run that made it.
    assert all_returns({**parts, "context": 0.0, "memory": 0.0, "penalty": 0.0}) == all_returns(parts)
    assert all_returns({**parts, "memory.relevance": None}) is None


def test_figures_count_scored_rollouts_only() -> None:
    figures = summarize([GROUP])
    assert (figures["rollouts"], figures["failed"], figures["reward"]) == (3, 1, 0.5)
    assert figures["tools"]["ADD"] == {"all": 1.5, "1": 1.5, "2": 0.0, "3": 0.0}
    assert figures["tools"]["RETRIEVE"] == {"all": 0.5, "1": 0.0, "2": 0.0, "3": 0.5}
    assert figures["prompt_tokens"] == 6  # of 4, 10, 4
    assert figures["prompt_tokens_rollout"] == 9  # of 14, 4
    assert figures["answered"] == 0.5


def test_evaluation_measures_answers_and_means_by_task() -> None:
    result = measure([GROUP], {"t": "porto"})
    assert result["by_task"]["t"] == {"reward": 0.5, "answer_f1": 0.5, "answer_exact": 0.5, "maintenance": 0.5}
    assert result["memory_quality"] is None
    assert result["answer_exact"] == 0.5
    assert normalize_answer("The  Porto!") == "porto"


def test_memory_quality_and_maintenance_are_means_where_they_are_known() -> None:
    first = replace(trajectory("a", 0.2), memory_quality=0.4)
    second = trajectory("b", 0.6)  # the judge failed
    third = replace(trajectory("c", 0.1), memory_quality=0.8)
    third = replace(third, reward_parts={**third.reward_parts, "memory.maintenance": None})
    groups = [Group("g", "t", (first, second)), Group("h", "u", (third,))]
    result = measure(groups, {"t": "x", "u": "x"}, "agemem")
    assert result["by_task"]["t"]["memory_quality"] == 0.4
    assert result["by_task"]["t"]["maintenance"] == pytest.approx(0.4)
    assert result["memory_quality"] == pytest.approx(0.6)
    assert result["figures"]["memory_quality"] == pytest.approx(0.6)
    assert "maintenance" not in result["by_task"]["u"], "nothing became outdated there"
    assert result["maintenance"] == pytest.approx(0.4)
    # The paper's reward has no value without it, so that such a rollout is not compared.
    assert set(measure(groups, {"t": "x", "u": "x"})["by_task"]) == {"t"}


def test_the_reward_of_the_preset_is_the_one_that_the_rollout_got() -> None:
    one = trajectory("a", 0.3)
    one = replace(one, reward_parts={**one.reward_parts, "context.preventive": None}, reward=0.7)
    assert measured_reward(one, "all-returns") is None
    assert measured_reward(one, "agemem") == 0.7
    result = measure([Group("g", "t", (one,))], {"t": "x"}, "agemem")
    assert result["reward"] == 0.7


def test_a_shared_beginning_was_called_once() -> None:
    def rollout(name: str, length: int, branch_at: int | None) -> Trajectory:
        steps = tuple(replace(step(1), step_index=i) for i in range(length))
        return replace(trajectory(name, 0.5, *steps), branch_at=branch_at)

    shared = Group("g", "t", (rollout("a", 5, 3), rollout("b", 7, 3), rollout("c", 3, 3)))
    assert policy_calls([shared]) == 3 + 2 + 4 + 0
    # A summarizer's call in the beginning takes an index, and is no step of the policy.
    gap = replace(rollout("a", 4, 3), steps=tuple(replace(step(1), step_index=i) for i in (0, 2, 3, 4)))
    assert policy_calls([Group("h", "t", (gap, gap))]) == 2 + 2 + 2
    whole = Group("i", "t", (rollout("a", 5, None), rollout("b", 7, None)))
    assert policy_calls([shared, whole]) == 9 + 12
    assert summarize([shared])["policy_calls"] == 9


def test_shuffling_keeps_the_advantages_and_cuts_the_tie() -> None:
    flat = replace(
        GROUP, trajectories=tuple(replace(each, advantage=0.0, zero_variance=True) for each in GROUP.trajectories[:2])
    )
    many = [Group(f"g{i}", "t", tuple(trajectory(f"{i}/{j}", float(4 * i + j)) for j in range(4))) for i in range(4)]
    shuffled = shuffle_advantages([*many, flat], seed="s")

    def advantages(groups: list[Group]) -> list[float | None]:
        return [each.advantage for group in groups for each in group.trajectories]

    assert sorted(advantages(shuffled[:4])) == sorted(advantages(many))  # type: ignore[type-var]
    assert advantages(shuffled[:4]) != advantages(many)
    assert advantages([shuffled[4]]) == [0.0, 0.0]
    assert [each.reward for group in shuffled[:4] for each in group.trajectories] == [float(i) for i in range(16)]
    assert advantages(shuffle_advantages([*many, flat], seed="s")) == advantages(shuffled)


def test_invalid_calls_are_counted_and_groups_have_their_deviation() -> None:
    refused = replace(step(1, "ADD"), invalid_calls=2)
    group = Group("g", "t", (trajectory("a", 0.4, refused, step(3)), trajectory("b", 0.6, step(1, "ADD", "RETRIEVE"))))
    found = summarize([group])
    assert found["invalid_calls"] == 1.0
    assert found["tool_calls"] == 2.5
    assert found["aux_calls"] == 0
    assert found["valid_call_rate"] == 3 / 5
    assert found["group_std"] == 0.5
    silent = summarize([Group("g", "t", (trajectory("a", 0.4, step(1)),))])
    assert silent["valid_call_rate"] is None
