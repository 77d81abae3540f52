"""The AgentLoop for verl with the classes of verl 0.8.0; ray, tensordict and what its workers need are stood in for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from policy_server.tiny_chat import tiny_tokenizer
from stand_in import StandIn, trajectory_record
from trainer_sources import trainer_sources

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.service import RolloutFailedError

STUBS = ("ray", "tensordict", "codetiming", "cachetools", "fastapi")
FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"
LIMITS = {"prompt_length": 4096, "response_length": 512}


@pytest.fixture(scope="module")
def verl_loop() -> Iterator[ModuleType]:
    with trainer_sources("verl", STUBS):
        from agemem_grpo.adapters import verl_loop

        yield verl_loop


@pytest.fixture
def groups() -> list[Group]:
    with FIXTURE.open(encoding="utf-8") as file:
        return list(read_feed(file))


def test_each_step_is_an_output_and_the_last_has_the_reward(verl_loop: ModuleType, groups: list[Group]) -> None:
    trajectory = groups[0].trajectories[0]
    outputs = verl_loop.outputs_of(trajectory, **LIMITS)
    assert all(type(each) is verl_loop.AgentLoopOutput for each in outputs)
    assert [tuple(each.prompt_ids) for each in outputs] == [step.prompt_token_ids for step in trajectory.steps]
    assert [tuple(each.response_logprobs) for each in outputs] == [step.response_logprobs for step in trajectory.steps]
    assert [each.reward_score for each in outputs] == [None, None, trajectory.reward]
    assert outputs[-1].extra_fields["reward_extra_info"]["task"] == trajectory.reward_parts["task"]
    fields = outputs[-1].as_dict()
    assert fields["rm_scores"].tolist()[-1] == pytest.approx(trajectory.reward)
    assert fields["rm_scores"].sum().item() == pytest.approx(trajectory.reward)
    assert torch.equal(fields["responses"], torch.tensor(trajectory.steps[-1].response_token_ids))


def test_steps_beyond_its_limits_are_left_out_whole(verl_loop: ModuleType, groups: list[Group]) -> None:
    trajectory = groups[0].trajectories[1]
    longest = max(len(step.response_token_ids) for step in trajectory.steps)
    outputs = verl_loop.outputs_of(trajectory, prompt_length=4096, response_length=longest - 1)
    kept = [step.response_token_ids for step in trajectory.steps if len(step.response_token_ids) < longest]
    assert 0 < len(kept) < len(trajectory.steps)
    assert [tuple(each.response_ids) for each in outputs] == kept
    assert outputs[-1].reward_score == trajectory.reward
    with pytest.raises(RolloutFailedError, match="'prompt_too_long': 3"):
        verl_loop.outputs_of(trajectory, prompt_length=1, response_length=512)


def test_failed_rollouts_are_told(verl_loop: ModuleType, groups: list[Group]) -> None:
    with pytest.raises(RolloutFailedError, match="no reward"):
        verl_loop.outputs_of(replace(groups[0].trajectories[0], reward=None, status="timeout"), **LIMITS)


def state_of(request: dict[str, Any]) -> dict[str, Any]:
    """One rollout of one step, of the weights asked for."""
    group = f"{request['run_name']}/{request['tasks'][0]['id']}"
    trajectory = trajectory_record(group, request["tasks"][0]["id"], 0, reward=1.0, advantage=0.0)
    trajectory |= {"k": 1, "n_steps": 1, "advantage": None, "advantage_meta": None}
    step = {name: trajectory[name] for name in ("schema", "task_id", "group_id", "rollout_id", "attempt")}
    step |= {"kind": "step", "stage": 3, "step_index": 0, "call_role": "policy", "trainable": True, "truncated": False}
    step |= {"prompt_token_ids": [2, 3], "response_token_ids": [5], "response_logprobs": [-0.5], "response_mask": [1]}
    step |= {"policy_version": request["policy_version"], "finish_reason": "stop", "memory_ops": []}
    return {"groups": [{"samples": [step, trajectory]}], "summary": {"rollouts": 1, "failed": 0}}


def test_a_session_asks_the_service_for_one_rollout(verl_loop: ModuleType) -> None:
    rollout = SimpleNamespace(prompt_length=64, response_length=64)
    config = SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=rollout))
    task = {"id": "t0", "question": "Where?", "answer": "Porto", "context": ["In May Mara settled in Porto."]}

    async def session(url: str) -> Any:
        loop = verl_loop.AgeMemAgentLoop(
            trainer_config=SimpleNamespace(config=config),
            server_manager=None,
            tokenizer=tiny_tokenizer(),
            processor=None,
            dataset_cls=None,
            data_config=SimpleNamespace(config={}),
            tools=None,
            service_url=url,
            request=OmegaConf.create({"k": 8, "policy": {"model": "policy", "base_url": "http://127.0.0.1:1/v1"}}),
        )
        fields = {"uid": "u1", "session_id": 3, "global_steps": 7, "raw_prompt": [], "extra_info": {"task": task}}
        return await loop.run({"temperature": 1.0, "top_p": 1.0, "top_k": -1}, **fields)

    with StandIn(state_of) as service:
        (output,) = asyncio.run(session(service.url))
    (request,) = service.started
    assert (request["k"], request["policy_version"], request["run_name"]) == (1, 7, "verl-u1-3-v7")
    assert request["policy"] == {
        "model": "policy", "base_url": "http://127.0.0.1:1/v1", "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip
    assert (output.prompt_ids, output.response_ids, output.reward_score) == ([2, 3], [5], 1.0)
    assert output.extra_fields["min_global_steps"] == output.extra_fields["max_global_steps"] == 7


def test_it_is_registered_under_its_name(verl_loop: ModuleType) -> None:
    from verl.experimental.agent_loop.agent_loop import _agent_loop_registry

    assert _agent_loop_registry["agemem"]["_target_"] == "agemem_grpo.adapters.verl_loop.AgeMemAgentLoop"
