"""Imitation by a language model: where it starts, which steps it imitates, what it keeps, and that it resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agemem_grpo.policy.imitation import Example, imitate, to_examples
from agemem_grpo.policy.model import build_model
from agemem_grpo.policy.rows import best_rollouts, shortened
from agemem_grpo.policy.tokenizer import train_tokenizer
from agemem_grpo.policy.warm_start import warm_start

from .test_warm_start import recorded


@pytest.fixture
def rows() -> list[dict]:
    facts = [("Ada", "Graz"), ("Bo", "Cork"), ("Cleo", "Porto"), ("Dan", "Ghent")]
    made = [recorded(f"{who} lives in {place}.", f"Where does {who} live?", place, who) for who, place in facts]
    return [row for each in made for row in each]


@pytest.fixture
def base(rows: list[dict], tmp_path: Path) -> Path:
    """A model with weights, tokenizer and template of its own, as a language model has."""
    tokenizer = train_tokenizer(str(message["content"]) for row in rows for message in row["messages"])
    build_model(tokenizer, hidden=32, layers=2, seed=7).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def chat(rows: list[dict], tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_best_rollouts_of_each_task_are_kept_with_all_their_steps() -> None:
    facts = [
        ("a", "a1", 0.2),
        ("a", "a2", 0.9),
        ("a", "a2", 0.9),
        ("a", "a3", None),
        ("b", "b1", 0.1),
        ("b", "b2", 0.1),
    ]
    rows = [{"metadata": {"task_id": task, "rollout_id": one, "reward": reward}} for task, one, reward in facts]
    kept = [row["metadata"]["rollout_id"] for row in best_rollouts(rows, 1)]
    assert kept == ["a2", "a2", "b1"]
    assert len(best_rollouts(rows, 9)) == 5
    assert best_rollouts(rows, 0) == []


def test_of_equal_rewards_the_shortest_rollout_is_kept() -> None:
    facts = [("long", 0.5), ("long", 0.5), ("short", 0.5), ("other", 0.5), ("worse", 0.4)]
    rows = [{"metadata": {"task_id": "a", "rollout_id": one, "reward": reward}} for one, reward in facts]
    assert [row["metadata"]["rollout_id"] for row in best_rollouts(rows, 1)] == ["short"]


def test_with_the_answers_only_rollouts_that_end_where_one_can_be_taught_are_kept() -> None:
    def ended(name: str, reward: float, shown: str, stage: int = 3, calls: int = 0) -> dict:
        said = {"role": "assistant", "content": "?", **({"tool_calls": [{}]} if calls else {})}
        facts = {"task_id": "a", "rollout_id": name, "reward": reward, "stage": stage}
        return {"messages": [{"role": "user", "content": shown}, said], "metadata": facts}

    rows = [
        ended("hidden", 0.9, "Ada lives here."),
        ended("calls", 0.8, "Ada lives in Graz.", calls=1),
        ended("early", 0.7, "Ada lives in Graz.", stage=2),
        ended("taught", 0.2, "Ada lives in Graz."),
        ended("worse", 0.1, "Ada lives in Graz."),
    ]
    assert [row["metadata"]["rollout_id"] for row in best_rollouts(rows, 1, {"a": "Graz"})] == ["taught"]
    assert [row["metadata"]["rollout_id"] for row in best_rollouts(rows, 1)] == ["hidden"]
    assert best_rollouts(rows, 1, {"a": "Cork"}) == []


def test_it_starts_from_the_given_model_and_keeps_what_is_frozen(base: Path, chat: Path, tmp_path: Path) -> None:
    figures = warm_start(chat, tmp_path / "out", model=base, frozen_layers=1, steps=5, batch_tokens=200, seed=1)
    before, after = (AutoModelForCausalLM.from_pretrained(each).state_dict() for each in (base, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "layers.1." in name} | {"model.norm.weight"}
    assert 0 < figures["trained_parameters"] < figures["parameters"]
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == (base / "chat_template.jinja").read_text()


def test_an_interrupted_training_ends_as_an_uninterrupted_one(base: Path, rows: list[dict], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    model, tokenizer = load(base)
    examples = to_examples([shortened(row) for row in rows], tokenizer)
    whole = list(start(model, examples, None))

    first, _ = load(base)
    stopped = start(first, examples, tmp_path / "state.pt")
    for _ in range(13):  # three steps after the state of step 10
        next(stopped)
    stopped.close()
    again, _ = load(base)
    losses = list(start(again, examples, tmp_path / "state.pt"))
    assert losses == whole
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_resuming_computes_only_the_steps_that_are_left(
    base: Path, rows: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load(base)
    examples = to_examples([shortened(row) for row in rows], tokenizer)
    list(start(model, examples, tmp_path / "state.pt"))
    monkeypatch.setattr("agemem_grpo.policy.imitation._losses", lambda *_: pytest.fail("computed again"))
    again, _ = load(base)
    assert len(list(start(again, examples, tmp_path / "state.pt"))) == 20


def start(model: torch.nn.Module, examples: list[Example], state: Path | None) -> Iterator[float]:
    return imitate(model, examples, steps=20, batch_tokens=150, repeats_weight=0, seed=2, state=state)  # type: ignore[arg-type]


def load(folder: Path) -> tuple:
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
