"""Real service, real policy server, real trainer: the feed is exact, and a whole run has all its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .small_run import lines_of, start, write_run


@pytest.mark.node
def test_the_ratio_is_one_at_the_first_update_and_a_run_ends_with_its_report(tmp_path: Path) -> None:
    settings = write_run(tmp_path, iterations=2, updates=1, gradient_accumulation=2)
    out = tmp_path / "out"
    trainer = start(settings, out)
    assert trainer.wait(timeout=180) == 0, (tmp_path / "out.log").read_text()[-3000:]
    run = out / "all-returns-0"
    lines = lines_of(run)
    assert [line["samples"] > 0 for line in lines] == [True, True]
    for line in lines:
        # One update per batch of rollouts: every update is a first one. The policy behind the rollouts is the server's.
        assert line["train"]["ratio/max_deviation"] < 1e-4
    assert lines[0]["train"]["kl"] == pytest.approx(0, abs=1e-6)
    assert lines[1]["train"]["kl"] > 0, "the second batch is not of the first update's weights"
    for name in ("before", "after"):
        result = json.loads((run / "evaluation" / f"{name}.json").read_text())
        assert len(result["with_memory"]["by_task"]) == 3
        assert len(result["without_memory"]["by_task"]) == 3
        assert all(count["all"] == 0 for count in result["without_memory"]["figures"]["tools"].values())

    from agemem_grpo.study.report import write_report

    text = write_report(out, tmp_path / "report").read_text()
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["seeds"] == [0]
    assert figures["gain_mean"] == pytest.approx(figures["reward_after"] - figures["reward_before"])
    assert figures["gain_ci_low"] is None, "one seed has no interval"
    assert f"{figures['reward_after']:.3f}" in text
    for picture in ("reward", "parts", "tools", "tokens", "health"):
        assert f"plots/{picture}.png" in text
        assert (tmp_path / "report" / "plots" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
