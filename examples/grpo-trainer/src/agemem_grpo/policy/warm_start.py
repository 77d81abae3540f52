"""Makes the tiny policy: ``python -m agemem_grpo.policy.warm_start --chat rows.jsonl --out DIR``.

Trains a tokenizer on the rows, builds the model, trains it to imitate the recorded steps, and writes a Hugging Face
folder with model, tokenizer and chat template, which any server or trainer can load.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from agemem_grpo.policy.imitation import imitate, to_examples
from agemem_grpo.policy.model import build_model
from agemem_grpo.policy.rows import read_rows, shortened, with_taught_answers
from agemem_grpo.policy.tokenizer import train_tokenizer


def warm_start(
    chat: Path,
    out: Path,
    *,
    tasks: Path | None = None,
    answer_share: float = 0.8,
    answer_weight: float = 5.0,
    steps: int = 700,
    hidden: int = 128,
    layers: int = 4,
    learning_rate: float = 3e-3,
    seed: int = 0,
    progress: bool = False,
) -> Mapping[str, Any]:
    """Trains on the rows of ``chat`` and writes the folder ``out``; returns figures of the training.

    With ``tasks`` (JSON Lines of ``agemem tasks``) the expected answer replaces the recorded one in ``answer_share`` of
    the final steps and counts ``answer_weight`` times, because an answer is only a word or two and choosing it is the
    hard part. Fewer ``steps`` give a weaker policy, which leaves more for GRPO to do.
    Errors: :class:`~agemem_grpo.policy.rows.RowsError`; ``FileExistsError`` when ``out`` already holds files.

    >>> warm_start(Path("rows.jsonl"), Path("policy"), steps=300)["loss"]  # doctest: +SKIP
    0.21
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} already holds files: name a new folder")
    rows = [shortened(row) for row in read_rows(chat)]
    tokenizer = train_tokenizer(str(message.get("content") or "") for row in rows for message in row["messages"])
    answers = {} if tasks is None else _answers(tasks)
    taught = with_taught_answers(rows, answers, share=answer_share, weight=answer_weight, seed=seed)
    examples = to_examples(taught, tokenizer)
    model = build_model(tokenizer, hidden=hidden, layers=layers, seed=seed)
    steps_done = imitate(model, examples, steps=steps, learning_rate=learning_rate, seed=seed)
    losses = list(tqdm(steps_done, total=steps, desc="imitation", disable=not progress))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    last = losses[-max(1, steps // 20) :]
    figures = {
        "rows": len(rows),
        "conversations": len(examples),
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "steps": steps,
        "seed": seed,
        "first_loss": losses[0],
        "loss": sum(last) / len(last),
    }
    (out / "warm_start.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _answers(tasks: Path) -> dict[str, str]:
    lines = (json.loads(line) for line in tasks.read_text().splitlines() if line.strip())
    return {task["id"]: task["answer"] for task in lines}


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="agemem_grpo.policy.warm_start", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--chat", type=Path, required=True, help="rows of `agemem export --to chat`")
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--tasks", type=Path, help="tasks of the rows, for the expected answers")
    parser.add_argument("--answer-share", type=float, default=0.8, help="share of final steps with the expected answer")
    parser.add_argument("--answer-weight", type=float, default=5.0, help="weight of such an answer")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = vars(parser.parse_args(argv))
    torch.set_num_threads(given.pop("threads"))
    figures = warm_start(given.pop("chat"), given.pop("out"), progress=sys.stderr.isatty(), **given)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
