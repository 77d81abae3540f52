"""Tasks and warm start before a study: made once, whole or not at all. The commands are stand-ins."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agemem_grpo import cli
from agemem_grpo.settings import Settings, read_settings
from agemem_grpo.training import prepare
from agemem_grpo.training.prepare import PrepareError

STAND_IN = """#!{python}
import json, pathlib, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join(arguments) + "\\n")
out = pathlib.Path(arguments[arguments.index("--out") + 1])
if pathlib.Path({fail!r}).exists() and "rollout" in arguments:
    out.write_text("half")
    sys.exit("no rollouts today")
if "tasks" in arguments:
    asked = ("shared", arguments[arguments.index("--seed") + 1])
    out.write_text("".join(json.dumps({{"question": each}}) + "\\n" for each in asked))
else:
    out.write_text("made")
"""

SETTINGS = """
[prepare]
train = "synthetic:8:0"
heldout = "synthetic:4:0"
warm = "synthetic:8:0.5"
rollout = { k = 2, max_turns = 3 }
warm_start = { steps = 7, copying = true, tied = false }
[rollout]
k = 2
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    program = tmp_path / "bin" / "node"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, log=str(tmp_path / "calls"), fail=str(tmp_path / "fail")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(prepare.sys, "executable", str(program))
    for made in ("graphs/rollout.ts", "node_modules/@langchain/langgraph-cli/package.json"):
        path = tmp_path / "project" / made
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.chdir(tmp_path / "project")
    config = tmp_path / "settings.toml"
    config.write_text(SETTINGS)
    return read_settings(config, out=tmp_path / "out")


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_makes_what_the_settings_name_and_only_once(settings: Settings, tmp_path: Path) -> None:
    prepared = prepare.prepare(settings, seed=4)
    made = calls(tmp_path)
    assert ["heldout" in made[0], "tasks synthetic:8:0 --seed train" in made[1], "--seed warm" in made[2]] == [True] * 3
    assert "rollout jsonl:" in made[3]
    assert "--model offline --seed warm --k 2 --max-turns 3" in made[3]
    assert "--to chat" in made[4]
    assert "agemem_grpo.policy.warm_start" in made[5]
    assert "--steps 7 --copying --seed 4" in made[5]
    assert Path(prepared.model).read_text() == "made"
    assert prepare.prepare(settings, seed=4) == prepared
    assert calls(tmp_path) == made


def test_each_seed_has_a_warm_start_of_its_own(settings: Settings, tmp_path: Path) -> None:
    first, second = (prepare.prepare(settings, seed=seed) for seed in (0, 1))
    assert first.model != second.model
    assert [line.rpartition("--seed ")[2].split()[0] for line in calls(tmp_path) if "warm_start" in line] == ["0", "1"]
    assert first.fingerprint() == second.fingerprint(), "a report compares runs of equal settings"


def test_a_shared_warm_start_is_made_once_and_said(settings: Settings, tmp_path: Path) -> None:
    assert settings.prepare is not None
    shared = replace(settings, prepare=replace(settings.prepare, shared_warm_start=True))
    first, second = (prepare.prepare(shared, seed=seed) for seed in (1, 0))
    assert first.model == second.model
    assert [line.rpartition("--seed ")[2].split()[0] for line in calls(tmp_path) if "policy.warm_start" in line] == [
        "0"
    ]
    made = json.loads((tmp_path / "out" / "prepared" / "prepare.json").read_text())
    assert (made["shared_warm_start"], made["warm_starts"]) == (True, "one for all seeds")


def test_no_question_of_a_held_out_task_is_trained_on(settings: Settings) -> None:
    prepare.prepare(settings)
    heldout, train, warm = (
        {json.loads(line)["question"] for line in path.read_text().splitlines()}
        for path in (
            Path(settings.heldout_tasks),
            Path(settings.train_tasks),
            Path(settings.train_tasks).with_name("warm-tasks.jsonl"),
        )
    )
    assert heldout == {"shared", "heldout"}
    assert (train, warm) == ({"train"}, {"warm"})


def test_a_failure_is_told_and_leaves_no_half(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(PrepareError, match="no rollouts today"):
        prepare.prepare(settings)
    assert not Path(f"{settings.model}-0").exists()
    (tmp_path / "fail").unlink()
    before = len(calls(tmp_path))
    prepare.prepare(settings)
    assert len(calls(tmp_path)) == before + 3, "tasks that were made are made again"
    assert Path(f"{settings.model}-0").exists()


def test_other_settings_are_refused(settings: Settings) -> None:
    prepare.prepare(settings)
    assert settings.prepare is not None
    with pytest.raises(PrepareError, match="other settings"):
        prepare.prepare(replace(settings, prepare=replace(settings.prepare, warm="synthetic:9:0")))


def test_the_command_line_tells_errors_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", str(tmp_path / "none.toml"), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"agemem-grpo: {tmp_path / 'none.toml'} does not exist\n"
    config = tmp_path / "settings.toml"
    config.write_text('model = "m"\ntrain_tasks = "t"\nheldout_tasks = "h"\nrollout = {}\n')
    arguments = ["study", str(config), "--out", str(tmp_path), "--variants", "all-returns,shufled"]
    assert cli.main(arguments) == 1
    assert "no variant 'shufled'" in capsys.readouterr().err
    assert cli.main(["report", "--out", str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_a_language_model_is_dequantized_once_and_its_warm_start_starts_from_it(
    settings: Settings, tmp_path: Path
) -> None:
    assert settings.prepare is not None
    wanted = replace(settings, prepare=replace(settings.prepare, gguf="models/small.gguf"))
    prepare.prepare(wanted, seed=0)
    prepare.prepare(wanted, seed=1)
    folder = tmp_path / "out" / "prepared"
    made = [call for call in calls(tmp_path) if "agemem_grpo.policy.gguf" in call]
    (only,) = made
    assert f"{tmp_path / 'project' / 'models' / 'small.gguf'} --out {folder / 'partial-base'}" in only
    warm = [call for call in calls(tmp_path) if "warm_start" in call]
    assert all(f"--model {folder / 'base'} " in call for call in warm)
    # Each seed keeps the state of its own training, beside the files that a new try clears.
    assert [f"--state {folder / f'state-of-policy-{seed}.pt'}" in call for seed, call in enumerate(warm)] == [True] * 2
    assert prepare.untrained_model(wanted) == folder / "base"
    assert prepare.untrained_model(settings) is None


def test_a_folder_without_a_language_model_is_that_of_earlier_versions(settings: Settings, tmp_path: Path) -> None:
    prepare.prepare(settings)
    made = json.loads((tmp_path / "out" / "prepared" / "prepare.json").read_text())
    assert not {"gguf", "score", "shared_warm_start"} & set(made)


def test_rollouts_to_imitate_can_be_chosen_by_another_reward(settings: Settings, tmp_path: Path) -> None:
    assert settings.prepare is not None
    score = {"weight": ["task=0", "context=0"], "judge": "offline"}
    prepare.prepare(replace(settings, prepare=replace(settings.prepare, score=score)))
    folder = tmp_path / "out" / "prepared"
    scored, exported = (call for call in calls(tmp_path) if " score " in call or " export " in call)
    assert f"score {folder / 'warm.jsonl'} --weight task=0 --weight context=0 --judge offline --out" in scored
    assert f"export {folder / 'warm-scored.jsonl'} --to chat" in exported
    assert not {"warm.jsonl", "warm-scored.jsonl"} & {path.name for path in folder.iterdir()}
    assert json.loads((folder / "prepare.json").read_text())["score"] == score
