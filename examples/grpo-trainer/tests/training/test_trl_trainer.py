"""`StepwiseGRPOTrainer` on a random policy: TRL's loss against ours, training, resuming, adapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from tiny_policy import PAD, drawn_samples, moved_and_backward, save_policy, tiny_model
from trl import GRPOConfig

from agemem_grpo.feed.samples import Sample, collate
from agemem_grpo.training.objective import stepwise_grpo_loss, token_logps
from agemem_grpo.training.trl_trainer import EmptyFeedError, Feed, StepwiseGRPOTrainer

LORA = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def samples() -> list[Sample]:
    return drawn_samples(tiny_model(), 7)


def config(folder: Path, **changes: Any) -> GRPOConfig:
    values: dict[str, Any] = {
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "num_generations": 2,
        "gradient_accumulation_steps": 3,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "beta": 0.1,
        "epsilon": 0.2,
        "use_bias_correction_kl": False,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "seed": 1,
    }
    return GRPOConfig(str(folder), **{**values, **changes})


class ListFeed:
    """Gives the same samples each time, or those of the step, and remembers when it was asked."""

    def __init__(self, *batches: Sequence[Sample]) -> None:
        self.batches = batches
        self.steps: list[int] = []

    def __call__(self, step: int) -> Sequence[Sample]:
        self.steps.append(step)
        return self.batches[step % len(self.batches)]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def logs(trainer: StepwiseGRPOTrainer, name: str) -> list[float]:
    return [line[name] for line in trainer.state.log_history if name in line]


@pytest.mark.parametrize(
    ("normalize", "clip", "beta", "changes"),
    [
        ("token", (0.2, 0.2), 0.1, {}),
        ("token", (0.1, 0.3), 0.1, {"epsilon": 0.1, "epsilon_high": 0.3}),
        ("token", None, 0.1, {"epsilon": 1e6}),
        ("token", (0.2, 0.2), 0.0, {"beta": 0.0}),
        ("token", (0.2, 0.2), 0.1, {"use_bias_correction_kl": True}),
        ("trajectory", (0.2, 0.2), 0.1, {}),
        ("trajectory", None, 0.1, {"epsilon": 1e6, "gradient_accumulation_steps": 1, "num_generations": 2}),
        ("token", (0.2, 0.2), 0.1, {"loss_type": "bnpo", "gradient_accumulation_steps": 1}),
        ("token", (0.2, 0.2), 0.1, {"gradient_accumulation_steps": 8}),
    ],
)
@pytest.mark.parametrize("level", ["token", "action"])
def test_loss_and_gradient_of_trl_equal_our_objective(
    policy: str,
    samples: list[Sample],
    tmp_path: Path,
    normalize: Any,
    clip: tuple[float, float] | None,
    beta: float,
    changes: dict[str, Any],
    level: Any,
) -> None:
    if level == "action" and normalize == "trajectory":
        with pytest.raises(ValueError, match="number of steps"):
            StepwiseGRPOTrainer(
                policy, config(tmp_path, **changes), ListFeed(samples), normalize=normalize, level=level
            )
        return
    trainer = StepwiseGRPOTrainer(
        policy, config(tmp_path, **changes), ListFeed(samples), normalize=normalize, level=level
    )
    reference = tiny_model()
    total, theirs = moved_and_backward(trainer, 0.05)
    model = trainer.model
    batch = collate(samples, PAD)
    model.zero_grad()
    with torch.no_grad():
        ref_logps = token_logps(reference, batch)
    ours, metrics = stepwise_grpo_loss(
        token_logps(model, batch),
        batch.old_logps,
        ref_logps,
        batch.loss_mask,
        batch.advantages,
        beta=beta,
        clip=clip,
        normalize=normalize,
        trajectory_ids=batch.trajectory_ids,
        correct_kl=trainer.args.use_bias_correction_kl,
        level=level,
    )
    ours.backward()
    assert metrics["ratio_max_deviation"] > 0.3
    assert (metrics["clip_fraction"] > 0) is (clip is not None)
    assert total == pytest.approx(ours.item(), abs=1e-5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(theirs[name], parameter.grad, atol=1e-5), name


def test_training_moves_steps_the_way_of_their_advantages(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path, epsilon=1e6), ListFeed(samples))
    before, reference = weights(trainer.model), weights(trainer.ref_model)
    trainer.train()
    batch = collate(samples, PAD)
    with torch.no_grad():
        change = ((token_logps(trainer.model.eval(), batch) - batch.old_logps) * batch.loss_mask).sum(1)
    assert change[batch.advantages > 0].mean() > 0.1
    assert change[batch.advantages < 0].mean() < -0.1
    assert all(not torch.equal(before[name], after) for name, after in weights(trainer.model).items())
    assert all(torch.equal(reference[name], after) for name, after in weights(trainer.ref_model).items())
    deviations = logs(trainer, "ratio/max_deviation")
    assert deviations[0] < 1e-4  # the feed's log-probabilities are those of the weights in training
    assert deviations[1] > 1e-3
    assert logs(trainer, "kl")[0] == pytest.approx(0, abs=1e-6)
    assert logs(trainer, "kl")[2] > 0
    assert logs(trainer, "feed/samples") == [7, 7, 7]
    assert logs(trainer, "feed/tokens") == [sum(sum(one.completion_mask) for one in samples)] * 3


def test_advantages_of_zero_without_kl_move_nothing(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    flat = [replace(one, advantage=0.0) for one in samples]
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path, beta=0.0), ListFeed(flat))
    before = weights(trainer.model)
    trainer.train()
    assert trainer.state.global_step == 3
    assert all(torch.equal(before[name], after) for name, after in weights(trainer.model).items())


@pytest.mark.parametrize("adapter", [False, True])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(policy: str, tmp_path: Path, adapter: bool) -> None:
    def trainer_of(folder: str, feed: Feed, **changes: Any) -> StepwiseGRPOTrainer:
        args = config(tmp_path / folder, max_steps=4, **changes)
        torch.manual_seed(0)  # a new adapter begins with random numbers
        return StepwiseGRPOTrainer(policy, args, feed, peft_config=LORA if adapter else None)

    batches = [drawn_samples(tiny_model(), 6, seed=seed) for seed in range(4)]
    whole = trainer_of("whole", ListFeed(*batches))
    whole.train()
    kept = {"save_strategy": "steps", "save_steps": 2}

    class KilledError(Exception):
        """Stands for a signal: it leaves the trainer between two steps."""

    def killed(step: int) -> Sequence[Sample]:
        if step == 3:
            raise KilledError
        return batches[step]

    with pytest.raises(KilledError):
        trainer_of("cut", killed, **kept).train()
    feed = ListFeed(*batches)
    resumed = trainer_of("cut", feed, **kept)
    resumed.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-2"))
    assert feed.steps == [2, 3]
    assert resumed.state.global_step == 4
    for name, value in weights(whole.model).items():
        assert torch.allclose(value, resumed.model.get_parameter(name), atol=1e-6), name
    # The reference stays the model the run began with.
    assert logs(resumed, "kl")[-1] == pytest.approx(logs(whole, "kl")[-1], rel=1e-4)
    assert logs(resumed, "kl")[-1] > 1e-3


def test_an_adapter_is_trained_and_the_model_is_its_reference(
    policy: str, samples: list[Sample], tmp_path: Path
) -> None:
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path, epsilon=1e6), ListFeed(samples), peft_config=LORA)
    before = weights(trainer.model)
    trainer.train()
    changed = {name for name, after in weights(trainer.model).items() if not torch.equal(before[name], after)}
    assert changed
    assert all("lora_" in name for name in changed)
    assert trainer.ref_model is None
    kl = logs(trainer, "kl")
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[2] > 0
    assert logs(trainer, "ratio/max_deviation")[0] < 1e-4


def test_samples_are_used_again_when_asked_for(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    feed = ListFeed(samples)
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path, num_iterations=2, max_steps=4), feed)
    trainer.train()
    assert feed.steps == [0, 2]
    deviations = logs(trainer, "ratio/max_deviation")
    assert deviations[0] < 1e-4
    assert min(deviations[1:]) > 1e-4  # the old policy stays the one that sampled


def test_several_steps_share_one_answer_of_the_feed(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    feed = ListFeed(samples)
    args = config(tmp_path, steps_per_generation=6, max_steps=4)
    trainer = StepwiseGRPOTrainer(policy, args, feed)
    trainer.train()
    assert feed.steps == [0, 2]
    trainer.model.train()
    pieces = trainer._generate_and_score_completions([])
    assert sum(len(piece["advantages"]) for piece in pieces) == 7
    for window in (pieces[:3], pieces[3:]):
        tokens = sum(int(piece["tool_mask"].sum()) for piece in window)
        assert {int(piece["num_items_in_batch"]) for piece in window} == {2 * tokens}


def test_pieces_are_padded_to_their_own_longest(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path), ListFeed(samples))
    trainer.model.train()
    pieces = trainer._generate_and_score_completions([])
    assert [len(piece["advantages"]) for piece in pieces] == [2, 2, 3]
    for piece in pieces:
        assert piece["prompt_mask"].sum(1).max() == piece["prompt_ids"].shape[1]
        assert piece["completion_mask"].sum(1).max() == piece["completion_ids"].shape[1]
    assert sum(int(piece["tool_mask"].sum()) for piece in pieces) < sum(
        int(piece["completion_mask"].sum()) for piece in pieces
    )


def test_an_empty_feed_is_asked_again_and_then_given_up(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    answers = [[], [], samples, samples, samples]
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path), lambda _: answers.pop(0))
    trainer.train()
    assert logs(trainer, "feed/empty") == [2, 0, 0]
    with pytest.raises(EmptyFeedError, match="3 times at step 0"):
        StepwiseGRPOTrainer(policy, config(tmp_path), lambda _: [], max_empty=3).train()


@pytest.mark.parametrize(
    ("changes", "normalize", "problem"),
    [
        ({"max_steps": -1}, "token", "max_steps"),
        ({"steps_per_generation": 4}, "token", "multiple of gradient_accumulation_steps"),
        ({"loss_type": "grpo"}, "trajectory", 'needs loss_type "dapo"'),
        ({}, "step", "normalize is"),
        ({"eval_strategy": "steps", "eval_steps": 1}, "token", "eval_strategy"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    policy: str, tmp_path: Path, changes: dict[str, Any], normalize: Any, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        StepwiseGRPOTrainer(policy, config(tmp_path, **changes), ListFeed([]), normalize=normalize)


def test_means_of_pieces_need_equal_pieces(policy: str, samples: list[Sample], tmp_path: Path) -> None:
    trainer = StepwiseGRPOTrainer(policy, config(tmp_path, loss_type="grpo"), ListFeed(samples))
    with pytest.raises(ValueError, match="7 samples make no 3 equal"):
        trainer.train()
    StepwiseGRPOTrainer(policy, config(tmp_path, loss_type="grpo"), ListFeed(samples[:6])).train()
