"""A policy's states side by side, the health of a training, and what a report says of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agemem_grpo.study.health import health, health_table
from agemem_grpo.study.report import write_report
from agemem_grpo.study.results import Run, read_runs
from agemem_grpo.study.states import model_of, states, states_table
from agemem_grpo.training.metrics import OPERATIONS
from agemem_grpo.training.state import RunFolder

from .test_results import measured, write_run

Json = dict[str, Any]


def evaluation(by_task: dict[str, float], **figures: float | None) -> Json:
    found = measured(by_task)
    found["figures"] = {**found["figures"], **figures}
    return {"tasks": len(by_task), "k": 1, "with_memory": found}


def line(i: int, **train: float) -> Json:
    return {"iteration": i, "train": train, "response_tokens": 10.0 + i, "group_std": None, "valid_call_rate": 0.5}


def test_each_state_has_its_mean_over_tasks_and_runs_of_a_seed_share_their_warm_start() -> None:
    def run(variant: str, seed: int, before: float, after: float) -> Run:
        first = evaluation({"a": before, "b": before}, valid_call_rate=0.4, invalid_calls=2.0)
        last = evaluation({"a": after, "b": after + 0.2}, valid_call_rate=0.9, invalid_calls=0.5)
        untrained = evaluation({"a": 0.0, "b": 0.1}, valid_call_rate=None, invalid_calls=0.0)
        return Run(variant, seed, {}, [], first, last, untrained)

    # Two variants of seed 0 with one warm start, and seed 1: the warm start is the mean of two, not of three.
    found = states([run("all-returns", 0, 0.2, 0.5), run("all-returns", 1, 0.4, 0.7), run("shuffled", 0, 0.2, 0.2)])
    assert list(found) == ["untrained", "after the warm start", "after GRPO, all-returns", "after GRPO, shuffled"]
    assert found["untrained"]["reward"]["mean"] == pytest.approx(0.05)
    assert found["untrained"]["valid_call_rate"] is None
    assert found["after the warm start"]["reward"]["mean"] == pytest.approx(0.3)
    after = found["after GRPO, all-returns"]
    assert after["reward"]["mean"] == pytest.approx(0.7)
    # Of the two tasks, 0.6 and 0.8 over the seeds, the bootstrap draws one twice in a quarter of the cases each.
    assert (after["reward"]["ci_low"], after["reward"]["ci_high"]) == pytest.approx((0.6, 0.8))
    assert after["operations"] == dict.fromkeys(OPERATIONS, 1.0)
    rows = states_table(found).splitlines()
    assert "| untrained | 0.050 [0.000, 0.100] | 0.050 [0.000, 0.100] | - | - + - | - | - | 1.00 " in rows[2]
    assert "| 90% |" in rows[4]


def test_health_compares_the_ends_of_the_training_and_keeps_the_first_ratio() -> None:
    lines = [line(i, entropy=1.0 - i / 10, kl=i / 100, **{"ratio/mean": 1.0 + i}) for i in range(10)]
    lines[0]["train"]["ratio/max_deviation"] = 3e-5
    found = health([Run("all-returns", 0, {}, lines, {}, {})])
    assert found["signs"]["entropy, nats per token"] == {"first": pytest.approx(0.95), "last": pytest.approx(0.15)}
    assert found["signs"]["reward deviation within a group"] == {"first": None, "last": None}
    assert found["first_ratio"] == {"mean": 1.0, "max_deviation": 3e-5}
    text = health_table(found)
    assert "| response tokens per call | 10.500 | 18.500 |" in text
    assert "were 1.000000 times the server's on average; the ratio of no token was further from 1 than 3.0e-05" in text


def test_metrics_of_earlier_versions_have_no_signs_but_a_report(tmp_path: Path) -> None:
    write_run(tmp_path, "all-returns", 0, 0.2, 0.3)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "| entropy, nats per token | - | - |" in text
    assert "Before any optimizer step" not in text
    assert (tmp_path / "report" / "plots" / "health.png").stat().st_size > 1000


def test_the_report_names_the_model_and_its_untrained_state(tmp_path: Path) -> None:
    write_run(tmp_path, "all-returns", 0, 0.2, 0.3)
    folder = RunFolder(tmp_path / "all-returns-0")
    folder.evaluation("untrained").write_text(json.dumps(evaluation({"a": 0.0, "b": 0.02})))
    settings = json.loads((folder.root / "settings.json").read_text())
    settings["settings"]["prepare"]["gguf"] = "/private/Small-1B.Q4.gguf"
    (folder.root / "settings.json").write_text(json.dumps(settings))
    assert read_runs(tmp_path)[0].untrained is not None
    text = write_report(tmp_path, tmp_path / "report").read_text()
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["model"] == "Small-1B.Q4"
    assert figures["states"]["untrained"]["reward"]["mean"] == pytest.approx(0.01)
    assert "- Model: Small-1B.Q4.\n" in text


def test_a_run_is_named_by_what_it_started_from() -> None:
    assert model_of({"prepare": {"gguf": None}, "model": "/x/policy-0"}) == "tiny policy"
    assert model_of({"prepare": None, "model": "Qwen/Qwen3-4B"}) == "Qwen3-4B"
