"""The Workflow for Trinity on the classes of Trinity-RFT 0.3.1 and 0.6.0: registry, task, runner, model wrapper,
experience, advantage function. Ray, vLLM and what the runner imports beside them are stood in for; the rollout model is
an actor whose methods say what a real one would."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from stand_in import StandIn, trajectory_record
from trainer_sources import trainer_sources

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.service import RolloutFailedError

STUBS = (
    "ray", "vllm", "openai", "tensordict", "sqlalchemy", "verl", "latex2sympy2_extended", "math_verify", "pybase64",
    "agentscope", "word2number", "torch.utils.tensorboard", "sortedcontainers", "cachetools", "fastapi",
    "trinity.utils.eval_utils",
)  # fmt: skip
FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"
RECIPES = Path(__file__).parents[2] / "recipes" / "trinity"
TASK = {"id": "t0", "question": "Where?", "answer": "Porto", "context": ["In May Mara settled in Porto."]}


@pytest.fixture(scope="module", params=["trinity-0.3.1", "trinity-0.6.0"])
def workflows(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    ours = "agemem_grpo.adapters.trinity_workflow"
    with trainer_sources("trinity", STUBS, release=request.param, forget=[ours]):
        from agemem_grpo.adapters import trinity_workflow

        yield trinity_workflow
    del __import__("agemem_grpo.adapters").adapters.trinity_workflow


@pytest.fixture
def groups() -> list[Group]:
    with FIXTURE.open(encoding="utf-8") as file:
        return list(read_feed(file))


def state_of(request: dict[str, Any]) -> dict[str, Any]:
    """K rollouts of the task with different rewards and lengths; the second failed when K is at least 2."""
    group = f"{request['run_name']}/{request['tasks'][0]['id']}"
    records: list[dict[str, Any]] = []
    for index in range(request["k"]):
        trajectory = trajectory_record(group, request["tasks"][0]["id"], index, reward=index / 2, advantage=0.0)
        trajectory |= {"k": request["k"], "n_steps": index + 1, "advantage": None, "advantage_meta": None}
        if index == 1:
            trajectory |= {"status": "timeout", "reward": None, "error": {"code": None, "message": "too long"}}
        for step_index in range(index + 1):
            step = {name: trajectory[name] for name in ("schema", "task_id", "group_id", "rollout_id", "attempt")}
            step |= {"kind": "step", "stage": 3, "step_index": step_index, "call_role": "policy", "trainable": True}
            step |= {"prompt_token_ids": [2, 3, 4], "response_token_ids": [5, index], "response_mask": [1, 1]}
            step |= {"response_logprobs": [-0.5, -0.25], "policy_version": request["policy_version"]}
            step |= {"truncated": step_index == 1, "finish_reason": "length" if step_index == 1 else "stop"}
            records.append({**step, "memory_ops": []})
        records.append(trajectory)
    return {"groups": [{"samples": records}], "summary": {"rollouts": request["k"], "failed": 1}}


class Remote:
    """A method of a Ray actor."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def remote(self) -> Any:
        return self.value


def runner_of(release: str) -> Any:
    """Trinity's runner around Trinity's model wrapper; what starts Ray actors is left out."""
    from trinity.common.models.model import ModelWrapper
    from trinity.explorer.workflow_runner import WorkflowRunner

    actor = SimpleNamespace(get_model_version=Remote(7), get_model_path=Remote("models/qwen"))
    runner = WorkflowRunner.__new__(WorkflowRunner)
    if release == "0.3.1":
        runner.model_wrapper = ModelWrapper(actor, "vllm_async")
        runner.model_wrapper.api_address = "http://10.0.0.5:8000"
        runner.auxiliary_model_clients = []
    else:
        from trinity.common.config import InferenceModelConfig

        config = InferenceModelConfig(model_path="models/qwen", enable_openai_api=True)
        runner.model_wrapper = ModelWrapper(actor, config=config, api_address="http://10.0.0.5:8000")
        runner.auxiliary_model_wrappers = []
        runner.runner_state = {}
    runner.workflow_instance = None
    runner.logger = SimpleNamespace(info=lambda *_: None, error=lambda *_: None)
    return runner


def run_task(task: Any, k: int, base: int) -> tuple[Any, list[Any]]:
    """The runner's status and experiences, however the release hands them over."""
    import trinity
    from trinity.common.experience import Experience

    runner = runner_of(trinity.__version__)
    if trinity.__version__ == "0.3.1":
        return asyncio.run(runner.run_task(task, k, base))
    status, payload = asyncio.run(runner.run_task(task, "3", k, base))
    return status, Experience.deserialize_many(payload) if payload else []


