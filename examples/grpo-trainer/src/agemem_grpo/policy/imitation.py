"""Imitation of recorded steps: next-token loss on what the assistant said.

A narrow model learns late to copy names and ids, because the assistant says few of them. So the loss also covers,
with less weight, the words of the prompt that repeat earlier ones: copying can predict them, and every conversation
has many.

Owns tokens, batches, the training loop and its state on disk. Leaves out where rows come from (`rows.py`) and the files
of a policy (`warm_start.py`).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

IGNORED = -100
ID_ARGUMENT = re.compile(r'"memory_id": ?"([^"]*)"')
REPEATS_WEIGHT = 0.5
SAVED_EVERY = 10
"""Steps between two states on disk."""


@dataclass(slots=True)
class Example:
    """One conversation: its tokens, and a label for each: the token where the assistant speaks, else ``IGNORED``.

    ``weights`` are how much each spoken token counts.
    """

    ids: list[int]
    labels: list[int]
    weights: list[float]

    def repeats(self) -> list[int]:
        """Labels of those tokens of the prompt that repeat a pair of tokens from earlier in the conversation."""
        seen: set[tuple[int, int]] = set()
        found = [IGNORED]
        for before, token, spoken in zip(self.ids, self.ids[1:], self.labels[1:], strict=False):
            found.append(token if spoken == IGNORED and (before, token) in seen else IGNORED)
            seen.add((before, token))
        return found


def to_examples(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int = 1024,
    id_weight: float = 1.0,
) -> list[Example]:
    """Tokens of each row. A row that continues where the last one ended is joined to it, to compute nothing twice.

    Rows longer than ``max_length`` are left out; a row's ``weight`` (1 if it has none) applies to its last turn.
    In a call that names a memory, the tokens of its id count ``id_weight`` times as much.
    Errors: ``ValueError`` when the rendered prompt is not a prefix of the rendered conversation, because the loss
    would then cover the wrong tokens.
    """
    examples: list[Example] = []
    for row in rows:
        messages, tools = row["messages"], row.get("tools")
        prompt = _render(tokenizer, messages[:-1], tools, True)
        whole = _render(tokenizer, messages, tools, False)
        if whole[: len(prompt)] != prompt:
            raise ValueError("The chat template changes a prompt when the response follows")
        if len(whole) > max_length:
            continue
        last = examples[-1] if examples else None
        if last is None or prompt[: len(last.ids)] != last.ids:
            last = Example([], [], [])
            examples.append(last)
        weight = float(row.get("weight", 1.0))
        last.weights += [weight] * (len(prompt) - len(last.ids))
        last.weights += [weight * each for each in _weights(tokenizer, whole[len(prompt) :], id_weight)]
        last.labels += [IGNORED] * (len(prompt) - len(last.ids)) + whole[len(prompt) :]
        last.ids = whole
    return examples


def _weights(tokenizer: PreTrainedTokenizerFast, spoken: Sequence[int], id_weight: float) -> list[float]:
    """``id_weight`` for each token of a memory's id in a call and the one that ends it, 1 for the others."""
    weights = [1.0] * len(spoken)
    if id_weight == 1.0:
        return weights
    pieces = [str(tokenizer.decode([token])) for token in spoken]
    spans = [(found.start(1), found.end()) for found in ID_ARGUMENT.finditer("".join(pieces))]
    start = 0
    for at, piece in enumerate(pieces):
        end = start + len(piece)
        if any(first < end and start < last for first, last in spans):
            weights[at] = id_weight
        start = end
    return weights


def _render(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Any], tools: Any, generation: bool) -> list[int]:
    rendered: list[int] = tokenizer.apply_chat_template(
        list(messages), tools=tools, add_generation_prompt=generation, tokenize=True, return_dict=False
    )
    return rendered


