"""Child processes of a run: the policy server and the rollout service.

Owns starting them in parallel, watching them, and ending them without orphans. Leaves out the single process
(`child.py`) and what the processes are (`services.py`).
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from agemem_grpo.processes.child import Child, ChildSpec, SuperviseError

__all__ = ["Child", "ChildSpec", "SuperviseError", "Supervisor", "free_port"]


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now. Chosen once per run, so that a restarted child keeps its address."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Supervisor:
    """Starts children, keeps them running, and ends them.

    >>> with Supervisor(folder) as supervisor:            # doctest: +SKIP
    ...     supervisor.add(ChildSpec("policy", lambda: ["python", "-m", "agemem_grpo.policy_server"], url))
    ...     supervisor.check()                            # raises when a child is given up on
    """

    def __init__(self, folder: Path, *, interval_s: float = 0.1) -> None:
        self._folder = folder
        self._interval_s = interval_s
        self._children: list[Child] = []
        self._stopping = threading.Event()
        self._failure: SuperviseError | None = None
        self._lock = threading.Lock()
        # All starts happen in this one thread: on Linux a child ends with the thread that started it (launch.py).
        self._requests: list[tuple[ChildSpec, threading.Event, list[Child | SuperviseError]]] = []
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def add(self, *specs: ChildSpec) -> list[Child]:
        """Starts children in parallel and waits until all are ready. Errors: :class:`SuperviseError`."""
        waiting = [(spec, threading.Event(), list[Child | SuperviseError]()) for spec in specs]
        with self._lock:
            self._requests.extend(waiting)
        children: list[Child] = []
        for _, done, result in waiting:
            done.wait()
            outcome = result[0]
            if isinstance(outcome, SuperviseError):
                raise outcome
            children.append(outcome)
        for child in children:
            child.wait_ready()
        with self._lock:
            self._children.extend(children)
        return children

    def check(self) -> None:
        """Errors: :class:`SuperviseError` when a child could not be kept running."""
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        started: list[Child] = []
        try:
            while not self._stopping.wait(self._interval_s):
                self._start_requested(started)
                with self._lock:
                    watched = list(self._children)
                if self._failure is None:
                    for child in watched:
                        self._watch(child)
        finally:
            for child in reversed(started):
                child.stop()

    def _start_requested(self, started: list[Child]) -> None:
        with self._lock:
            requests, self._requests = self._requests, []
        for spec, done, result in requests:
            child = Child(spec, self._folder)
            started.append(child)
            try:
                child.start()
                result.append(child)
            except OSError as error:
                result.append(SuperviseError(f"{spec.name} cannot be started: {error}"))
            done.set()

    def _watch(self, child: Child) -> None:
        try:
            child.watch()
        except (SuperviseError, OSError) as error:
            self._failure = error if isinstance(error, SuperviseError) else SuperviseError(str(error))
