"""Tasks of a run: JSON Lines in the form of the rollout request, and which of them an iteration gets.

Owns reading and the order. The choice depends only on seed and iteration, so that a resumed run needs no stored
position.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agemem_grpo.errors import GrpoError
from agemem_grpo.validation import problems_of

Task = dict[str, Any]
Text = Annotated[str, Field(min_length=1)]


class TasksError(GrpoError, ValueError):
    """A task file that cannot be used."""


class Passage(BaseModel):
    """A text with a title."""

    model_config = ConfigDict(strict=True)

    title: str = ""
    text: Text


class TaskRow(BaseModel):
    """One line of a task file, in the form of the rollout request; the service checks it too, but later."""

    model_config = ConfigDict(strict=True)

    id: Text
    question: Text
    answer: str
    context: Annotated[list[Text | Passage], Field(min_length=1)]
    distractors: list[Text | Passage] = []
    gold_facts: list[str] = []
    metadata: dict[str, Any] = {}


def read_tasks(path: Path) -> list[Task]:
    """Reads tasks, one JSON object per line with at least ``id``, ``question``, ``answer`` and ``context``.

    Errors: :class:`TasksError` naming the line, the field and its value.
    """
    if not path.exists():
        raise TasksError(f"{path} does not exist. Write it with `agemem tasks SOURCE --out {path}`.")
    tasks: list[Task] = []
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        task = _read_task(line, f"{path}:{number}")
        if task["id"] in seen:
            raise TasksError(f"{path}:{number}: the id {task['id']} is there twice")
        seen.add(task["id"])
        tasks.append(task)
    if not tasks:
        raise TasksError(f"{path} holds no task")
    return tasks


def _read_task(line: str, where: str) -> Task:
    """The object of the line, unchanged: fields of later versions reach the service too."""
    try:
        TaskRow.model_validate_json(line)
    except ValidationError as error:
        raise TasksError(f"{where}: {'; '.join(each.text for each in problems_of(error))}") from error
    task: Task = json.loads(line)
    return task


def next_tasks(tasks: Sequence[Task], *, start: int, count: int, seed: int) -> list[Task]:
    """The ``count`` tasks after the first ``start``: the list is shuffled again for each pass and taken in order.

    No task comes twice within one answer. Errors: :class:`TasksError` when there are fewer than ``count``.
    """
    if len(tasks) < count:
        raise TasksError(f"{len(tasks)} tasks for iterations of {count}")
    chosen: list[Task] = []
    position = start
    while len(chosen) < count:
        epoch, offset = divmod(position, len(tasks))
        order = list(range(len(tasks)))
        random.Random(f"{seed}/tasks/{epoch}").shuffle(order)
        task = tasks[order[offset]]
        position += 1
        # Where two passes meet, the same task could come twice, but a request accepts an id only once.
        if all(task["id"] != other["id"] for other in chosen):
            chosen.append(task)
    return chosen
