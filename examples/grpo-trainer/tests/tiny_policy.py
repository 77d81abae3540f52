"""A random language model of a few thousand parameters, and samples that it drew itself. For tests only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from agemem_grpo.feed.samples import Sample, collate
from agemem_grpo.training.objective import token_logps

VOCABULARY = 40
ON_A_PROCESSOR: dict[str, Any] = {
    "beta": 0.1,
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "save_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
}
"""Arguments of GRPOConfig for a run that leaves nothing behind."""
PAD, END = 0, 1


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float32) -> Qwen3ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=128,
        pad_token_id=PAD,
        eos_token_id=END,
        bos_token_id=None,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).to(dtype).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    words = {"<pad>": PAD, "<end>": END, **{f"w{i}": i for i in range(2, VOCABULARY)}}
    tokenizer = Tokenizer(WordLevel(words, unk_token="w2"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


def save_policy(folder: Path, seed: int = 0) -> str:
    tiny_model(seed).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


def drawn_samples(model: Qwen3ForCausalLM, count: int = 6, seed: int = 0) -> list[Sample]:
    """Samples of random lengths with the log-probabilities of the model, three per trajectory, advantages +1 and -1.

    The second token of every third completion is masked, as a token that the policy did not sample.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(2, VOCABULARY, (length,), generator=generator).tolist())

    def length(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    samples = []
    for i in range(count):
        completion = (*draw(length(2, 7)), END)
        mask = tuple(0 if i % 3 == 2 and j == 1 else 1 for j in range(len(completion)))
        blank = Sample(
            prompt_ids=draw(length(3, 9)),
            completion_ids=completion,
            old_logprobs=(0.0,) * len(completion),
            completion_mask=mask,
            advantage=1.0 if i // 3 % 2 == 0 else -1.0,
            trajectory_id=f"t{i // 3}",
            trajectory_weight=0.0,
            policy_version=0,
            group_id="g",
            stage=1 + i % 3,
        )
        samples.append(blank)
    return with_old_logprobs(model, samples)


def with_old_logprobs(model: Qwen3ForCausalLM, samples: list[Sample]) -> list[Sample]:
    """The samples with log-probabilities by the model, each computed alone and without padding, and their weights."""
    from dataclasses import replace

    tokens: dict[str, int] = {}
    for one in samples:
        tokens[one.trajectory_id] = tokens.get(one.trajectory_id, 0) + sum(one.completion_mask)
    scored = []
    for one in samples:
        with torch.no_grad():
            logps = token_logps(model, collate([one], PAD))[0].tolist()
        scored.append(replace(one, old_logprobs=tuple(logps), trajectory_weight=1 / tokens[one.trajectory_id]))
    return scored


def moved_and_backward(trainer: Any, by: float) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of a step, after weights moved at random, so that ratios, clipping and KL all count."""
    model = trainer.model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(by * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    pieces = trainer.args.gradient_accumulation_steps
    trainer.current_gradient_accumulation_steps = pieces
    total = 0.0
    for piece in range(pieces):
        trainer._step = piece
        loss = trainer.compute_loss(model, trainer._prepare_inputs([]))
        loss.backward()
        total += loss.item()
    return total, {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
