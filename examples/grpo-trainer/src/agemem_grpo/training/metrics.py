"""Figures of a batch of groups: rewards and their parts, tool use by stage, tokens. Pure.

Owns the figures of one line of `metrics.jsonl` and of an evaluation. Leaves out writing them (`state.py`) and
intervals over seeds (`study/statistics.py`).
"""

from __future__ import annotations

import math
import random
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agemem_grpo.feed.groups import Group, Trajectory

Json = dict[str, Any]

OPERATIONS = ("ADD", "UPDATE", "DELETE", "RETRIEVE", "SUMMARY", "FILTER")
STAGES = (1, 2, 3)

CONTEXT_PARTS = ("context.compression", "context.preventive", "context.preservation")
MEMORY_PARTS = ("memory.storage", "memory.maintenance", "memory.relevance")
PENALTIES = ("penalty.rounds", "penalty.tokens")


def all_returns(parts: Mapping[str, float | None]) -> float | None:
    """R(tau) with every weight 1/3 and the full penalty, from the parts of a record, whatever reward the run used.

    It makes runs with different rewards comparable. The sums ``context``, ``memory`` and ``penalty`` of a record
    contain its own weights, so they are computed again from their parts. None when a part was not scored.

    >>> parts = {"task": 1.0, "penalty.rounds": -0.5, "penalty.tokens": 0.0}
    >>> parts |= {f"context.{name}": 0.5 for name in ("compression", "preventive", "preservation")}
    >>> parts |= {f"memory.{name}": 0.0 for name in ("storage", "maintenance", "relevance")}
    >>> round(all_returns(parts), 3)
    0.0
    """
    values = {name: parts.get(name) for name in ("task", *CONTEXT_PARTS, *MEMORY_PARTS, *PENALTIES)}
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < len(values):
        return None
    context, memory = (math.fsum(known[name] for name in names) / 3 for names in (CONTEXT_PARTS, MEMORY_PARTS))
    return (known["task"] + context + memory) / 3 + math.fsum(known[name] for name in PENALTIES)


def measured_reward(trajectory: Trajectory, reward: str) -> float | None:
    """The reward that policies are compared by: :func:`all_returns`, or for ``"agemem"`` the one that the rollout got.

    In ours a part may not apply, and its weight goes to the others: the service has done that.
    """
    return all_returns(trajectory.reward_parts) if reward == "all-returns" else trajectory.reward


def mean(values: Iterable[float]) -> float | None:
    """Arithmetic mean; None without values."""
    values = list(values)
    return math.fsum(values) / len(values) if values else None


def normalize_answer(text: str) -> str:
    """Lower case, without punctuation and articles, as HotpotQA's official evaluation compares answers."""
    words = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split())


def summarize(groups: Sequence[Group]) -> Json:
    """Figures of the rollouts in the groups. Tool counts are means per rollout; tokens are the server's counts."""
    all_rollouts = [trajectory for group in groups for trajectory in group.trajectories]
    scored = [each for each in all_rollouts if each.reward is not None]
    steps = [step for each in scored for step in each.steps]
    comparable = [value for each in scored if (value := all_returns(each.reward_parts)) is not None]
    names = sorted({name for each in scored for name in each.reward_parts})
    return {
        "groups": len(groups),
        "rollouts": len(all_rollouts),
        "failed": len(all_rollouts) - len(scored),
        "reward": mean(each.reward for each in scored if each.reward is not None),
        "reward_all_returns": mean(comparable),
        "reward_parts": {
            name: mean(value for each in scored if (value := each.reward_parts.get(name)) is not None) for name in names
        },
        "answered": mean(float(each.answer is not None) for each in scored),
        "group_std": mean(std for group in groups if (std := _std(group)) is not None),
        "zero_variance_groups": sum(_without_variance(group) for group in groups),
        "steps": mean(len(each.steps) for each in scored),
        "tools": tool_counts(scored),
        **_validity(scored),
        "memory_quality": mean(each.memory_quality for each in scored if each.memory_quality is not None),
        "aux_calls": mean(each.aux_calls for each in scored),
        "policy_calls": policy_calls(groups),
        "prompt_tokens": mean(len(step.prompt_token_ids) for step in steps if step.prompt_token_ids),
        "prompt_tokens_rollout": mean(sum(len(step.prompt_token_ids) for step in each.steps) for each in scored),
        "response_tokens": mean(len(step.response_token_ids) for step in steps if step.response_token_ids),
        "truncated": mean(float(step.truncated) for step in steps),
    }


def tool_counts(trajectories: Sequence[Trajectory]) -> Json:
    """Successful operations per rollout, in total and by stage: ``{"ADD": {"all": 1.5, "1": 1.2, ...}, ...}``."""
    counts: Counter[tuple[str, int]] = Counter()
    for trajectory in trajectories:
        for step in trajectory.steps:
            counts.update((operation, step.stage) for operation in step.memory_ops)
    number = len(trajectories) or 1
    return {
        operation: {
            "all": sum(counts[operation, stage] for stage in STAGES) / number,
            **{str(stage): counts[operation, stage] / number for stage in STAGES},
        }
        for operation in OPERATIONS
    }


def policy_calls(groups: Sequence[Group]) -> int:
    """Calls of the policy that the groups took. A beginning that a group shares was made once, and its steps stand in
    each of its rollouts."""
    calls = 0
    for group in groups:
        shared = 0
        for each in group.trajectories:
            copied = sum(each.branch_at is not None and step.step_index < each.branch_at for step in each.steps)
            shared = max(shared, copied)
            calls += len(each.steps) - copied
        calls += shared
    return calls


def _validity(trajectories: Sequence[Trajectory]) -> Json:
    """Calls of tools per rollout, in all and invalid ones, and the valid share (None without calls).

    A response out of format counts as an invalid call.
    """
    steps = [step for each in trajectories for step in each.steps]
    valid, invalid = sum(len(step.memory_ops) for step in steps), sum(step.invalid_calls for step in steps)
    share = valid / (valid + invalid) if valid + invalid else None
    number = len(trajectories) or 1
    return {
        "tool_calls": (valid + invalid) / number,
        "invalid_calls": invalid / number,
        "valid_call_rate": share,
    }


def shuffle_advantages(groups: Sequence[Group], *, seed: str) -> list[Group]:
    """The control: the same advantages, shuffled among the rollouts of the batch.

    Lengths, prompts and the size of updates stay the same; only the link between behavior and advantage is cut. Groups
    without variance keep their zeros, so that the number of trained samples is the same as without shuffling.
    """
    places = [
        (i, j)
        for i, group in enumerate(groups)
        for j, each in enumerate(group.trajectories)
        if each.advantage is not None and not each.zero_variance
    ]
    advantages = [groups[i].trajectories[j].advantage for i, j in places]
    random.Random(seed).shuffle(advantages)
    dealt = dict(zip(places, advantages, strict=True))
    return [
        replace(
            group,
            trajectories=tuple(
                replace(each, advantage=dealt.get((i, j), each.advantage)) for j, each in enumerate(group.trajectories)
            ),
        )
        for i, group in enumerate(groups)
    ]


def _std(group: Group) -> float | None:
    """Standard deviation of the rewards of a group; None when it is not known."""
    return next((each.group_std for each in group.trajectories if each.group_std is not None), None)


def _without_variance(group: Group) -> bool:
    return any(each.zero_variance for each in group.trajectories)
