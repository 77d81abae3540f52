"""The results of a study: its run folders, read and compared.

Owns which runs belong together and the figures of `report.json`. Leaves out the text (`report.py`) and the pictures
(`plots.py`). All runs are compared by one reward, that of the setting ``reward``, whatever a run was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agemem_grpo.errors import GrpoError
from agemem_grpo.settings import VARIANTS
from agemem_grpo.study.health import health
from agemem_grpo.study.states import model_of, states
from agemem_grpo.study.statistics import Interval, bootstrap_interval, t_interval
from agemem_grpo.training.metrics import OPERATIONS
from agemem_grpo.training.state import RunFolder

Json = dict[str, Any]

MAIN, CONTROL, ABLATION, BRANCHED = "all-returns", "shuffled", "answer-only", "counterfactual"


class ResultsError(GrpoError):
    """A folder without finished runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run."""

    variant: str
    seed: int
    settings: Json
    metrics: list[Json]
    before: Json
    after: Json
    untrained: Json | None = None
    """Of a language model: the evaluation before its warm start."""


def read_runs(study: Path) -> list[Run]:
    """The finished runs in a folder, by variant and seed. Errors: :class:`ResultsError` when there is none."""
    runs: list[Run] = []
    for path in sorted(study.glob("*/settings.json")):
        variant, _, seed = path.parent.name.rpartition("-")
        folder = RunFolder(path.parent)
        before, after = folder.evaluation("before"), folder.evaluation("after")
        if variant not in VARIANTS or not (before.exists() and after.exists()):
            continue
        settings = json.loads(path.read_text())["settings"]
        ends = [json.loads(each.read_text()) for each in (before, after)]
        first = folder.evaluation("untrained")
        untrained = json.loads(first.read_text()) if first.exists() else None
        runs.append(Run(variant, int(seed), settings, folder.read_metrics(), ends[0], ends[1], untrained))
    if not runs:
        raise ResultsError(f"{study} holds no finished run")
    return sorted(runs, key=lambda run: (list(VARIANTS).index(run.variant), run.seed))


def of_variant(runs: Sequence[Run], variant: str) -> list[Run]:
    """The runs of a variant, by seed."""
    return [run for run in runs if run.variant == variant]


def compare(runs: Sequence[Run], measured: str = "reward") -> Json:
    """Before, after and gain on held-out tasks: the mean over the seeds with Student's t interval.

    ``gain_tasks_ci`` is the bootstrap over tasks, each with its mean over the seeds. It shows how much the figure
    depends on the choice of tasks, while the interval over seeds shows how much it depends on the run.
    """
    before = [run.before["with_memory"][measured] or 0.0 for run in runs]
    after = [run.after["with_memory"][measured] or 0.0 for run in runs]
    gains = [b - a for a, b in zip(before, after, strict=True)]
    gain = t_interval(gains)
    over_tasks = bootstrap_interval(_gains_by_task(runs, measured))
    return {
        "seeds": [run.seed for run in runs],
        f"{measured}_before": t_interval(before).mean,
        f"{measured}_after": t_interval(after).mean,
        "gain_mean": gain.mean,
        "gain_ci_low": gain.low,
        "gain_ci_high": gain.high,
        "gain_tasks_ci": [over_tasks.low, over_tasks.high],
        "by_seed": [{"seed": run.seed, "before": a, "after": b} for run, a, b in zip(runs, before, after, strict=True)],
    }


def _gains_by_task(runs: Sequence[Run], measured: str) -> list[float]:
    gains: list[float] = []
    for task in sorted(runs[0].before["with_memory"]["by_task"]):
        pairs = [
            (run.before["with_memory"]["by_task"].get(task), run.after["with_memory"]["by_task"].get(task))
            for run in runs
        ]
        each = [b[measured] - a[measured] for a, b in pairs if a and b and measured in a and measured in b]
        if each:
            gains.append(sum(each) / len(each))
    return gains


def memory_benefit(runs: Sequence[Run]) -> Json | None:
    """The trained policy with its memory tools and without them; None if some run was not evaluated without them."""
    pairs = [(run.after["with_memory"], run.after["without_memory"]) for run in runs if "without_memory" in run.after]
    if len(pairs) < len(runs):
        return None
    benefit: Json = {}
    for measured in ("answer_f1", "answer_exact", "reward"):
        gain = t_interval([tools[measured] - none[measured] for tools, none in pairs])
        benefit[measured] = {
            "with_memory": t_interval([tools[measured] for tools, _ in pairs]).mean,
            "without_memory": t_interval([none[measured] for _, none in pairs]).mean,
            "benefit_mean": gain.mean,
            "benefit_ci_low": gain.low,
            "benefit_ci_high": gain.high,
        }
    return benefit


def paired(main: Sequence[Run], others: Sequence[Run]) -> Json:
    """After training, ``main`` minus ``others``, seed by seed: runs of one seed share warm start, tasks and seeds.
    Maintenance is compared where all of them measured it.

    Student's t interval over the seeds that both have. This interval decides which of the two is better; comparing
    their separate intervals does not.
    """
    by_seed = {run.seed: run.after["with_memory"] for run in others}
    pairs = [(run.after["with_memory"], by_seed[run.seed]) for run in main if run.seed in by_seed]
    result: Json = {"seeds": [run.seed for run in main if run.seed in by_seed]}
    maintaining = all(each.get("maintenance") is not None for pair in pairs for each in pair)
    for measured in ("reward", "answer_f1", *(["maintenance"] if maintaining else [])):
        differences = [ours[measured] - theirs[measured] for ours, theirs in pairs]
        found = t_interval(differences) if differences else Interval(0.0, None, None, 0)
        result[measured] = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high, "by_seed": differences}
    return result


def against_branched(branched: Sequence[Run], whole: Sequence[Run]) -> Json:
    """Counterfactual groups beside whole rollouts: their gain, the calls of the policy in training by seed, and the
    difference to whole rollouts, seed by seed."""
    calls = {
        run[0].variant: [sum(line["policy_calls"] for line in each.metrics) for each in run]
        for run in (whole, branched)
        if run
    }
    return {
        "variant": BRANCHED,
        **compare(branched),
        "policy_calls": calls,
        "minus_whole": paired(branched, whole) if whole else None,
    }


def _maintaining(runs: Sequence[Run]) -> list[Run]:
    """The runs whose evaluations tell how many outdated memories were put right; earlier versions' do not."""
    return [
        run
        for run in runs
        if all(each["with_memory"].get("maintenance") is not None for each in (run.before, run.after))
    ]


