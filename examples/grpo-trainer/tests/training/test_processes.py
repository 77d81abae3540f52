"""Two processes that train on shares of a feed end with the weights of one that trains on all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_policy import ON_A_PROCESSOR, drawn_samples, save_policy, tiny_model
from trl import GRPOConfig

from agemem_grpo.training.trl_trainer import StepwiseGRPOTrainer


def train(policy: str, out: Path) -> torch.Tensor:
    """Three steps on seven samples, which neither two processes nor three pieces divide evenly."""
    torch.set_num_threads(1)
    samples = drawn_samples(tiny_model(), 7)
    args = GRPOConfig(
        str(out),
        max_steps=3,
        per_device_train_batch_size=2,
        num_generations=2,
        gradient_accumulation_steps=3,
        learning_rate=1e-2,
        **ON_A_PROCESSOR,
    )
    trainer = StepwiseGRPOTrainer(policy, args, lambda _: samples, normalize="trajectory")
    trainer.train()
    model = trainer.accelerator.unwrap_model(trainer.model)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    policy = save_policy(tmp_path / "policy")
    alone = train(policy, tmp_path / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", __file__]
    paths = os.pathsep.join([str(Path(__file__).parents[2] / "src"), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [*command, policy, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    together = torch.load(tmp_path / "weights.pt")
    assert torch.allclose(alone, together, atol=1e-5)
    assert not torch.allclose(alone, torch.cat([p.detach().flatten() for p in tiny_model().parameters()]), atol=1e-3)


if __name__ == "__main__":
    weights = train(sys.argv[1], Path(sys.argv[2]) / "two")
    if os.environ["RANK"] == "0":
        torch.save(weights, Path(sys.argv[2]) / "weights.pt")
