"""The training loop: roll out with the current weights, train on the results, give the server the new weights.

One TRL trainer runs from beginning to end; its feed makes the rollouts. Checkpoints, optimizer, schedule and resuming
are TRL's own. Owns the order of steps within an iteration and what a kill does to it:

- Its finished rollouts are on disk, in the run's folder or at the rollout service; only the others are made again.
- An iteration is finished once its checkpoint is sealed (`state.py`). Finished iterations are not repeated.

Leaves out the objective (`trl_trainer.py`), lines of metrics (`recorder.py`), processes (`processes/services.py`) and
evaluation (`evaluate.py`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig

from agemem_grpo.feed.groups import Group, read_feed
from agemem_grpo.feed.samples import Sample, samples_of
from agemem_grpo.feed.service import RolloutFailedError, require_rolled_out, require_version
from agemem_grpo.feed.tasks import Task, next_tasks, read_tasks
from agemem_grpo.processes.services import Services
from agemem_grpo.settings import VARIANTS, Settings
from agemem_grpo.training.budget import tasks_within
from agemem_grpo.training.joined import join_steps
from agemem_grpo.training.metrics import shuffle_advantages, summarize
from agemem_grpo.training.recorder import Recorder
from agemem_grpo.training.state import RunFolder
from agemem_grpo.training.trl_trainer import StepwiseGRPOTrainer
from agemem_grpo.training.weights import save_model

Json = dict[str, Any]


class Loop:
    """One training run in a folder.

    ``variant`` is a name of :data:`~agemem_grpo.settings.VARIANTS`. ``seed`` decides the order of tasks, the sampling
    seeds of the rollouts and the trainer's randomness.
    """

    def __init__(self, settings: Settings, folder: RunFolder, services: Services, *, variant: str, seed: int) -> None:
        self.settings = settings
        self.folder = folder
        self.services = services
        self.variant = variant
        self.seed = seed
        reward, self.advantages = VARIANTS[variant]
        self.reward = settings.reward if reward == "all-returns" else reward
        self._branched = settings.counterfactual if self.advantages == "branched" else None
        self.tasks = read_tasks(Path(settings.train_tasks))
        self.line: Json = {}
        self._lines: list[Json] = []
        self._batches: list[list[Sample]] = []
        self._trainer: StepwiseGRPOTrainer | None = None

    def train(self) -> None:
        """Trains from the newest checkpoint, or from the beginning, to the last iteration, and saves the model.

        Errors: those of the service, the feed and the supervisor. After an error or a kill, call it again to resume.
        """
        checkpoint = self.folder.resume()
        self._lines = self.folder.read_metrics()
        train = self.settings.train
        done = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        if done >= train.iterations * train.updates and self.folder.model.exists():
            return
        transformers_logging.disable_progress_bar()  # it shows a bar per saved file, inside our own bar
        torch.manual_seed(self.seed)
        torch.set_num_threads(self.settings.threads)
        with tqdm(total=train.iterations, initial=done // train.updates, unit="it", desc=self.folder.root.name) as bar:
            trainer = self._build(bar)
            self._trainer = trainer
            if done < train.iterations * train.updates:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            else:
                trainer._load_from_checkpoint(str(checkpoint))
        self._save_model(self.folder.model)

    def feed(self, step: int) -> list[Sample]:
        """The samples of optimizer step 0, 1, ...; rolls out when the step starts an iteration."""
        iteration, part = divmod(step, self.settings.train.updates)
        if part == 0 or not self._batches:
            self._batches = self._iteration(iteration)
        return self._batches[part]

    def _build(self, bar: Any) -> StepwiseGRPOTrainer:
        settings = self.settings
        tokenizer = AutoTokenizer.from_pretrained(settings.model)
        model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=torch.float32)
        lora = None
        if settings.train.lora is not None:
            from peft import LoraConfig

            lora = LoraConfig(**settings.train.lora)
        recorder = Recorder(self.folder, lambda: self.line, updates=settings.train.updates, bar=bar)
        trainer = StepwiseGRPOTrainer(
            model=model,
            args=trainer_config(settings, self.folder, seed=self.seed),
            feed=self.feed,
            normalize=settings.train.normalize,
            level=settings.train.level,
            share_prefixes=settings.train.share_prefixes,
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[recorder],
        )
        trainer.remove_callback(PrinterCallback)  # the bar shows the logs, and metrics.jsonl keeps them
        return trainer

    def _iteration(self, iteration: int) -> list[list[Sample]]:
        began = time.monotonic()
        records = self.folder.load_rollouts(iteration)
        reused = records is not None
        if records is None:
            self.services.check()
            self._publish(iteration)
            groups = self._roll_out(iteration)
        else:
            groups = list(read_feed(records))
        figures = summarize(groups)
        if self.advantages == "shuffled":
            groups = shuffle_advantages(groups, seed=f"{self.seed}/shuffle/{iteration}")
        samples, dropped = self._samples(groups)
        self.line = {
            "iteration": iteration,
            "policy_version": iteration,
            "variant": self.variant,
            "seed": self.seed,
            **figures,
            "branch_at": self._beginning(iteration),
            "samples": len(samples),
            "dropped": dropped,
            "rollouts_reused": reused,
            "rollout_seconds": round(time.monotonic() - began, 3),
        }
        self._lines.append(self.line)
        return deal(samples, self.settings.train.updates, seed=f"{self.seed}/deal/{iteration}")

    def _samples(self, groups: Sequence[Group]) -> tuple[list[Sample], dict[str, int]]:
        train = self.settings.train
        samples: list[Sample] = []
        dropped: dict[str, int] = {}
        for group in groups:
            kept = samples_of(
                group,
                min_reward_std=train.min_reward_std,
                mask_truncated=train.mask_truncated,
                max_length=train.max_length,
            )
            samples.extend(kept.samples)
            for reason, count in kept.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        if not samples:
            # Nothing to learn from: the step still happens, but with the KL term alone.
            for group in groups:
                kept = samples_of(group, drop_zero_variance=False, max_length=train.max_length)
                samples.extend(replace(sample, advantage=0.0) for sample in kept.samples)
        if not samples:
            raise RolloutFailedError(
                f"No rollout gives a sample to train on ({dropped})", "Does the server send token ids and logprobs?"
            )
        return (join_steps(samples) if train.join_steps else samples), dropped

    def _roll_out(self, iteration: int) -> list[Group]:
        """The groups of an iteration; their records are written to disk as they come and are not kept in memory."""
        tasks = self._tasks(iteration)
        overrides: Json = {
            "reward": {"preset": self.reward},
            "seed": f"{self.seed}/{iteration}",
            "policy": {"send_seed": True},
        }
        if beginning := self._beginning(iteration):
            overrides["branch_at"] = beginning
        for attempt in range(3):
            name = f"{self.variant}-{self.seed}-v{iteration}" + (f"-again{attempt}" if attempt else "")
            records = self.services.rollouts.records(tasks, iteration, run_name=name, overrides=overrides)
            try:
                groups = list(read_feed(self.folder.writing_rollouts(iteration, records)))
                require_rolled_out(groups, max_failed=self.settings.train.max_failed)
                require_version(groups, iteration)
                self.folder.keep_rollouts(iteration)
                return groups
            except RolloutFailedError:
                self.services.check()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def _beginning(self, iteration: int) -> int:
        """Model calls that the rollouts of a group share; 0 where each is its own from the start."""
        return self._branched.at[iteration % len(self._branched.at)] if self._branched else 0

    def _tasks(self, iteration: int) -> list[Task]:
        train = self.settings.train
        count = (self._branched or train).tasks_per_iteration
        start = iteration * count
        if train.policy_calls is not None:
            before = self._lines[:iteration]
            start = sum(line["groups"] for line in before)
            count = tasks_within(
                train.policy_calls,
                before,
                iterations=train.iterations,
                beginning=self._beginning(iteration),
                guess=count,
            )
        return next_tasks(self.tasks, start=start, count=min(count, len(self.tasks)), seed=self.seed)

    def _publish(self, version: int) -> None:
        """Gives the policy server the trainer's weights, in a folder that a restarted server loads again."""
        folder = self.folder.weights(version)
        if not folder.exists():
            self._save_model(folder)
        self.services.load_weights(folder, version)
        self.folder.prune(version)

    def _save_model(self, folder: Path) -> None:
        trainer = self._trainer
        if trainer is None:
            raise RuntimeError("there is no trainer before train()")
        model = trainer.accelerator.unwrap_model(trainer.model)
        merge = self.settings.train.lora is not None and not self.settings.server.adapters
        save_model(model, trainer.processing_class, folder, merge=merge)


