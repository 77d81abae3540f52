"""Makes a policy by imitation: ``python -m agemem_grpo.policy.warm_start --chat rows.jsonl --out DIR``.

Trains a model to imitate recorded steps and writes a Hugging Face folder with model, tokenizer and chat template, which
any server or trainer can load. The model is the one of ``--model``, with its own tokenizer and template, or else a tiny
one, whose tokenizer is trained on the rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from agemem_grpo.policy.imitation import REPEATS_WEIGHT, imitate, to_examples
from agemem_grpo.policy.model import build_model
from agemem_grpo.policy.rows import best_rollouts, read_rows, shortened, with_taught_answers
from agemem_grpo.policy.tokenizer import train_tokenizer


def warm_start(
    chat: Path,
    out: Path,
    *,
    tasks: Path | None = None,
    model: Path | None = None,
    frozen_layers: int = 0,
    best: int | None = None,
    answer_share: float = 0.8,
    answer_weight: float = 5.0,
    steps: int = 700,
    id_steps: int = 0,
    id_weight: float = 10.0,
    batch_tokens: int = 2000,
    max_length: int = 1024,
    hidden: int = 128,
    layers: int = 4,
    copying: bool = False,
    learning_rate: float = 3e-3,
    seed: int = 0,
    state: Path | None = None,
    progress: bool = False,
) -> Mapping[str, Any]:
    """Trains on the rows of ``chat`` and writes the folder ``out``; returns figures of the training.

    ``model`` is the folder of a language model to start from; its embeddings and first ``frozen_layers`` layers stay as
    they are, which saves part of the backward pass. Without it a tiny model of ``hidden`` units and ``layers`` is made,
    which with ``copying`` copies from the start (`model.py`).
    With a file ``state`` a repeated call resumes after a kill; the file is removed at the end.
    ``best`` keeps of each task that many rollouts, those with the highest rewards; with ``tasks`` of those whose answer
    can be taught.
    With ``tasks`` (JSON Lines of ``agemem tasks``) the expected answer replaces the recorded one in ``answer_share`` of
    the final steps and counts ``answer_weight`` times, because an answer is only a word or two and choosing it is the
    hard part. Fewer ``steps`` give a weaker policy, which leaves more for GRPO to do.
    ``id_steps`` more follow, at a third of the learning rate, in which the tokens of a memory's id in a call count
    ``id_weight`` times: an id is copied right only if each of its letters is, and calls that name one are rare.
    Errors: :class:`~agemem_grpo.policy.rows.RowsError`; ``FileExistsError`` when ``out`` already holds files.

    >>> warm_start(Path("rows.jsonl"), Path("policy"), steps=300)["loss"]  # doctest: +SKIP
    0.21
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} already holds files: name a new folder")
    began = time.monotonic()
    answers = {} if tasks is None else _answers(tasks)
    recorded = list(read_rows(chat))
    kept = recorded if best is None else best_rollouts(recorded, best, answers or None)
    rows = [shortened(row) for row in kept]
    if model is None:
        tokenizer = train_tokenizer(str(message.get("content") or "") for row in rows for message in row["messages"])
        policy = build_model(tokenizer, hidden=hidden, layers=layers, copying=copying, seed=seed)
    else:
        tokenizer = AutoTokenizer.from_pretrained(model)
        policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        _freeze(policy, frozen_layers)
    taught = list(with_taught_answers(rows, answers, share=answer_share, weight=answer_weight, seed=seed))
    examples = to_examples(taught, tokenizer, max_length=max_length)
    options: dict[str, Any] = {"batch_tokens": batch_tokens, "repeats_weight": REPEATS_WEIGHT if model is None else 0.0}
    steps_done = imitate(policy, examples, steps=steps, learning_rate=learning_rate, seed=seed, state=state, **options)
    losses = list(tqdm(steps_done, total=steps, desc="imitation", disable=not progress))
    if id_steps:
        weighted = to_examples(taught, tokenizer, max_length=max_length, id_weight=id_weight)
        further = imitate(policy, weighted, steps=id_steps, learning_rate=learning_rate / 3, seed=seed + 1, **options)
        losses += tqdm(further, total=id_steps, desc="ids", disable=not progress)
    policy.save_pretrained(out)
    tokenizer.save_pretrained(out)
    last = losses[-max(1, steps // 20) :]
    figures = {
        "rows": len(rows),
        "conversations": len(examples),
        "tokens": sum(len(example.ids) for example in examples),
        "parameters": policy.num_parameters(),
        "trained_parameters": sum(each.numel() for each in policy.parameters() if each.requires_grad),
        "vocabulary": len(tokenizer),
        "steps": steps,
        "id_steps": id_steps,
        "seed": seed,
        "first_loss": losses[0],
        "loss": sum(last) / len(last),
        "seconds": round(time.monotonic() - began, 1),
    }
    (out / "warm_start.json").write_text(json.dumps({**figures, "losses": losses}, indent=2) + "\n")
    if state is not None:
        state.unlink(missing_ok=True)
    return figures


def _freeze(policy: PreTrainedModel, layers: int) -> None:
    """Keeps the embeddings (which are the output's, too) and the first ``layers`` layers as they are."""
    if layers <= 0:
        return
    policy.get_input_embeddings().requires_grad_(False)
    policy.get_output_embeddings().requires_grad_(False)
    for layer in policy.base_model.layers[:layers]:
        layer.requires_grad_(False)


def _answers(tasks: Path) -> dict[str, str]:
    lines = (json.loads(line) for line in tasks.read_text().splitlines() if line.strip())
    return {task["id"]: task["answer"] for task in lines}


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="agemem_grpo.policy.warm_start", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--chat", type=Path, required=True, help="rows of `agemem export --to chat`")
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--tasks", type=Path, help="tasks of the rows, for the expected answers")
    parser.add_argument("--model", type=Path, help="folder of a language model to start from; none = a tiny one")
    parser.add_argument("--frozen-layers", type=int, default=0, help="of --model: layers that stay as they are")
    parser.add_argument("--state", type=Path, help="file that keeps the training, so that the same command resumes")
    parser.add_argument("--best", type=int, help="imitate this many rollouts of each task, those with most reward")
    parser.add_argument("--batch-tokens", type=int, default=2000, help="tokens of a batch, including padding")
    parser.add_argument("--max-length", type=int, default=1024, help="longest conversation in tokens")
    parser.add_argument("--answer-share", type=float, default=0.8, help="share of final steps with the expected answer")
    parser.add_argument("--answer-weight", type=float, default=5.0, help="weight of such an answer")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--id-steps", type=int, default=0, help="further steps in which ids of memories count more")
    parser.add_argument("--id-weight", type=float, default=10.0, help="how much more")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--copying", action="store_true", help="the tiny model copies what it has read from the start")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = vars(parser.parse_args(argv))
    torch.set_num_threads(given.pop("threads"))
    figures = warm_start(given.pop("chat"), given.pop("out"), progress=sys.stderr.isatty(), **given)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
