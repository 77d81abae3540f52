"""A policy's states side by side on the held-out tasks: untrained, after the warm start, after each kind of training.

Owns the figures and the table. Leaves out gains and their intervals over seeds (`results.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agemem_grpo.settings import VARIANTS
from agemem_grpo.study.statistics import bootstrap_interval
from agemem_grpo.training.metrics import OPERATIONS, mean

if TYPE_CHECKING:
    from agemem_grpo.study.results import Run

Json = dict[str, Any]
MEASURES = ("reward", "answer_f1")
CALLS = {"policy": "steps", "auxiliary": "aux_calls", "tools": "tool_calls"}
"""Kinds of calls per rollout, and the figures of an evaluation that have them: model calls of the policy, those of a
summarizer or judge, and tool calls of the policy, refused ones included."""


def states(runs: Sequence[Run]) -> dict[str, Json]:
    """Reward and answer F1 with 95 % intervals over tasks, memory quality, calls and operations per rollout, by state.

    Tasks have their mean over the seeds. The warm start is that of all runs; "untrained" is there when it was
    evaluated, which is so for a language model.
    """
    untrained = [run.untrained for run in runs if run.untrained is not None]
    found = {"untrained": untrained[:1], "after the warm start": [run.before for run in runs if _first(run, runs)]}
    for variant in VARIANTS:
        found[f"after GRPO, {variant}"] = [run.after for run in runs if run.variant == variant]
    return {name: _state([each["with_memory"] for each in all_of]) for name, all_of in found.items() if all_of}


def _first(run: Run, runs: Sequence[Run]) -> bool:
    """Runs of one seed share their warm start: it counts once."""
    return next(each for each in runs if each.seed == run.seed) is run


def _state(evaluations: Sequence[Mapping[str, Any]]) -> Json:
    state: Json = {"tasks": len(evaluations[0]["by_task"])}
    for measured in MEASURES:
        tasks = sorted({task for each in evaluations for task, scores in each["by_task"].items() if measured in scores})
        by_task = [
            sum(values) / len(values)
            for task in tasks
            if (
                values := [each["by_task"][task][measured] for each in evaluations if measured in each["by_task"][task]]
            )
        ]
        interval = bootstrap_interval(by_task)
        state[measured] = {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
    figures = [each["figures"] for each in evaluations]
    rates = [rate for each in figures if (rate := each.get("valid_call_rate")) is not None]
    state["memory_quality"] = _mean_of(figures, "memory_quality")
    state["calls"] = {name: _mean_of(figures, field) for name, field in CALLS.items()}
    state["valid_call_rate"] = mean(rates)
    state["invalid_calls"] = _mean_of(figures, "invalid_calls")
    state["operations"] = {
        name: mean(each["tools"][name]["all"] for each in figures if name in each["tools"]) for name in OPERATIONS
    }
    return state


def _mean_of(figures: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return mean(value for each in figures if (value := each.get(name)) is not None)


def states_table(found: Mapping[str, Json]) -> str:
    """The states as a table."""
    columns = ["State", "reward [95 % over tasks]", "answer F1", "MQ", "calls", "tool calls", "valid", *OPERATIONS]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for name, state in found.items():
        reward, answers = (_with_interval(state[measured]) for measured in MEASURES)
        rate = state["valid_call_rate"]
        valid = "-" if rate is None else f"{rate:.0%}"
        operations = " | ".join(f"{state['operations'][each] or 0.0:.2f}" for each in OPERATIONS)
        calls = state["calls"]
        both = " + ".join(_shown(calls[kind], 1) for kind in ("policy", "auxiliary"))
        quality, tools = _shown(state["memory_quality"], 3), _shown(calls["tools"], 2)
        lines.append(f"| {name} | {reward} | {answers} | {quality} | {both} | {tools} | {valid} | {operations} |")
    said = (
        "MQ is memory quality: what memory held at the end against the gold facts, by the judge. Calls per rollout are "
        "model calls of the policy + auxiliary ones (a summarizer's, a judge's); tool calls include refused ones, and "
        "valid is the share that was not refused, of all calls that can be read or not; operations are those that "
        "succeeded."
    )
    return "\n".join([*lines, "", said])


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_interval(row: Json) -> str:
    if row["ci_low"] is None:
        return f"{row['mean']:.3f}"
    return f"{row['mean']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"


def model_of(settings: Mapping[str, Any]) -> str:
    """The name of the model that a run started from, without the folder it lies in."""
    prepare = settings.get("prepare")
    if prepare and prepare.get("gguf"):
        return Path(prepare["gguf"]).stem
    return "tiny policy" if prepare else Path(settings["model"]).name
