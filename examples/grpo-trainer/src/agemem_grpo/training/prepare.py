"""What a study of a small policy starts with: tasks, and a policy that imitates the rules.

Owns the commands of agemem, of dequantizing and of the warm start, and running each of them only once. Leaves out the
imitation itself (`policy/warm_start.py`) and reading GGUF files (`policy/gguf.py`). Used only by settings with a table
``[prepare]``; others name a model and task files.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agemem_grpo.errors import GrpoError
from agemem_grpo.processes.project import find_project
from agemem_grpo.settings import PrepareSettings, Settings
from agemem_grpo.training.state import write_atomically

Json = dict[str, Any]
BASE = "base"
"""Folder of a language model before its warm start."""


class PrepareError(GrpoError):
    """Preparing failed. The message says why; for a command it has the last lines of its output."""


def prepare(settings: Settings, seed: int = 0) -> Settings:
    """Makes the tasks and the policy of a seed, unless they exist; returns the settings with that policy.

    The tasks of training and of the warm start contain no question of a held-out task. Each seed has its own warm
    start, because runs that shared one would differ less than independent ones; ``shared_warm_start`` gives all seeds
    that of seed 0. Everything is made under another name
    and then renamed, so that a kill leaves it complete or missing; several runs may call this at once. Errors:
    :class:`PrepareError` for a command that fails, or for a folder that was prepared with other settings.
    """
    wanted = settings.prepare
    if wanted is None:
        return settings
    folder = Path(settings.train_tasks).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _claim(folder, wanted)
        project = find_project(settings.service.project)
        heldout = Path(settings.heldout_tasks)
        if not heldout.exists():
            _make(heldout, _agemem(project, "tasks", wanted.heldout, {"seed": "heldout"}))
        for source, name, path in (
            (wanted.train, "train", Path(settings.train_tasks)),
            (wanted.warm, "warm", folder / "warm-tasks.jsonl"),
        ):
            if not path.exists():
                drawn = path.with_name(f"drawn-{path.name}")
                _make(drawn, _agemem(project, "tasks", source, {"seed": name}))
                write_atomically(path, without_questions_of(drawn.read_text(), heldout.read_text()))
                drawn.unlink()
        own = 0 if wanted.shared_warm_start else seed
        model = Path(f"{settings.model}-{own}")
        _policy(wanted, folder, project, model, own)
    return dataclasses.replace(settings, model=str(model))


def untrained_model(settings: Settings) -> Path | None:
    """The language model as it was before its warm start; None when there is none."""
    made = settings.prepare is not None and settings.prepare.gguf is not None
    return Path(settings.train_tasks).parent / BASE if made else None


def without_questions_of(tasks: str, heldout: str) -> str:
    """The lines of ``tasks`` whose question is not asked in ``heldout`` (both JSON Lines).

    >>> without_questions_of('{"question": "Who?"}\\n{"question": "Where?"}\\n', '{"question": "Who?"}\\n')
    '{"question": "Where?"}\\n'
    """
    asked = {json.loads(line)["question"] for line in heldout.splitlines() if line.strip()}
    return "".join(
        f"{line}\n" for line in tasks.splitlines() if line.strip() and json.loads(line)["question"] not in asked
    )


def _policy(wanted: PrepareSettings, folder: Path, project: Path, model: Path, seed: int) -> None:
    if model.exists():
        return
    tasks, records, rows = (folder / name for name in ("warm-tasks.jsonl", "warm.jsonl", "warm-rows.jsonl"))
    if not rows.exists():
        if not records.exists():
            options = {"model": "offline", "seed": "warm", **wanted.rollout}
            _make(records, _agemem(project, "rollout", f"jsonl:{tasks}", options))
        scored = folder / "warm-scored.jsonl" if wanted.score else records
        if not scored.exists():
            _make(scored, _agemem(project, "score", str(records), wanted.score))
        _make(rows, _agemem(project, "export", str(scored), {"to": "chat", **wanted.export}))
        for made in {records, scored}:
            made.unlink()
    warm = [sys.executable, "-m", "agemem_grpo.policy.warm_start", "--chat", str(rows), "--tasks", str(tasks)]
    if wanted.gguf is not None:
        base = folder / BASE
        if not base.exists():
            _make(base, [sys.executable, "-m", "agemem_grpo.policy.gguf", str(project / wanted.gguf)])
        warm += ["--model", str(base), "--state", str(folder / f"state-of-{model.name}.pt")]
    _make(model, [*warm, *_options({**wanted.warm_start, "seed": seed})])


def _agemem(project: Path, command: str, argument: str, options: Mapping[str, Any]) -> list[str]:
    """A command of agemem, run from its sources, so that a checkout need not be built."""
    tsx = project / "node_modules/tsx/dist/esm/index.mjs"
    return ["node", "--import", tsx.as_uri(), str(project / "src/cli/main.ts"), command, argument, *_options(options)]


def _options(options: Mapping[str, Any]) -> list[str]:
    """``{"max_turns": 4, "copying": True}`` as ``["--max-turns", "4", "--copying"]``; what is False is left out.

    An option with a list is given once for each of its values.
    """
    return [
        text
        for name, value in options.items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not False
        for text in (f"--{name.replace('_', '-')}", *([] if each is True else [str(each)]))
    ]


def _make(path: Path, command: Sequence[str]) -> None:
    """Runs a command with ``--out`` and renames its result to ``path``."""
    partial = path.with_name(f"partial-{path.name}")
    _clear(partial)
    print(f"making {path.name}", flush=True)
    done = subprocess.run([*command, "--out", str(partial)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise PrepareError(f"`{' '.join(command[:6])} ...` ended with {done.returncode}:\n{last}")
    partial.replace(path)
    _clear(partial)


def _clear(partial: Path) -> None:
    """Takes away what an earlier try left, the rollouts' journal and index included: neither fits another recording."""
    for left in (partial, *partial.parent.glob(f"{partial.name}.*")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def _claim(folder: Path, wanted: PrepareSettings) -> None:
    path = folder / "prepare.json"
    # In earlier versions all seeds shared one warm start, whose tasks contained held-out questions.
    starts = "one for all seeds" if wanted.shared_warm_start else "one per seed"
    made = {**wanted.facts(), "heldout_questions": "excluded", "warm_starts": starts}
    text = json.dumps(made, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        write_atomically(path, text)
    elif path.read_text() != text:
        raise PrepareError(
            f"{folder} was prepared with other settings, or by another version. Give another --out, or delete it."
        )
