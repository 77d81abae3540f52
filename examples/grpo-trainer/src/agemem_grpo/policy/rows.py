"""Chat rows (`agemem export --to chat`), prepared for imitation.

Owns what remains of a recorded step: the calls with their required arguments and without the thought before them, or
the final answer. Leaves out tokens (`imitation.py`).
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

NEEDED = {
    "Add_memory": ("content",),
    "Update_memory": ("memory_id", "content"),
    "Delete_memory": ("memory_id", "confirmation"),
    "Retrieve_memory": ("query",),
    "Summary_context": ("span",),
    "Filter_context": ("criteria",),
}


class RowsError(ValueError):
    """A file of chat rows that cannot be used; the message says where and why."""


def read_rows(path: Path) -> Iterator[Json]:
    """Rows of a file, each with ``messages`` that end with the assistant's. Errors: :class:`RowsError`."""
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise RowsError(f"{path}:{number}: not JSON: {error}") from error
            messages = row.get("messages") if isinstance(row, dict) else None
            if not messages or messages[-1].get("role") != "assistant":
                raise RowsError(f"{path}:{number}: no messages that end with the assistant's")
            yield row


def best_rollouts(rows: Iterable[Json], count: int, answers: Mapping[str, str] | None = None) -> list[Json]:
    """The rows of the ``count`` rollouts of each task with the highest rewards: imitation by rejection sampling.

    Rows without a reward are left out; of equal rewards the rollout with the fewest steps wins, then the first. With
    ``answers`` (task ids to expected answers) only rollouts count that end with an answer whose prompt shows the
    expected one, because only those can be taught to end right. The order stays.
    """
    rollouts: dict[str, list[Json]] = {}
    for row in rows:
        if row["metadata"].get("reward") is not None:
            rollouts.setdefault(str(row["metadata"]["rollout_id"]), []).append(row)
    ranked: dict[str, list[tuple[float, int, str]]] = {}
    for name, steps in rollouts.items():
        facts = steps[-1]["metadata"]
        if answers is None or _teachable(steps[-1], answers):
            ranked.setdefault(str(facts["task_id"]), []).append((-float(facts["reward"]), len(steps), name))
    best = {name for each in ranked.values() for *_, name in sorted(each, key=lambda one: one[:2])[: max(0, count)]}
    return [row for name, steps in rollouts.items() if name in best for row in steps]


def _teachable(last: Json, answers: Mapping[str, str]) -> bool:
    answer = answers.get(str(last["metadata"]["task_id"]))
    return _final(last) and bool(answer) and _shown(str(answer), last["messages"][:-1])


def _final(row: Json) -> bool:
    return row["metadata"]["stage"] == 3 and not row["messages"][-1].get("tool_calls")


def shortened(row: Mapping[str, Any]) -> Json:
    """The row with every assistant turn cut to what a tiny model should say: bare calls, or a bare answer."""
    messages = copy.deepcopy(list(row["messages"]))
    for message in messages:
        if message["role"] == "assistant":
            _shorten(message)
    return {**row, "messages": messages}


def _shorten(message: Json) -> None:
    calls = message.get("tool_calls")
    if not calls:
        message["content"] = _spoken(message.get("content") or "")
        return
    message["content"] = ""
    for call in calls:
        function = call["function"]
        given = json.loads(function["arguments"])
        kept = {name: given[name] for name in NEEDED.get(function["name"], given) if name in given}
        function["arguments"] = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _spoken(text: str) -> str:
    """An answer without the rules' mark; their replies without an answer become one word."""
    if not text.startswith("[offline rules]"):
        return text
    return "Unknown" if "do not know" in text else "Noted"


def with_taught_answers(
    rows: Iterable[Json], answers: Mapping[str, str], *, share: float, weight: float = 1.0, seed: int = 0
) -> Iterator[Json]:
    """Replaces the recorded answer with the expected one in a ``share`` of the final steps (0 to 1).

    The offline rules answer few of the synthetic questions correctly, and GRPO can only strengthen what a policy
    sometimes does. Only answers that occur in the prompt are used, so that the model learns to read, not to guess.
    ``answers`` maps task ids to expected answers; ``weight`` is how much a taught answer counts, where other turns
    count 1.
    """
    chance = random.Random(f"answers/{seed}")
    for row in rows:
        answer = answers.get(str(row["metadata"]["task_id"]))
        if _final(row) and answer and chance.random() < share and _shown(answer, row["messages"][:-1]):
            said = {"role": "assistant", "content": answer}
            row = {**row, "messages": [*row["messages"][:-1], said], "weight": weight}
        yield row


def _shown(answer: str, messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(answer in str(message.get("content")) for message in messages)
