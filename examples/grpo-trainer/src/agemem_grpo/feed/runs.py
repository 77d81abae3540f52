"""Runs of an assistant behind the LangGraph API, brought to their end whatever breaks in between.

Owns requests over HTTP, waiting, and what is done when the connection or the service breaks: each call is a background
run on a thread whose id follows from a name; a broken connection is joined again; a service that was restarted and has
forgotten the run gets it anew under the same name. Leaves out what is asked for (`service.py`).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from agemem_grpo.errors import GrpoError

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


class StoppedError(ServiceError):
    """The caller does not want the result any more."""


class Runs:
    """Runs of one assistant. May be used by several threads at once.

    ``patience_s``: seconds without any answer before giving up. ``poll_s``: seconds after which a run that goes on is
    asked about. ``api_key`` is sent as ``x-api-key``, as hosted LangGraph servers ask for.
    """

    def __init__(
        self, url: str, *, assistant: str, patience_s: float, api_key: str | None = None, poll_s: float = 15.0
    ) -> None:
        self._assistant = assistant
        self._patience_s = patience_s
        headers = {"x-api-key": api_key} if api_key else {}
        # A join blocks until the run has ended; it is asked again after the read timeout.
        timeout = httpx.Timeout(10.0, read=poll_s)
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, limits=limits)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def run(self, name: str, request: Json, *, alive: Callable[[], None], stopped: threading.Event) -> Json:
        """The final state of a run of the request.

        ``alive`` is called whenever the service has said that the run goes on. Once ``stopped`` is set, the run is left
        at the next occasion with :class:`StoppedError`. Errors: :class:`RunFailedError`,
        :class:`ServiceUnavailableError`.
        """
        thread = str(uuid.uuid5(_NAMES, name))
        waiting = _Patience(self._patience_s)
        run: str | None = None
        while True:
            if stopped.is_set():
                raise StoppedError(f"The run {name} was left", "Ask for it again.")
            try:
                if run is None:
                    run = self._begin(thread, request)
                    alive()
                values = self._join(thread, run)
            except httpx.ReadTimeout as error:
                if run is not None and self._goes_on(thread, run):
                    waiting.reset()
                    alive()
                else:
                    waiting.wait(error)
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

    def _goes_on(self, thread: str, run: str) -> bool:
        """Whether the service answers that it has the run; a join that is silent says nothing of it."""
        try:
            return self._call("GET", f"/threads/{thread}/runs/{run}", missing_ok=True) is not None
        except (httpx.TransportError, _BusyError):
            return False

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
