"""The feed as a stream of groups: the K rollouts of one task, which share the baseline of their advantages.

Owns the order of records, which steps belong to which rollout, and when a group is complete. Leaves out the fields of a
record (`records.py`) and what is trained on (`samples.py`). Only incomplete groups are held in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agemem_grpo.feed.records import (
    FeedError,
    Step,
    Trajectory,
    parse_step,
    parse_trajectory,
    read_call,
    read_identity,
    read_trajectory,
)
from agemem_grpo.feed.wire import SCHEMA, TrajectoryRecord

__all__ = ["SCHEMA", "FeedError", "Group", "Step", "Trajectory", "read_feed"]


@dataclass(frozen=True, slots=True)
class Group:
    """The rollouts of one task with one set of weights, including failed ones, in the order in which they came."""

    group_id: str
    task_id: str | None
    trajectories: tuple[Trajectory, ...]

    @property
    def rewards(self) -> list[float]:
        """The rewards of the scored rollouts."""
        return [one.reward for one in self.trajectories if one.reward is not None]


@dataclass(slots=True)
class _OpenGroup:
    """A group that still lacks rollouts."""

    size: int
    trajectories: dict[str, Trajectory] = field(default_factory=dict)
    baseline: tuple[float, float] | None = None


@dataclass(slots=True)
class _OpenRollout:
    """The calls of a rollout whose trajectory record has not come yet; of an auxiliary call only the index is kept."""

    where: str
    steps: dict[int, Step | None] = field(default_factory=dict)


def read_feed(
    lines: Iterable[str | Mapping[str, Any]], *, partial: Literal["error", "skip"] = "error"
) -> Iterator[Group]:
    """Streams the groups of a feed, each as soon as its last rollout has come.

    `lines` are the lines of a trajectory file, or records as the rollout service sends them. Rollouts of several groups
    may alternate. If a rollout was retried, its last attempt counts.

    `partial` decides about rollouts and groups that are incomplete when the feed ends: "error" (default) raises, "skip"
    omits them, which is right for a file that is still being written.

    Raises FeedError with the line (counted from 1) for another schema, missing or repeated steps, token fields of
    unequal lengths, numbers that are not finite, or an advantage that does not follow from reward and group.

    >>> with open("run.jsonl", encoding="utf-8") as file:
    ...     for group in read_feed(file):
    ...         print(group.task_id, group.rewards)
    """
    groups: dict[str, _OpenGroup] = {}
    rollouts: dict[tuple[str, int], _OpenRollout] = {}
    where = "the feed"
    for number, line in enumerate(lines, start=1):
        where = f"line {number}" if isinstance(line, str) else f"record {number}"
        if isinstance(line, str) and not line.strip():
            continue
        record = _decode(line, where) if isinstance(line, str) else line
        identity = read_identity(record, where)
        key = (identity.rollout_id, identity.attempt)
        if identity.kind == "step":
            _add_step(rollouts.setdefault(key, _OpenRollout(where)), record, where)
            continue
        wire = read_trajectory(record, where)
        calls = rollouts.pop(key, _OpenRollout(where))
        trajectory = parse_trajectory(wire, *_ordered(calls, wire.rollout_id, where), where)
        group = groups.setdefault(trajectory.group_id, _OpenGroup(_size(wire, where)))
        _add_trajectory(group, trajectory, wire, where)
        if len(group.trajectories) == group.size:
            del groups[trajectory.group_id]
            yield Group(trajectory.group_id, trajectory.task_id, tuple(group.trajectories.values()))
    if partial == "error":
        _refuse_open(groups, rollouts, where)


def _decode(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        remedy = "A line that was cut off by a crash is removed by the next `agemem rollout` into the file."
        raise FeedError(where, f"not JSON ({error.msg})", remedy) from error


def _add_step(rollout: _OpenRollout, record: Mapping[str, Any], where: str) -> None:
    call = read_call(record, where)
    if call.step_index in rollout.steps:
        problem = f"step {call.step_index} of rollout {call.rollout_id} comes twice"
        raise FeedError(where, problem, "Remove the copy: two runs may have written into one file.")
    # A summarizer's or judge's call is never trained on, but without its index the steps would be incomplete.
    rollout.steps[call.step_index] = None if call.call_role == "aux" else parse_step(record, where)


def _ordered(rollout: _OpenRollout, rollout_id: str, where: str) -> tuple[tuple[Step, ...], int]:
    """The policy steps in order, and the number of auxiliary calls."""
    missing = next((i for i in range(len(rollout.steps)) if i not in rollout.steps), None)
    if missing is not None:
        remedy = "Give the whole file: steps are numbered without gaps."
        raise FeedError(where, f"rollout {rollout_id} lacks step {missing}", remedy)
    ordered = [rollout.steps[i] for i in range(len(rollout.steps))]
    steps = tuple(step for step in ordered if step is not None)
    return steps, len(ordered) - len(steps)


def _size(wire: TrajectoryRecord, where: str) -> int:
    """K of the group; a rollout without a group forms its own."""
    if wire.group_id is None:
        return 1
    if wire.k is None:
        raise FeedError(where, "k is None", "A rollout of a group says how many it has: record it again.")
    return wire.k


def _add_trajectory(group: _OpenGroup, trajectory: Trajectory, wire: TrajectoryRecord, where: str) -> None:
    earlier = group.trajectories.get(trajectory.rollout_id)
    if earlier is not None and earlier.attempt >= trajectory.attempt:
        problem = f"attempt {trajectory.attempt} of rollout {trajectory.rollout_id} comes twice or too late"
        raise FeedError(where, problem, "Remove the copy: two runs may have written into one file.")
    if trajectory.advantage is not None and wire.advantage_meta is not None:
        baseline = (wire.advantage_meta.mean, wire.advantage_meta.std)
        if group.baseline is None:
            group.baseline = baseline
        elif not all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(baseline, group.baseline, strict=True)):
            problem = f"group {trajectory.group_id} has rollouts with different baselines"
            raise FeedError(where, problem, "Score the file again with `agemem score`.")
    group.trajectories[trajectory.rollout_id] = trajectory


def _refuse_open(
    groups: Mapping[str, _OpenGroup], rollouts: Mapping[tuple[str, int], _OpenRollout], where: str
) -> None:
    remedy = 'Let the run finish, or read with partial="skip".'
    for (rollout_id, _), rollout in rollouts.items():
        raise FeedError(rollout.where, f"the feed ends within rollout {rollout_id}", remedy)
    for group_id, group in groups.items():
        problem = f"the feed ends after {len(group.trajectories)} of the {group.size} rollouts of group {group_id}"
        raise FeedError(where, problem, remedy)
