"""The Agent Lightning recipe through Agent Lightning 1.0.2 itself: its server, its controller, its trainer's batch.

Its gateway records the calls that our agent makes, its local controller starts the agent, its manager collects the
rollouts, and its adapter makes of them the batch that verl trains on. Only the served model and `ray` are stood in for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

PROJECT = Path(__file__).parents[2] / "examples" / "grpo-trainer"
RECIPE = PROJECT / "recipes" / "agent-lightning"
sys.path.append(str(PROJECT / "tests"))

from trainer_sources import FOLDER, trainer_sources  # noqa: E402

NEEDS = FOLDER / "agent-lightning-needs"
"""What its server and batch import and the trainer's environment lacks; `scripts/test-trainers.mjs` puts it there."""
STUBS = ("ray", "codetiming", "torchdata", "cachetools")
K = 2
TASK = {
    "id": "office",
    "question": "In which city does Nora Lind work?",
    "answer": "Porto",
    "context": ["Nora Lind is a translator. Nora works in Porto for Casa Azul.", "Casa Azul publishes maps."],
    "distractors": ["Fortified wine is made in a valley. It is sweet."],
    "gold_facts": ["Nora works in Porto for Casa Azul."],
}

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Agent Lightning's source has enum.StrEnum")


class Model(ThreadingHTTPServer):
    """A served model as vLLM answers: token ids and log-probabilities of its own, different for every call."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.calls: dict[str, list[dict[str, Any]]] = {"policy": [], "other": []}
        """Calls by the first part of the path: the policy's, and those of other models."""
        self.lock = threading.Lock()


class _Answering(BaseHTTPRequestHandler):
    server: Model

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        who = self.path.split("/")[1]
        with self.server.lock:
            number = len(self.server.calls[who])
            prompt = [number, *(len(str(each.get("content"))) % 1000 for each in body["messages"])]
            call = {"body": body, "prompt": prompt, "ids": [7, 8 + number, 9], "logprobs": [-0.5, -0.25 - number, -1.0]}
            self.server.calls[who].append(call)
        message: dict[str, Any] = {"role": "assistant", "content": "A short summary."}
        if who == "policy":
            message["content"] = "Porto"
            # Folds the context once there is something in it; the summary is written by another model.
            if len(body["messages"]) == 4:
                arguments = json.dumps({"span": "all"})
                function = {"name": "Summary_context", "arguments": arguments}
                message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
        logprobs = [
            {"token": f"token_id:{i}", "logprob": p} for i, p in zip(call["ids"], call["logprobs"], strict=True)
        ]
        choice = {"index": 0, "message": message, "finish_reason": "stop", "token_ids": call["ids"]}
        choice["logprobs"] = {"content": logprobs}
        answer = {"id": f"{who}-{number}", "object": "chat.completion", "created": 0, "model": body["model"]}
        answer |= {"choices": [choice], "prompt_token_ids": prompt}
        content = json.dumps(answer | {"usage": {"prompt_tokens": len(prompt), "completion_tokens": 3}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch, model: Model) -> Iterator[str]:
    """Agent Lightning's server and local controller; its address."""
    assert (FOLDER / "agentlightning").is_dir()
    assert NEEDS.is_dir()
    monkeypatch.syspath_prepend(str(NEEDS))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (FOLDER, NEEDS, RECIPE))))
    monkeypatch.setenv("AGEMEM_SUMMARIZER", "openai:summarizer")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{model.url}/other/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.delenv("AGEMEM_EMBEDDINGS", raising=False)
    with trainer_sources("agentlightning"), trainer_sources("verl", STUBS):
        import uvicorn
        from agentlightning.client import AgentLightningAsyncClient
        from agentlightning.controller.local_reconciler import LocalReconciler
        from agentlightning.server.app import create_app

        config = OmegaConf.load(FOLDER / "agentlightning" / "config" / "server.yaml")
        config.default_proxy.model_name = "policy"
        server = uvicorn.Server(uvicorn.Config(create_app(config), host="127.0.0.1", port=0, log_level="error"))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        controller = OmegaConf.load(FOLDER / "agentlightning" / "config" / "controller.yaml")
        controller.runner_type = "local"
        controller.agl_server.url = url
        controller.local_runner.poll_interval = 0.2
        running: dict[str, Any] = {}

        async def control() -> None:
            async with AgentLightningAsyncClient(base_url=url, key=None) as api:
                running["reconciler"] = LocalReconciler(api=api, config=controller)
                await running["reconciler"].run()

        thread = threading.Thread(target=lambda: asyncio.run(control()), daemon=True)
        thread.start()
        yield url
        running["reconciler"].stop()
        thread.join(10)
        server.should_exit = True


