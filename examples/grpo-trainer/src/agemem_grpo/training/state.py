"""The folder of one training run, and what makes it resumable.

Owns paths, atomic writes, the lock, which checkpoint is complete, and that each iteration has one line of metrics.
Leaves out training (`loop.py`) and what a metrics line says (`metrics.py`).

A checkpoint counts once `agemem.json` is in it, which is written last and holds the metrics lines since the previous
checkpoint. So `metrics.jsonl` can be corrected after a kill at any moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agemem_grpo.errors import GrpoError
from agemem_grpo.settings import Settings, SettingsError, settings_of

Json = dict[str, Any]

MARKER = "agemem.json"
_ANOTHER_FOLDER = "Give another --out, or delete the folder."


class RunFolderError(GrpoError):
    """A run folder that cannot be used: it is in use, cannot be read, or has other settings."""


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that a kill leaves the old or the new content, never a part. Syncs it to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class RunFolder:
    """Paths and state of one run.

    >>> run = RunFolder(Path("runs/tiny/all-returns-0"))           # doctest: +SKIP
    >>> with run.locked():                                         # doctest: +SKIP
    ...     checkpoint = run.resume()
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metrics = root / "metrics.jsonl"
        self.checkpoints = root / "checkpoints"
        self.logs = root / "logs"
        self.model = root / "model"

    def rollouts(self, iteration: int) -> Path:
        """Records of an iteration, as the service sent them."""
        return self.root / "rollouts" / f"{iteration:05d}.jsonl.gz"

    def weights(self, version: int) -> Path:
        """Weights that the policy server loads for a version."""
        return self.root / "weights" / f"v{version}"

    def evaluation(self, name: str) -> Path:
        """Results of an evaluation."""
        return self.root / "evaluation" / f"{name}.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder; a kill releases it. Errors: :class:`RunFolderError` when another process has locked it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(f"{self.root} is in use by another process") from error
            yield

    def claim(self, settings: Settings) -> None:
        """Binds the folder to settings. Errors: :class:`RunFolderError` when it was started with others.

        The settings in the folder are read by today's rules, so that a run of an earlier version can be resumed.
        """
        path = self.root / "settings.json"
        if path.exists():
            try:
                held = settings_of(json.loads(path.read_text())["settings"])
            except (SettingsError, KeyError, json.JSONDecodeError) as error:
                raise RunFolderError(f"{path} cannot be read: {error} {_ANOTHER_FOLDER}") from error
            changes = differences(held.decisive(), settings.decisive())
            if changes:
                raise RunFolderError(f"{self.root} was started with other settings: {changes}. {_ANOTHER_FOLDER}")
        facts = {"fingerprint": settings.fingerprint(), "settings": settings.facts()}
        write_atomically(path, json.dumps(facts, indent=2) + "\n")

    def resume(self) -> Path | None:
        """The newest complete checkpoint, or None at the beginning.

        Removes checkpoints that a kill left incomplete, and corrects `metrics.jsonl` to what was trained.
        """
        complete: list[tuple[int, Path]] = []
        for folder in self.checkpoints.glob("checkpoint-*"):
            if (folder / MARKER).exists():
                complete.append((int(folder.name.rpartition("-")[2]), folder))
            else:
                shutil.rmtree(folder)
        newest = max(complete)[1] if complete else None
        lines: list[Json] = json.loads((newest / MARKER).read_text())["lines"] if newest else []
        first_of_marker = lines[0]["iteration"] if lines else 0
        kept = [line for line in self.read_metrics() if line["iteration"] < first_of_marker]
        text = "".join(json.dumps(line) + "\n" for line in [*kept, *lines])
        write_atomically(self.metrics, text)
        return newest

    def seal(self, checkpoint: Path, lines: Sequence[Json]) -> None:
        """Marks a checkpoint as complete and appends the metrics ``lines`` since the previous one."""
        write_atomically(checkpoint / MARKER, json.dumps({"lines": list(lines)}) + "\n")
        with self.metrics.open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def read_metrics(self) -> list[Json]:
        """Lines of metrics, without a last line that a kill left incomplete."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text().split("\n")
        # What follows the last line break is empty or incomplete.
        return [json.loads(line) for line in lines[:-1] if line]

    def writing_rollouts(self, iteration: int, records: Iterable[Json]) -> Iterator[Json]:
        """Yields the records and writes each of them to disk; they count only after :meth:`keep_rollouts`."""
        path = self.rollouts(iteration)
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(_partial(path), "wt", compresslevel=3) as file:
            for record in records:
                file.write(json.dumps(record) + "\n")
                yield record

    def keep_rollouts(self, iteration: int) -> None:
        """Keeps the written rollouts of an iteration, so that after a kill they need not be made again."""
        path = self.rollouts(iteration)
        _partial(path).replace(path)

    def load_rollouts(self, iteration: int) -> Iterator[Json] | None:
        """Records of an iteration, read one by one; None when they had not all come back."""
        path = self.rollouts(iteration)
        return _read_lines(path) if path.exists() else None

    def prune(self, version: int) -> None:
        """Deletes weights older than the version before ``version``."""
        for folder in (self.root / "weights").glob("v*"):
            if int(folder.name[1:]) < version - 1:
                shutil.rmtree(folder)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _read_lines(path: Path) -> Iterator[Json]:
    with gzip.open(path, "rt") as file:
        for line in file:
            yield json.loads(line)


def differences(held: Any, given: Any, at: str = "", most: int = 5) -> str:
    """Up to ``most`` differences between two sets of settings, by dotted name; empty when they are equal.

    >>> differences({"train": {"beta": 0.1}}, {"train": {"beta": 0.2}})
    'train.beta was 0.1 and is 0.2'
    """
    found = list(_differences(held, given, at))
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")


def _differences(held: Any, given: Any, at: str) -> Iterator[str]:
    if isinstance(held, Mapping) and isinstance(given, Mapping):
        for name in sorted({*held, *given}):
            yield from _differences(held.get(name), given.get(name), f"{at}.{name}" if at else str(name))
    elif json.dumps(held) != json.dumps(given):  # a tuple becomes a list on disk
        yield f"{at} was {held!r} and is {given!r}"
