"""A run that is as small as a run can be: random policy, three tasks, two rollouts each, real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agemem_grpo.policy.model import build_model
from agemem_grpo.policy.tokenizer import train_tokenizer

PEOPLE = (("Mara Lindqvist", "Ghent", "Porto"), ("Ivo Hale", "Graz", "Cork"), ("Selma Dahl", "Lecce", "Nantes"))


def write_run(folder: Path, *, iterations: int, **train: Any) -> Path:
    """Writes model, tasks and settings; returns the settings file."""
    texts = [f"In May {who} left {before} and moved to {after}." for who, before, after in PEOPLE]
    tokenizer = train_tokenizer(texts * 3, vocabulary=300)
    model = folder / "model"
    build_model(tokenizer, hidden=32, layers=2, heads=2).save_pretrained(model)
    tokenizer.save_pretrained(model)
    tasks = folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps(_task(i, *person)) + "\n" for i, person in enumerate(PEOPLE)))
    lines = [
        f'model = "{model}"',
        f'train_tasks = "{tasks}"',
        f'heldout_tasks = "{tasks}"',
        "[rollout]",
        'k = 2\nmax_turns = 2\nprompt = "minimal"\nt_max = 1024\ntimeout_s = 60\nconcurrency = 8',
        "[rollout.policy]\nmax_tokens = 12",
        "[train]",
        f"iterations = {iterations}\ntasks_per_iteration = 2\nlearning_rate = 1e-3",
        *(f"{name} = {json.dumps(value)}" for name, value in train.items()),
        "[evaluate]\ntasks = 3\nk = 1\nwithout_memory = { operations = [] }",
    ]
    settings = folder / "settings.toml"
    settings.write_text("\n".join(lines) + "\n")
    return settings


def _task(i: int, who: str, before: str, after: str) -> dict[str, Any]:
    return {
        "id": f"task-{i}",
        "question": f"In which city does {who} live now?",
        "answer": after,
        "context": [f"In May {who} settled in {before}.", f"In June {who} left {before} and moved to {after}."],
        "distractors": ["It rained for most of the week."],
        "gold_facts": [f"In June {who} left {before} and moved to {after}."],
    }


def start(settings: Path, out: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts `agemem-grpo train`; its output is appended to `out.log`."""
    command = [sys.executable, "-m", "agemem_grpo.cli", "train", str(settings), "--out", str(out), *arguments]
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Whole lines of metrics so far."""
    path = run / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 120.0) -> None:
    """Fails when the condition does not come true while the process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the trainer ended with {process.returncode}"
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def kill_group(run: Path, name: str) -> int:
    """SIGKILL to a server of a run and what it started; returns its process id."""
    pid = int(json.loads((run / "logs" / f"{name}.pid.json").read_text())["pid"])
    os.killpg(pid, signal.SIGKILL)
    return pid


def running_in(run: Path) -> list[str]:
    """Command lines of processes that name the folder of a run."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        if str(run) in command:
            found.append(command)
    return found
