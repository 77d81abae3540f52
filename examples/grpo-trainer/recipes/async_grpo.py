"""Full weights on several GPUs: TRL's asynchronous trainer, fed by the rollout service. Not run here.

Owns putting the parts together. TRL loads FlashAttention-3 kernels and sends weights to vLLM over NCCL, so this needs
GPUs that support both; the tests check the worker's samples against TRL's own classes. TRL's asynchronous loss has no
KL term, so the paper's beta cannot be set here.

accelerate launch recipes/async_grpo.py --model models/Qwen3-4B-Instruct-2507 --tasks tasks/hotpotqa-train.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import Dataset
from trl.experimental.async_grpo import AsyncGRPOConfig, AsyncGRPOTrainer

from agemem_grpo.adapters.trl_async import FeedRolloutWorker
from agemem_grpo.feed.service import RolloutService
from agemem_grpo.feed.tasks import read_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--out", default="runs/async")
    parser.add_argument("--vllm", default="http://127.0.0.1:8000", help="address of `vllm serve`, without /v1")
    parser.add_argument("--service", default="http://127.0.0.1:2024", help="address of the rollout service")
    parser.add_argument("--judge", default="offline")
    given = parser.parse_args()

    tasks = read_tasks(given.tasks)
    request = {
        "k": 8,
        "max_turns": 10,
        "t_max": 8192,
        "concurrency": 64,
        "timeout_s": 1800,
        "judge": given.judge,
        "policy": {"model": given.model, "base_url": f"{given.vllm}/v1", "temperature": 1.0, "max_tokens": 2048},
    }
    worker = FeedRolloutWorker(RolloutService(given.service, request), tasks, name=Path(given.out).name, concurrency=4)
    args = AsyncGRPOConfig(
        given.out,
        learning_rate=1e-6,
        temperature=1.0,
        max_completion_length=2048,
        vllm_server_base_url=given.vllm,
        max_staleness=2,  # how many versions of the weights a sample may be behind
        per_device_train_batch_size=1,
        gradient_accumulation_steps=64,
        gradient_checkpointing=True,
        bf16=True,
        max_steps=1000,
    )
    # The data set only decides the length of an epoch; prompts come from the worker.
    prompts = Dataset.from_list([{"prompt": [{"role": "user", "content": task["question"]}]} for task in tasks])
    AsyncGRPOTrainer(given.model, args=args, train_dataset=prompts, rollout_worker=worker).train()


if __name__ == "__main__":
    main()
