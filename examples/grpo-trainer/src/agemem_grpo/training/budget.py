"""How many tasks an iteration gets when a run has a number of policy calls to spend. Pure.

Runs of different variants can then be compared: a counterfactual group takes fewer calls than a group of whole
rollouts, and a policy that learns takes fewer or more as it goes. Leaves out which tasks (`feed/tasks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def tasks_within(calls: int, lines: Sequence[Json], *, iterations: int, beginning: int, guess: int) -> int:
    """The tasks of the next iteration, at least 1: each iteration takes an equal part of the calls that are left.

    ``lines`` are the metrics of all iterations before it; what a task takes is their mean, of those that shared as long
    a ``beginning`` if there are any. The first iteration has ``guess`` tasks. The last one corrects what the others
    missed, so that a run ends about a task's calls from ``calls`` at most, unless a task is more than such a part.

    >>> tasks_within(1000, [{"policy_calls": 400, "groups": 8, "branch_at": 0}], iterations=4, beginning=0, guess=8)
    4
    """
    if not lines:
        return guess
    alike = [line for line in lines if line["branch_at"] == beginning] or lines
    each: float = sum(line["policy_calls"] for line in alike) / sum(line["groups"] for line in alike)
    left: int = calls - sum(line["policy_calls"] for line in lines)
    part = left / max(1, iterations - len(lines))
    return max(1, round(part / max(1.0, each)))
