"""A verl `AgentLoop` over the rollout service: a rollout is one session, and each policy step is one output.

Owns turning a trajectory into `AgentLoopOutput`s and which steps are omitted. Leaves out the rollouts
(`feed/service.py`) and the advantages, which verl computes from the rewards of a prompt's sessions. Written for verl
0.8 and 0.9, whose TransferQueue workers (`AgentLoopWorkerTQ`) accept a list of outputs. The older worker accepts only
one, which is not enough, because the prompts of two steps need not extend each other. Importing this needs verl.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput, register

from agemem_grpo.feed.records import Step, Trajectory
from agemem_grpo.feed.service import RolloutFailedError, RolloutService, require_version


@register("agemem")
class AgeMemAgentLoop(AgentLoopBase):  # type: ignore[misc]
    """One rollout of one task.

    ``service_url`` is the rollout service, ``request`` the fields of its requests (see `rolloutRequest`); its
    ``policy.base_url`` is the OpenAI address of verl's own vLLM server. Set both in the file that
    ``actor_rollout_ref.rollout.agent.agent_loop_config_path`` names. A row of the data set holds the task of
    `agemem tasks` as ``extra_info.task``, as an object or as JSON. K is ``actor_rollout_ref.rollout.n``.
    """

    def __init__(
        self, *args: Any, service_url: str, request: Mapping[str, Any], api_key: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # verl reads these tables from a file as objects that are not JSON.
        plain = OmegaConf.to_container(request, resolve=True) if OmegaConf.is_config(request) else request
        self._service = RolloutService(service_url, {**plain, "k": 1}, api_key=api_key)

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> list[AgentLoopOutput]:
        """The steps of a rollout; verl passes the reward of the last one on to the others.

        Errors: :class:`RolloutFailedError` for a rollout without reward or without a step to train on, and those of the
        service. verl then counts the prompt as failed.
        """
        task = kwargs["extra_info"]["task"]
        task = json.loads(task) if isinstance(task, str) else task
        version = int(kwargs.get("global_steps", 0))
        name = f"verl-{kwargs.get('uid', task['id'])}-{kwargs.get('session_id', 0)}-v{version}"
        policy = {key: sampling_params[key] for key in ("temperature", "top_p") if key in sampling_params}

        def rollout() -> Trajectory:
            groups = list(
                self._service.rollout([task], version, run_name=name, overrides={"policy": policy, "seed": name})
            )
            require_version(groups, version)
            return groups[0].trajectories[0]

        trajectory = await asyncio.to_thread(rollout)
        config = self.rollout_config
        return outputs_of(trajectory, prompt_length=config.prompt_length, response_length=config.response_length)


def outputs_of(trajectory: Trajectory, *, prompt_length: int, response_length: int) -> list[AgentLoopOutput]:
    """The trainable steps of a rollout in verl's form, with the reward on the last.

    A step whose prompt or response exceeds verl's limit is left out completely, because a cut response would end where
    the policy did not end it. Errors: :class:`RolloutFailedError` when there is no reward or no step is left.
    """
    if trajectory.reward is None:
        raise RolloutFailedError(
            f"Rollout {trajectory.rollout_id} has no reward ({trajectory.status})", "The service's log says why."
        )
    dropped: dict[str, int] = {}
    kept: list[Step] = []
    for step in trajectory.steps:
        reason = _why_not(step, prompt_length, response_length)
        if reason is None:
            kept.append(step)
        else:
            dropped[reason] = dropped.get(reason, 0) + 1
    if not kept:
        raise RolloutFailedError(
            f"Rollout {trajectory.rollout_id} has no step to train on ({dropped})",
            "Does the server send token ids and log-probabilities, and do prompt_length and response_length fit?",
        )
    outputs = [_output(step, len(trajectory.steps)) for step in kept]
    outputs[-1].reward_score = trajectory.reward
    # verl copies the last output's reward information to the others, and fails if it is missing.
    parts = {name: value for name, value in trajectory.reward_parts.items() if value is not None}
    outputs[-1].extra_fields["reward_extra_info"] = parts
    return outputs


def _why_not(step: Step, prompt_length: int, response_length: int) -> str | None:
    if not step.trainable:
        return step.drop_reason
    if len(step.prompt_token_ids) > prompt_length:
        return "prompt_too_long"
    return "response_too_long" if len(step.response_token_ids) > response_length else None


def _output(step: Step, turns: int) -> AgentLoopOutput:
    version = step.policy_version
    facts = {"step_index": step.step_index, "stage": step.stage, "policy_version": version}
    return AgentLoopOutput(
        prompt_ids=list(step.prompt_token_ids),
        response_ids=list(step.response_token_ids),
        response_mask=list(step.response_mask),
        response_logprobs=list(step.response_logprobs),
        num_turns=turns,
        metrics=AgentLoopMetrics(),
        extra_fields={**facts, "min_global_steps": version, "max_global_steps": version},
    )
