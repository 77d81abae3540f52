"""The report of a study: `report.json`, `report.md` and the plots, from its run folders.

Owns the text and the facts about the machine. Leaves out the figures (`results.py`) and the plots (`plots.py`).
Every measured number in the text is one of the figures.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agemem_grpo.study.health import health_table
from agemem_grpo.study.plots import draw
from agemem_grpo.study.preparation import preparation, text_of_preparation
from agemem_grpo.study.results import (
    ABLATION,
    BRANCHED,
    CONTROL,
    MAIN,
    Run,
    as_interval,
    mean_of,
    of_variant,
    read_runs,
    report_json,
    reward_of,
    settings_of,
)
from agemem_grpo.study.states import states_table
from agemem_grpo.study.statistics import Interval
from agemem_grpo.training.metrics import OPERATIONS
from agemem_grpo.training.state import write_atomically

Json = dict[str, Any]

REWARDS = {
    "all-returns": "all returns (AgeMem, appendix A.2, weights 1/3)",
    "agemem": "the preset `agemem` (the paper's parts and weights with their shortcuts closed, docs/rewards.md)",
}
PAPER_TOOLS = {"ADD": 1.64, "UPDATE": 0.13, "DELETE": 0.08, "RETRIEVE": 1.95, "SUMMARY": 0.82, "FILTER": 0.31}
"""Calls per HotpotQA episode of the paper's Qwen2.5-7B after training."""


def write_report(study: Path, folder: Path) -> Path:
    """Writes `report.json`, `report.md` and `plots/*.png` into ``folder`` and returns the path of the text.

    Errors: `ResultsError` when the study has no finished run.
    """
    runs = read_runs(study)
    figures = report_json(runs, {**machine(), "prepared": preparation(study)})
    write_atomically(folder / "report.json", json.dumps(figures, indent=2) + "\n")
    draw(runs, folder / "plots")
    path = folder / "report.md"
    write_atomically(path, text_of(runs, figures))
    return path


def machine() -> Json:
    """Processor and versions, without names or paths of the machine."""
    packages = {name: version(name) for name in ("torch", "transformers", "trl")}
    facts = {"cores": os.cpu_count(), "system": platform.system(), "processor": _processor()}
    return {"machine": {**facts, "python": platform.python_version(), **packages}}