def task_of(url: str, **fields: Any) -> Any:
    from trinity.common.workflows import WORKFLOWS
    from trinity.common.workflows.workflow import Task

    request = {"k": 99, "t_max": 4096, "policy": {"max_tokens": 512}}
    args = {"service_url": url, "request": request, **fields.pop("args", {})}
    workflow = WORKFLOWS.get("agemem_workflow")
    return Task(workflow=workflow, workflow_args=args, raw_task=TASK, batch_id=3, task_id=12, **fields)


def test_trinitys_runner_takes_a_group_and_its_advantage_function_scores_it(workflows: ModuleType) -> None:
    from trinity.algorithm.advantage_fn.multi_step_grpo_advantage import StepWiseGRPOAdvantageFn

    with StandIn(state_of) as service:
        status, experiences = run_task(task_of(service.url), 4, 8)
    assert status.ok, status.message
    (request,) = service.started
    assert (request["k"], request["policy_version"], request["t_max"]) == (4, 7, 4096)
    assert request["run_name"] == "trinity-3-12-r8-v7"
    assert (
        request["policy"].items()
        >= {"base_url": "http://10.0.0.5:8000/v1", "model": "models/qwen", "max_tokens": 512}.items()
    )
    # The second rollout failed: 1 + 3 + 4 steps are left, and runs keep their numbers.
    assert [(each.eid.batch, each.eid.task, each.eid.run, each.eid.step) for each in experiences] == [
        (3, 12, 8, 0), (3, 12, 10, 0), (3, 12, 10, 1), (3, 12, 10, 2),
        (3, 12, 11, 0), (3, 12, 11, 1), (3, 12, 11, 2), (3, 12, 11, 3),
    ]  # fmt: skip
    assert len({each.eid.uid for each in experiences}) == 8
    for each in experiences:
        assert each.tokens.tolist() == [2, 3, 4, 5, each.eid.run - 8]
        assert (each.prompt_length, each.reward) == (3, (each.eid.run - 8) / 2)
        assert each.logprobs.tolist() == [-0.5, -0.25]
        assert each.action_mask.tolist() == [True, True]
        assert each.info["model_version"] == 7
    assert [each.metrics.get("steps") for each in experiences] == [1, None, None, 3, None, None, None, 4]
    if hasattr(experiences[0], "truncate_status"):
        assert [each.truncate_status for each in experiences][:3] == [None, None, "response_truncated"]
    scored, _ = StepWiseGRPOAdvantageFn().process(experiences)
    rewards = [0.0, 1.0, 1.5]
    deviation = statistics.stdev(rewards)
    for each in scored:
        expected = (each.reward - statistics.mean(rewards)) / (deviation + 1e-6)
        assert each.advantages.tolist() == pytest.approx([expected] * 2, abs=1e-5)
        assert not any(math.isnan(value) for value in each.advantages.tolist())


def test_the_next_task_goes_through_the_same_instance(workflows: ModuleType) -> None:
    import trinity

    runner = runner_of(trinity.__version__)
    with StandIn(state_of) as service:
        for number in (1, 2):
            task = task_of(service.url)
            task.task_id = number
            given = (task, 1, 0) if trinity.__version__ == "0.3.1" else (task, "3", 1, 0)
            asyncio.run(runner.run_task(*given))
            kept = runner.workflow_instance
        assert runner.workflow_instance is kept
    assert [request["run_name"] for request in service.started] == ["trinity-3-1-r0-v7", "trinity-3-2-r0-v7"]


def test_an_evaluation_is_named_apart_and_gives_no_experiences(workflows: ModuleType) -> None:
    with StandIn(state_of) as service:
        status, experiences = run_task(task_of(service.url, is_eval=True), 1, 0)
    assert (status.ok, experiences) == (True, [])
    assert service.started[0]["run_name"] == "trinity-eval-3-12-r0-v7"


def test_another_address_of_the_policy_wins(workflows: ModuleType) -> None:
    with StandIn(state_of) as service:
        run_task(task_of(service.url, args={"policy_url": "http://gateway/v1"}), 1, 0)
    assert service.started[0]["policy"]["base_url"] == "http://gateway/v1"


