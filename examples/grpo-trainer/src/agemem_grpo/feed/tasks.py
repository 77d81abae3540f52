"""Tasks of a run: JSON Lines in the form of the rollout request, and which of them an iteration gets.

Owns reading and the order. The choice is a function of seed and iteration alone, so that a run that resumes needs no
stored position.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agemem_grpo.errors import GrpoError

Task = dict[str, Any]


class TasksError(GrpoError, ValueError):
    """A task file that cannot be used."""


def read_tasks(path: Path) -> list[Task]:
    """Reads tasks, one JSON object per line with at least ``id``, ``question``, ``answer`` and ``context``.

    Errors: :class:`TasksError` naming the line.
    """
    tasks: list[Task] = []
    seen: set[str] = set()
    if not path.exists():
        raise TasksError(f"{path} does not exist. Write it with `agemem tasks SOURCE --out {path}`.")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            task = json.loads(line)
        except json.JSONDecodeError as error:
            raise TasksError(f"{path}:{number}: not JSON: {error}") from error
        missing = [name for name in ("id", "question", "answer", "context") if name not in task]
        if missing:
            raise TasksError(f"{path}:{number}: without {', '.join(missing)}")
        if task["id"] in seen:
            raise TasksError(f"{path}:{number}: the id {task['id']} is there twice")
        seen.add(task["id"])
        tasks.append(task)
    if not tasks:
        raise TasksError(f"{path} holds no task")
    return tasks


def tasks_of_iteration(tasks: Sequence[Task], *, iteration: int, count: int, seed: int) -> list[Task]:
    """The ``count`` tasks of iteration 0, 1, ...: the list shuffled anew for each pass, taken from left to right.

    No task comes twice within an iteration. Errors: :class:`TasksError` when there are fewer than ``count``.
    """
    if len(tasks) < count:
        raise TasksError(f"{len(tasks)} tasks for iterations of {count}")
    chosen: list[Task] = []
    position = iteration * count
    while len(chosen) < count:
        epoch, offset = divmod(position, len(tasks))
        order = list(range(len(tasks)))
        random.Random(f"{seed}/tasks/{epoch}").shuffle(order)
        task = tasks[order[offset]]
        position += 1
        # Across the border of two passes the same task could come twice; one request takes an id once.
        if all(task["id"] != other["id"] for other in chosen):
            chosen.append(task)
    return chosen
