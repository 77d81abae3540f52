"""One request to a rollout service, read group by group despite interruptions: the protocol `agemem.rollouts/1`.

Owns HTTP, the lines of an answer, acknowledging, and asking again: after a broken connection or a restart, the service
sends the groups that were not acknowledged, and runs no finished rollout again. Memory holds one group. Leaves out
what is requested (`service.py`).
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from agemem_grpo.errors import GrpoError

Json = dict[str, Any]

PROTOCOL = "agemem.rollouts/1"
LONGEST_LINE = 256 * 1024 * 1024
"""Longest record that is read, in bytes; a longer one is an error, so that it cannot exhaust the memory."""

_NAMES = uuid.UUID("6a7c1f0e-3f52-5d0b-9a46-1f7f0a5f2d11")
_AGAIN = frozenset({"AGEMEM_ROLLOUTS_UNKNOWN", "AGEMEM_ROLLOUTS_BUSY", "AGEMEM_RECORDING_LOCKED"})
"""Codes of temporary states: the request was suspended, its place is taken, or its last process is still ending."""


class ServiceError(GrpoError):
    """Base class of errors of the rollout service. ``remedy`` says what to do; ``code`` is agemem's code, if any."""

    def __init__(self, message: str, remedy: str, code: str | None = None) -> None:
        super().__init__(f"{message}. {remedy}")
        self.remedy = remedy
        self.code = code


class ServiceUnavailableError(ServiceError):
    """The service gave no answer for ``patience_s`` seconds."""


class RunFailedError(ServiceError):
    """The service reported that the run failed, for example because the request is not valid."""


class StoppedError(ServiceError):
    """The caller no longer wants the result."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a request is read; see docs/rollouts.md. With ``shared``, groups that another reader acknowledged are not
    sent; without it, a new reader gets all groups again. The last reader closes the request at its end."""

    ordered: bool = False
    shared: bool = False
    ahead: int = 2
    window: int | None = None


class Streams:
    """Requests to one service. May be used by several threads at once.

    ``patience_s``: seconds without any answer before giving up. ``silence_s``: seconds without a line after which a
    connection counts as broken; the service sends a sign of life every 5 seconds. ``api_key`` is sent as ``x-api-key``,
    which hosted LangGraph servers require.
    """

    def __init__(
        self, url: str, *, patience_s: float = 120.0, api_key: str | None = None, silence_s: float = 30.0
    ) -> None:
        self._url = url
        self._patience_s = patience_s
        headers = {"x-api-key": api_key} if api_key else {}
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=httpx.Timeout(30.0, read=silence_s), limits=limits
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def groups(
        self,
        name: str,
        request: Json,
        terms: Terms,
        alive: Callable[[], None] = lambda: None,
        stopped: threading.Event | None = None,
    ) -> Generator[list[Json], None, None]:
        """The samples of each group of a request, as the service sent them.

        A group is acknowledged when the next one is requested, because the caller has it then. The same ``name`` and
        request resume where an earlier process ended. ``alive`` is called whenever the service has sent something. Once
        ``stopped`` is set, reading ends with :class:`StoppedError`.

        Errors: :class:`RunFailedError`, :class:`ServiceUnavailableError`.
        """
        asked = _Asked(request_id(name, request), uuid.uuid4().hex, request, terms)
        waiting = _Patience(self._patience_s)
        while True:
            try:
                for group in self._connection(asked, waiting, alive, stopped):
                    yield group.samples
                    asked.have[group.id] = None
                    self._post("/acknowledge", asked.address | {"groups": [group.id]})
            except (httpx.TransportError, _BusyError) as error:
                waiting.wait(error, self._url)
                continue
            if asked.ended:
                self._forget(asked)
                return
            # An answer without an end, because the service suspends its requests when it is stopped.
            waiting.wait(_BusyError("the answer ended before the request"), self._url)

    def _connection(
        self, asked: _Asked, waiting: _Patience, alive: Callable[[], None], stopped: threading.Event | None
    ) -> Iterator[_Group]:
        """The groups of one connection."""
        with self._http.stream("POST", "/rollouts", json=asked.body()) as response:
            _check(response)
            asked.begun = True
            samples: list[Json] = []
            for line in _lines(response.iter_bytes()):
                alive()
                if stopped is not None and stopped.is_set():
                    raise StoppedError("The request was left", "Ask for it again.")
                said = json.loads(line)
                if said["event"] != "open":
                    waiting.reset()
                if said["event"] == "sample":
                    samples.append(said["sample"])
                elif said["event"] == "group":
                    group, samples = _Group(said["group_id"], samples), []
                    if group.id in asked.have:
                        # Its acknowledgement was lost.
                        self._post("/acknowledge", asked.address | {"groups": [group.id]})
                    else:
                        yield group
                elif said["event"] == "end":
                    asked.ended = True
                elif said["event"] == "error":
                    raise _failure(said, "The rollout run failed")

    def _post(self, path: str, body: Json) -> None:
        with self._http.stream("POST", f"/rollouts{path}", json=body) as response:
            _check(response)

    def _forget(self, asked: _Asked) -> None:
        """Frees the service's disk after reading. Of a shared request the last reader does; a late one gets the end."""
        body = asked.address | ({"finished": True} if asked.terms.shared else {})
        # The service may have closed the idle connection that is tried first.
        for _ in range(3):
            with contextlib.suppress(httpx.TransportError, _BusyError):
                self._post("/close", body)
                return


