"""The asynchronous worker against the classes of `trl.experimental.async_grpo` that take its samples.

The trainer itself loads FlashAttention kernels for GPUs and is not started here.
"""

from __future__ import annotations

import inspect
import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import PartialState
from trl.experimental.async_grpo.async_grpo_trainer import (
    DataCollatorForRollout,
    FixedCountBatcher,
    RolloutQueueDataset,
    RolloutWorkerProtocol,
    TokenBudgetBatcher,
)

from agemem_grpo.adapters.trl_async import FeedRolloutWorker, RolloutClient, WorkerError, rollout_samples
from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.samples import samples_of
from agemem_grpo.feed.service import RolloutService

FIXTURES = Path(__file__).parents[1] / "fixtures"
TASKS = [{"id": f"t{i}"} for i in range(6)]


def recorded() -> list[Group]:
    with (FIXTURES / "feed.jsonl").open(encoding="utf-8") as file:
        return list(read_feed(file))


class FakeService:
    """Answers each request with the recorded groups under the version asked for."""

    def __init__(self, *, fails_at: int | None = None, hangs: bool = False, timeout_s: float | None = None) -> None:
        self.rollout_timeout_s = timeout_s
        self.says_it_goes_on = False
        self.between = threading.Event()
        self.between.set()
        self.requests: list[tuple[list[str], int, str]] = []
        self.fails_at = fails_at
        self.hangs = threading.Event() if hangs else None

    def rollout(
        self,
        tasks: Sequence[Mapping[str, Any]],
        policy_version: int,
        *,
        run_name: str | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> Iterable[Group]:
        self.requests.append(([str(task["id"]) for task in tasks], policy_version, str(run_name)))
        if len(self.requests) == self.fails_at:
            raise ConnectionError("the service is gone")
        while self.hangs is not None and not self.hangs.wait(0.02):
            if self.says_it_goes_on:
                alive()
        for group in recorded():
            trajectories = tuple(
                replace(one, steps=tuple(replace(step, policy_version=policy_version) for step in one.steps))
                for one in group.trajectories
            )
            yield replace(group, trajectories=trajectories)
            self.between.wait()


@pytest.fixture
def running() -> Iterator[list[FeedRolloutWorker]]:
    """Workers put in here are stopped at the end."""
    workers: list[FeedRolloutWorker] = []
    yield workers
    for worker in workers:
        worker.stop()


def started(running: list[FeedRolloutWorker], service: FakeService, **options: Any) -> FeedRolloutWorker:
    worker = FeedRolloutWorker(service, options.pop("tasks", TASKS), name="run1", tasks_per_rollout=2, **options)
    running.append(worker)
    worker.start()
    return worker


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for 20 s"
        time.sleep(0.01)


def test_the_client_of_the_rollout_service_fits() -> None:
    asked = inspect.signature(RolloutClient.rollout).parameters
    given = inspect.signature(RolloutService.rollout).parameters
    assert set(asked) <= set(given)
    assert all(given[name].kind == asked[name].kind for name in asked)


def test_has_what_the_protocol_of_trl_asks_for() -> None:
    worker = FeedRolloutWorker(FakeService(), TASKS, name="run1")
    for name in RolloutWorkerProtocol.__annotations__:
        assert isinstance(getattr(worker, name), queue.Queue), name
    methods = [name for name, _ in inspect.getmembers(RolloutWorkerProtocol, inspect.isfunction) if name[0] != "_"]
    assert set(methods) == {"start", "stop", "update_model_version", "check_health"}
    for name in methods:
        asked = inspect.signature(getattr(RolloutWorkerProtocol, name))
        assert list(inspect.signature(getattr(type(worker), name)).parameters) == list(asked.parameters), name


def test_rows_are_those_of_the_trl_export() -> None:
    with (FIXTURES / "feed.trl.jsonl").open(encoding="utf-8") as file:
        exported = [json.loads(line) for line in file]
    ours = [asdict(row) for group in recorded() for row in rollout_samples(group, samples_of(group).samples, 0)]
    assert len(ours) == len(exported) == 15
    for row, other in zip(ours, exported, strict=True):
        for name in ("input_ids", "completion_mask", "old_log_probs", "advantage", "model_version", "group_id"):
            assert row[name] == other[name], name
        assert row["metrics"]["reward"] == other["metrics"]["reward"]
        assert row["metrics"].keys() == ours[0]["metrics"].keys()


def test_masked_tokens_and_missing_versions() -> None:
    group = recorded()[0]
    sample = replace(samples_of(group).samples[0], completion_mask=(1, 0, 1, 1), policy_version=None)
    (row,) = rollout_samples(group, [sample], 9, decode=lambda ids: f"{len(ids)} tokens")
    assert row.completion_mask[-4:] == [1, 0, 1, 1]
    assert row.old_log_probs[-3] == 0.0
    assert row.model_version == 9
    assert row.completion == [{"role": "assistant", "content": "4 tokens"}]


@pytest.mark.parametrize("planner", ["count", "budget"])
def test_samples_pass_through_the_data_set_planner_and_collator_of_trl(
    running: list[FeedRolloutWorker], planner: str
) -> None:
    worker = started(running, FakeService())
    metrics: dict[str, list[Any]] = defaultdict(list)
    source = RolloutQueueDataset(worker.rollout_buffer, lambda: 0, worker.check_health, 5.0, metrics)
    rows = FixedCountBatcher(source, 1, 5) if planner == "count" else TokenBudgetBatcher(source, 1, 1000, metrics)
    groups = next(iter(rows))
    batch = DataCollatorForRollout(pad_token_id=0, metrics=metrics)([groups])
    expected = [sample for group in recorded() for sample in samples_of(group).samples][:5]
    ordered = sorted(expected, key=lambda one: -len(one.prompt_ids) - len(one.completion_ids))
    if planner == "budget":
        ordered = expected[: len(groups[0])]
    tokens = [token for one in ordered for token in (*one.prompt_ids, *one.completion_ids)]
    assert batch["input_ids"].tolist() == [tokens]
    trained = batch["completion_mask"].bool()
    assert batch["old_log_probs"][trained].tolist() == pytest.approx([p for one in ordered for p in one.old_logprobs])
    assert batch["advantages"][trained].tolist() == pytest.approx(
        [one.advantage for one in ordered for _ in one.completion_ids]
    )
    assert torch.equal(batch["old_log_probs"][~trained], torch.zeros(int((~trained).sum())))
    assert batch["global_n_tokens"].item() == sum(len(one.completion_ids) for one in ordered)
    assert set(metrics) >= {"reward", "reward_std", "rollout/steps", "rollout/memory_ops", "rollout/truncated"}


def test_new_rollouts_are_of_the_newest_weights_and_old_samples_are_dropped(running: list[FeedRolloutWorker]) -> None:
    PartialState()  # TRL's data set logs what it drops, and the logger wants to know the process
    service = FakeService()
    worker = started(running, service, max_samples=3)
    first = worker.rollout_buffer.get(timeout=20)
    assert first.model_version == 0
    worker.update_model_version(7)
    metrics: dict[str, list[Any]] = defaultdict(list)
    source = iter(RolloutQueueDataset(worker.rollout_buffer, lambda: 7, worker.check_health, 20.0, metrics))
    assert next(source)["metrics"]["rollout/steps"] == 3.0
    assert sum(metrics["sample/dropped_stale_total"]) == 14  # what is left of the request under version 0
    assert metrics["sample/staleness_max"] == [0.0]
    assert [(tasks, version) for tasks, version, _ in service.requests[:2]] == [(["t0", "t1"], 0), (["t2", "t3"], 7)]
    assert [name for _, _, name in service.requests[:2]] == ["run1-v0-0", "run1-v7-1"]


def test_a_full_queue_stops_the_rollouts_and_is_no_fault(running: list[FeedRolloutWorker]) -> None:
    service = FakeService()
    worker = started(running, service, max_samples=2)
    until(worker.rollout_buffer.full)
    time.sleep(0.5)
    worker.check_health(0.4)
    assert worker.rollout_buffer.qsize() == 2
    assert len(service.requests) == 1
    worker.stop()
    assert all(not thread.is_alive() for thread in worker._threads)


def test_a_failed_request_reaches_the_trainer(running: list[FeedRolloutWorker]) -> None:
    worker = started(running, FakeService(fails_at=2))
    metrics: dict[str, list[Any]] = defaultdict(list)
    source = iter(RolloutQueueDataset(worker.rollout_buffer, lambda: 0, worker.check_health, 20, metrics, 3, 0.05))
    assert len([next(source) for _ in range(15)]) == 15
    with pytest.raises(WorkerError, match="the service is gone"):
        next(source)


def test_a_hanging_service_is_noticed(running: list[FeedRolloutWorker]) -> None:
    service = FakeService(hangs=True)
    worker = started(running, service)
    worker.check_health(20)
    time.sleep(0.2)
    with pytest.raises(WorkerError, match="No rollouts for"):
        worker.check_health(0.1)
    assert service.hangs is not None
    service.hangs.set()


def test_a_slow_request_is_not_taken_for_a_dead_one(running: list[FeedRolloutWorker]) -> None:
    service = FakeService(hangs=True)
    service.says_it_goes_on = True
    worker = started(running, service)
    time.sleep(2.5)
    worker.check_health(2)
    service.says_it_goes_on = False
    time.sleep(0.5)
    with pytest.raises(WorkerError, match="no word from the service"):
        worker.check_health(0.2)
    assert service.hangs is not None
    service.hangs.set()


def test_the_service_is_not_believed_forever(running: list[FeedRolloutWorker]) -> None:
    service = FakeService(hangs=True, timeout_s=0.1)
    service.says_it_goes_on = True
    worker = started(running, service)
    worker.check_health(20)
    time.sleep(2.5)
    with pytest.raises(WorkerError, match="ends each rollout after 0 s"):
        worker.check_health(2)
    assert service.hangs is not None
    service.hangs.set()


def test_samples_are_handed_over_before_the_request_is_done(running: list[FeedRolloutWorker]) -> None:
    service = FakeService()
    service.between.clear()
    worker = started(running, service)
    first = len(samples_of(recorded()[0]).samples)
    until(lambda: worker.rollout_buffer.qsize() == first)
    time.sleep(0.1)
    assert worker.rollout_buffer.qsize() == first, "the second group is not there yet"
    assert len(service.requests) == 1
    service.between.set()


def test_tasks_may_end_and_sequences_do_not(running: list[FeedRolloutWorker]) -> None:
    service = FakeService()
    worker = started(running, service, tasks=iter(TASKS[:3]))
    until(lambda: not any(thread.is_alive() for thread in worker._threads))
    assert [tasks for tasks, _, _ in service.requests] == [["t0", "t1"], ["t2"]]
    assert worker.rollout_buffer.qsize() == 30
    with pytest.raises(WorkerError, match="no tasks left"):
        worker.check_health(20)
    endless = FakeService()
    worker = started(running, endless)
    until(lambda: len(endless.requests) > 4)
    assert [tasks for tasks, _, _ in endless.requests[2:4]] == [["t4", "t5"], ["t0", "t1"]]


def test_metrics_of_groups_have_the_same_keys(running: list[FeedRolloutWorker]) -> None:
    worker = started(running, FakeService())
    first, second = (worker.metrics_queue.get(timeout=20) for _ in range(2))
    assert first.keys() == second.keys()
    assert (first["rollout/failed_total"], second["rollout/failed_total"]) == (0, 1)
    assert (first["rollout/dropped_total"], second["rollout/dropped_total"]) == (0, 2)


def test_sizes_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FeedRolloutWorker(FakeService(), TASKS, name="run1", max_samples=0)