def test_a_task_without_a_rollout_to_train_on_fails(workflows: ModuleType) -> None:
    def all_failed(request: dict[str, Any]) -> dict[str, Any]:
        state = state_of(request)
        for record in state["groups"][0]["samples"]:
            if record["kind"] == "trajectory":
                record |= {"status": "timeout", "reward": None, "error": {"code": None, "message": "too long"}}
        return state

    with StandIn(all_failed) as service:
        status, experiences = run_task(task_of(service.url), 1, 0)
    assert (status.ok, experiences) == (False, [])
    assert "No rollout of trinity-3-12-r0-v7" in status.message
    assert "timeout" in status.message


def test_other_weights_than_asked_for_fail_the_task(workflows: ModuleType) -> None:
    def drifted(request: dict[str, Any]) -> dict[str, Any]:
        return state_of({**request, "policy_version": 8})

    with StandIn(drifted) as service:
        status, _ = run_task(task_of(service.url), 1, 0)
    assert not status.ok
    assert "version 8" in status.message


def test_a_model_without_an_address_is_told(workflows: ModuleType) -> None:
    model = SimpleNamespace(api_address=None, model_name="m")
    workflow = workflows.AgeMemWorkflow(task=task_of("http://127.0.0.1:1"), model=model)
    with pytest.raises(RolloutFailedError, match="enable_openai_api"):
        asyncio.run(workflow._policy(None))


def test_real_recorded_steps_become_experiences(workflows: ModuleType, groups: list[Group]) -> None:
    from trinity.common.experience import Experience

    trajectory = groups[0].trajectories[0]
    experiences = workflows.experiences_of(trajectory, 2)
    assert all(type(each) is Experience for each in experiences)
    assert [each.eid.step for each in experiences] == [step.step_index for step in trajectory.steps]
    for each, step in zip(experiences, trajectory.steps, strict=True):
        assert torch.equal(each.tokens, torch.tensor([*step.prompt_token_ids, *step.response_token_ids]))
        assert tuple(each.logprobs.tolist()) == pytest.approx(step.response_logprobs)
        assert each.info["stage"] == step.stage
        assert Experience.deserialize(each.serialize()).tokens.tolist() == each.tokens.tolist()
    assert experiences[-1].metrics["reward/task"] == trajectory.reward_parts["task"]


@pytest.mark.parametrize("recipe", ["workflow.yaml", "multi_step_grpo.yaml"])
def test_its_configuration_classes_take_the_recipes(workflows: ModuleType, recipe: str) -> None:
    from trinity.common.config import load_config

    config = load_config(str(RECIPES / recipe))
    assert config.algorithm.algorithm_type == "multi_step_grpo"
    assert config.algorithm.repeat_times == 8
    if recipe == "workflow.yaml":
        taskset = config.buffer.explorer_input.taskset
        assert taskset.workflow_args["request"]["t_max"] == 8192
        assert config.explorer.rollout_model.enable_openai_api
        module, _, name = taskset.default_workflow_type.rpartition(".")
        assert getattr(__import__(module, fromlist=[name]), name) is workflows.AgeMemWorkflow


def test_imported_rows_are_scored_as_groups_of_their_own(workflows: ModuleType, tmp_path: Path) -> None:
    from trinity.algorithm.advantage_fn.multi_step_grpo_advantage import StepWiseGRPOAdvantageFn

    spec = importlib.util.spec_from_file_location("import_rows", RECIPES / "import_rows.py")
    assert spec is not None
    assert spec.loader is not None
    importer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(importer)
    rows = []
    for group in ("a/t", "b/t"):  # two seeds of one task in one file
        for run, reward in ((0, 0.0), (1, 1.0)):
            for step in range(2):
                eid = {"batch": 0, "task": group, "run": run, "step": step, "suffix": f"{group}-{run}-{step}"}
                row = {"eid": eid, "tokens": [5, 6, 7], "prompt_length": 1, "logprobs": [-0.5, -1.0], "reward": reward}
                rows.append(row | ({"truncate_status": "response_truncated"} if step else {}))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    experiences = importer.experiences(importer.read_rows(path))
    assert len({each.eid.rid for each in experiences}) == 4
    scored, _ = StepWiseGRPOAdvantageFn().process(experiences)
    assert len(scored) == 8
    for each in scored:
        expected = (each.reward - 0.5) / (math.sqrt(0.5) + 1e-6)
        assert each.advantages.tolist() == pytest.approx([expected] * 2, abs=1e-5)
