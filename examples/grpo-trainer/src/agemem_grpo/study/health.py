"""Signs of a training that goes wrong, by iteration: entropy, KL, lengths, variance within groups, invalid calls.

Owns the figures, their table and their plot. Leaves out rewards (`results.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from agemem_grpo.training.metrics import mean

if TYPE_CHECKING:
    from agemem_grpo.study.results import Run

Json = dict[str, Any]

SIGNS: dict[str, Callable[[Json], float | None]] = {
    "entropy, nats per token": lambda line: line.get("train", {}).get("entropy"),
    "KL to the start, nats per token": lambda line: line.get("train", {}).get("kl"),
    "response tokens per call": lambda line: line.get("response_tokens"),
    "reward deviation within a group": lambda line: line.get("group_std"),
    "groups of equal rewards": lambda line: line.get("zero_variance_groups"),
    "invalid calls per rollout": lambda line: line.get("invalid_calls"),
    "valid share of calls": lambda line: line.get("valid_call_rate"),
}
"""What to look at, with where a line of `metrics.jsonl` has it."""


def health(runs: Sequence[Run]) -> Json:
    """Each sign in the first and the last fifth of the iterations, means over the runs, and the first ratios.

    ``first_ratio`` is the ratio of the trainer's probabilities to the server's before any optimizer step: the mean over
    tokens, and the largest distance from 1.
    """
    signs = {}
    for name, pick in SIGNS.items():
        parts: tuple[list[float], list[float]] = ([], [])
        for run in runs:
            fifth = max(1, len(run.metrics) // 5)
            for part, lines in zip(parts, (run.metrics[:fifth], run.metrics[-fifth:]), strict=True):
                part += [value for line in lines if (value := pick(line)) is not None]
        signs[name] = {"first": mean(parts[0]), "last": mean(parts[1])}
    first = [run.metrics[0].get("train", {}) for run in runs if run.metrics]
    ratios = {
        "mean": mean(value for line in first if (value := line.get("ratio/mean")) is not None),
        "max_deviation": max(
            (value for line in first if (value := line.get("ratio/max_deviation")) is not None), default=None
        ),
    }
    return {"signs": signs, "first_ratio": ratios}


def health_table(found: Json) -> str:
    """The signs as a table, and a sentence about the ratios."""
    lines = ["| Sign | first fifth of the iterations | last fifth |", "|---|---|---|"]
    for name, row in found["signs"].items():
        lines.append(f"| {name} | {_shown(row['first'])} | {_shown(row['last'])} |")
    ratio = found["first_ratio"]
    if ratio["mean"] is not None:
        lines += [
            "",
            f"Before any optimizer step the trainer's probabilities were {ratio['mean']:.6f} times the server's on "
            f"average; the ratio of no token was further from 1 than {ratio['max_deviation']:.1e}.",
        ]
    return "\n".join([*lines, "", "![health](plots/health.png)"])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def draw_health(runs: Sequence[Run], path: Path) -> Path:
    """Draws each sign of each run by iteration."""
    figure, panels = plt.subplots(2, 4, figsize=(14, 6))
    for axes, (name, pick) in zip(panels.flat, SIGNS.items(), strict=False):
        for run in runs:
            values = [float("nan") if (value := pick(line)) is None else value for line in run.metrics]
            axes.plot(range(1, len(values) + 1), values, linewidth=1, label=f"seed {run.seed}")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("iteration", fontsize=8)
        axes.grid(alpha=0.3)
    for axes in list(panels.flat)[len(SIGNS) :]:
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
