"""Shared beginnings: the tree itself, and that loss, gradients and figures are those of separate sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from tiny_policy import PAD, drawn_samples, moved_and_backward, save_policy, tiny_model, with_old_logprobs
from transformers import GPT2Config, GPT2LMHeadModel
from trl import GRPOConfig

from agemem_grpo.feed.samples import Sample, collate
from agemem_grpo.training.prefix_tree import UnknownModelError, frozen_layers, prefix_tree, shared_piece
from agemem_grpo.training.trl_trainer import StepwiseGRPOTrainer

UPPER = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], layers_to_transform=[1])
WHOLE = LoraConfig(r=4, lora_alpha=8, target_modules=["v_proj", "up_proj"])


def test_a_tree_has_each_beginning_once_and_sees_what_is_above() -> None:
    ids = torch.tensor([[0, 5, 6, 7], [5, 6, 8, 0], [5, 6, 7, 9], [6, 5, 0, 0]])
    attention = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]])
    tree = prefix_tree(ids, attention)
    assert tree.ids.tolist() == [5, 6, 7, 8, 9, 6, 5]
    assert tree.positions.tolist() == [0, 1, 2, 2, 3, 0, 1]
    assert tree.nodes.tolist() == [[0, 0, 1, 2], [0, 1, 3, 0], [0, 1, 2, 4], [5, 6, 0, 0]]
    seen = [[at for at, sees in enumerate(row) if sees] for row in tree.visible.tolist()]
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 1, 2, 4], [5], [5, 6]]


def branching() -> list[Sample]:
    """Three trajectories whose steps share beginnings: continued, cut back by an edit, and started again."""
    steps = drawn_samples(tiny_model(), 9)
    for at in (1, 4, 7):
        first, second, third = steps[at - 1 : at + 2]
        whole = (*first.prompt_ids, *first.completion_ids, *second.prompt_ids)
        steps[at] = replace(second, prompt_ids=whole)
        steps[at + 1] = replace(third, prompt_ids=(*first.prompt_ids, *third.prompt_ids))
    return with_old_logprobs(tiny_model(), steps)


def trainer_of(policy: str, folder: Path, shared: bool, **settings: Any) -> StepwiseGRPOTrainer:
    args = GRPOConfig(
        str(folder),
        max_steps=2,
        per_device_train_batch_size=2,
        num_generations=2,
        gradient_accumulation_steps=settings.pop("pieces", 2),
        use_bias_correction_kl=False,
        beta=settings.pop("beta", 0.1),
        temperature=settings.pop("temperature", 1.0),
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_steps=1,
    )
    torch.manual_seed(0)  # a new adapter begins with random numbers
    return StepwiseGRPOTrainer(policy, args, lambda _: branching(), share_prefixes=shared, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"peft_config": UPPER},
        {"peft_config": WHOLE, "temperature": 0.7},
        {"peft_config": UPPER, "level": "action"},
        {"peft_config": UPPER, "normalize": "trajectory", "pieces": 3},
        {"peft_config": UPPER, "pieces": 5},
        {"beta": 0.0, "pieces": 1},
    ],
)
def test_loss_gradient_and_figures_equal_those_of_separate_sequences(tmp_path: Path, settings: dict[str, Any]) -> None:
    policy = save_policy(tmp_path / "policy")
    results = []
    for shared in (False, True):
        trainer = trainer_of(policy, tmp_path / str(shared), shared, **settings)
        results.append(moved_and_backward(trainer, 0.1))
    (separate, theirs), (together, ours) = results
    assert together == pytest.approx(separate, abs=1e-5)
    assert theirs.keys() == ours.keys()
    assert max(float(each.abs().max()) for each in theirs.values()) > 1e-3
    for name, gradient in theirs.items():
        assert torch.allclose(gradient, ours[name], atol=1e-5), name


def test_a_run_logs_the_same_and_says_what_it_shared(tmp_path: Path) -> None:
    policy = save_policy(tmp_path / "policy")
    # In one piece, because TRL logs the mean of the pieces' means.
    settings = {"peft_config": UPPER, "pieces": 1}
    runs = [trainer_of(policy, tmp_path / str(shared), shared, **settings) for shared in (False, True)]
    for trainer in runs:
        trainer.train()
    separate, together = (trainer.state.log_history for trainer in runs)
    for name in ("loss", "kl", "entropy", "ratio/mean", "ratio/max_deviation", "grad_norm"):
        assert [line[name] for line in separate[:2]] == pytest.approx([line[name] for line in together[:2]], abs=1e-5)
    assert together[1]["kl"] > 0
    assert 0.2 < together[0]["feed/shared"] < 0.8
    assert "feed/shared" not in separate[0]


def test_frozen_layers_are_those_below_the_first_trained_one() -> None:
    model = tiny_model()
    assert frozen_layers(model) == 0
    model.get_input_embeddings().requires_grad_(False)
    assert frozen_layers(model) == 0
    model.base_model.layers[0].requires_grad_(False)
    assert frozen_layers(model) == 1
    model.requires_grad_(False)
    assert frozen_layers(model) == 2


def test_what_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    other = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=40))
    with pytest.raises(UnknownModelError, match="leave train"):
        shared_piece(other, collate(branching(), PAD))
    args = GRPOConfig(str(tmp_path), max_steps=1, use_cpu=True, bf16=True, num_generations=2)
    with pytest.raises(ValueError, match="half precision"):
        StepwiseGRPOTrainer(tiny_model(), args, lambda _: [], share_prefixes=True)
