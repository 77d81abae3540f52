"""Turns a trainer's logs and checkpoints into lines of metrics: one per iteration, written when it is sealed.

Owns when a line is complete. Leaves out the figures of the rollouts (`metrics.py`) and writing (`state.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from agemem_grpo.training.state import RunFolder

Json = dict[str, Any]


class Recorder(TrainerCallback):  # type: ignore[misc]
    """A callback of TRL's trainer.

    ``rollouts()`` returns the figures of the current iteration; ``updates`` is the number of optimizer steps per
    iteration. ``bar`` is a tqdm bar that counts iterations.
    """

    def __init__(self, folder: RunFolder, rollouts: Callable[[], Json], *, updates: int, bar: Any) -> None:
        self._folder = folder
        self._rollouts = rollouts
        self._updates = updates
        self._bar = bar
        self._logs: list[Json] = []
        self._lines: list[Json] = []
        self._began = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Json | None = None, **_: Any) -> None:
        """Adds the logs of an optimizer step; the last step of an iteration completes its line."""
        if logs is None or "train_runtime" in logs:
            return
        self._logs.append({name: value for name, value in logs.items() if isinstance(value, int | float)})
        if state.global_step % self._updates != 0:
            return
        now = time.monotonic()
        line = {**self._rollouts(), "step": state.global_step, "train": _means(self._logs), "time": time.time()}
        line["seconds"] = round(now - self._began, 3)
        self._lines.append(line)
        self._logs, self._began = [], now
        self._bar.set_postfix(reward=_short(line["reward"]), kl=_short(line["train"].get("kl")))
        self._bar.update()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seals the checkpoint with the lines since the previous one."""
        self._folder.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", self._lines)
        self._lines = []


def _means(logs: Sequence[Json]) -> Json:
    names = {name for log in logs for name in log}
    return {name: sum(log.get(name, 0.0) for log in logs) / len(logs) for name in sorted(names)}


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
