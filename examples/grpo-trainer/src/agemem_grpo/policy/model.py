"""The tiny policy's network: Qwen2's architecture with about a million parameters.

Owns the sizes. The architecture is one that transformers, TRL, PEFT and vLLM all support, so that training and serving
the tiny policy needs no code of its own.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 128,
    layers: int = 4,
    heads: int = 4,
    window: int = 2048,
    init: float = 0.05,
    rope_theta: float = 10_000.0,
    seed: int = 0,
) -> Qwen2ForCausalLM:
    """A model with random weights (float32, input and output embeddings shared).

    ``window`` is the longest context in tokens. ``init`` is the standard deviation of the weights; with the usual 0.02
    a model this narrow learns to copy names and ids much later. The same ``seed`` gives the same weights.
    Errors: ``ValueError`` when ``heads`` does not divide ``hidden``.

    >>> build_model(tokenizer).num_parameters()  # doctest: +SKIP
    1236736
    """
    if hidden % heads:
        raise ValueError(f"{heads} heads do not divide {hidden} hidden units")
    torch.manual_seed(seed)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=window,
        tie_word_embeddings=True,
        initializer_range=init,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=end,
        bos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = end
    return model
