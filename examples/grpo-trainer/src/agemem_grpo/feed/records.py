"""One record of the schema `agemem.trajectory/1`: what a trainer needs from it, checked.

Owns the types of a step and a trajectory, the rules between their fields, and the errors that name a line. Leaves out
the fields themselves (`wire.py`) and the order of records and the groups (`groups.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agemem_grpo.feed.wire import SCHEMA, AdvantageMeta, Call, Identity, MemoryOp, StepRecord, TrajectoryRecord
from agemem_grpo.validation import problems_of

FLOOR_LOGPROB = -1000.0
"""At or below it, a log-probability is a server's placeholder (-9999 in vLLM, clamped minus infinity), not a measured
one. The ratio to it would be infinite, and the gradient NaN."""

CUT = frozenset({"abort", "aborted", "cancelled", "content_filter", "error"})
"""Finish reasons of a response that was ended midway by something other than the policy or its length limit."""


class FeedError(ValueError):
    """A feed that must not be trained on. The message names the record, the problem and the remedy."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the policy: the prompt it saw, the tokens it sampled, their log-probabilities (natural logarithm).

    Token fields that were not recorded are empty. `trainable` is false for a step that must not be trained on, and
    `drop_reason` says why: "error", "no_token_ids" and "token_mismatch" as recorded, or the reader's own "no_logprobs",
    "floor_logprobs" (the server gave a placeholder instead of a log-probability) and "cut" (something other than the
    policy or its length limit ended the response).
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
    """Names of the memory operations that the response requested and that succeeded, such as "ADD"."""
    invalid_calls: int = 0
    """Memory operations that were refused, and a response out of format counts as one."""
    advantage: float | None = None
    """The step's own, where its group went on from a shared beginning; None = the trajectory's."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One rollout. `reward` and `advantage` are None when it failed or was not scored; all its steps have this
    advantage (AgeMem, eq. 5-6). `steps` are the policy's calls in order; `aux_calls` counts the others."""

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
    memory_quality: float | None = None
    """MQ: what memory held at the end against the gold facts, by the judge; None where it was not asked."""
    branch_at: int | None = None
    """Index of the first step that is the rollout's own, where its group shares a beginning."""


Model = TypeVar("Model", bound=BaseModel)


def read_identity(record: Any, where: str) -> Identity:
    """The identity of a record. Raises FeedError for anything that is not a record of this schema."""
    if not isinstance(record, Mapping):
        raise FeedError(where, "not a JSON object", "Each line holds one record of a trajectory file.")
    if record.get("schema") != SCHEMA:
        remedy = f"This reader knows {SCHEMA} only; give it what `agemem rollout` or the rollout service wrote."
        raise FeedError(where, f"schema is {record.get('schema')!r}", remedy)
    return _read(Identity, record, where)


def read_call(record: Mapping[str, Any], where: str) -> Call:
    """The index of a call in its rollout, and its role."""
    return _read(Call, record, where)


def read_trajectory(record: Mapping[str, Any], where: str) -> TrajectoryRecord:
    """The fields of a trajectory record."""
    return _read(TrajectoryRecord, record, where)


def parse_step(record: Mapping[str, Any], where: str) -> Step:
    """A policy step from its record. Raises FeedError naming the field for wrong types, lengths and numbers."""
    wire = _read(StepRecord, record, where)
    _check_tokens(wire, where)
    reason = _why_not(wire)
    return Step(
        rollout_id=wire.rollout_id,
        group_id=wire.group_id or wire.rollout_id,
        step_index=wire.step_index,
        stage=wire.stage,
        prompt_token_ids=tuple(wire.prompt_token_ids or ()),
        response_token_ids=tuple(wire.response_token_ids or ()),
        response_logprobs=tuple(wire.response_logprobs or ()),
        response_mask=tuple(wire.response_mask or ()),
        trainable=reason is None,
        drop_reason=reason,
        policy_version=wire.policy_version,
        truncated=wire.truncated,
        finish_reason=wire.finish_reason,
        invalid_calls=sum(not op.ok for op in _of_policy(wire)) + (wire.format_error is not None),
        memory_ops=tuple(op.op for op in _of_policy(wire) if op.ok),
        advantage=wire.advantage,
    )


def _of_policy(wire: StepRecord) -> list[MemoryOp]:
    """An operation with the id "overflow" comes from the overflow guard, not from the policy."""
    return [op for op in wire.memory_ops if op.tool_call_id != "overflow"]


