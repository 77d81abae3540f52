"""The run folder: what is left after a kill at any moment, and what resuming makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agemem_grpo.settings import settings_of
from agemem_grpo.training.state import MARKER, RunFolder, RunFolderError


def line(iteration: int) -> dict[str, int]:
    return {"iteration": iteration, "step": iteration + 1}


def checkpoint(run: RunFolder, step: int) -> Path:
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    return folder


def iterations(run: RunFolder) -> list[int]:
    return [each["iteration"] for each in run.read_metrics()]


def test_a_new_folder_begins_at_the_beginning(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.resume() is None
    assert run.read_metrics() == []


def test_resumes_from_the_newest_sealed_checkpoint_and_removes_the_torn_one(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (9, 10):  # by number, not by name
        run.seal(checkpoint(run, step), [line(step - 1)])
    torn = checkpoint(run, 11)
    resumed = run.resume()
    assert resumed is not None
    assert resumed.name == "checkpoint-10"
    assert not torn.exists()
    assert iterations(run) == [8, 9]


def test_a_kill_between_checkpoint_and_metrics_loses_no_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.seal(checkpoint(run, 1), [line(0)])
    run.seal(checkpoint(run, 2), [line(1)])
    run.metrics.write_text('{"iteration": 0, "step": 1}\n')
    run.resume()
    assert iterations(run) == [0, 1]


def test_a_torn_line_and_lines_after_the_checkpoint_go(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.seal(checkpoint(run, 2), [line(0), line(1)])
    with run.metrics.open("a") as file:
        file.write('{"iteration": 2, "step": 3}\n{"iterat')
    assert iterations(run) == [0, 1, 2]
    run.resume()
    assert iterations(run) == [0, 1]
    run.resume()
    assert iterations(run) == [0, 1]


def test_metrics_without_any_checkpoint_are_of_no_training(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('{"iteration": 0, "step": 1}\n')
    assert run.resume() is None
    assert iterations(run) == []


def test_rollouts_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.load_rollouts(3) is None
    assert list(run.writing_rollouts(3, [{"a": 1}, {"b": "é"}])) == [{"a": 1}, {"b": "é"}]
    assert run.load_rollouts(3) is None, "written, but not to be kept yet"
    run.keep_rollouts(3)
    loaded = run.load_rollouts(3)
    assert loaded is not None
    assert list(loaded) == [{"a": 1}, {"b": "é"}]
    run.rollouts(4).with_name(".00004.jsonl.gz").write_bytes(b"half")
    assert run.load_rollouts(4) is None


SETTINGS = settings_of(
    {"model": "m", "train_tasks": "t", "heldout_tasks": "h", "rollout": {"k": 8}, "server": {"arguments": ["--x"]}}
)


def test_other_settings_are_refused_and_the_difference_is_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.claim(SETTINGS)
    run.claim(SETTINGS)
    run.claim(replace(SETTINGS, threads=2))
    with pytest.raises(RunFolderError, match=r"other settings: train.beta was 0.1 and is 0.2\. Give another"):
        run.claim(replace(SETTINGS, train=replace(SETTINGS.train, beta=0.2)))
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(RunFolderError, match="cannot be read"):
        run.claim(SETTINGS)


def test_a_folder_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    facts = SETTINGS.facts()
    facts["train"]["normalise"] = facts["train"].pop("normalize")
    facts["train"]["beta"] = 0
    (tmp_path / "settings.json").write_text(json.dumps({"fingerprint": "0123456789abcdef", "settings": facts}))
    RunFolder(tmp_path).claim(replace(SETTINGS, train=replace(SETTINGS.train, beta=0.0)))


def test_one_process_holds_the_folder_and_a_kill_frees_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from agemem_grpo.training.state import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    run = RunFolder(tmp_path)
    with pytest.raises(RunFolderError, match="in use"), run.locked():
        pass
    holder.kill()
    holder.wait()
    with run.locked():
        pass


def test_weights_older_than_the_last_two_go(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for version in range(4):
        run.weights(version).mkdir(parents=True)
    run.prune(3)
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["v2", "v3"]


def test_the_marker_is_written_last(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    folder = checkpoint(run, 1)
    assert run.resume() is None  # without marker it does not count, and is gone
    assert not folder.exists()
    run.seal(checkpoint(run, 1), [line(0)])
    assert (run.checkpoints / "checkpoint-1" / MARKER).exists()
