"""Client of the rollout service: tasks in, groups out, as they finish.

Owns how tasks are spread over requests, so that a result is never larger than a few groups, and what is checked of what
comes back. Leaves out a single run and its interruptions (`runs.py`), what the records mean (`groups.py`) and the
processes (`processes/`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.runs import RunFailedError, Runs, ServiceError, ServiceUnavailableError, StoppedError

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
    """A response was of other weights than asked for: its log-probabilities are those of another policy."""


class RolloutService:
    """Client of one rollout service.

    ``url``: address of the LangGraph API. ``request``: fields of every request, see the TypeScript `rolloutRequest`
    (``k``, ``policy``, ``reward``, ...). ``patience_s``: seconds without any answer before giving up. ``api_key`` is
    sent as ``x-api-key``, as hosted LangGraph servers ask for.

    Tasks go out in requests of ``tasks_per_request`` (default 1: a group each), ``parallel`` of them at a time (default
    8), between which the request's ``concurrency`` is divided. No request is begun while ``parallel`` results wait to
    be taken, so that memory, here and in the service, is that of ``parallel * tasks_per_request`` groups.

    >>> service = RolloutService("http://127.0.0.1:2024", {"policy": {"model": "offline"}, "k": 4})
    >>> for group in service.rollout(tasks, policy_version=3): train_on(group)      # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        request: Mapping[str, Any],
        *,
        assistant: str = "rollout",
        patience_s: float = 120.0,
        api_key: str | None = None,
        tasks_per_request: int = 1,
        parallel: int = 8,
        poll_s: float = 15.0,
    ) -> None:
        if min(tasks_per_request, parallel) < 1:
            raise ValueError("tasks_per_request and parallel must be at least 1")
        self._request = dict(request)
        self._runs = Runs(url, assistant=assistant, patience_s=patience_s, api_key=api_key, poll_s=poll_s)
        self._tasks_per_request = tasks_per_request
        self._parallel = parallel

    def close(self) -> None:
        """Closes the connections."""
        self._runs.close()

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
        """Rolls the tasks out and yields each group when it is whole, or with ``ordered`` in the order of the tasks.

        ``alive`` is called, from other threads, whenever the service has said that a run goes on. Errors: those of
        :meth:`records`, and `FeedError` for a record that is wrong.
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
        ordered: bool = True,
        alive: Callable[[], None] = lambda: None,
    ) -> Iterator[Json]:
        """Rolls the tasks out and yields the records of each group as the service sent them.

        ``tasks`` have the form of the request (``id, question, answer, context, distractors, gold_facts``).
        ``run_name`` is part of all ids; default ``v`` and the policy version. ``overrides`` are merged over the fields
        given to the constructor, tables one level deep. Nothing is asked for before the first record is taken.

        Errors: :class:`RunFailedError`, :class:`ServiceUnavailableError`.
        """
        name = run_name or f"v{policy_version}"
        request = merged(self._request, overrides or {})
        request |= {"policy_version": policy_version, "run_name": name, "format": "records"}
        size = self._tasks_per_request
        parts = [list(tasks[at : at + size]) for at in range(0, len(tasks), size)]
        parallel = min(self._parallel, len(parts))
        if parallel > 1 and "concurrency" in request:
            request["concurrency"] = math.ceil(int(request["concurrency"]) / parallel)
        stopped = threading.Event()

        def ask(part: list[Task]) -> Json:
            # Named by its tasks: the same part has the same thread, whatever else was asked for.
            thread = name if len(parts) == 1 else f"{name}/{'/'.join(str(task['id']) for task in part)}"
            return self._runs.run(thread, {**request, "tasks": part}, alive=alive, stopped=stopped)

        pool = ThreadPoolExecutor(max_workers=max(1, parallel), thread_name_prefix="agemem-rollouts")
        try:
            for values in _results(pool, ask, parts, parallel, ordered=ordered):
                for group in values["groups"]:
                    yield from group["samples"]
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _results(
    pool: ThreadPoolExecutor,
    ask: Callable[[list[Task]], Json],
    parts: Sequence[list[Task]],
    parallel: int,
    *,
    ordered: bool,
) -> Iterator[Json]:
    """What ``ask`` gives for each part; a part is begun when one before it has been taken."""
    remaining = iter(parts)
    pending: list[Future[Json]] = [pool.submit(ask, part) for part in islice(remaining, parallel)]
    while pending:
        done = pending[0] if ordered else next(iter(wait(pending, return_when=FIRST_COMPLETED).done))
        pending.remove(done)
        values = done.result()
        del done
        yield values
        pending.extend(pool.submit(ask, part) for part in islice(remaining, 1))


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
    """Errors: :class:`PolicyVersionError` when a trainable step says that other weights made it."""
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

    A few failures are data; many mean a policy endpoint that is down, and training on the rest would be on a sample
    that the failure chose.
    """
    trajectories = [trajectory for group in groups for trajectory in group.trajectories]
    failed = [trajectory.status for trajectory in trajectories if trajectory.reward is None]
    if len(failed) > max_failed * len(trajectories):
        raise RolloutFailedError(
            f"{len(failed)} of {len(trajectories)} rollouts failed ({', '.join(sorted(set(failed)))})",
            "Is the policy server up? Its log and the service's say why.",
        )
