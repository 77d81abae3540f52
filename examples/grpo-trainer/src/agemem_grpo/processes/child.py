"""One supervised process: started in its own process group, checked, restarted after a crash, and ended with all that
it started.

Owns the process, its log and its process id file. Leaves out watching several processes (`supervise.py`) and ending
with a killed parent (`launch.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from agemem_grpo.errors import GrpoError

STEADY_S = 60.0
"""After a child was up this long, in seconds, the count of crashes starts again."""


class SuperviseError(GrpoError):
    """A child process did not start or does not keep running. The message says where its log is."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The description of a child process.

    ``command`` is called at every start, so that a restart uses the current weights. ``health`` is a URL that answers
    200 once the child is ready. ``ready_s`` limits how long a start may take, ``max_restarts`` how many crashes in a
    row are tolerated.
    """

    name: str
    command: Callable[[], Sequence[str]]
    health: str
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = 300.0
    max_restarts: int = 5


class Child:
    """One supervised process; see :class:`Supervisor`."""

    def __init__(self, spec: ChildSpec, folder: Path) -> None:
        self.spec = spec
        self.log = folder / f"{spec.name}.log"
        self._pid_file = folder / f"{spec.name}.pid.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._ready_at = 0.0
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id, which is also the id of its process group; None when it is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Starts the process in its own process group; its output is appended to the log."""
        self._end_leftover()
        command = [sys.executable, "-m", "agemem_grpo.processes.launch", str(os.getpid()), *self.spec.command()]
        with self.log.open("ab") as log:
            log.write(f"\n== {time.strftime('%Y-%m-%dT%H:%M:%S')} {' '.join(command[4:])}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.spec.cwd,
                env={**os.environ, **self.spec.env},
                start_new_session=True,
            )
        identity = {"pid": self._process.pid, "started": _start_time(self._process.pid)}
        self._pid_file.write_text(json.dumps(identity))

    def wait_ready(self) -> None:
        """Waits for the health check. Errors: :class:`SuperviseError` when the child ends or takes too long."""
        deadline = time.monotonic() + self.spec.ready_s
        while time.monotonic() < deadline:
            if self.pid is None:
                raise SuperviseError(f"{self.spec.name} ended while starting. Its log: {self.log}\n{self.tail()}")
            if self.healthy():
                self._ready_at = time.monotonic()
                return
            time.sleep(0.1)
        raise SuperviseError(f"{self.spec.name} was not ready after {self.spec.ready_s:.0f} s. Its log: {self.log}")

    def healthy(self) -> bool:
        """One health check."""
        try:
            return httpx.get(self.spec.health, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def watch(self) -> None:
        """Restarts the process when it has ended; the wait doubles with each crash in a row, up to 10 s.

        Crashes less than ``STEADY_S`` seconds after the child was ready are crashes in a row.
        """
        if self.pid is not None:
            return
        if time.monotonic() - self._ready_at > STEADY_S:
            self._failures = 0
        self._failures += 1
        self.restarts += 1
        if self._failures > self.spec.max_restarts:
            raise SuperviseError(f"{self.spec.name} ended {self._failures} times in a row. Its log: {self.log}")
        self._kill_group()
        time.sleep(min(10.0, 0.25 * 2 ** (self._failures - 1)))
        self.start()
        try:
            self.wait_ready()
        except SuperviseError:
            if self.pid is not None:
                raise  # it runs but never becomes ready, so another start would not help

    def stop(self, grace_s: float = 5.0) -> None:
        """Sends SIGTERM to the group; once its first process has ended, or after ``grace_s``, SIGKILL to the rest."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        self._kill_group()
        self._pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _kill_group(self) -> None:
        if self._process is None:
            return
        # The group can outlive its first process, because npm and tsx have their own children.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _end_leftover(self) -> None:
        """Ends the process group that an earlier, killed run left; the start time tells it from a reused process id."""
        if not self._pid_file.exists():
            return
        try:
            left = json.loads(self._pid_file.read_text())
        except json.JSONDecodeError:
            return  # incomplete after a kill: the process was just being started and ends with its parent
        pid = int(left["pid"])
        if left["started"] is not None and _start_time(pid) == left["started"]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _start_time(pid: int) -> str | None:
    """When a process began, in clock ticks since boot (Linux); None where that is not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces; field 22 of the line is the start time.
    return stat.rpartition(")")[2].split()[19]
