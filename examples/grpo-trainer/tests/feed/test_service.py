"""The client of the rollout service against a stand-in with faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stand_in import StandIn, records_of, state_of

from agemem_grpo.feed.groups import read_feed
from agemem_grpo.feed.service import (
    RolloutFailedError,
    RolloutService,
    RunFailedError,
    ServiceUnavailableError,
    merged,
    require_rolled_out,
)

TASKS = [
    {"id": f"t{i}", "question": "Where?", "answer": "Porto", "context": ["In May Mara settled in Porto."]}
    for i in (0, 1)
]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(state_of) as server:
        yield server


def client(server: StandIn, **options: float) -> RolloutService:
    return RolloutService(server.url, {"k": 2, "policy": {"model": "m", "temperature": 1}}, **options)  # type: ignore[arg-type]


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
    client(stand_in).records(TASKS, 1)
    assert stand_in.threads == {}


def test_a_broken_connection_is_joined_again_without_a_second_run(stand_in: StandIn) -> None:
    stand_in.faults = ["drop", "busy", "drop"]
    assert len(client(stand_in).records(TASKS, 1)) == 4
    assert len(stand_in.started) == 1


def test_a_restarted_service_gets_the_run_again_under_the_same_name(stand_in: StandIn) -> None:
    stand_in.faults = ["restart"]
    records = client(stand_in).records(TASKS, 3, run_name="x-v3")
    assert [request["run_name"] for request in stand_in.started] == ["x-v3", "x-v3"]
    assert stand_in.started[0] == stand_in.started[1]
    assert {record["group_id"] for record in records} == {"x-v3/t0", "x-v3/t1"}


def test_a_failed_run_is_told_and_not_tried_again(stand_in: StandIn) -> None:
    stand_in.answer = lambda _: {"__error__": {"error": "Error", "message": "tasks: too small"}}
    with pytest.raises(RunFailedError, match="too small") as caught:
        client(stand_in).records(TASKS, 1)
    assert "log" in caught.value.remedy
    assert len(stand_in.started) == 1


def test_patience_ends() -> None:
    service = RolloutService("http://127.0.0.1:9", {}, patience_s=0.5)
    with pytest.raises(ServiceUnavailableError, match="did not answer"):
        service.records(TASKS, 1)


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
