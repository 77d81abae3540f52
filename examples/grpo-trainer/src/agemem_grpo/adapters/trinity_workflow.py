"""A Trinity-RFT `Workflow` over the rollout service: a task is one group, and each policy step is one `Experience`.

Owns turning trajectories into Experiences and which steps are omitted. Leaves out the rollouts (`feed/service.py`) and
the advantages: Trinity's `step_wise_grpo` takes the last reward of each run, normalizes it within the task and gives it
to all steps, as the paper does. Written for Trinity-RFT 0.3.1 and 0.6.0. Importing this needs Trinity.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from trinity.common.experience import EID, Experience
from trinity.common.workflows import WORKFLOWS
from trinity.common.workflows.workflow import Task, Workflow

from agemem_grpo.feed.groups import Group
from agemem_grpo.feed.records import Step, Trajectory
from agemem_grpo.feed.service import RolloutFailedError, RolloutService, require_version

Json = dict[str, Any]

_FIELDS = frozenset(inspect.signature(Experience.__init__).parameters)


@WORKFLOWS.register_module("agemem_workflow")
class AgeMemWorkflow(Workflow):  # type: ignore[misc]
    """K rollouts of one task. ``task.raw_task`` is a line of `agemem tasks`.

    ``task.workflow_args``: ``service_url``, the rollout service; ``request``, fields of its requests (see
    `rolloutRequest`); optionally ``api_key`` of the service and ``policy_url``, the address of Trinity's rollout model
    for the service, if it differs from the one that Trinity knows. The model needs ``enable_openai_api`` and a vLLM
    that returns token ids (0.10.2 or newer). K is ``algorithm.repeat_times``.
    """

    can_reset = True
    can_repeat = True
    is_async = True

    def __init__(self, *, task: Task, model: Any, auxiliary_models: Any = None) -> None:
        super().__init__(task=task, model=model, auxiliary_models=auxiliary_models)
        self.repeat_times = 1

    # Trinity 0.3 reads this from the instance, later versions from the class.
    @property
    def resettable(self) -> bool:
        return True

    @property
    def repeatable(self) -> bool:
        return True

    @property
    def asynchronous(self) -> bool:
        return True

    def reset(self, task: Task) -> None:
        self.task = task

    def set_repeat_times(self, repeat_times: int, run_id_base: int) -> None:
        self.repeat_times = repeat_times
        self.run_id_base = run_id_base

    async def run_async(self) -> list[Experience]:
        """The steps of all rollouts, in order, with the rollout's reward on each.

        A failed rollout has no steps here; Trinity counts the runs that remain. Errors: :class:`RolloutFailedError`
        when no step is left to train on or the model has no address, and those of the service. Trinity then counts the
        task as failed.
        """
        given: Mapping[str, Any] = self.task.workflow_args
        version = int(await self.model.model_version_async)
        policy = await self._policy(given.get("policy_url"))
        kind = "trinity-eval" if self.task.is_eval else "trinity"
        name = f"{kind}-{self.task.batch_id}-{self.task.task_id}-r{self.run_id_base}-v{version}"
        overrides = {"k": self.repeat_times, "seed": name, "policy": policy}

        def rollout() -> list[Group]:
            service = RolloutService(given["service_url"], given.get("request", {}), api_key=given.get("api_key"))
            try:
                found = list(service.rollout([self.task.raw_task], version, run_name=name, overrides=overrides))
            finally:
                service.close()
            require_version(found, version)
            return found

        groups = await asyncio.to_thread(rollout)
        trajectories = [trajectory for group in groups for trajectory in group.trajectories]
        experiences = [
            experience
            for run, trajectory in enumerate(trajectories)
            for experience in experiences_of(trajectory, self.run_id_base + run)
        ]
        if not experiences:
            failed = sorted({trajectory.status for trajectory in trajectories})
            raise RolloutFailedError(
                f"No rollout of {name} has a reward and a step to train on ({', '.join(failed)})",
                "Does the server send token ids and log-probabilities? The service's log says why rollouts failed.",
            )
        return experiences

    async def _policy(self, url: str | None) -> Json:
        """Address, name and sampling settings of the rollout model, for the service."""
        address = url or (f"{self.model.api_address}/v1" if self.model.api_address else None)
        if address is None:
            raise RolloutFailedError(
                "Trinity's rollout model has no address", "Set explorer.rollout_model.enable_openai_api to true."
            )
        name = self.model.model_name if hasattr(self.model, "model_name") else await self.model.model_path_async
        sampling = {field: getattr(self.task.rollout_args, field) for field in ("temperature", "top_p", "max_tokens")}
        return {
            "base_url": address,
            "model": name,
            **{key: given for key, given in sampling.items() if given is not None},
        }


def experiences_of(trajectory: Trajectory, run: int) -> list[Experience]:
    """The trainable steps of a rollout in Trinity's form, each with the rollout's reward; none without a reward.

    The parts of the reward are metrics of the last one. ``truncate_status`` is left out where Trinity has none (0.3).
    """
    if trajectory.reward is None:
        return []
    kept = [step for step in trajectory.steps if step.trainable]
    experiences = [_experience(step, trajectory, run) for step in kept]
    if experiences:
        parts = {f"reward/{name}": value for name, value in trajectory.reward_parts.items() if value is not None}
        experiences[-1].metrics.update({"reward": trajectory.reward, "steps": float(len(kept)), **parts})
    return experiences


def _experience(step: Step, trajectory: Trajectory, run: int) -> Experience:
    masked = not all(step.response_mask)
    fields: Json = {
        "eid": EID(run=run, step=step.step_index),
        "tokens": [*step.prompt_token_ids, *step.response_token_ids],
        "prompt_length": len(step.prompt_token_ids),
        "logprobs": list(step.response_logprobs),
        "reward": trajectory.reward,
        "info": {"rollout_id": trajectory.rollout_id, "stage": step.stage, "policy_version": step.policy_version},
        **({"action_mask": [bool(each) for each in step.response_mask]} if masked else {}),
        **({"truncate_status": "response_truncated"} if step.truncated else {}),
    }
    return Experience(**{name: value for name, value in fields.items() if name in _FIELDS})