def test_its_batch_holds_every_call_of_the_policy_and_no_other(lightning: str, model: Model) -> None:
    from agentlightning.verl.agl_rollout_manager import AglRolloutManager
    from agentlightning.verl.rollout_adapter import RolloutAdapter
    from agentlightning.verl.rollout_level_advantage import compute_rollout_level_advantage
    from verl import DataProto

    ours = OmegaConf.load(RECIPE / "overrides.yaml")
    manager = AglRolloutManager(
        agl_base_url=lightning,
        agl_key="",
        model="policy",
        step=1,
        train_rollout_n=K,
        rollout_timeout_seconds=120,
        poll_interval_seconds=0.2,
        local_agent_class=ours.agentlightning.local.agent_class,
        local_env_map=OmegaConf.to_container(ours.agentlightning.local.env_map),
    )
    manager.register_model([f"{model.url}/policy/v1"])
    rollouts = manager.enqueue_and_wait_until_completed({"id": ["office"], "task": [json.dumps(TASK)]}, is_train=True)
    assert [each.rollout_state for each in rollouts] == ["succeeded"] * K, [each.error_message for each in rollouts]
    assert all(each.final_reward is not None for each in rollouts)
    # The summaries were written, and by the other model.
    assert len(model.calls["other"]) >= K
    assert {call["body"]["model"] for call in model.calls["other"]} == {"summarizer"}
    calls = {tuple(call["prompt"]): call for call in model.calls["policy"]}
    assert len(calls) == len(model.calls["policy"]) > 3 * K
    triplets = [triplet for each in rollouts for triplet in each.triplets]
    assert len(triplets) == len(calls)

    level = ours.agentlightning.trace_aggregator.level
    adapter = RolloutAdapter(
        max_prompt_length=64,
        max_response_length=8,
        device=torch.device("cpu"),
        pad_token_id=0,
        trace_aggregator_level=level,
    )
    batch, figures = adapter.get_train_data_batch(rollouts)
    assert type(batch) is DataProto
    assert figures["training/n_sample"] == len(calls)
    assert figures["training/n_rollouts_w_reward"] == K
    rewards = {each.rollout_id: each.final_reward for each in rollouts}
    for row in range(len(calls)):
        mask = batch.batch["attention_mask"][row].bool()
        prompt = tuple(batch.batch["prompts"][row][mask[:64]].tolist())
        call = calls.pop(prompt)
        assert batch.batch["responses"][row][:3].tolist() == call["ids"]
        assert batch.batch["rollout_log_probs"][row][:3].tolist() == pytest.approx(call["logprobs"])
        reward = rewards[batch.non_tensor_batch["rollout_id_list"][row]]
        # Agent Lightning keeps rewards as bfloat16.
        assert batch.batch["token_level_scores"][row].sum().item() == pytest.approx(reward, rel=0.01, abs=1e-6)
    assert not calls

    batch.batch["response_mask"] = batch.batch["attention_mask"][:, -8:]
    batch.batch["token_level_rewards"] = batch.batch["token_level_scores"].float()
    scored, rows = compute_rollout_level_advantage(
        batch, adv_estimator="grpo", gamma=1.0, lam=1.0, num_repeat=K, config=SimpleNamespace()
    )
    assert rows["training/rollout_level_advantage/n_rollouts"] == K
    advantages: dict[str, set[float]] = {}
    for row, rollout in enumerate(scored.non_tensor_batch["rollout_id_list"]):
        values = scored.batch["advantages"][row][scored.batch["response_mask"][row].bool()]
        advantages.setdefault(rollout, set()).update(values.tolist())
    # One advantage per rollout, on every token of each of its calls.
    assert [len(each) for each in advantages.values()] == [1] * K
