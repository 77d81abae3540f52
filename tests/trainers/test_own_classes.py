"""Rows of `agemem export` read by the classes of Trinity-RFT and verl themselves, from their released packages.

What those packages import beside them, and no row reaches, is stood in for (`STUBS`). Run by `npm run test:trainers`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROWS = Path(os.environ["AGEMEM_TRAINER_ROWS"])
PROJECT = Path(__file__).parents[2] / "examples" / "grpo-trainer"
sys.path.append(str(PROJECT / "tests"))

from trainer_sources import FOLDER, trainer_sources  # noqa: E402

TRINITY_STUBS = (
    "ray",
    "vllm",
    "openai",
    "latex2sympy2_extended",
    "verl",
    "word2number",
    "math_verify",
    "torch.utils.tensorboard",
    "trinity.utils.eval_utils",
)
VERL_STUBS = ("ray", "tensordict", "codetiming", "cachetools", "fastapi")


def rows_of(name: str) -> list[dict[str, Any]]:
    with (ROWS / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


RECORDS = rows_of("run")
STEPS = [record for record in RECORDS if record["kind"] == "step"]
TRAJECTORIES = {record["rollout_id"]: record for record in RECORDS if record["kind"] == "trajectory"}


@pytest.fixture
def importer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("import_rows", PROJECT / "recipes" / "trinity" / "import_rows.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(params=["trinity-0.3.1", "trinity-0.6.0"])
def trinity(request: pytest.FixtureRequest) -> Iterator[None]:
    assert (FOLDER / request.param / "trinity").is_dir()
    with trainer_sources("trinity", TRINITY_STUBS, release=request.param):
        yield


def test_trinitys_experience_and_advantage_function(trinity: None, importer: ModuleType) -> None:
    from trinity.algorithm.advantage_fn.multi_step_grpo_advantage import StepWiseGRPOAdvantageFn
    from trinity.common.experience import Experience

    experiences = importer.experiences(importer.read_rows(ROWS / "trinity.jsonl"))
    assert len(experiences) == len(STEPS)
    assert len({each.eid.uid for each in experiences}) == len(STEPS)
    of_run = dict(zip((each.eid.uid for each in experiences), STEPS, strict=True))
    for each, step in zip(experiences, STEPS, strict=True):
        assert type(each) is Experience
        assert each.tokens.tolist() == step["prompt_token_ids"] + step["response_token_ids"]
        assert torch.equal(each.logprobs, torch.tensor(step["response_logprobs"]))
        assert Experience.deserialize(each.serialize()).eid.uid == each.eid.uid
    scored, _ = StepWiseGRPOAdvantageFn().process(experiences)
    assert len(scored) == len(STEPS)
    for each in scored:
        expected = TRAJECTORIES[of_run[each.eid.uid]["rollout_id"]]["advantage"]
        assert each.advantages.tolist() == pytest.approx([expected] * len(each.logprobs), abs=1e-5)


def test_verls_agent_loop_output() -> None:
    assert (FOLDER / "verl").is_dir()
    with trainer_sources("verl", VERL_STUBS):
        from verl.experimental.agent_loop.agent_loop import AgentLoopOutput

        for row, trajectory in zip(rows_of("verl"), TRAJECTORIES.values(), strict=True):
            outputs = [AgentLoopOutput(**output) for output in row["outputs"]]
            fields = outputs[-1].as_dict()
            assert fields["rm_scores"].sum().item() == pytest.approx(trajectory["reward"], abs=1e-6)
            assert fields["responses"].tolist() == outputs[-1].response_ids