def imitate(
    model: PreTrainedModel,
    examples: Sequence[Example],
    *,
    steps: int = 300,
    batch_tokens: int = 2000,
    learning_rate: float = 3e-3,
    repeats_weight: float = REPEATS_WEIGHT,
    seed: int = 0,
    state: Path | None = None,
) -> Iterator[float]:
    """Trains the model in place; yields the mean loss per spoken token of each step.

    AdamW without weight decay, 5 % warm-up, cosine decay to a tenth, gradients clipped to norm 1. Parameters that need
    no gradient stay as they are. ``batch_tokens`` is the size of a batch including padding. ``repeats_weight`` is that
    of the repeated words of the prompt; a pretrained model can copy, and needs 0. With ``state``, the training is saved
    in that file every 10 steps and resumes from it: the losses of the steps done come first, without computing.
    Errors: ``ValueError`` without examples.

    >>> losses = list(imitate(model, examples, steps=100))  # doctest: +SKIP
    """
    if not examples:
        raise ValueError("There is nothing to imitate: no row was short enough")
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    losses = _resume(state, trained, optimizer, schedule)
    yield from losses
    batches = _batches(examples, batch_tokens, seed)
    for _ in losses:
        next(batches)
    model.train()
    for step in range(len(losses) + 1, steps + 1):
        said, repeated = _losses(model, next(batches), bool(repeats_weight))
        loss = said + repeats_weight * repeated
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(said.item())
        if state is not None and (step % SAVED_EVERY == 0 or step == steps):
            _save(state, trained, optimizer, schedule, losses)
        yield losses[-1]
    model.eval()


def _save(path: Path, trained: Sequence[torch.Tensor], optimizer: Any, schedule: Any, losses: Sequence[float]) -> None:
    partial = path.with_name(f"partial-{path.name}")
    held = {"trained": [each.detach() for each in trained], "losses": list(losses)}
    torch.save({**held, "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, partial)
    partial.replace(path)


def _resume(path: Path | None, trained: Sequence[torch.Tensor], optimizer: Any, schedule: Any) -> list[float]:
    """Loads the state, if there is one; returns the losses of the steps that it has."""
    if path is None or not path.exists():
        return []
    held = torch.load(path, weights_only=True)
    with torch.no_grad():
        for parameter, values in zip(trained, held["trained"], strict=True):
            parameter.copy_(values)
    optimizer.load_state_dict(held["optimizer"])
    schedule.load_state_dict(held["schedule"])
    return list(held["losses"])


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _batches(examples: Sequence[Example], batch_tokens: int, seed: int) -> Iterator[list[Example]]:
    """Endless batches of examples of similar length, in random order."""
    chance = random.Random(f"imitation/{seed}")
    while True:
        order = sorted(examples, key=lambda example: len(example.ids) + 20 * chance.random())
        batches: list[list[Example]] = [[]]
        for example in order:
            if batches[-1] and (len(batches[-1]) + 1) * len(example.ids) > batch_tokens:
                batches.append([])
            batches[-1].append(example)
        chance.shuffle(batches)
        yield from batches


def _losses(model: PreTrainedModel, batch: Sequence[Example], repeats: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean losses of spoken tokens, weighted, and of repeated ones (0 when they are not wanted)."""
    # Padding on the right needs no mask under causal attention; it has no label.
    ids = _padded([example.ids for example in batch], 0)
    hidden = model.base_model(input_ids=ids).last_hidden_state[:, :-1]
    spoken = _padded([example.labels for example in batch], IGNORED)[:, 1:]
    # Logits only where a label needs them, because most of a prompt has none.
    weights = _padded([example.weights for example in batch], 0.0)[:, 1:]
    said = _weighted(model, hidden, spoken, weights)
    if not repeats:
        return said, torch.zeros(())
    repeated = _padded([example.repeats() for example in batch], IGNORED)[:, 1:]
    return said, _weighted(model, hidden, repeated, torch.ones_like(weights))


def _weighted(model: PreTrainedModel, hidden: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    counted = labels != IGNORED
    scores = model.get_output_embeddings()(hidden[counted]).float()
    each = torch.nn.functional.cross_entropy(scores, labels[counted], reduction="none")
    return (each * weight[counted]).sum() / weight[counted].sum()


def _padded(rows: Sequence[Sequence[float]], fill: float) -> torch.Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([list(row) + [fill] * (width - len(row)) for row in rows])
