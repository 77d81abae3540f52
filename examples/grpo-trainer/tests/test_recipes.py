"""The recipes as far as they can be checked without GPUs: settings are read, rows become what Trinity takes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

from agemem_grpo.settings import read_settings

RECIPES = Path(__file__).parents[1] / "recipes"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", ["qwen2.5-7b", "qwen3-4b"])
def test_settings_are_the_papers(name: str) -> None:
    settings = read_settings(RECIPES / f"{name}.toml")
    assert (settings.rollout["k"], settings.train.beta) == (8, 0.1)
    assert (settings.rollout["t_max"], settings.rollout["policy"]["max_tokens"]) == (8192, 2048)
    assert settings.train.max_length == 12288
    assert settings.server.adapters
    assert settings.train.lora is not None
    assert settings.service.env["AGEMEM_EMBEDDINGS"].startswith("hf:")  # dense, and in the process
    assert settings.rollout["protocol"] == "text"  # the paper's tags, <think> among them
    assert "think" not in settings.rollout  # is for native tool calls


def test_the_other_trainers_have_the_same_settings() -> None:
    trinity = yaml.safe_load((RECIPES / "trinity/multi_step_grpo.yaml").read_text())
    lightning = yaml.safe_load((RECIPES / "agent-lightning/overrides.yaml").read_text())
    actor, rollout = lightning["actor_rollout_ref"]["actor"], lightning["actor_rollout_ref"]["rollout"]
    assert trinity["algorithm"]["repeat_times"] == rollout["n"] == 8
    assert trinity["algorithm"]["kl_loss_fn_args"]["kl_coef"] == actor["kl_loss_coef"] == 0.1
    workflow = yaml.safe_load((RECIPES / "trinity/workflow.yaml").read_text())
    request = workflow["buffer"]["explorer_input"]["taskset"]["workflow_args"]["request"]
    assert (request["protocol"], request["t_max"]) == ("text", 8192)
    assert trinity["model"]["max_response_tokens"] == lightning["data"]["max_response_length"] == 2048


ROW: dict[str, Any] = {
    "eid": {"batch": 0, "task": "t", "run": 1, "step": 2, "suffix": "chatcmpl-1"},
    "tokens": [5, 6, 7, 8],
    "prompt_length": 2,
    "logprobs": [-0.5, -1.0],
    "action_mask": [True, False],
    "reward": 0.25,
}


def test_rows_become_what_trinity_takes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n")
    (fields,) = module(RECIPES / "trinity/import_rows.py").read_rows(path)
    assert fields["tokens"].tolist() == [5, 6, 7, 8]
    assert (fields["tokens"].dtype, fields["action_mask"].dtype) == (torch.int32, torch.bool)
    assert {name: fields[name] for name in ("eid", "prompt_length", "reward")} == {
        name: ROW[name] for name in ("eid", "prompt_length", "reward")
    }


@pytest.mark.parametrize("name", ["logprobs", "action_mask"])
def test_rows_of_wrong_lengths_are_refused(name: str) -> None:
    experience_fields = module(RECIPES / "trinity/import_rows.py").experience_fields
    with pytest.raises(ValueError, match=f"3 {name} for a response of 2"):
        experience_fields({**ROW, name: [*ROW[name], ROW[name][0]]})
    assert "action_mask" not in experience_fields({key: ROW[key] for key in ROW if key != "action_mask"})
