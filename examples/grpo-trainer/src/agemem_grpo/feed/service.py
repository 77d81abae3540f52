"""Client of rollout services: tasks in, groups out, as they finish.

Owns which service gets which tasks, how the groups of several services are joined, and the checks of the results.
Leaves out a single request and its interruptions (`streams.py`), what the records mean (`groups.py`) and the processes
(`processes/`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.streams import (
    RunFailedError,
    ServiceError,
    ServiceUnavailableError,
    StoppedError,
    Streams,
    Terms,
)

__all__ = [
    "PolicyVersionError",
    "RolloutFailedError",
    "RolloutService",
    "RunFailedError",
    "ServiceError",
    "ServiceUnavailableError",
    "StoppedError",
    "merged",
    "require_rolled_out",
    "require_version",
]

Json = dict[str, Any]
Task = Mapping[str, Any]


class RolloutFailedError(ServiceError):
    """More rollouts failed than are allowed."""


class PolicyVersionError(ServiceError):
    """A response came from other weights than requested, so its log-probabilities belong to another policy."""


class RolloutService:
    """Client of one rollout service, or of several that share each run.

    ``url``: address of the service, or several addresses: of n services each gets every n-th task. ``request``: fields
    of every request, see the TypeScript `rolloutRequest` (``k``, ``policy``, ``reward``, ...). ``patience_s``: seconds
    without any answer before giving up. ``api_key`` is sent as ``x-api-key``, which hosted LangGraph servers require.

    Tasks are sent in requests of at most ``tasks_per_request`` (default 1000), one after another. Groups are read one
    by one, and each is acknowledged when the next is requested. A service starts at most ``window`` groups that are not
    acknowledged (default: enough to keep its rollouts busy), so that it waits for a slow trainer. Memory holds a group
    or two per service, whatever the number of tasks.

    With ``shared``, several trainers that send the same request to the same services each get different groups, whoever
    is free. Without it, a restarted trainer gets all groups again; finished rollouts come from the service's disk.

    >>> service = RolloutService("http://127.0.0.1:2024", {"policy": {"model": "offline"}, "k": 4})
    >>> for group in service.rollout(tasks, policy_version=3): train_on(group)      # doctest: +SKIP
    """

    def __init__(
        self,
        url: str | Sequence[str],
        request: Mapping[str, Any],
        *,
        patience_s: float = 120.0,
        api_key: str | None = None,
        tasks_per_request: int = 1000,
        window: int | None = None,
        shared: bool = False,
        silence_s: float = 30.0,
    ) -> None:
        urls = [url] if isinstance(url, str) else list(url)
        if tasks_per_request < 1 or not urls:
            raise ValueError("tasks_per_request must be at least 1, and a service is needed")
        self._request = dict(request)
        self._services = [Streams(each, patience_s=patience_s, api_key=api_key, silence_s=silence_s) for each in urls]
        self._tasks_per_request = tasks_per_request
        self._window = window
        self._shared = shared

    def close(self) -> None:
        """Closes the connections."""
        for service in self._services:
            service.close()

    @property
    def rollout_timeout_s(self) -> float | None:
        """Seconds after which the service ends a rollout (``timeout_s`` of the request); None = no limit."""
        limit = self._request.get("timeout_s")
        return None if limit is None else float(limit)

    def rollout(
        self,
        tasks: Sequence[Task],
        policy_version: int,
        *,
        run_name: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        ordered: bool = False,
        alive: Callable[[], None] = lambda: None,
    ) -> Iterator[Group]:
        """Rolls out the tasks and yields each group when it is complete, or with ``ordered`` in the order of the tasks.

        ``alive`` is called, perhaps from other threads, whenever the service has sent something. Errors: those of
        :meth:`records`, and `FeedError` for a wrong record.
        """
        yield from read_feed(
            self.records(tasks, policy_version, run_name=run_name, overrides=overrides, ordered=ordered, alive=alive)
        )

    def records(
        self,
        tasks: Sequence[Task],
        policy_version: int,
        *,
        run_name: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        ordered: bool | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> Iterator[Json]:
        """Rolls out the tasks and yields the records of each group as the service sent them.

        ``tasks`` have the form of the request (``id, question, answer, context, distractors, gold_facts``).
        ``run_name`` is part of all ids (default: ``v`` and the policy version). ``overrides`` are merged over the
        fields given to the constructor, tables one level deep. ``ordered``: groups in the order of the tasks (default:
        true, except for shared runs, which cannot have it). No request is sent before the first record is taken.

        Errors: :class:`RunFailedError`, :class:`ServiceUnavailableError`.
        """
        if ordered is None:
            ordered = not self._shared
        if ordered and self._shared:
            raise ValueError("the groups of a shared run come as they finish: ordered must be False")
        name = run_name or f"v{policy_version}"
        request = merged(self._request, overrides or {})
        request |= {"policy_version": policy_version, "run_name": name, "format": "records"}
        terms = Terms(ordered=ordered, shared=self._shared, window=self._window)
        size = self._tasks_per_request
        for at in range(0, len(tasks), size):
            part = list(tasks[at : at + size])
            count = len(self._services)
            shares = [(each, part[i::count]) for i, each in enumerate(self._services) if part[i::count]]
            sources: list[Source] = [
                partial(each.groups, name, {**request, "tasks": share}, terms, alive) for each, share in shares
            ]
            groups = sources[0](None) if len(sources) == 1 else _together(sources, ordered=ordered)
            with closing(groups):
                for group in groups:
                    yield from group


Source = Callable[["threading.Event | None"], Generator[list[Json], None, None]]
"""Reads one service, until the event is set."""


class _Reader(threading.Thread):
    """Reads one service. The next group is read only after the last one was processed, which acknowledges it."""

    def __init__(self, source: Source, stopped: threading.Event, ready: threading.Semaphore) -> None:
        super().__init__(name="agemem-rollouts", daemon=True)
        self.queue: queue.Queue[list[Json] | BaseException | None] = queue.Queue(maxsize=1)
        self.taken = threading.Semaphore(0)
        self._source = source
        self._stopped = stopped
        self._ready = ready

    def run(self) -> None:
        last: BaseException | None = None
        try:
            for group in self._source(self._stopped):
                self._give(group)
                while not self.taken.acquire(timeout=0.5):
                    if self._stopped.is_set():
                        return
        except BaseException as error:
            last = error
        self._give(last)

    def _give(self, what: list[Json] | BaseException | None) -> None:
        self.queue.put(what)
        self._ready.release()


def _together(sources: Sequence[Source], *, ordered: bool) -> Generator[list[Json], None, None]:
    """The groups of several services, as they come, or with ``ordered`` one of each in turn."""
    stopped = threading.Event()
    ready = threading.Semaphore(0)
    readers = [_Reader(source, stopped, ready) for source in sources]
    for reader in readers:
        reader.start()
    try:
        turn = 0
        while readers:
            if ordered:
                reader = readers[turn % len(readers)]
                said = reader.queue.get()
            else:
                ready.acquire()
                reader = next(each for each in readers if not each.queue.empty())
                said = reader.queue.get()
            if isinstance(said, BaseException):
                raise said
            if said is None:
                # If ordered, the first to end has a share that is one shorter; the others end in the same round.
                at = readers.index(reader)
                readers.remove(reader)
                turn = at
                continue
            yield said
            reader.taken.release()
            turn = readers.index(reader) + 1
    finally:
        stopped.set()


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """``base`` with the fields of ``over``; tables are merged one level deep.

    >>> merged({"k": 8, "policy": {"model": "a", "top_p": 1}}, {"policy": {"top_p": 0.5}})
    {'k': 8, 'policy': {'model': 'a', 'top_p': 0.5}}
    """
    result = dict(base)
    for key, value in over.items():
        held = result.get(key)
        result[key] = {**held, **value} if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return result


def require_version(groups: Sequence[Group], policy_version: int) -> None:
    """Errors: :class:`PolicyVersionError` when a trainable step was made by other weights."""
    for group in groups:
        for trajectory in group.trajectories:
            for step in trajectory.steps:
                served = step.policy_version
                if step.trainable and served not in (None, policy_version):
                    raise PolicyVersionError(
                        f"Step {step.step_index} of rollout {step.rollout_id} was made by version {served} of the "
                        f"weights, not by {policy_version} as asked for",
                        "Is another trainer using this policy server, or was it restarted with older weights?",
                    )


def require_rolled_out(groups: Sequence[Group], *, max_failed: float = 0.25) -> None:
    """Errors: :class:`RolloutFailedError` when more than the share ``max_failed`` of the rollouts got no reward.

    A few failures are normal. Many mean that the policy's endpoint is down, and the rest would be a sample selected by
    the failure.
    """
    trajectories = [trajectory for group in groups for trajectory in group.trajectories]
    failed = [trajectory.status for trajectory in trajectories if trajectory.reward is None]
    if len(failed) > max_failed * len(trajectories):
        raise RolloutFailedError(
            f"{len(failed)} of {len(trajectories)} rollouts failed ({', '.join(sorted(set(failed)))})",
            "Is the policy server up? Its log and the service's say why.",
        )
