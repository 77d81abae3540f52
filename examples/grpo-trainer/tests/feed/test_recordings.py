"""Packed recordings in Python: equal to what the TypeScript reader reads, record for record, and told when broken."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agemem_grpo.feed.groups import FeedError, read_feed
from agemem_grpo.feed.recordings import PACKED_SCHEMA, Unpacker, read_recording, recording_parts
from agemem_grpo.processes.project import find_project

FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"
DUMP = """
import { readTrajectoryFile } from "./src/trajectory/file.ts";
for await (const record of readTrajectoryFile(process.argv[1])) console.log(JSON.stringify(record));
"""


def step(**over: Any) -> dict[str, Any]:
    packed = {"schema": PACKED_SCHEMA, "kind": "step", "rollout_id": "r", "attempt": 1, "call_role": "policy"}
    return {**packed, "messages": [], "tools": [], "prompt_token_ids": None, "response_token_ids": None, **over}


def node(*arguments: str) -> str:
    command = ["node", "--import", "tsx", *arguments]
    done = subprocess.run(command, cwd=find_project(None), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["run.jsonl", "run.jsonl.gz", "run/"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rollouts with a server's token ids, as `tests/trainers/record-run.ts` makes them."""
    folder = tmp_path_factory.mktemp("recordings")
    path = f"{folder}/{request.param}"
    node("tests/trainers/record-run.ts", path)
    return Path(path)


@pytest.mark.node
def test_records_are_those_of_the_typescript_reader(recording: Path) -> None:
    theirs = [json.loads(line) for line in node("--input-type=module", "-e", DUMP, str(recording)).splitlines()]
    ours = list(read_recording(recording))
    assert len(ours) > 30
    assert ours == theirs
    assert any(step["prompt_token_ids"] for step in ours if step["kind"] == "step")
    groups = list(read_feed(read_recording(recording)))
    assert [len(group.trajectories) for group in groups] == [3, 3]
    if recording.suffix == ".gz":
        with gzip.open(recording, "rt") as lines:
            assert PACKED_SCHEMA in next(lines)


@pytest.mark.node
def test_a_recording_that_was_cut_off_anywhere_gives_its_beginning(recording: Path, tmp_path: Path) -> None:
    (file,) = recording_parts(recording)
    whole, records = file.read_bytes(), list(read_recording(recording))
    for share in (0.3, 0.6, 0.99):
        cut = tmp_path / file.name
        cut.write_bytes(whole[: int(len(whole) * share)])
        found = list(read_recording(cut))
        assert found == records[: len(found)]
        assert len(found) < len(records)


def test_old_files_are_read_as_they_are() -> None:
    lines = [json.loads(line) for line in FIXTURE.read_text().splitlines() if line.strip()]
    assert list(read_recording(FIXTURE)) == lines


def test_parts_are_read_in_order_and_other_files_are_not(tmp_path: Path) -> None:
    for number, name in enumerate(["part-00002.jsonl.gz", "part-00001.jsonl.gz", "part-00010.jsonl.gz"]):
        with gzip.open(tmp_path / name, "wt") as file:
            file.write(json.dumps({"n": number}) + "\n\n")
    (tmp_path / "notes.jsonl").write_text("no recording")
    assert [record["n"] for record in read_recording(tmp_path)] == [1, 0, 2]


def test_each_rollout_has_tables_of_its_own() -> None:
    unpacker = Unpacker()
    for rollout in ("a", "b"):
        first = unpacker.unpack(step(rollout_id=rollout, messages=[rollout], prompt_token_ids=[1, 2]), "x")
        assert first["messages"] == [rollout]
    again = step(rollout_id="a", messages=[0, "new", 1], prompt_token_ids=[[0, 2], 9], response_token_ids=[4])
    assert unpacker.unpack(again, "x")["messages"] == ["a", "new", "new"]
    assert unpacker.unpack(step(rollout_id="a", prompt_token_ids=[[2, 2]]), "x")["prompt_token_ids"] == [9, 4]
    unpacker.unpack({"schema": PACKED_SCHEMA, "kind": "trajectory", "rollout_id": "a", "attempt": 1}, "x")
    with pytest.raises(FeedError, match="no message number 0"):
        unpacker.unpack(step(rollout_id="a", messages=[0]), "x")


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (step(messages=[0]), "there is no message number 0"),
        (step(tools=[{}, 2]), "there is no tool schema number 2"),
        (step(prompt_token_ids=[[0, 1]]), r"the 0 token ids before this line have no piece \[0, 1\]"),
        (step(prompt_token_ids=[1, [0, 0]]), ".*have no piece"),
        (step(prompt_token_ids=[[-1, 1]]), ".*have no piece"),
        (step(prompt_token_ids=[[0]]), ".*have no piece"),
    ],
)
def test_references_to_nothing_are_told(broken: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(broken) + "\n")
    with pytest.raises(FeedError, match=f"run.jsonl:1: {problem}"):
        list(read_recording(path))


def test_a_broken_line_is_told_and_a_torn_last_one_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"a": 1}\n{"b": ')
    assert list(read_recording(path)) == [{"a": 1}]
    path.write_text('{"a": \n{"b": 2}\n')
    with pytest.raises(FeedError, match=r"run.jsonl:1: not JSON"):
        list(read_recording(path))