def trainer_config(settings: Settings, folder: RunFolder, *, seed: int) -> GRPOConfig:
    """TRL's configuration for a run, without everything that generation would need."""
    train = settings.train
    temperature = float(settings.rollout.get("policy", {}).get("temperature", 1.0))
    values: Json = {
        "output_dir": str(folder.checkpoints),
        "max_steps": train.iterations * train.updates,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.lr_schedule,
        "warmup_steps": train.warmup_steps,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "beta": train.beta,
        "use_bias_correction_kl": False,  # eq. 6 has the plain KL estimate
        "epsilon": train.clip,
        "loss_type": train.loss_type,
        "temperature": temperature,
        "save_strategy": "steps",
        "save_steps": train.checkpoint_every * train.updates,
        "save_total_limit": max(2, train.keep_checkpoints),
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
        "ignore_data_skip": True,
        "seed": seed,
        "use_cpu": settings.device == "cpu",
        "bf16": train.bf16,
        "gradient_checkpointing": False,
    }
    return GRPOConfig(**{**values, **train.trainer})


def deal(samples: Sequence[Sample], hands: int, *, seed: str) -> list[list[Sample]]:
    """Shuffles samples and divides them among ``hands`` optimizer steps. Errors: `ValueError` if there are too few."""
    if len(samples) < hands:
        raise ValueError(f"{len(samples)} samples for {hands} optimizer steps: set train.updates lower")
    shuffled = list(samples)
    if hands > 1:
        random.Random(seed).shuffle(shuffled)
    return [shuffled[hand::hands] for hand in range(hands)]
