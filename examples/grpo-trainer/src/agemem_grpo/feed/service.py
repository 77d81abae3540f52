"""Client of the rollout service: tasks in, groups out, over the LangGraph API.

Owns requests, waiting, and what is done when the connection or the service breaks. Leaves out what the records mean
(`groups.py`) and the processes (`processes/`).

Each call is a background run on a thread whose id follows from the run's name. A broken connection is joined again;
a service that was restarted and has forgotten the run gets it anew under the same name, so that every id in the feed
is the same as without the interruption.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from agemem_grpo.errors import GrpoError
from agemem_grpo.feed.groups import Group, read_feed

Json = dict[str, Any]

_NAMES = uuid.UUID("6a7c1f0e-3f52-5d0b-9a46-1f7f0a5f2d11")


class ServiceError(GrpoError):
    """Base of what can go wrong with the rollout service. ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.remedy = remedy


class ServiceUnavailableError(ServiceError):
    """The service could not be reached for ``patience_s`` seconds."""


class RunFailedError(ServiceError):
    """The service answered that the run failed, for example because the request is not valid."""


class RolloutFailedError(ServiceError):
    """More rollouts failed than are allowed."""


class RolloutService:
    """Client of one rollout service.

    ``url``: address of the LangGraph API. ``request``: fields of every request, see the TypeScript `rolloutRequest`
    (``k``, ``policy``, ``reward``, ...). ``patience_s``: seconds without any answer before giving up. ``api_key`` is
    sent as ``x-api-key``, as hosted LangGraph servers ask for.

    >>> service = RolloutService("http://127.0.0.1:2024", {"policy": {"model": "offline"}, "k": 4})
    >>> groups = list(service.rollout(tasks, policy_version=3))                     # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        request: Mapping[str, Any],
        *,
        assistant: str = "rollout",
        patience_s: float = 120.0,
        api_key: str | None = None,
    ) -> None:
        self._request = dict(request)
        self._assistant = assistant
        self._patience_s = patience_s
        headers = {"x-api-key": api_key} if api_key else {}
        # A join blocks until the run has ended; it is asked again after the read timeout.
        timeout = httpx.Timeout(10.0, read=60.0)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def rollout(
        self,
        tasks: Sequence[Mapping[str, Any]],
        policy_version: int,
        *,
        run_name: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Iterator[Group]:
        """Rolls the tasks out and yields one group per task, in order: :meth:`records`, read by the feed's reader.

        Errors: those of :meth:`records`, and `FeedError` for a record that is wrong.
        """
        yield from read_feed(self.records(tasks, policy_version, run_name=run_name, overrides=overrides))

    def records(
        self,
        tasks: Sequence[Mapping[str, Any]],
        policy_version: int,
        *,
        run_name: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> list[Json]:
        """Rolls the tasks out and returns the records of all groups as the service sent them.

        ``tasks`` have the form of the request (``id, question, answer, context, distractors, gold_facts``).
        ``run_name`` is part of all ids; default ``v`` and the policy version. ``overrides`` are merged over the fields
        given to the constructor, tables one level deep.

        Errors: :class:`RunFailedError`, :class:`ServiceUnavailableError`.
        """
        name = run_name or f"v{policy_version}"
        request = merged(self._request, overrides or {})
        request |= {"tasks": list(tasks), "policy_version": policy_version, "run_name": name, "format": "records"}
        values = self._run(request, name)
        return [record for group in values["groups"] for record in group["samples"]]

    def _run(self, request: Json, name: str) -> Json:
        thread = str(uuid.uuid5(_NAMES, name))
        waiting = _Patience(self._patience_s)
        run: str | None = None
        while True:
            try:
                if run is None:
                    run = self._begin(thread, request)
                values = self._join(thread, run)
            except httpx.ReadTimeout:
                waiting.reset()  # the run goes on
            except (httpx.TransportError, _BusyError) as error:
                waiting.wait(error)
            else:
                if values is None:
                    run = None  # the service was restarted and does not know the run
                    continue
                self._forget(thread)
                return values

    def _begin(self, thread: str, request: Json) -> str:
        """Starts the run, after taking away what an earlier try of the same name left."""
        self._call("DELETE", f"/threads/{thread}", missing_ok=True)
        self._call("POST", "/threads", {"thread_id": thread, "if_exists": "do_nothing"})
        body = {"assistant_id": self._assistant, "input": {"request": request}}
        return str(self._call("POST", f"/threads/{thread}/runs", body)["run_id"])

    def _join(self, thread: str, run: str) -> Json | None:
        """The final state; None when the service does not know the run (any more)."""
        values: Json | None = self._call("GET", f"/threads/{thread}/runs/{run}/join", missing_ok=True)
        if values is None:
            return None
        error = values.get("__error__")
        if error is None and isinstance(values.get("summary"), dict):
            return values
        message = str((error or {}).get("message", "the run ended without groups"))
        if message.strip('"') == "Run not found":
            return None
        raise RunFailedError(f"The rollout run failed: {message}", "See the log of the rollout service.")

    def _forget(self, thread: str) -> None:
        """Groups are large and the service keeps a thread's state: what has been read is deleted."""
        try:
            self._call("DELETE", f"/threads/{thread}", missing_ok=True)
        except (httpx.TransportError, _BusyError):
            return  # the groups are here; a service that has gone away keeps nothing

    def _call(self, method: str, path: str, body: Json | None = None, *, missing_ok: bool = False) -> Any:
        response = self._http.request(method, path, json=body)
        if response.status_code == 404 and missing_ok:
            return None
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise _BusyError(f"HTTP {response.status_code}: {response.text[:300]}")
        if response.is_error:
            raise RunFailedError(
                f"{method} {path}: HTTP {response.status_code}: {response.text[:300]}",
                "Is this the address of a LangGraph API with the assistant `rollout`?",
            )
        return response.json() if response.content else {}


class _BusyError(Exception):
    """The service answered that it cannot answer now."""


class _Patience:
    """Waits between tries, 0.2 s and growing to 5 s, until the limit is used up."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.reset()

    def reset(self) -> None:
        self._deadline = time.monotonic() + self._limit_s
        self._pause = 0.2

    def wait(self, error: Exception) -> None:
        if time.monotonic() + self._pause > self._deadline:
            raise ServiceUnavailableError(
                f"The rollout service did not answer for {self._limit_s:.0f} s ({type(error).__name__}: {error})",
                "Start it, or look at its log.",
            ) from error
        time.sleep(self._pause)
        self._pause = min(5.0, self._pause * 1.6)


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
