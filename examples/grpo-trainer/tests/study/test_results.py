"""The report's figures from made-up runs, by values worked out by hand, and its text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agemem_grpo.study.preparation import preparation
from agemem_grpo.study.report import write_report
from agemem_grpo.study.results import ResultsError, compare, memory_benefit, read_runs, share_of_answer
from agemem_grpo.training.metrics import OPERATIONS
from agemem_grpo.training.state import RunFolder

Json = dict[str, Any]

TOOLS = {name: {"all": 1.0, "1": 0.5, "2": 0.25, "3": 0.25} for name in OPERATIONS}
PARTS = {"task": 0.5, "context": 0.4, "memory": 0.3, "penalty": 0.0}


def measured(by_task: dict[str, float]) -> Json:
    """An evaluation of an earlier version: without memory quality, calls and maintenance."""
    mean = sum(by_task.values()) / len(by_task)
    return {
        **dict.fromkeys(("reward", "answer_f1", "answer_exact"), mean),
        "figures": {
            "tools": TOOLS,
            "reward_parts": PARTS,
            "prompt_tokens": 90.0,
            "prompt_tokens_rollout": 500.0,
            "response_tokens": 12.0,
        },
        "by_task": {
            task: dict.fromkeys(("reward", "answer_f1", "answer_exact"), value) for task, value in by_task.items()
        },
    }


def write_run(
    study: Path, variant: str, seed: int, before: float, after: float, *, without: float | None = None
) -> None:
    """A finished run of two tasks, the second 0.1 above the first."""
    folder = RunFolder(study / f"{variant}-{seed}")
    for name, value in (("before", before), ("after", after)):
        path = folder.evaluation(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        result: Json = {"tasks": 2, "k": 1, "with_memory": measured({"a": value - 0.05, "b": value + 0.05})}
        if without is not None:
            result["without_memory"] = measured({"a": without, "b": without})
        path.write_text(json.dumps(result))
    line = {
        "step": 1,
        "seconds": 2.0,
        "rollout_seconds": 0.5,
        "reward_all_returns": before,
        "reward_parts": PARTS,
        "tools": TOOLS,
    }
    lines = [{**line, "iteration": i, "step": i + 1, "prompt_tokens": 90.0, "response_tokens": 12.0} for i in range(3)]
    folder.metrics.write_text("".join(json.dumps(each) + "\n" for each in lines))
    settings = {"model": "/private/model", "rollout": {"k": 8}, "train": {"beta": 0.1}, "evaluate": {"tasks": 2}}
    settings["prepare"] = {"train": "synthetic:8:0"}
    (folder.root / "settings.json").write_text(json.dumps({"settings": settings, "fingerprint": "x"}))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for seed, gain in enumerate((0.10, 0.12, 0.14)):
        write_run(tmp_path, "all-returns", seed, 0.2, 0.2 + gain, without=0.1)
        write_run(tmp_path, "shuffled", seed, 0.2, 0.2 + (seed - 1) * 0.01)
    write_run(tmp_path, "answer-only", 0, 0.2, 0.25)
    (tmp_path / "all-returns-9" / "evaluation").mkdir(parents=True)  # a run under way
    (tmp_path / "all-returns-9" / "settings.json").write_text("{}")
    return tmp_path


def test_gain_over_seeds_and_over_tasks(study: Path) -> None:
    runs = [run for run in read_runs(study) if run.variant == "all-returns"]
    figures = compare(runs)
    assert figures["seeds"] == [0, 1, 2]
    assert figures["reward_before"] == pytest.approx(0.2)
    assert figures["reward_after"] == pytest.approx(0.32)
    # As in test_statistics: 0.12 with half-width 0.049683.
    assert figures["gain_mean"] == pytest.approx(0.12)
    assert figures["gain_ci_low"] == pytest.approx(0.070317, abs=1e-6)
    assert figures["gain_ci_high"] == pytest.approx(0.169683, abs=1e-6)
    assert figures["gain_tasks_ci"] == pytest.approx([0.12, 0.12]), "both tasks gained the same"


def test_the_benefit_of_memory_is_paired_by_seed(study: Path) -> None:
    runs = read_runs(study)
    benefit = memory_benefit([run for run in runs if run.variant == "all-returns"])
    assert benefit is not None
    assert benefit["answer_f1"]["with_memory"] == pytest.approx(0.32)
    assert benefit["answer_f1"]["without_memory"] == pytest.approx(0.1)
    assert benefit["answer_f1"]["benefit_ci_low"] == pytest.approx(0.170317, abs=1e-6)
    assert memory_benefit([run for run in runs if run.variant == "shuffled"]) is None


def test_the_report_has_control_and_ablation_and_no_places(study: Path, tmp_path: Path) -> None:
    text = write_report(study, tmp_path / "report").read_text()
    raw = (tmp_path / "report" / "report.json").read_text()
    figures = json.loads(raw)
    for where in (figures, figures["control"], figures["ablation"]):
        assert {"seeds", "reward_before", "reward_after", "gain_mean", "gain_ci_low", "gain_ci_high"} <= set(where)
    assert figures["control"]["gain_mean"] == pytest.approx(0)
    assert figures["ablation"]["gain_mean"] == pytest.approx(0.05)
    assert figures["ablation"]["gain_ci_low"] is None
    assert "| all-returns | 0.200 | 0.320 | +0.120 [+0.070, +0.170] |" in text
    assert "study SETTINGS --seeds 3 --variants all-returns,answer-only,shuffled`" in text
    assert figures["settings"]["prepare"] == {"train": "synthetic:8:0"}
    assert "/private" not in text + raw


def test_all_returns_are_compared_with_the_answer_alone_seed_by_seed(tmp_path: Path) -> None:
    # Gains differ widely between the seeds, the differences do not: 0.02, 0.03, 0.04 above the ablation.
    for seed, (ours, theirs) in enumerate(((0.30, 0.28), (0.50, 0.47), (0.90, 0.86))):
        write_run(tmp_path, "all-returns", seed, 0.2, ours)
        write_run(tmp_path, "answer-only", seed, 0.2, theirs)
    write_run(tmp_path, "answer-only", 7, 0.2, 0.9)
    text = write_report(tmp_path, tmp_path / "report").read_text()
    found = json.loads((tmp_path / "report" / "report.json").read_text())["against_ablation"]
    assert found["seeds"] == [0, 1, 2]
    assert found["reward"]["by_seed"] == pytest.approx([0.02, 0.03, 0.04])
    # Student's t with two degrees of freedom: 4.302653 * 0.01 / sqrt(3) = 0.024841.
    assert found["reward"]["ci_low"] == pytest.approx(0.03 - 0.024841, abs=1e-6)
    assert "- reward: +0.030 [+0.005, +0.055]\n" in text
    assert "which decides nothing" not in text
    assert "![ablation](plots/ablation.png)" in text
    assert (tmp_path / "report" / "plots" / "ablation.png").stat().st_size > 1000


def test_counterfactual_groups_are_compared_at_their_calls_seed_by_seed(tmp_path: Path) -> None:
    for seed, (ours, theirs) in enumerate(((0.30, 0.28), (0.50, 0.47), (0.90, 0.86))):
        for variant, after, calls in (("counterfactual", ours, 90), ("all-returns", theirs, 100)):
            write_run(tmp_path, variant, seed, 0.2, after)
            path = RunFolder(tmp_path / f"{variant}-{seed}").metrics
            lines = [json.loads(line) | {"policy_calls": calls + seed} for line in path.read_text().splitlines()]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "- maintenance:" not in write_report(tmp_path, tmp_path / "report").read_text()
    for variant, value in (("counterfactual", 0.5), ("all-returns", 0.4)):
        for seed in range(3):
            for name in ("before", "after"):
                path = RunFolder(tmp_path / f"{variant}-{seed}").evaluation(name)
                result = json.loads(path.read_text())
                result["with_memory"]["maintenance"] = value
                for scores in result["with_memory"]["by_task"].values():
                    scores["maintenance"] = value
                path.write_text(json.dumps(result))
    text = write_report(tmp_path, tmp_path / "report").read_text()
    assert "\n- maintenance: +0.100 [+0.100, +0.100]" in text
    found = json.loads((tmp_path / "report" / "report.json").read_text())["counterfactual"]
    assert found["policy_calls"] == {"all-returns": [300, 303, 306], "counterfactual": [270, 273, 276]}
    assert found["minus_whole"]["reward"]["by_seed"] == pytest.approx([0.02, 0.03, 0.04])
    assert "| counterfactual | 270, 273, 276 |" in text
    assert "counterfactual minus broadcast, paired by seed (3 seeds):\n\n- reward: +0.030 [+0.005, +0.055]\n" in text
    assert "| counterfactual | 0.200 | 0.567 |" in text
    assert "## Ablation" not in text
    assert not (tmp_path / "report" / "plots" / "ablation.png").exists()
    assert (tmp_path / "report" / "plots" / "counterfactual.png").stat().st_size > 1000


def test_maintenance_has_a_gain_of_its_own_and_the_reward_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "all-returns", 0, 0.2, 0.3)
    assert "## Maintenance" not in write_report(tmp_path, tmp_path / "report").read_text()
    folder = RunFolder(tmp_path / "all-returns-0")
    for name, value in (("before", 0.1), ("after", 0.6)):
        path = folder.evaluation(name)
        result = json.loads(path.read_text())
        found = result["with_memory"]
        found["maintenance"] = value
        found["figures"] |= {"memory_quality": value, "steps": 7.0, "aux_calls": 0.5, "tool_calls": 6.25}
        found["by_task"]["a"]["maintenance"] = value  # of b nothing became outdated
        path.write_text(json.dumps(result))
    settings = json.loads((folder.root / "settings.json").read_text())
    settings["settings"]["reward"] = "agemem"
    (folder.root / "settings.json").write_text(json.dumps(settings))
    folder.metrics.write_text(folder.metrics.read_text().replace("reward_all_returns", "reward"))
    text = write_report(tmp_path, tmp_path / "report").read_text()
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["maintenance"]["all-returns"]["gain_mean"] == pytest.approx(0.5)
    assert "| all-returns | 0.100 | 0.600 | +0.500 (n = 1) | - |" in text
    assert "Rewards here are those of the preset `agemem`" in text
    assert "| 0.600 | 7.0 + 0.5 | 6.25 | - |" in text
    assert "| all calls, refused ones too | 6.25 | 6.25 |" in text
    after = figures["states"]["after GRPO, all-returns"]
    assert (after["memory_quality"], after["calls"]) == (0.6, {"policy": 7.0, "auxiliary": 0.5, "tools": 6.25})


def test_three_seeds_may_decide_nothing(tmp_path: Path) -> None:
    for seed, theirs in enumerate((0.2, 0.4, 0.3)):
        write_run(tmp_path, "all-returns", seed, 0.2, 0.31)
        write_run(tmp_path, "answer-only", seed, 0.2, theirs)
    assert "which decides nothing" in write_report(tmp_path, tmp_path / "report").read_text()


def test_the_share_of_the_gain_that_is_not_the_answer(study: Path) -> None:
    runs = [run for run in read_runs(study) if run.variant == "all-returns"]
    for run in runs:
        run.after["with_memory"]["figures"]["reward_parts"] = {**PARTS, "task": 0.8, "memory": 0.6, "penalty": -0.1}
    found = share_of_answer(runs)
    assert found["gains"] == pytest.approx({"task": 0.1, "context": 0.0, "memory": 0.1, "penalty": -0.1})
    assert found["not_the_answer"] == pytest.approx(0.0)


def test_the_report_says_what_was_seen_before_and_where_each_seed_began(study: Path, tmp_path: Path) -> None:
    assert preparation(study) is None
    prepared = study / "prepared"
    prepared.mkdir()
    for name, questions in (("heldout", "abc"), ("warm-tasks", "xyz"), ("train", "cx")):
        (prepared / f"{name}.jsonl").write_text("".join(f'{{"question": "{each}"}}\n' for each in questions))
    for seed in (0, 1):
        (prepared / f"policy-{seed}").mkdir()
        facts = {"seed": seed, "steps": 9, "loss": 0.25 + seed, "parameters": 5, "rows": 3, "seconds": 7.4 + seed}
        (prepared / f"policy-{seed}" / "warm_start.json").write_text(json.dumps(facts))
    text = write_report(study, tmp_path / "report").read_text()
    assert "Of 3 distinct held-out questions, 0 are in the tasks of the warm start and 1 in those of training" in text
    assert "Each seed has a warm start of its own (9 steps; loss at its end: 0.250, 1.250)" in text
    assert "| all-returns-0 | 2 | 4 |\n" in text, "three iterations of 0.5 s of 2 s each"
    assert "The warm start took 7 to 8 s." in text
    (prepared / "policy-1" / "warm_start.json").write_text(json.dumps({**facts, "id_steps": 4}))
    text = write_report(study, tmp_path / "again").read_text()
    assert "(9 steps and 4 with weight on ids; loss at its end: 0.250, 1.250)" in text
    found = json.loads((tmp_path / "report" / "report.json").read_text())["prepared"]
    assert (found["overlap"], [each["seed"] for each in found["warm_starts"]]) == (
        {"warm_start": 0, "training": 1},
        [0, 1],
    )


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no finished run"):
        read_runs(tmp_path)
