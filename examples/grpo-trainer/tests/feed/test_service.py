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

from agemem_grpo.feed import streams
from agemem_grpo.feed.groups import read_feed
from agemem_grpo.feed.service import (
    PolicyVersionError,
    RolloutFailedError,
    RolloutService,
    RunFailedError,
    ServiceError,
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


def test_what_was_read_is_acknowledged_and_then_closed(stand_in: StandIn) -> None:
    records = client(stand_in).records(TASKS, 1)
    next(records)
    time.sleep(0.2)
    assert list(stand_in.acknowledged.values()) == [[]], "a group that is still being taken is not acknowledged"
    list(records)
    assert list(stand_in.acknowledged.values()) == [["v1/t0", "v1/t1"]]
    assert stand_in.requests == {}


def test_a_broken_connection_is_made_again_without_a_second_request(stand_in: StandIn) -> None:
    stand_in.faults = ["drop", "busy", "cut", "drop"]
    records = list(client(stand_in).records(TASKS, 1))
    assert [record["rollout_id"] for record in records] == ["v1/t0/0", "v1/t0/1", "v1/t1/0", "v1/t1/1"]
    assert len(stand_in.started) == 1
    assert [body["again"] for body in stand_in.bodies] == [True, True, True, False, False]
    assert len({body["reader"] for body in stand_in.bodies}) == 1


def test_a_group_whose_acknowledgement_was_lost_is_taken_once(stand_in: StandIn) -> None:
    records = client(stand_in, silence_s=0.5).rollout(TASKS, 1)
    assert next(records).task_id == "t0"
    stand_in.requests.clear()  # a restarted service knows nothing; its acknowledgement is answered with 404
    stand_in.faults = ["lose"]
    assert [group.task_id for group in records] == ["t1"]
    assert stand_in.bodies[1]["acknowledged"] == ["v1/t0"]


def test_a_name_and_what_is_asked_for_make_the_request(stand_in: StandIn) -> None:
    for over in ({}, {"concurrency": 3, "policy": {"base_url": "http://elsewhere"}}, {"t_max": 1024}):
        list(client(stand_in).records(TASKS, 1, overrides=over))
    list(client(stand_in).records(TASKS, 1, run_name="other"))
    ids = [body["request_id"] for body in stand_in.bodies]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_failed_run_is_told_and_not_tried_again(stand_in: StandIn) -> None:
    stand_in.answer = lambda _: {"error": {"code": "AGEMEM_INPUT_ARGUMENT", "message": "tasks: too small"}}
    with pytest.raises(RunFailedError, match="AGEMEM_INPUT_ARGUMENT: tasks: too small") as caught:
        list(client(stand_in).records(TASKS, 1))
    assert (caught.value.remedy, caught.value.code) == ("Mend it.", "AGEMEM_INPUT_ARGUMENT")
    assert len(stand_in.bodies) == 1


def test_patience_ends() -> None:
    service = RolloutService("http://127.0.0.1:9", {}, patience_s=0.5)
    with pytest.raises(ServiceUnavailableError, match="did not answer"):
        list(service.records(TASKS, 1))


def test_a_record_longer_than_can_be_read_is_an_error(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_LINE", 20)
    with pytest.raises(ServiceError, match="longer than 20 bytes"):
        list(client(stand_in).records(TASKS, 1))


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


def test_results_are_taken_before_more_is_asked_for(stand_in: StandIn) -> None:
    records = client(stand_in, tasks_per_request=2, window=5).records(MANY, 1)
    assert stand_in.started == [], "nothing is asked for before the first record is taken"
    assert next(records)["task_id"] == "t0"
    time.sleep(0.3)
    assert [[task["id"] for task in request["tasks"]] for request in stand_in.started] == [["t0", "t1"]]
    assert [record["task_id"] for record in records] == ["t0", *(f"t{i}" for i in range(1, 6) for _ in range(2))]
    assert len(stand_in.started) == 3
    assert {body["window"] for body in stand_in.bodies} == {5}


def test_a_run_that_goes_on_is_told_of_and_waited_for(stand_in: StandIn) -> None:
    held = threading.Event()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        held.wait(20)
        return state_of(request)

    stand_in.answer = answer
    words: list[float] = []

    def alive() -> None:
        words.append(time.monotonic())
        if len(words) == 8:
            held.set()

    # The silence outlasts neither the connection nor the patience: the service's word that the run goes on counts.
    service = client(stand_in, silence_s=0.5, patience_s=0.5)
    assert len(list(service.rollout(TASKS, 1, alive=alive))) == 2
    assert len(stand_in.bodies) == 1


def test_a_silent_connection_is_made_again(stand_in: StandIn) -> None:
    stand_in.alive_s = 0.6
    calls: list[int] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        calls.append(1)
        time.sleep(0.6 if len(calls) == 1 else 0)
        return state_of(request)

    stand_in.answer = answer
    assert len(list(client(stand_in, silence_s=0.2).rollout(TASKS, 1))) == 2
    assert len(stand_in.bodies) == 2


@pytest.mark.parametrize("ordered", [True, False])
def test_several_services_share_a_run(ordered: bool) -> None:
    with StandIn(state_of) as one, StandIn(state_of) as two:
        service = RolloutService([one.url, two.url], {"k": 2, "policy": {"model": "m"}})
        tasks = [group.task_id for group in service.rollout(MANY[:5], 1, ordered=ordered)]
        assert (tasks if ordered else sorted(str(task) for task in tasks)) == ["t0", "t1", "t2", "t3", "t4"]
        assert [task["id"] for task in one.started[0]["tasks"]] == ["t0", "t2", "t4"]
        assert [task["id"] for task in two.started[0]["tasks"]] == ["t1", "t3"]
        assert (one.requests, two.requests) == ({}, {})


def test_one_of_several_services_that_fails_ends_the_run() -> None:
    with StandIn(state_of) as one, StandIn(lambda _: {"error": {"code": None, "message": "no such model"}}) as two:
        service = RolloutService([one.url, two.url], {"k": 2})
        with pytest.raises(RunFailedError, match="no such model"):
            list(service.records(MANY, 1))


def test_a_shared_run_is_not_begun_again_and_only_closed_when_finished(stand_in: StandIn) -> None:
    service = client(stand_in, shared=True)
    assert len(list(service.rollout(TASKS, 1))) == 2
    assert stand_in.bodies[0]["again"] is False
    assert [body.get("finished") for body in stand_in.closes] == [True]
    assert len(list(client(stand_in).rollout(TASKS, 1))) == 2
    assert [body.get("finished") for body in stand_in.closes] == [True, None]
    with pytest.raises(ValueError, match="ordered must be False"):
        list(service.records(TASKS, 1, ordered=True))


def test_weights_of_another_version_are_an_error(stand_in: StandIn) -> None:
    with (FIXTURES / "feed.jsonl").open() as file:
        groups = list(read_feed(file))
    require_version(groups, 4)
    with pytest.raises(PolicyVersionError, match="made by version 4 of the weights, not by 5"):
        require_version(groups, 5)
    silent = replace(groups[0].trajectories[0].steps[0], policy_version=None)
    first = replace(groups[0], trajectories=(replace(groups[0].trajectories[0], steps=(silent,)),))
    require_version([first], 5)
