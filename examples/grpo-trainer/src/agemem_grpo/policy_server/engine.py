"""The loop that generates: requests join the batch, sample a token per pass, and leave when they are done.

Owns the queue, stopping, canceling, and when new weights take over. A request is answered by one set of weights: new
weights wait until the active rows are done, and requests that arrive meanwhile get the new weights. Leaves out forward
passes (`decoder.py`), the draw (`sampling.py`), texts and HTTP (`app.py`).
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from agemem_grpo.policy_server.decoder import Decoder, Row
from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.policy_server.sampling import Sampling, sample

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Completion:
    """The sampled tokens, including the one that ended the response."""

    token_ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason
    stop_reason: str | None
    """The stop string that was found."""
    policy_version: int


@dataclass(eq=False)
class Job:
    """One request. `max_tokens` must fit the window."""

    prompt: list[int]
    max_tokens: int
    stop_tokens: frozenset[int]
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    """The same seed, prompt and weights give the same tokens, whatever else is in the batch."""
    find_stop: Callable[[list[int]], str | None] | None = None
    """The stop string in the text of these ids, if any."""
    done: Future[Completion] = field(default_factory=Future)
    row: Row = field(init=False)
    logprobs: list[float] = field(default_factory=list)
    draws: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.row = Row(self.prompt)
        # The prompt is part of the seed, or all calls of a rollout with one seed would make the same draws.
        self.draws = random.Random(None if self.seed is None else repr((self.seed, self.prompt)))


@dataclass(slots=True)
class _Swap:
    decoder: Decoder
    version: int
    done: Future[None] = field(default_factory=Future)


class Engine:
    """Runs a decoder in its own thread. All methods may be called from any thread.

    >>> engine = Engine(decoder, version=0, max_waiting=256, threads=1)  # doctest: +SKIP
    >>> engine.submit(Job([1, 2], max_tokens=8, stop_tokens=frozenset())).result()  # doctest: +SKIP
    """

    def __init__(self, decoder: Decoder, *, version: int, max_waiting: int, threads: int) -> None:
        self.version = version
        self.generated_tokens = 0
        self._decoder = decoder
        self._max_waiting = max_waiting
        self._threads = threads
        self._waiting: deque[Job] = deque()
        self._active: dict[Row, Job] = {}
        self._swap: _Swap | None = None
        self._stopping = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="policy-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; pending requests fail with 503."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def submit(self, job: Job) -> Future[Completion]:
        """Queues a request. Canceling the future drops its row.

        Raises ApiError 429 when the queue is full, 503 when the engine ends.
        """
        with self._wake:
            if self._stopping:
                raise _ended()
            if len(self._waiting) >= self._max_waiting:
                raise ApiError(
                    429,
                    f"{len(self._waiting)} requests wait already; send this one again later",
                    code="overloaded",
                    retry_after=1,
                )
            self._waiting.append(job)
            self._wake.notify()
        return job.done

    def swap(self, decoder: Decoder, version: int) -> Future[None]:
        """Lets another decoder take over as soon as the active rows are done."""
        with self._wake:
            if self._stopping:
                raise _ended()
            if self._swap is not None:
                raise RuntimeError("Weights are being swapped already; wait for the future of that swap")
            self._swap = _Swap(decoder, version)
            self._wake.notify()
            return self._swap.done

    def figures(self) -> dict[str, int]:
        """Current load and totals, for `/health`."""
        stats = self._decoder.stats
        return {
            "active": len(self._active),
            "waiting": len(self._waiting),
            "generated_tokens": self.generated_tokens,
            "prompt_tokens": stats.prompt_tokens,
            "reused_prompt_tokens": stats.reused_tokens,
        }

    def _run(self) -> None:
        torch.set_num_threads(self._threads)
        while True:
            with self._wake:
                while not (self._waiting or self._active or self._swap or self._stopping):
                    self._wake.wait()
                if self._stopping:
                    break
                self._take_over()
                joining = self._next_jobs()
            try:
                self._advance(joining)
            # Any error of a pass is reported to its requests; the next ones may succeed.
            except Exception as error:
                self._fail(error)
        self._end()

    def _take_over(self) -> None:
        if self._swap is None or self._active:
            return
        swap, self._swap = self._swap, None
        swap.decoder.stats = self._decoder.stats
        self._decoder, self.version = swap.decoder, swap.version
        swap.done.set_result(None)

    def _next_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        room = 0 if self._swap else self._decoder.max_rows - len(self._active)
        while self._waiting and len(jobs) < room:
            job = self._waiting.popleft()
            if not job.done.cancelled():
                jobs.append(job)
        return jobs

    def _advance(self, joining: list[Job]) -> None:
        self._retire([row for row, job in self._active.items() if job.done.cancelled()])
        if joining:
            rows = [job.row for job in joining]
            self._active.update(zip(rows, joining, strict=True))
            self._sample(rows, self._decoder.admit(rows))
        if self._active:
            self._sample(list(self._decoder.rows), self._decoder.step())

    def _sample(self, rows: list[Row], logits: Tensor) -> None:
        jobs = [self._active[row] for row in rows]
        uniforms = [job.draws.random() for job in jobs]
        tokens, logprobs = sample(logits, [job.sampling for job in jobs], uniforms)
        self.generated_tokens += len(tokens)
        finished: list[Row] = []
        for row, job, token, logprob in zip(rows, jobs, tokens, logprobs, strict=True):
            row.generated.append(token)
            job.logprobs.append(logprob)
            reason, stop = _ending(job, token)
            if reason is None:
                continue
            finished.append(row)
            _settle(job, Completion(row.generated, job.logprobs, reason, stop, self.version))
        self._retire(finished)

    def _retire(self, rows: list[Row]) -> None:
        self._decoder.retire(rows)
        for row in rows:
            del self._active[row]

    def _fail(self, error: Exception) -> None:
        for job in self._active.values():
            _settle(job, ApiError(500, f"Generating failed: {error!r}", code="engine_failed"))
        self._active.clear()
        self._decoder.clear()

    def _end(self) -> None:
        with self._wake:
            for job in [*self._active.values(), *self._waiting]:
                _settle(job, _ended())
            self._waiting.clear()
            if self._swap is not None:
                self._swap.done.set_exception(_ended())


def _ending(job: Job, token: int) -> tuple[FinishReason | None, str | None]:
    if token in job.stop_tokens:
        return "stop", None
    if job.find_stop is not None and (found := job.find_stop(job.row.generated)) is not None:
        return "stop", found
    if len(job.row.generated) >= job.max_tokens:
        return "length", None
    return None, None


def _settle(job: Job, outcome: Completion | Exception) -> None:
    # False when the client is gone; after this call it can no longer cancel.
    if not job.done.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        job.done.set_exception(outcome)
    else:
        job.done.set_result(outcome)


def _ended() -> ApiError:
    return ApiError(503, "The server is shutting down", code="shutting_down", retry_after=1)
