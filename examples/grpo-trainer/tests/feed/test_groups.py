"""The reader of the feed: a real recording, and copies of it with one thing broken each."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agemem_grpo.feed.groups import FeedError, Group, read_feed

FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"
Record = dict[str, Any]


@pytest.fixture
def records() -> list[Record]:
    return [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]


def steps(records: list[Record]) -> list[Record]:
    return [record for record in records if record["kind"] == "step"]


def trajectories(records: list[Record]) -> list[Record]:
    return [record for record in records if record["kind"] == "trajectory"]


def test_reads_what_the_recorder_wrote() -> None:
    with FIXTURE.open(encoding="utf-8") as file:
        first, second = read_feed(file)
    assert [len(one.steps) for one in first.trajectories] == [3, 3, 3]
    assert first.rewards == pytest.approx([0.5529106987847221, 0.4417317708333333, 0.5529106987847221])
    assert sum(one.advantage or 0 for one in first.trajectories) == pytest.approx(0, abs=1e-9)
    assert first.trajectories[0].memory_op_counts == {"ADD": 1}
    assert first.trajectories[0].steps[0].memory_ops == ("ADD",)
    assert [step.stage for step in first.trajectories[0].steps] == [1, 2, 3]
    cut = first.trajectories[1].steps[1]
    assert (cut.truncated, cut.finish_reason, cut.policy_version) == (True, "length", 4)
    assert len(cut.response_token_ids) == len(cut.response_logprobs) == len(cut.response_mask) == 6
    assert [one.memory_quality for one in first.trajectories] == [1, 0, 1]
    assert first.trajectories[0].branch_at is None
    failed = second.trajectories[1]
    assert failed.memory_quality is None
    assert (failed.status, failed.reward, failed.advantage, failed.zero_variance) == ("error", None, None, False)
    assert (failed.steps[1].trainable, failed.steps[1].drop_reason) == (False, "error")
    assert second.rewards == [one.reward for one in second.trajectories if one.status == "ok"]


def test_hands_out_each_group_as_soon_as_it_is_whole(records: list[Record]) -> None:
    taken = 0

    def source() -> Iterator[Record]:
        nonlocal taken
        for record in records:
            taken += 1
            yield record

    feed = read_feed(source())
    assert next(feed).task_id == records[0]["task_id"]
    assert taken == 12  # the nine steps and three rollouts of the first group, nothing of the second
    assert next(feed).task_id == records[-1]["task_id"]


def test_groups_whose_rollouts_alternate_are_told_apart(records: list[Record]) -> None:
    first = [r for r in records if r["group_id"] == records[0]["group_id"]]
    second = [r for r in records if r["group_id"] != records[0]["group_id"]]
    mixed = first[:4] + second[:4] + first[4:] + second[4:]
    assert {g.group_id for g in read_feed(mixed)} == {g.group_id for g in read_feed(records)}


def test_auxiliary_calls_are_counted_and_not_steps(records: list[Record]) -> None:
    records[1].update(call_role="aux", trainable=False, drop_reason="aux")
    group = next(read_feed(records))
    assert [step.step_index for step in group.trajectories[0].steps] == [0, 2]
    assert group.trajectories[0].aux_calls == 1


def test_a_shared_beginning_is_read_with_the_advantages_of_its_steps(records: list[Record]) -> None:
    for record in records:
        if record["kind"] == "trajectory":
            record["metadata"]["branch_at"] = 2
    for record in steps(records):
        record["advantage"] = 0.0 if record["step_index"] < 2 else 0.5
    first = next(read_feed(records)).trajectories[0]
    assert first.branch_at == 2
    assert [step.advantage for step in first.steps] == [0.0, 0.0, 0.5]


def test_the_last_attempt_of_a_rollout_counts(records: list[Record]) -> None:
    again = copy.deepcopy(records[:4])
    for record in again:
        record["attempt"] = 2
    earlier = dict(records[3], reward=None, advantage=None, advantage_meta=None, status="timeout")
    group = next(read_feed([*records[:3], earlier, *again, *records[4:]]))
    assert [one.attempt for one in group.trajectories] == [2, 1, 1]
    assert group.trajectories[0].status == "ok"


def test_a_step_without_log_probabilities_says_so(records: list[Record]) -> None:
    records[0]["response_logprobs"] = None
    step = next(read_feed(records)).trajectories[0].steps[0]
    assert (step.trainable, step.drop_reason) == (False, "no_logprobs")


def test_a_stand_in_for_a_log_probability_is_not_trained_on(records: list[Record]) -> None:
    records[0]["response_logprobs"][1] = -9999.0
    records[1]["response_logprobs"][0] = -9999.0
    records[1]["response_mask"][0] = 0
    first, second = next(read_feed(records)).trajectories[0].steps[:2]
    assert (first.trainable, first.drop_reason) == (False, "floor_logprobs")
    assert second.trainable, "what is not trained on anyway costs nothing"


@pytest.mark.parametrize(("finish_reason", "trainable"), [("abort", False), ("length", True), ("tool_calls", True)])
def test_a_response_that_something_else_cut_is_left_out_whole(
    records: list[Record], finish_reason: str, trainable: bool
) -> None:
    records[0]["finish_reason"] = finish_reason
    step = next(read_feed(records)).trajectories[0].steps[0]
    assert (step.trainable, step.drop_reason) == (trainable, None if trainable else "cut")


def shorten(name: str) -> Callable[[list[Record]], None]:
    return lambda records: steps(records)[0][name].pop()


def put(kind: str, name: str, value: Any) -> Callable[[list[Record]], None]:
    def change(records: list[Record]) -> None:
        (steps(records) if kind == "step" else trajectories(records))[0][name] = value

    return change


def put_logprob(value: Any) -> Callable[[list[Record]], None]:
    return lambda records: steps(records)[0]["response_logprobs"].__setitem__(0, value)


def another_baseline(records: list[Record]) -> None:
    second = trajectories(records)[1]
    second["advantage_meta"]["mean"] += 0.5
    meta = second["advantage_meta"]
    second["advantage"] = (second["reward"] - meta["mean"]) / (meta["std"] + meta["eps"])


BROKEN: list[tuple[str, Callable[[list[Record]], None], int, str]] = [
    ("another schema", put("step", "schema", "agemem.trajectory/2"), 1, "schema is 'agemem.trajectory/2'"),
    ("no kind", put("step", "kind", "event"), 1, "kind is 'event'"),
    ("mask too short", shorten("response_mask"), 1, "response_mask has 3 entries for 4"),
    ("logprobs too short", shorten("response_logprobs"), 1, "response_logprobs has 3 entries for 4"),
    (
        "mask of another number",
        put("step", "response_mask", [1, 1, 2, 1]),
        1,
        r"response_mask\[2\] is 2: expected 0 or 1",
    ),
    ("logprob NaN", put_logprob(math.nan), 1, r"response_logprobs\[0\] is nan"),
    ("logprob infinite", put_logprob(-math.inf), 1, r"response_logprobs\[0\] is -inf"),
    ("logprob above 0", put_logprob(0.5), 1, "probability above 1"),
    ("logprob a text", put_logprob("-1"), 1, r"response_logprobs\[0\] is '-1': expected a number"),
    ("token id negative", put("step", "prompt_token_ids", [-1]), 1, r"prompt_token_ids\[0\] is -1: expected 0 or more"),
    ("token ids gone", put("step", "response_token_ids", None), 1, "without token ids"),
    ("stage 4", put("step", "stage", 4), 1, "stage is 4"),
    ("step twice", put("step", "step_index", 1), 2, "step 1 of rollout .* comes twice"),
    ("step missing", lambda records: records.pop(1) and None, 3, "lacks step 1"),
    ("last step missing", lambda records: records.pop(2) and None, 3, "has 2 of its 3 step records"),
    ("no reward", put("trajectory", "reward", None), 4, "an advantage without reward"),
    ("reward infinite", put("trajectory", "reward", math.inf), 4, "reward is inf"),
    ("another advantage", put("trajectory", "advantage", 0.5), 4, "does not follow from the reward"),
    ("another baseline", another_baseline, 8, "different baselines"),
    ("branch_at a text", put("trajectory", "metadata", {"branch_at": "2"}), 4, "metadata.branch_at is '2'"),
    ("branch_at below 0", put("trajectory", "metadata", {"branch_at": -1}), 4, "metadata.branch_at is -1"),
    ("unknown status", put("trajectory", "status", "fine"), 4, "status is 'fine'"),
    ("no k", put("trajectory", "k", None), 4, "k is None"),
]


@pytest.mark.parametrize(("_name", "change", "line", "problem"), BROKEN, ids=[one[0] for one in BROKEN])
def test_refuses_a_broken_feed_and_names_the_line(
    records: list[Record], _name: str, change: Callable[[list[Record]], None], line: int, problem: str
) -> None:
    change(records)
    with pytest.raises(FeedError, match=problem) as caught:
        list(read_feed(json.dumps(record) for record in records))
    assert caught.value.where == f"line {line}"
    assert caught.value.remedy.endswith(".")


def test_refuses_a_torn_line_and_a_record_that_is_none(records: list[Record]) -> None:
    with pytest.raises(FeedError, match=r"line 2: not JSON"):
        list(read_feed([json.dumps(records[0]), '{"schema": "agemem']))
    with pytest.raises(FeedError, match=r"record 1: not a JSON object"):
        list(read_feed([[]]))  # type: ignore[list-item]


def test_an_end_within_a_group_is_an_error_unless_asked_for(records: list[Record]) -> None:
    whole = [group.group_id for group in read_feed(records)]
    with pytest.raises(FeedError, match="ends after 2 of the 3 rollouts"):
        list(read_feed(records[:19]))
    with pytest.raises(FeedError, match="ends within rollout"):
        list(read_feed(records[:-1]))
    skipped: list[Group] = list(read_feed(records[:-1], partial="skip"))
    assert [group.group_id for group in skipped] == whole[:1]


def test_a_rollout_outside_of_a_group_is_one_of_its_own(records: list[Record]) -> None:
    alone = copy.deepcopy(records[:4])
    for record in alone:
        record.update(group_id=None, k=None) if record["kind"] == "trajectory" else record.update(group_id=None)
    (group,) = read_feed(alone)
    assert (group.group_id, len(group.trajectories)) == (records[0]["rollout_id"], 1)
