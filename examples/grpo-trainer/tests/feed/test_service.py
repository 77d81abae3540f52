"""The client of the rollout service against a stand-in with faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stand_in import StandIn, records_of, state_of

from agemem_grpo.feed.groups import read_feed
from agemem_grpo.feed.service import (
    PolicyVersionError,
    RolloutFailedError,
    RolloutService,
    RunFailedError,
    ServiceUnavailableError,
    merged,
    require_rolled_out,
    require_version,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
TASKS = [
    {"id": f"t{i}", "question": "Where?", "answer": "Porto", "context": ["In May Mara settled in Porto."]}
    for i in (0, 1)
]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(state_of) as server:
        yield server


def client(server: StandIn, **options: Any) -> RolloutService:
    """One request for all tasks, unless the test says otherwise."""
    options = {"tasks_per_request": 9, **options}
    return RolloutService(server.url, {"k": 2, "policy": {"model": "m", "temperature": 1}}, **options)


def test_groups_come_in_order_and_the_request_says_weights_and_name(stand_in: StandIn) -> None:
    groups = list(client(stand_in).rollout(TASKS, 7, overrides={"policy": {"temperature": 0.5}}))
    assert [group.task_id for group in groups] == ["t0", "t1"]
    assert [group.rewards for group in groups] == [[0.0, 1.0], [0.0, 1.0]]
    (request,) = stand_in.started
    assert request["policy_version"] == 7
    assert request["run_name"] == "v7"
    assert request["policy"] == {"model": "m", "temperature": 0.5}
    assert request["format"] == "records"


def test_what_was_read_is_deleted_from_the_service(stand_in: StandIn) -> None:
    list(client(stand_in).records(TASKS, 1))
    assert stand_in.threads == {}


def test_a_broken_connection_is_joined_again_without_a_second_run(stand_in: StandIn) -> None:
    stand_in.faults = ["drop", "busy", "drop"]
    assert len(list(client(stand_in).records(TASKS, 1))) == 4
    assert len(stand_in.started) == 1


def test_a_restarted_service_gets_the_run_again_under_the_same_name(stand_in: StandIn) -> None:
    stand_in.faults = ["restart"]
    records = list(client(stand_in).records(TASKS, 3, run_name="x-v3"))
    assert [request["run_name"] for request in stand_in.started] == ["x-v3", "x-v3"]
    assert stand_in.started[0] == stand_in.started[1]
    assert {record["group_id"] for record in records} == {"x-v3/t0", "x-v3/t1"}


def test_a_failed_run_is_told_and_not_tried_again(stand_in: StandIn) -> None:
    stand_in.answer = lambda _: {"__error__": {"error": "Error", "message": "tasks: too small"}}
    with pytest.raises(RunFailedError, match="too small") as caught:
        list(client(stand_in).records(TASKS, 1))
    assert "log" in caught.value.remedy
    assert len(stand_in.started) == 1


def test_patience_ends() -> None:
    service = RolloutService("http://127.0.0.1:9", {}, patience_s=0.5)
    with pytest.raises(ServiceUnavailableError, match="did not answer"):
        list(service.records(TASKS, 1))


def test_too_many_failed_rollouts_are_refused() -> None:
    request = {"tasks": TASKS, "run_name": "r"}
    records = records_of(request)
    for record in records[:2]:
        record |= {"reward": None, "advantage": None, "advantage_meta": None, "status": "error"}
    groups = list(read_feed(records))
    require_rolled_out(groups, max_failed=0.5)
    with pytest.raises(RolloutFailedError, match="2 of 4 rollouts failed \\(error\\)"):
        require_rolled_out(groups, max_failed=0.4)


def test_tables_of_a_request_are_merged_one_level_deep() -> None:
    base = {"k": 8, "policy": {"model": "a", "top_p": 1}, "operations": ["ADD"]}
    assert merged(base, {"policy": {"top_p": 0.5}, "operations": []}) == {
        "k": 8,
        "policy": {"model": "a", "top_p": 0.5},
        "operations": [],
    }
    assert base["policy"] == {"model": "a", "top_p": 1}


MANY = [{**TASKS[0], "id": f"t{i}"} for i in range(6)]


def test_a_request_is_of_a_task_and_results_are_taken_before_more_is_asked_for(stand_in: StandIn) -> None:
    service = RolloutService(stand_in.url, {"k": 2, "concurrency": 10, "policy": {"model": "m"}}, parallel=3)
    records = service.records(MANY, 1)
    assert stand_in.started == [], "nothing is asked for before the first record is taken"
    assert next(records)["task_id"] == "t0"
    time.sleep(0.3)
    assert sorted(request["tasks"][0]["id"] for request in stand_in.started) == ["t0", "t1", "t2"]
    assert [record["task_id"] for record in records] == ["t0", *(f"t{i}" for i in range(1, 6) for _ in range(2))]
    assert {request["concurrency"] for request in stand_in.started} == {4}
    assert {request["run_name"] for request in stand_in.started} == {"v1"}
    assert stand_in.threads == {}


def test_groups_come_as_they_finish(stand_in: StandIn) -> None:
    held = threading.Event()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request["tasks"][0]["id"] == "t0":
            held.wait(20)
        return state_of(request)

    stand_in.answer = answer
    groups = client(stand_in, tasks_per_request=1).rollout(TASKS, 1)
    assert next(groups).task_id == "t1"
    held.set()
    assert [group.task_id for group in groups] == ["t0"]


def test_a_run_that_goes_on_is_told_of_and_waited_for(stand_in: StandIn) -> None:
    held = threading.Event()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        held.wait(20)
        return state_of(request)

    stand_in.answer = answer
    words: list[float] = []

    def alive() -> None:
        words.append(time.monotonic())
        if len(words) == 5:
            held.set()

    # Five silent joins outlast the patience: the service's word that the run goes on is what counts.
    service = client(stand_in, poll_s=0.3, patience_s=0.9)
    assert len(list(service.rollout(TASKS, 1, alive=alive))) == 2
    assert len(words) >= 5


def test_a_failure_ends_the_other_requests(stand_in: StandIn) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        failed = request["tasks"][0]["id"] == "t0"
        return {"__error__": {"message": "no such model"}} if failed else state_of(request)

    stand_in.answer = answer
    service = RolloutService(stand_in.url, {"k": 2}, parallel=2)
    with pytest.raises(RunFailedError, match="no such model"):
        list(service.records(MANY, 1))
    time.sleep(0.2)
    assert len(stand_in.started) <= 2


def test_weights_of_another_version_are_an_error(stand_in: StandIn) -> None:
    with (FIXTURES / "feed.jsonl").open() as file:
        groups = list(read_feed(file))
    require_version(groups, 4)
    with pytest.raises(PolicyVersionError, match="made by version 4 of the weights, not by 5"):
        require_version(groups, 5)
    silent = replace(groups[0].trajectories[0].steps[0], policy_version=None)
    first = replace(groups[0], trajectories=(replace(groups[0].trajectories[0], steps=(silent,)),))
    require_version([first], 5)
