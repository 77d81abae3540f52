"""Tasks and warm start before a study: made once, whole or not at all. The commands are stand-ins."""

from __future__ import annotations

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
import pathlib, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join(arguments) + "\\n")
out = pathlib.Path(arguments[arguments.index("--out") + 1])
if pathlib.Path({fail!r}).exists() and "rollout" in arguments:
    out.write_text("half")
    sys.exit("no rollouts today")
out.write_text("made")
"""

SETTINGS = """
[prepare]
train = "synthetic:8:0"
heldout = "synthetic:4:0"
warm = "synthetic:8:0.5"
rollout = { k = 2, max_turns = 3 }
warm_start = { steps = 7 }
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
    prepare.prepare(settings)
    made = calls(tmp_path)
    assert ["tasks synthetic:8:0 --seed train" in made[0], "heldout" in made[1], "--seed warm" in made[2]] == [True] * 3
    assert "rollout jsonl:" in made[3]
    assert "--model offline --seed warm --k 2 --max-turns 3" in made[3]
    assert "--to chat" in made[4]
    assert "agemem_grpo.policy.warm_start" in made[5]
    assert "--steps 7" in made[5]
    assert all(
        Path(path).read_text() == "made" for path in (settings.model, settings.train_tasks, settings.heldout_tasks)
    )
    prepare.prepare(settings)
    assert calls(tmp_path) == made


def test_a_failure_is_told_and_leaves_no_half(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    with pytest.raises(PrepareError, match="no rollouts today"):
        prepare.prepare(settings)
    assert not Path(settings.model).exists()
    (tmp_path / "fail").unlink()
    before = len(calls(tmp_path))
    prepare.prepare(settings)
    assert len(calls(tmp_path)) == before + 3, "tasks that were made are made again"
    assert Path(settings.model).exists()


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