def share_of_answer(runs: Sequence[Run]) -> Json:
    """How much of the gain comes from the answer and how much from other parts: weighted differences of the parts.

    The weights are those of all returns: 1/3 each, and 1 for penalties.
    """
    weights = {"task": 1 / 3, "context": 1 / 3, "memory": 1 / 3, "penalty": 1.0}
    gains = {
        name: weight * (mean_of(runs, "after", "reward_parts", name) - mean_of(runs, "before", "reward_parts", name))
        for name, weight in weights.items()
    }
    total = sum(gains.values())
    return {"gains": gains, "total": total, "not_the_answer": None if total == 0 else 1 - gains["task"] / total}


def mean_of(runs: Sequence[Run], when: str, *path: str, memory: str = "with_memory") -> float:
    """Mean over runs of a figure of an evaluation, such as ``mean_of(runs, "after", "tools", "ADD", "all")``."""
    total = 0.0
    for run in runs:
        value: Any = (run.before if when == "before" else run.after)[memory]["figures"]
        for name in path:
            value = value[name]
        total += float(value or 0.0)
    return total / len(runs)


def parts_of(runs: Sequence[Run]) -> list[str]:
    """Names of the reward's parts that apply to the tasks."""
    parts = runs[0].before["with_memory"]["figures"]["reward_parts"]
    return [name for name, value in parts.items() if value is not None]


def report_json(runs: Sequence[Run], facts: Mapping[str, Any]) -> Json:
    """The content of `report.json`. ``facts`` (machine, versions) are added unchanged."""
    main = of_variant(runs, MAIN) or list(runs)
    result: Json = {"model": model_of(main[0].settings), **compare(main), "variant": main[0].variant}
    result["states"] = states(runs)
    result["health"] = health(main)
    for name, variant in (("control", CONTROL), ("ablation", ABLATION)):
        others = of_variant(runs, variant)
        result[name] = {"variant": variant, **compare(others)} if others else None
    ablation = of_variant(runs, ABLATION)
    result["against_ablation"] = paired(main, ablation) if ablation else None
    branched = of_variant(runs, BRANCHED)
    result["counterfactual"] = against_branched(branched, of_variant(runs, MAIN)) if branched else None
    result["gain_by_part"] = share_of_answer(main)
    result["maintenance"] = {run[0].variant: compare(run, "maintenance") for run in _by_variant(_maintaining(runs))}
    result["answer_f1"] = {run[0].variant: compare(run, "answer_f1") for run in _by_variant(runs)}
    result["memory"] = {run[0].variant: memory_benefit(run) for run in _by_variant(runs)}
    result["tools"] = {
        when: {name: mean_of(main, when, "tools", name, "all") for name in OPERATIONS} for when in ("before", "after")
    }
    result["prompt_tokens"] = {when: mean_of(main, when, "prompt_tokens") for when in ("before", "after")}
    result["parts"] = {
        when: {name: mean_of(main, when, "reward_parts", name) for name in parts_of(main)}
        for when in ("before", "after")
    }
    result["optimizer_steps"] = sorted({run.metrics[-1]["step"] for run in runs if run.metrics})
    result["seconds"] = {f"{run.variant}-{run.seed}": sum(line["seconds"] for line in run.metrics) for run in runs}
    result["rollout_seconds"] = {
        f"{run.variant}-{run.seed}": sum(line.get("rollout_seconds", 0.0) for line in run.metrics) for run in runs
    }
    return {**result, **facts, "settings": settings_of(main[0])}


def settings_of(run: Run) -> Json:
    """The settings that decide the result, without the places of files and servers."""
    names = ("prepare", "rollout", "reward", "train", "counterfactual", "evaluate")
    return {name: run.settings[name] for name in names if run.settings.get(name)}


def reward_of(run: Run) -> str:
    """What runs are compared by."""
    return str(run.settings.get("reward", "all-returns"))


def rewards(run: Run) -> list[float | None]:
    """That reward of the training rollouts, by iteration."""
    name = "reward_all_returns" if reward_of(run) == "all-returns" else "reward"
    return [line[name] for line in run.metrics]


def _by_variant(runs: Sequence[Run]) -> list[list[Run]]:
    return [found for variant in VARIANTS if (found := of_variant(runs, variant))]


def as_interval(comparison: Mapping[str, Any]) -> Interval:
    """The gain of a comparison."""
    return Interval(
        comparison["gain_mean"], comparison["gain_ci_low"], comparison["gain_ci_high"], len(comparison["seeds"])
    )