def _processor() -> str:
    """The processor's name where Linux reports it, else the architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def text_of(runs: Sequence[Run], figures: Json) -> str:
    """The report in Markdown."""
    main = of_variant(runs, MAIN) or list(runs)
    parts = [
        "# Training a policy to manage its memory",
        _summary(main, figures),
        "## Before and after",
        states_table(figures["states"]),
        "## Reward on held-out tasks",
        _gains(figures),
        *_maintenance(figures),
        "## Parts of the reward, before and after",
        _parts(figures),
        _share(figures),
        *_ablation(figures),
        *_branched(figures),
        "## Tools and tokens (as the paper's table 3)",
        _tools(main, figures),
        "## Answers with and without memory tools",
        _memory(figures),
        "## Health of the training",
        health_table(figures["health"]),
        "## Time",
        _time(figures),
        "## Settings",
        f"```json\n{json.dumps(settings_of(main[0]), indent=1)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _summary(main: Sequence[Run], figures: Json) -> str:
    facts = figures["machine"]
    evaluation = main[0].before
    steps = ", ".join(str(count) for count in figures["optimizer_steps"])
    seconds = list(figures["seconds"].values())
    lines = [
        f"- Model: {figures['model']}.",
        f"- Runs: {', '.join(figures['seconds'])}; optimizer steps: {steps}.",
        f"- Command, with the settings at the end: `agemem-grpo study SETTINGS --seeds {len(figures['seeds'])} "
        f"--variants {','.join(figures['answer_f1'])}`.",
        f"- Before and after: {evaluation['tasks']} held-out tasks, rollouts of each: {evaluation['k']}, the same "
        "sampling seeds.",
        f"- Rewards here are those of {REWARDS[reward_of(main[0])]}, judged by rules, whatever a run was trained with.",
        f"- {facts['processor']}, {facts['cores']} cores; Python {facts['python']}, torch {facts['torch']}, "
        f"TRL {facts['trl']}. Training took {_span(seconds)} s per run.",
    ]
    if found := figures.get("prepared"):
        lines.insert(4, text_of_preparation(found))
    return "\n".join(lines)


def _gains(figures: Json) -> str:
    rows = [("all-returns" if figures["variant"] == MAIN else figures["variant"], figures)]
    rows += [(f"{CONTROL} advantages (control)", figures["control"]), (ABLATION, figures["ablation"])]
    rows += [(BRANCHED, figures["counterfactual"])] if figures["variant"] != BRANCHED else []
    lines = ["| Trained with | before | after | gain [95 % over seeds] | [95 % over tasks] |", "|---|---|---|---|---|"]
    for name, row in rows:
        if row is not None:
            lines.append(_gain(name, row, "reward"))
    return "\n".join([*lines, "", "![reward](plots/reward.png)"])


def _parts(figures: Json) -> str:
    lines = ["| Part | before | after |", "|---|---|---|"]
    before, after = figures["parts"]["before"], figures["parts"]["after"]
    lines += [f"| `{name}` | {before[name]:.3f} | {after[name]:.3f} |" for name in before]
    return "\n".join([*lines, "", "![parts](plots/parts.png)"])


def _ablation(figures: Json) -> list[str]:
    if figures["against_ablation"] is None:
        return ["## Answers", _answers(figures)]
    title = "## Ablation: all returns against the answer alone (as the paper's figure 5)"
    return [title, "![ablation](plots/ablation.png)", _answers(figures), _paired(figures)]


def _answers(figures: Json) -> str:
    lines = ["| Trained with | answer F1 before | after | gain [95 % over seeds] |", "|---|---|---|---|"]
    for variant, row in figures["answer_f1"].items():
        before, after = f"{row['answer_f1_before']:.3f}", f"{row['answer_f1_after']:.3f}"
        lines.append(f"| {variant} | {before} | {after} | {as_interval(row)} |")
    return "\n".join(lines)


def _share(figures: Json) -> str:
    found = figures["gain_by_part"]
    if found["not_the_answer"] is None:
        return "The reward did not change."
    gains = ", ".join(f"{name} {gain:+.3f}" for name, gain in found["gains"].items())
    return f"Weighted as in the reward, the gain is {gains}: {found['not_the_answer']:.0%} of it is not the answer's."


def _paired(figures: Json) -> str:
    found = figures["against_ablation"]
    lines = [f"After training, all returns minus the answer alone, paired by seed ({len(found['seeds'])} seeds):", ""]
    return "\n".join([*lines, *_differences(found)])


def _differences(found: Json) -> list[str]:
    """A line per measure of a comparison by seed, with what it decides."""
    lines = []
    for measured in ("reward", "answer_f1", "maintenance"):
        if (row := found.get(measured)) is None:
            continue
        interval = Interval(row["mean"], row["ci_low"], row["ci_high"], len(found["seeds"]))
        decided = row["ci_low"] is not None and (row["ci_low"] > 0 or row["ci_high"] < 0)
        lines.append(f"- {measured}: {interval}{'' if decided else ', which decides nothing'}")
    return lines


def _branched(figures: Json) -> list[str]:
    """Counterfactual groups against advantages that are the same for all steps of a rollout."""
    found = figures["counterfactual"]
    if found is None:
        return []
    lines = ["| Trained with | calls of the policy in training, by seed |", "|---|---|"]
    for variant, calls in found["policy_calls"].items():
        lines.append(f"| {variant} | {', '.join(f'{count:,}' for count in calls)} |")
    title = "## Counterfactual groups against advantages broadcast over the rollout"
    parts = [title, "![counterfactual](plots/counterfactual.png)", "\n".join(lines)]
    if (paired := found["minus_whole"]) is not None:
        said = f"After training, counterfactual minus broadcast, paired by seed ({len(paired['seeds'])} seeds):"
        parts += [said, "\n".join(_differences(paired))]
    return parts


def _maintenance(figures: Json) -> list[str]:
    """Outdated memories that were put right; nothing for studies that did not measure it."""
    if not figures["maintenance"]:
        return []
    lines = ["| Trained with | before | after | gain [95 % over seeds] | [95 % over tasks] |", "|---|---|---|---|---|"]
    for variant, row in figures["maintenance"].items():
        lines.append(_gain(variant, row, "maintenance"))
    said = "Measured where it applies; by the paper's reward it is 1 for any UPDATE or DELETE that succeeded."
    return ["## Maintenance: outdated memories put right by UPDATE or DELETE", "\n".join(lines), said]


def _gain(name: str, row: Json, measured: str) -> str:
    low, high = row["gain_tasks_ci"]
    over_tasks = "-" if low is None else f"[{low:+.3f}, {high:+.3f}]"
    before, after = f"{row[f'{measured}_before']:.3f}", f"{row[f'{measured}_after']:.3f}"
    return f"| {name} | {before} | {after} | {as_interval(row)} | {over_tasks} |"


def _tools(main: Sequence[Run], figures: Json) -> str:
    lines = [
        "| Per rollout | before | after | stage 1 | stage 2 | stage 3 | paper, 7B |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in OPERATIONS:
        stages = " | ".join(f"{mean_of(main, 'after', 'tools', name, stage):.2f}" for stage in ("1", "2", "3"))
        before, after = (figures["tools"][when][name] for when in ("before", "after"))
        lines.append(f"| {name} | {before:.2f} | {after:.2f} | {stages} | {PAPER_TOOLS[name]:.2f} |")
    calls = [mean_of(main, when, "tool_calls") for when in ("before", "after") if _has_calls(main)]
    if calls:
        everything = sum(PAPER_TOOLS.values())
        lines.append(f"| all calls, refused ones too | {calls[0]:.2f} | {calls[1]:.2f} | | | | {everything:.2f} |")
    tokens = figures["prompt_tokens"]
    lines += [
        "",
        "Operations are counted that succeeded; the stages are those after training. The paper's figures are of "
        "another task and a far larger model: they are here for the form.",
        "",
        "| Tokens | before | after |",
        "|---|---|---|",
        f"| prompt per call | {tokens['before']:.0f} | {tokens['after']:.0f} |",
    ]
    for label, field in (("prompts per rollout", "prompt_tokens_rollout"), ("response per call", "response_tokens")):
        before, after = (mean_of(main, when, field) for when in ("before", "after"))
        lines.append(f"| {label} | {before:.0f} | {after:.0f} |")
    if all("without_memory" in run.after for run in main):
        without = mean_of(main, "after", "prompt_tokens", memory="without_memory")
        lines.append(f"| prompt per call without memory tools | | {without:.0f} |")
    return "\n".join([*lines, "", "![tools](plots/tools.png)", "", "![tokens](plots/tokens.png)"])


def _time(figures: Json) -> str:
    lines = ["| Run | rollouts, s | optimizer steps, s |", "|---|---|---|"]
    for name, seconds in figures["seconds"].items():
        rollouts = figures["rollout_seconds"][name]
        lines.append(f"| {name} | {rollouts:.0f} | {seconds - rollouts:.0f} |")
    warm = (figures.get("prepared") or {}).get("warm_starts", [])
    if took := [each["seconds"] for each in warm if "seconds" in each]:
        lines += ["", f"The warm start took {_span(took)} s."]
    return "\n".join([*lines, "", "Wall times of a machine that may have done other things besides."])


def _has_calls(runs: Sequence[Run]) -> bool:
    """Whether the evaluations count all calls of tools; those of earlier versions do not."""
    return all("tool_calls" in each["with_memory"]["figures"] for run in runs for each in (run.before, run.after))


def _memory(figures: Json) -> str:
    lines = ["| Trained with | measure | with tools | without | benefit [95 % over seeds] |", "|---|---|---|---|---|"]
    for variant, benefit in figures["memory"].items():
        if benefit is None:
            lines.append(f"| {variant} | not evaluated | | | |")
            continue
        for measured in ("answer_f1", "answer_exact"):
            row = benefit[measured]
            gain = Interval(row["benefit_mean"], row["benefit_ci_low"], row["benefit_ci_high"], len(figures["seeds"]))
            lines.append(
                f"| {variant} | {measured} | {row['with_memory']:.3f} | {row['without_memory']:.3f} | {gain} |"
            )
    return "\n".join(lines)


def _span(seconds: Sequence[float]) -> str:
    low, high = (f"{value:.0f}" for value in (min(seconds), max(seconds)))
    return low if low == high else f"{low} to {high}"
