"""Rollouts for TRL's `AsyncGRPOTrainer`: the service rolls out continuously, the trainer takes what is ready.

Owns the threads that call the rollout service, the bounded queue, and the form of TRL's `RolloutSample`. Leaves out the
requests themselves (`feed/service.py`), which steps are trained on (`feed/samples.py`), and moving weights to the
server, which is TRL's `WeightTransferProtocol`.
"""

from __future__ import annotations

import hashlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from trl.experimental.async_grpo.async_rollout_worker import RolloutSample

from agemem_grpo.feed.groups import Group, Trajectory
from agemem_grpo.feed.samples import Sample, Selection, samples_of

Task = Mapping[str, Any]


class RolloutClient(Protocol):
    """What the worker needs from a rollout service; `RolloutService` has it."""

    @property
    def rollout_timeout_s(self) -> float | None:
        """Seconds after which the service ends a rollout; None = no limit."""
        ...

    def rollout(
        self, tasks: Sequence[Task], policy_version: int, *, run_name: str, alive: Callable[[], None]
    ) -> Iterable[Group]:
        """Rolls out tasks with the weights of this version and yields groups as they finish.

        `run_name` makes the ids of the records unique; `alive` is called while the service reports that rollouts
        continue.
        """
        ...


class WorkerError(RuntimeError):
    """The worker can give no more samples: it failed, hangs, or has no tasks left."""


