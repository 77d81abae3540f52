"""The plots of a report: learning curves, parts of the reward, tool use, tokens.

Owns what is drawn. Leaves out the numbers (`results.py`). Curves show the mean over the seeds and their range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from agemem_grpo.settings import VARIANTS
from agemem_grpo.study.health import draw_health
from agemem_grpo.study.results import ABLATION, BRANCHED, MAIN, Run, mean_of, of_variant, parts_of, rewards
from agemem_grpo.training.metrics import OPERATIONS

Json = dict[str, Any]
Pick = Callable[[Json], float | None]

COLOURS = {"all-returns": "#1b6ca8", "answer-only": "#d1770f", "shuffled": "#777777", "counterfactual": "#3a8f4d"}
WINDOW = 5
"""Iterations of the moving mean, because a batch of a few tasks is a noisy measure."""


def draw(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draws all plots as PNG files and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    main = of_variant(runs, MAIN) or list(runs)
    drawn = [_curves(runs, folder / "reward.png")]
    if of_variant(runs, ABLATION):
        drawn.append(_ablation(runs, folder / "ablation.png"))
    if of_variant(runs, BRANCHED):
        drawn.append(_by_calls(runs, folder / "counterfactual.png"))
    return [
        *drawn,
        _parts(main, folder / "parts.png"),
        _tools(main, folder / "tools.png"),
        _tokens(main, folder / "tokens.png"),
        draw_health(main, folder / "health.png"),
    ]


def smooth(values: Sequence[float], window: int = WINDOW) -> list[float]:
    """Mean over the last ``window`` values up to each one.

    >>> smooth([1.0, 2.0, 3.0], window=2)
    [1.0, 1.5, 2.5]
    """
    return [float(np.mean(values[max(0, i + 1 - window) : i + 1])) for i in range(len(values))]


def _line(axes: Any, runs: Sequence[Run], pick: Pick, label: str, color: str | None = None) -> None:
    """Mean over the seeds of a figure of the lines of metrics, and its range."""
    _band(axes, [[pick(line) for line in run.metrics] for run in runs], label, color)


def _band(
    axes: Any,
    values: Sequence[Sequence[float | None]],
    label: str,
    color: str | None = None,
    x: Sequence[float] | None = None,
) -> None:
    """Mean over the seeds as a line, their range as a band; ``x`` is the iteration unless it is given."""
    length = min(len(row) for row in values)
    table = np.array([smooth([_number(value) for value in row[:length]]) for row in values])
    x = list(range(1, length + 1)) if x is None else x[:length]
    drawn = axes.plot(x, np.nanmean(table, axis=0), label=label, color=color)[0]
    if len(values) > 1:
        axes.fill_between(
            x, np.nanmin(table, axis=0), np.nanmax(table, axis=0), alpha=0.15, color=drawn.get_color(), linewidth=0
        )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _part(name: str) -> Pick:
    return lambda line: line["reward_parts"].get(name)


def _panel(axes: Any, title: str, across: str = "iteration") -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(across)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _curves(runs: Sequence[Run], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4))
    for variant in VARIANTS:
        if found := of_variant(runs, variant):
            _band(axes, [rewards(run) for run in found], variant, COLOURS[variant])
    _panel(axes, f"Reward of the training rollouts (mean of {WINDOW} iterations)")
    return _save(figure, path)


def _by_calls(runs: Sequence[Run], path: Path) -> Path:
    """Whole rollouts and counterfactual groups against the calls of the policy that they took."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for variant in (MAIN, BRANCHED):
        if found := of_variant(runs, variant):
            length = min(len(run.metrics) for run in found)
            calls = [[line["policy_calls"] for line in run.metrics[:length]] for run in found]
            spent = np.cumsum(np.mean(np.array(calls), axis=0)).tolist()
            _band(axes, [rewards(run) for run in found], variant, COLOURS[variant], spent)
    title = f"Reward of the training rollouts (mean of {WINDOW} iterations)"
    _panel(axes, title, "calls of the policy, mean over the seeds")
    return _save(figure, path)


def _ablation(runs: Sequence[Run], path: Path) -> Path:
    """Like figure 5 of the paper: all returns compared with the answer alone."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    for variant in (MAIN, ABLATION):
        if found := of_variant(runs, variant):
            _band(panels[0], [rewards(run) for run in found], variant, COLOURS[variant])
            _line(panels[1], found, _part("task"), variant, COLOURS[variant])
    _panel(panels[0], "R(tau), all returns")
    _panel(panels[1], "R_task (-1 without an answer)")
    return _save(figure, path)


def _parts(runs: Sequence[Run], path: Path) -> Path:
    names = parts_of(runs)
    figure, axes = plt.subplots(figsize=(8, 4.5))
    place = np.arange(len(names))
    for offset, when, color in ((-0.2, "before", "#bbbbbb"), (0.2, "after", COLOURS[MAIN])):
        values = [mean_of(runs, when, "reward_parts", name) for name in names]
        axes.barh(place + offset, values, height=0.38, label=when, color=color)
    axes.set_yticks(place, names, fontsize=8)
    axes.invert_yaxis()
    axes.set_title("Parts of the reward on held-out tasks", fontsize=10)
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize=8)
    return _save(figure, path)


def _tools(runs: Sequence[Run], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4))
    for name in OPERATIONS:
        _line(axes, runs, lambda line, name=name: line["tools"][name]["all"], name)  # type: ignore[misc]
    _panel(axes, "Successful memory operations per rollout")
    return _save(figure, path)


def _tokens(runs: Sequence[Run], path: Path) -> Path:
    figure, panels = plt.subplots(1, 2, figsize=(10, 4))
    _line(panels[0], runs, lambda line: line["prompt_tokens"], "prompt tokens per call")
    _line(panels[1], runs, lambda line: line["response_tokens"], "response tokens per call")
    for axes, title in zip(panels, ("Prompt tokens per call", "Response tokens per call"), strict=True):
        _panel(axes, title)
    return _save(figure, path)
