"""Server and trainer agree to the token: what the policy server reports is what the trainer computes.

The ratio of the first update is 1 to 1e-4, with the first weights and again with weights the trainer has published.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import torch
from policy_server.tiny_chat import save_policy
from tiny_policy import ON_A_PROCESSOR
from trl import GRPOConfig

from agemem_grpo.feed.samples import Sample
from agemem_grpo.policy_server import PolicyServer, ServerOptions
from agemem_grpo.training.trl_trainer import StepwiseGRPOTrainer

TEXTS = ("What does Ada keep?", "hello", "Bob lives in Oslo. He keeps a cat.", "?")


def sampled(url: str, number: int, version: int) -> Sample:
    """One answer of the server as a sample, with an advantage that has nothing to do with it."""
    body = {
        "model": "policy",
        "messages": [{"role": "user", "content": TEXTS[number % len(TEXTS)]}],
        "logprobs": True,
        "return_token_ids": True,
        "max_tokens": 4 + number,
        "seed": number,
    }
    answer = httpx.post(f"{url}/chat/completions", json=body, timeout=60).raise_for_status().json()
    choice = answer["choices"][0]
    ids = tuple(choice["token_ids"])
    return Sample(
        prompt_ids=tuple(answer["prompt_token_ids"]),
        completion_ids=ids,
        old_logprobs=tuple(entry["logprob"] for entry in choice["logprobs"]["content"]),
        completion_mask=(1,) * len(ids),
        advantage=1.0 if number % 2 else -1.0,
        trajectory_id=str(number),
        trajectory_weight=1 / len(ids),
        policy_version=version,
        group_id="g",
        stage=1,
    )


def test_the_ratio_of_a_first_update_is_one_under_each_version(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = save_policy(tmp_path / "policy")
    with PolicyServer(folder, ServerOptions(max_rows=8)) as server, ThreadPoolExecutor(8) as pool:

        def feed(step: int) -> Sequence[Sample]:
            if step > 0:
                trainer.model.save_pretrained(tmp_path / f"v{step}")
                trainer.processing_class.save_pretrained(tmp_path / f"v{step}")
                server.update_weights(tmp_path / f"v{step}", version=step)
            return list(pool.map(lambda number: sampled(server.url, number, step), range(12)))

        args = GRPOConfig(
            str(tmp_path / "out"),
            max_steps=3,
            gradient_accumulation_steps=2,
            learning_rate=5e-3,
            lr_scheduler_type="constant",
            **ON_A_PROCESSOR,
            logging_steps=1,
        )
        trainer = StepwiseGRPOTrainer(str(folder), args, feed)
        trainer.train()
    lines = [line for line in trainer.state.log_history if "ratio/max_deviation" in line]
    assert [line["feed/samples"] for line in lines] == [12, 12, 12]
    assert all(line["ratio/max_deviation"] < 1e-4 for line in lines), lines
    assert lines[2]["kl"] > 1e-3  # the weights did move between the versions