def request_id(name: str, request: Mapping[str, Any]) -> str:
    """Id of a request at the service: equal for equal name, tasks and settings, whatever the policy's address."""
    fixed = {key: value for key, value in request.items() if key not in ("concurrency", "timeout_s", "format")}
    fixed["policy"] = {key: value for key, value in request.get("policy", {}).items() if key != "base_url"}
    return uuid.uuid5(_NAMES, json.dumps([name, fixed], sort_keys=True)).hex


@dataclass(slots=True)
class _Group:
    id: str
    samples: list[Json]


class _Asked:
    """A request and its progress."""

    def __init__(self, identity: str, reader: str, request: Json, terms: Terms) -> None:
        self.address: Json = {"protocol": PROTOCOL, "request_id": identity}
        self.terms = terms
        self.have: dict[str, None] = {}
        self.begun = False
        self.ended = False
        self._reader = reader
        self._request = request

    def body(self) -> Json:
        terms = self.terms
        body = self.address | {"reader": self._reader, "ordered": terms.ordered, "ahead": terms.ahead}
        body |= {"acknowledged": list(self.have), "again": not terms.shared and not self.begun}
        if terms.window is not None:
            body["window"] = terms.window
        return body | {"request": self._request}


class _BusyError(Exception):
    """The service answered that it is busy or failing."""


class _Patience:
    """Waits between tries, first 0.2 s and growing to 5 s, until the limit is used up."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.reset()

    def reset(self) -> None:
        self._deadline = time.monotonic() + self._limit_s
        self._pause = 0.2

    def wait(self, error: Exception, url: str) -> None:
        if time.monotonic() + self._pause > self._deadline:
            raise ServiceUnavailableError(
                f"The rollout service at {url} did not answer for {self._limit_s:.0f} s "
                f"({type(error).__name__}: {error})",
                "Start it, or look at its log.",
            ) from error
        time.sleep(self._pause)
        self._pause = min(5.0, self._pause * 1.6)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Complete lines of a stream of bytes; at most one is held."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for part in whole:
            _limit(size + len(part))
            yield b"".join([*held, part])
            held, size = [], 0
        held.append(rest)
        size += len(rest)
        _limit(size)


def _limit(size: int) -> None:
    if size > LONGEST_LINE:
        raise ServiceError(
            f"A record is longer than {LONGEST_LINE} bytes", "Lower t_max or max_turns: no trainer takes such steps."
        )


def _check(response: httpx.Response) -> None:
    """Raises the error of a status; the body of an error is read completely."""
    if response.status_code == 200:
        return
    text = response.read()[:100_000].decode(errors="replace")
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    code = said.get("code")
    status = response.status_code
    if code in _AGAIN or status in (408, 429) or status >= 500:
        raise _BusyError(f"HTTP {status}: {text[:300]}")
    if code is not None:
        raise _failure(said, "The rollout service refused the request")
    raise RunFailedError(
        f"{response.request.method} {response.request.url.path}: HTTP {status}: {text[:300]}",
        "Is this the address of a rollout service of this release? An older one has no POST /rollouts.",
    )


def _failure(said: Mapping[str, Any], what: str) -> Exception:
    code, message = said.get("code"), str(said.get("message", ""))
    if code in _AGAIN:
        return _BusyError(f"{code}: {message}")
    shown = message if code is None else f"{code}: {message}"
    return RunFailedError(f"{what}: {shown}", str(said.get("remedy") or "See the log of the rollout service."), code)
