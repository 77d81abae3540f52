"""One record of the schema `agemem.trajectory/1`: what a trainer needs of it, checked.

Owns the types of a step and a trajectory, the checks on their fields, and the errors that name a line. Leaves out the
order of records and the groups (`groups.py`). Fields that a trainer does not use are neither read nor checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = "agemem.trajectory/1"
STATUSES = ("ok", "error", "timeout", "truncated", "cancelled")


class FeedError(ValueError):
    """A feed that must not be trained on: which record, what is wrong, what to do about it."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the policy: the prompt it saw, the tokens it sampled, their log-probabilities (natural logarithm).

    Without token ids from the server the four token fields are empty and `trainable` is false; `drop_reason` says why
    ("error", "no_token_ids", "token_mismatch", or "no_logprobs", which is the reader's own).
    """

    rollout_id: str
    group_id: str
    step_index: int
    stage: int
    prompt_token_ids: tuple[int, ...]
    response_token_ids: tuple[int, ...]
    response_logprobs: tuple[float, ...]
    response_mask: tuple[int, ...]
    trainable: bool
    drop_reason: str | None
    policy_version: int | None
    truncated: bool
    finish_reason: str | None
    memory_ops: tuple[str, ...]
    """Names of the memory operations the response asked for and that succeeded, such as "ADD"."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One rollout. `reward` and `advantage` are None when it failed or was not scored; the advantage is that of all its
    steps (AgeMem, eq. 5-6). `steps` are the policy's calls in order; `aux_calls` counts the others."""

    rollout_id: str
    group_id: str
    task_id: str | None
    attempt: int
    status: str
    reward: float | None
    reward_parts: Mapping[str, float | None]
    advantage: float | None
    zero_variance: bool
    group_std: float | None
    """Standard deviation of the rewards of the group; None without an advantage."""
    answer: str | None
    memory_op_counts: Mapping[str, int]
    aux_calls: int
    steps: tuple[Step, ...]


def check_identity(record: Any, where: str) -> tuple[str, str, int]:
    """Kind, rollout id and attempt of a record of this schema. Raises FeedError for anything else."""
    if not isinstance(record, Mapping):
        raise FeedError(where, "not a JSON object", "Each line holds one record of a trajectory file.")
    schema = record.get("schema")
    if schema != SCHEMA:
        remedy = f"This reader knows {SCHEMA} only; give it what `agemem rollout` or the rollout service wrote."
        raise FeedError(where, f"schema is {schema!r}", remedy)
    kind = _text(record, "kind", where)
    if kind not in ("step", "trajectory"):
        raise FeedError(where, f'kind is {kind!r}, not "step" or "trajectory"', _REWRITE)
    return kind, _text(record, "rollout_id", where), _count(record, "attempt", where)


def parse_step(record: Mapping[str, Any], where: str) -> Step:
    """A policy step from its record. Lengths, types and finiteness of all token fields are checked."""
    rollout_id = _text(record, "rollout_id", where)
    trainable = _boolean(record, "trainable", where)
    reason = record.get("drop_reason")
    ids = _integers(record, "response_token_ids", where)
    prompt = _integers(record, "prompt_token_ids", where)
    mask = _integers(record, "response_mask", where)
    logprobs = _numbers(record, "response_logprobs", where)
    if trainable and (prompt is None or not prompt or not ids or mask is None):
        raise FeedError(where, "a trainable step without token ids", _REWRITE)
    for name, values in (("response_mask", mask), ("response_logprobs", logprobs)):
        if values is not None and len(values) != len(ids or ()):
            raise FeedError(where, f"{name} has {len(values)} entries for {len(ids or ())} token ids", _REWRITE)
    if mask is not None and not set(mask) <= {0, 1}:
        raise FeedError(where, "response_mask holds something else than 0 and 1", _REWRITE)
    # exp(0) = 1; servers that round may report a hair above it.
    if logprobs is not None and any(value > 1e-3 for value in logprobs):
        raise FeedError(where, "response_logprobs holds a probability above 1", "Ask the server for natural logs.")
    if trainable and logprobs is None:
        trainable, reason = False, "no_logprobs"
    stage = _count(record, "stage", where)
    if stage > 3:
        raise FeedError(where, f"stage is {stage}, not 0 to 3", _REWRITE)
    version = record.get("policy_version")
    return Step(
        rollout_id=rollout_id,
        group_id=str(record.get("group_id") or rollout_id),
        step_index=_count(record, "step_index", where),
        stage=stage,
        prompt_token_ids=prompt or (),
        response_token_ids=ids or (),
        response_logprobs=logprobs or (),
        response_mask=mask or (),
        trainable=trainable,
        drop_reason=None if trainable else str(reason),
        policy_version=None if version is None else _count(record, "policy_version", where),
        truncated=_boolean(record, "truncated", where),
        finish_reason=record.get("finish_reason"),
        memory_ops=tuple(
            str(op["op"]) for op in record.get("memory_ops", ()) if op["ok"] and op["tool_call_id"] != "overflow"
        ),
    )


def parse_trajectory(record: Mapping[str, Any], steps: tuple[Step, ...], aux_calls: int, where: str) -> Trajectory:
    """A trajectory from its record and its policy steps, which are in order. Checks that all calls are there."""
    rollout_id = _text(record, "rollout_id", where)
    status = _text(record, "status", where)
    if status not in STATUSES:
        raise FeedError(where, f"status is {status!r}", _REWRITE)
    expected = _count(record, "n_steps", where)
    if expected != len(steps) + aux_calls:
        problem = f"rollout {rollout_id} has {len(steps) + aux_calls} of its {expected} step records"
        raise FeedError(where, problem, "Give the whole file: a trajectory follows all of its steps.")
    reward = _number(record, "reward", where)
    advantage = _number(record, "advantage", where)
    zero_variance, std = _check_advantage(record, reward, advantage, where)
    counts: dict[str, int] = {}
    for step in steps:
        for op in step.memory_ops:
            counts[op] = counts.get(op, 0) + 1
    return Trajectory(
        rollout_id=rollout_id,
        group_id=str(record.get("group_id") or rollout_id),
        task_id=record.get("task_id"),
        attempt=_count(record, "attempt", where),
        status=status,
        reward=reward,
        reward_parts={name: _number(record["reward_parts"], name, where) for name in record.get("reward_parts", {})},
        advantage=advantage,
        zero_variance=zero_variance,
        group_std=std,
        answer=(record.get("episode") or {}).get("answer"),
        memory_op_counts=counts,
        aux_calls=aux_calls,
        steps=steps,
    )


def _check_advantage(
    record: Mapping[str, Any], reward: float | None, advantage: float | None, where: str
) -> tuple[bool, float | None]:
    """Checks eq. 5 against the mean and deviation the record gives; (zero variance, standard deviation)."""
    if advantage is None:
        return False, None
    meta = record.get("advantage_meta")
    if reward is None or not isinstance(meta, Mapping):
        raise FeedError(where, "an advantage without reward and advantage_meta", _RESCORE)
    zero_variance = _boolean(meta, "zero_variance", where)
    mean, std, eps = (_number(meta, name, where) or 0.0 for name in ("mean", "std", "eps"))
    scale = 1.0 if meta.get("std_kind") == "none" else std + eps
    expected = 0.0 if zero_variance else (reward - mean) / scale
    if not math.isclose(advantage, expected, rel_tol=1e-6, abs_tol=1e-9):
        problem = f"advantage {advantage} does not follow from the reward: {expected} by advantage_meta"
        raise FeedError(where, problem, _RESCORE)
    return zero_variance, std


_REWRITE = "The file was changed by hand or written by another version: check it with `agemem stats`."
_RESCORE = "Score the file again with `agemem score`."


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise FeedError(where, f"{name} is {value!r}, not a text", _REWRITE)
    return value


def _boolean(record: Mapping[str, Any], name: str, where: str) -> bool:
    value = record.get(name)
    if not isinstance(value, bool):
        raise FeedError(where, f"{name} is {value!r}, not true or false", _REWRITE)
    return value


def _count(record: Mapping[str, Any], name: str, where: str) -> int:
    value = record.get(name)
    if type(value) is not int or value < 0:
        raise FeedError(where, f"{name} is {value!r}, not a count", _REWRITE)
    return value


def _number(record: Mapping[str, Any], name: str, where: str) -> float | None:
    value = record.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise FeedError(where, f"{name} is {value!r}, not a finite number", _REWRITE)
    return float(value)


def _integers(record: Mapping[str, Any], name: str, where: str) -> tuple[int, ...] | None:
    values = record.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise FeedError(where, f"{name} is not a list of counts", _REWRITE)
    return tuple(values)


def _numbers(record: Mapping[str, Any], name: str, where: str) -> tuple[float, ...] | None:
    values = record.get(name)
    if values is None:
        return None
    if not isinstance(values, list):
        raise FeedError(where, f"{name} is not a list", _REWRITE)
    for i, value in enumerate(values):
        if type(value) not in (int, float) or not math.isfinite(value):
            raise FeedError(where, f"{name}[{i}] is {value!r}, not a finite number", _REWRITE)
    return tuple(float(value) for value in values)