class FeedRolloutWorker:
    """A `RolloutWorkerProtocol` over the rollout service.

    Each of `concurrency` threads (default 1; the service spreads one request over its own rollouts) takes the next
    `tasks_per_rollout` tasks (default 4) and requests their rollouts with the newest version of the weights. The
    samples of a group are delivered as soon as the group is complete. They wait in a queue of `max_samples` (default
    1024); a full queue blocks the threads. A sample carries the version that the server reports, or else the one that
    its request started with, so TRL's `max_staleness` drops what is too old.

    A heartbeat tells slow rollouts from dead ones: the service confirms that they continue. That is not believed
    forever, because the service ends each rollout after the request's `timeout_s`: see :meth:`check_health`.

    `tasks` is a sequence, which is cycled through, or any other iterable, which may end. `name` is the prefix of all
    rollout ids: each training run needs its own. `select` decides what is trained on (default :func:`samples_of`).
    `decode` turns token ids into text for TRL's traces; without it they are empty.

    Metrics of each sample, the same keys on all: "reward", "reward_std" (of the group), "rollout/steps",
    "rollout/memory_ops", "rollout/truncated". In `metrics_queue`, per group: "rollout/groups_total",
    "rollout/failed_total" (rollouts), "rollout/dropped_total" (steps), "rollout/duration_s" (since the request).

    >>> worker = FeedRolloutWorker(RolloutService(url, request), tasks, name="run1")
    >>> AsyncGRPOTrainer(model, args=args, train_dataset=prompts, rollout_worker=worker).train()
    """

    def __init__(
        self,
        client: RolloutClient,
        tasks: Iterable[Task],
        *,
        name: str,
        tasks_per_rollout: int = 4,
        concurrency: int = 1,
        max_samples: int = 1024,
        select: Callable[[Group], Selection] = samples_of,
        decode: Callable[[Sequence[int]], str] | None = None,
    ) -> None:
        if min(tasks_per_rollout, concurrency, max_samples) < 1:
            raise ValueError("tasks_per_rollout, concurrency and max_samples must be at least 1")
        self.rollout_buffer: queue.Queue[RolloutSample] = queue.Queue(maxsize=max_samples)
        self.metrics_queue: queue.Queue[dict[str, float]] = queue.Queue()
        self._client = client
        self._tasks = iter(itertools.cycle(tasks) if isinstance(tasks, Sequence) else tasks)
        self._name = name
        self._tasks_per_rollout = tasks_per_rollout
        self._select = select
        self._decode = decode
        self._version = 0
        self._requests = itertools.count()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._heard = self._progress = time.monotonic()
        self._threads = [
            threading.Thread(target=self._run, name=f"agemem-rollouts-{i}", daemon=True) for i in range(concurrency)
        ]

    def start(self) -> None:
        """Starts rolling out. Called once, by the trainer, when the server has its first weights."""
        self._heard = self._progress = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Drops the samples of the current requests and waits at most 10 seconds for the threads to end."""
        self._stopping.set()
        deadline = time.monotonic() + 10
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def update_model_version(self, model_version: int) -> None:
        """Requests that start from now on use these weights."""
        self._version = model_version

    def check_health(self, stale_after_s: float) -> None:
        """Raises WorkerError when a request failed, the tasks are used up, or the rollouts are dead.

        They count as dead when, for `stale_after_s` seconds, the service has neither returned a group nor confirmed
        that rollouts continue; or when no group has come for `stale_after_s` seconds more than twice the time after
        which the service ends a rollout.
        """
        if self._failure is not None:
            raise WorkerError(f"The rollouts failed: {self._failure}") from self._failure
        started = [thread for thread in self._threads if thread.ident is not None]
        if started and not self._stopping.is_set() and not any(thread.is_alive() for thread in started):
            raise WorkerError("There are no tasks left to roll out")
        now = time.monotonic()
        if now - self._heard > stale_after_s:
            raise WorkerError(
                f"No rollouts for {now - self._heard:.0f} s, and no word from the service that they continue; "
                f"{stale_after_s:.0f} s are allowed"
            )
        limit = self._client.rollout_timeout_s
        if limit is not None and now - self._progress > 2 * limit + stale_after_s:
            raise WorkerError(
                f"No group for {now - self._progress:.0f} s, though the service ends each rollout after {limit:.0f} s"
            )

    def _alive(self) -> None:
        self._heard = time.monotonic()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._lock:
                    tasks = list(itertools.islice(self._tasks, self._tasks_per_rollout))
                    number, version = next(self._requests), self._version
                if not tasks:
                    return
                self._roll_out(tasks, version, f"{self._name}-v{version}-{number}")
        except BaseException as error:
            # The exception would end with its thread; check_health tells the trainer.
            self._failure = error
            self._stopping.set()

    def _roll_out(self, tasks: list[Task], version: int, run_name: str) -> None:
        began = time.monotonic()
        for group in self._client.rollout(tasks, version, run_name=run_name, alive=self._alive):
            selection = self._select(group)
            for sample in rollout_samples(group, selection.samples, version, self._decode):
                if not self._put(sample):
                    return
            self._heard = self._progress = time.monotonic()
            self.metrics_queue.put(
                {
                    "rollout/groups_total": 1.0,
                    "rollout/failed_total": float(sum(one.reward is None for one in group.trajectories)),
                    "rollout/dropped_total": float(sum(selection.dropped.values())),
                    "rollout/duration_s": time.monotonic() - began,
                }
            )

    def _put(self, sample: RolloutSample) -> bool:
        """Waits for room in the queue; False when the worker must stop."""
        while not self._stopping.is_set():
            try:
                sample.enqueued_at = time.time()
                self.rollout_buffer.put(sample, timeout=0.1)
            except queue.Full:
                # The trainer is slow, which is not the rollouts' fault.
                self._heard = self._progress = time.monotonic()
            else:
                return True
        return False


def rollout_samples(
    group: Group,
    samples: Iterable[Sample],
    version: int,
    decode: Callable[[Sequence[int]], str] | None = None,
) -> Iterator[RolloutSample]:
    """Samples of a group in TRL's form: one row per step, with the same numbers as `agemem export --to trl`.

    `version` is used where the feed has no policy version.
    """
    by_id = {one.rollout_id: one for one in group.trajectories}
    number = int(hashlib.sha256(group.group_id.encode()).hexdigest()[:12], 16)
    for sample in samples:
        context = [0] * len(sample.prompt_ids)
        pairs = zip(sample.old_logprobs, sample.completion_mask, strict=True)
        yield RolloutSample(
            prompt=_text("user", sample.prompt_ids, decode),
            completion=_text("assistant", sample.completion_ids, decode),
            input_ids=[*sample.prompt_ids, *sample.completion_ids],
            completion_mask=[*context, *sample.completion_mask],
            old_log_probs=[*(0.0 for _ in context), *(logp if mask else 0.0 for logp, mask in pairs)],
            advantage=sample.advantage,
            model_version=version if sample.policy_version is None else sample.policy_version,
            group_id=number,
            metrics=_metrics(by_id[sample.trajectory_id]),
        )


def _metrics(trajectory: Trajectory) -> dict[str, float]:
    return {
        "reward": float("nan") if trajectory.reward is None else trajectory.reward,
        "reward_std": float("nan") if trajectory.group_std is None else trajectory.group_std,
        "rollout/steps": float(len(trajectory.steps)),
        "rollout/memory_ops": float(sum(trajectory.memory_op_counts.values())),
        "rollout/truncated": float(any(step.truncated for step in trajectory.steps)),
    }


def _text(role: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str] | None) -> list[dict[str, str]]:
    """A message for TRL's traces; nothing is trained on it."""
    return [] if decode is None else [{"role": role, "content": decode(ids)}]