def _check_tokens(wire: StepRecord, where: str) -> None:
    ids = wire.response_token_ids or []
    if wire.trainable and not (wire.prompt_token_ids and ids and wire.response_mask is not None):
        raise FeedError(where, "a trainable step without token ids", _REWRITE)
    lists: tuple[tuple[str, list[Any] | None], ...] = (
        ("response_mask", list(wire.response_mask) if wire.response_mask is not None else None),
        ("response_logprobs", wire.response_logprobs),
    )
    for name, values in lists:
        if values is not None and len(values) != len(ids):
            raise FeedError(where, f"{name} has {len(values)} entries for {len(ids)} token ids", _REWRITE)
    # exp(0) = 1; servers that round may report slightly more.
    for index, value in enumerate(wire.response_logprobs or []):
        if value > 1e-3:
            problem = f"response_logprobs[{index}] is {value}, a probability above 1"
            raise FeedError(where, problem, "Ask the server for natural logarithms.")


def _why_not(wire: StepRecord) -> str | None:
    """Why a step is not trained on; None when it is."""
    if not wire.trainable:
        return str(wire.drop_reason)
    if wire.response_logprobs is None:
        return "no_logprobs"
    trained = zip(wire.response_logprobs, wire.response_mask or (), strict=False)
    if any(mask and logprob <= FLOOR_LOGPROB for logprob, mask in trained):
        return "floor_logprobs"
    if wire.finish_reason in CUT:
        return "cut"
    return None


def parse_trajectory(wire: TrajectoryRecord, steps: tuple[Step, ...], aux_calls: int, where: str) -> Trajectory:
    """A trajectory from its record and its policy steps, which are in order. Checks that no call is missing."""
    if wire.n_steps != len(steps) + aux_calls:
        problem = f"rollout {wire.rollout_id} has {len(steps) + aux_calls} of its {wire.n_steps} step records"
        raise FeedError(where, problem, "Give the whole file: a trajectory follows all of its steps.")
    meta = _checked_baseline(wire, where)
    return Trajectory(
        rollout_id=wire.rollout_id,
        group_id=wire.group_id or wire.rollout_id,
        task_id=wire.task_id,
        attempt=wire.attempt,
        status=wire.status,
        reward=wire.reward,
        reward_parts=wire.reward_parts,
        advantage=wire.advantage,
        zero_variance=meta is not None and meta.zero_variance,
        group_std=None if meta is None else meta.std,
        answer=None if wire.episode is None else wire.episode.answer,
        memory_op_counts=dict(Counter(op for step in steps for op in step.memory_ops)),
        aux_calls=aux_calls,
        steps=steps,
        memory_quality=None if wire.verdicts is None else wire.verdicts.memory_quality,
        branch_at=_branch_at(wire, where),
    )


def _branch_at(wire: TrajectoryRecord, where: str) -> int | None:
    at = wire.metadata.get("branch_at")
    if at is None or (type(at) is int and at >= 0):
        return at
    raise FeedError(where, f"metadata.branch_at is {at!r}: expected a whole number of 0 or more", _REWRITE)


def _checked_baseline(wire: TrajectoryRecord, where: str) -> AdvantageMeta | None:
    """Mean and deviation behind the advantage, checked against it (eq. 5); None without an advantage."""
    if wire.advantage is None:
        return None
    meta = wire.advantage_meta
    if wire.reward is None or meta is None:
        raise FeedError(where, "an advantage without reward and advantage_meta", _RESCORE)
    scale = 1.0 if meta.std_kind == "none" else meta.std + meta.eps
    expected = 0.0 if meta.zero_variance else (wire.reward - meta.mean) / scale
    if not math.isclose(wire.advantage, expected, rel_tol=1e-6, abs_tol=1e-9):
        problem = f"advantage {wire.advantage} does not follow from the reward: {expected} by advantage_meta"
        raise FeedError(where, problem, _RESCORE)
    return meta


def _read(model: type[Model], record: Mapping[str, Any], where: str) -> Model:
    try:
        return model.model_validate(record)
    except ValidationError as error:
        first = problems_of(error)[0]
        remedy = _RESCORE if first.field.startswith(("reward", "advantage")) else _REWRITE
        raise FeedError(where, first.text, remedy) from error


_REWRITE = "The file was changed by hand or written by another version: check it with `agemem validate`."
_RESCORE = "Score the file again with `agemem score`."
