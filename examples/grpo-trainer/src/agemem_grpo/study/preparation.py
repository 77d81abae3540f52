"""What a study started with: whether held-out questions were seen before, and the warm start of each seed.

Owns reading the folder `prepared` of a study (`training/prepare.py` makes it). Leaves out the runs (`results.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def preparation(study: Path) -> Json | None:
    """Figures of the folder `prepared`; None where a study had its model and tasks from elsewhere.

    ``overlap``: of the held-out questions, how many the tasks of the warm start and of training ask word for word.
    ``warm_starts``: seed, steps, final loss and wall time of each policy that training started from.
    """
    folder = study / "prepared"
    heldout = _questions(folder / "heldout.jsonl")
    if not heldout:
        return None
    others = {"warm_start": "warm-tasks.jsonl", "training": "train.jsonl"}
    made = sorted(folder.glob("policy-*/warm_start.json"))
    warm = [json.loads(path.read_text()) for path in made]
    named = ("seed", "steps", "id_steps", "loss", "parameters", "seconds")
    return {
        "heldout_questions": len(heldout),
        "overlap": {name: len(heldout & _questions(folder / file)) for name, file in others.items()},
        "shared_warm_start": _shared(folder / "prepare.json"),
        "warm_starts": [{name: each[name] for name in named if name in each} for each in warm],
    }


def _shared(path: Path) -> bool:
    return path.exists() and bool(json.loads(path.read_text()).get("shared_warm_start"))


def _questions(path: Path) -> set[str]:
    if not path.exists():
        return set()
    return {json.loads(line)["question"] for line in path.read_text().splitlines() if line.strip()}


def text_of_preparation(found: Json) -> str:
    """A line of the report."""
    overlap = found["overlap"]
    losses = ", ".join(f"{each['loss']:.3f}" for each in found["warm_starts"])
    steps = sorted({each["steps"] for each in found["warm_starts"]})
    of_ids = sorted({each["id_steps"] for each in found["warm_starts"] if each.get("id_steps")})
    then = f" and {', '.join(map(str, of_ids))} with weight on ids" if of_ids else ""
    whose = (
        "All seeds start from one warm start, so that they differ less than independent runs"
        if found["shared_warm_start"]
        else "Each seed has a warm start of its own"
    )
    return (
        f"- Of {found['heldout_questions']} distinct held-out questions, {overlap['warm_start']} are in the tasks of "
        f"the warm start and {overlap['training']} in those of training. {whose} "
        f"({', '.join(map(str, steps))} steps{then}; loss at its end: {losses})."
    )
