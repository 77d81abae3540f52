"""Settings files: what is refused, what a run folder is bound to, which tasks come when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agemem_grpo.cli import overrides_of
from agemem_grpo.feed.tasks import TasksError, next_tasks, read_tasks
from agemem_grpo.settings import SettingsError, read_settings, settings_of

RAW: dict[str, Any] = {"model": "m", "train_tasks": "a.jsonl", "heldout_tasks": "b.jsonl", "rollout": {"k": 8}}


def with_train(**fields: Any) -> dict[str, Any]:
    return {**RAW, "train": fields}


def test_defaults_are_the_papers() -> None:
    settings = settings_of(RAW)
    assert settings.train.beta == 0.1
    assert settings.rollout == {"k": 8}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({**RAW, "modle": "m"}, "modle is not a setting"),
        ({"model": "m"}, "train_tasks is missing"),
        (with_train(betta=0.1), "train.betta is not a setting"),
        (with_train(beta="0.1"), "train.beta is '0.1'"),
        (with_train(beta=-1.0), "train.beta is -1.0: expected 0 or more"),
        (with_train(iterations=0), "train.iterations is 0: expected 1 or more"),
        (with_train(iterations=1.5), "train.iterations is 1.5: expected a whole number"),
        (with_train(bf16=1), "train.bf16 is 1: expected true or false"),
        (with_train(learning_rate=0), "train.learning_rate is 0: expected more than 0"),
        (with_train(normalize="group"), "train.normalize is 'group': expected 'token' or 'trajectory'"),
        (with_train(normalize="token", normalise="token"), "former name of train.normalize"),
        ({**RAW, "rollout": ["k"]}, "rollout is \\['k'\\]: expected a table"),
        ({**RAW, "train": 3}, "train is 3: expected a table"),
        ({**RAW, "server": {"adapters": True}}, "set train.lora"),
        (with_train(join_steps=True, level="action"), "train.join_steps computes steps together"),
        ({**RAW, "rollout": {"branch_at": 3}}, "use counterfactual.at"),
        ({**RAW, "reward": "official"}, "reward is 'official': expected 'all-returns' or 'agemem'"),
        ({**RAW, "counterfactual": {"at": [], "tasks_per_iteration": 2}}, "counterfactual.at"),
        ({**RAW, "counterfactual": {"at": [1, -1], "tasks_per_iteration": 2}}, "counterfactual.at"),
        ({**RAW, "counterfactual": {"at": [1]}}, "counterfactual.tasks_per_iteration is missing"),
        ({**RAW, "counterfactual": {"every": 2}}, "counterfactual.every is not a setting. Known here: at, tasks_per"),
    ],
)
def test_mistakes_are_named(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_of(raw)


def test_a_file_and_other_values_over_it(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('model = "m"\ntrain_tasks = "a"\nheldout_tasks = "b"\n[rollout]\nk = 4\n[train]\nbeta = 0.05\n')
    settings = read_settings(path, overrides_of(["train.iterations=5", "device=cuda", 'rollout.operations=["ADD"]']))
    assert (settings.train.beta, settings.train.iterations, settings.device) == (0.05, 5, "cuda")
    assert settings.rollout == {"k": 4, "operations": ["ADD"]}
    with pytest.raises(SettingsError, match="NAME=VALUE"):
        overrides_of(["train.iterations"])
    path.write_text("model = ")
    with pytest.raises(SettingsError, match="not TOML"):
        read_settings(path)


def test_a_folder_is_bound_to_what_decides_the_result() -> None:
    one = settings_of(RAW).fingerprint()
    assert settings_of(with_train(iterations=99, keep_checkpoints=5)).fingerprint() == one
    assert settings_of({**RAW, "threads": 2, "server": {"threads": 2}}).fingerprint() == one
    assert settings_of(with_train(beta=0.2)).fingerprint() != one
    assert settings_of({**RAW, "rollout": {"k": 4}}).fingerprint() != one
    assert settings_of({**RAW, "reward": "agemem"}).fingerprint() != one


def test_tasks_of_a_pass_are_all_of_them_and_differ_by_seed() -> None:
    tasks = [{"id": str(i)} for i in range(12)]

    def ids(iteration: int, seed: int = 0) -> list[str]:
        return [task["id"] for task in next_tasks(tasks, start=4 * iteration, count=4, seed=seed)]

    first_pass = [name for iteration in range(3) for name in ids(iteration)]
    assert sorted(first_pass) == sorted(task["id"] for task in tasks)
    assert ids(1) == ids(1)
    assert [ids(i) for i in range(3, 6)] != [ids(i) for i in range(3)]
    assert any(ids(i) != ids(i, seed=1) for i in range(3))


def test_no_task_comes_twice_in_an_iteration() -> None:
    tasks = [{"id": str(i)} for i in range(5)]
    for iteration in range(40):
        chosen = [task["id"] for task in next_tasks(tasks, start=4 * iteration, count=4, seed=3)]
        assert len(set(chosen)) == 4
    with pytest.raises(TasksError, match="5 tasks for iterations of 6"):
        next_tasks(tasks, start=0, count=6, seed=0)


def test_a_task_file_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    good = '{"id": "a", "question": "q", "answer": "x", "context": ["c"]}\n'
    titled = '{"id": "b", "question": "q", "answer": "", "context": [{"title": "t", "text": "c"}], "later": {"x": 1}}\n'
    path.write_text(good + "\n" + titled)
    assert [task["id"] for task in read_tasks(path)] == ["a", "b"]
    assert read_tasks(path)[1] == json.loads(titled)
    for content, message in (
        (good + good, ":2: the id a is there twice"),
        ('{"id": "a"}\n', ":1: question is missing; answer is missing; context is missing"),
        (good + good.replace('"x"', "7").replace('"a"', '"b"'), ":2: answer is 7: expected text"),
        (good.replace('["c"]', "[]"), ":1: context"),
        (good.replace("}", ""), ":1: "),
        ("", "no task"),
    ):
        path.write_text(content)
        with pytest.raises(TasksError, match=message):
            read_tasks(path)
    with pytest.raises(TasksError, match="does not exist"):
        read_tasks(tmp_path / "none.jsonl")


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of({"model": "m", "rollout": {}, "train": {"beta": "x", "iterations": 0}, "heldout_tasks": "h"})
    for problem in ("train_tasks is missing.", "train.beta is 'x'", "train.iterations is 0"):
        assert problem in str(caught.value)


def test_changed_copies_are_checked_too() -> None:
    settings = settings_of(RAW)
    with pytest.raises(ValidationError, match="iterations"):
        replace(settings.train, iterations=0)


def test_files_of_earlier_versions_are_read() -> None:
    assert settings_of(with_train(normalise="trajectory")).train.normalize == "trajectory"
