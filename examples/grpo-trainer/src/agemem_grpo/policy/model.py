"""The tiny policy's network: Qwen2's architecture with about a million parameters.

Owns the sizes, and heads that copy from the start. The architecture is one that transformers, TRL, PEFT and vLLM all
support, so that training and serving the tiny policy needs no code of its own.
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
    copying: bool = False,
    seed: int = 0,
) -> Qwen2ForCausalLM:
    """A model with random weights (float32, input and output embeddings shared).

    ``window`` is the longest context in tokens. ``init`` is the standard deviation of the weights; with the usual 0.02
    a model this narrow learns to copy names and ids much later. With ``copying`` it copies what it has read before any
    training: what followed the last token where that stood earlier. The same ``seed`` gives the same weights.
    Errors: ``ValueError`` when ``heads`` does not divide ``hidden``, or, with ``copying``, for other than 4 heads or
    fewer than 2 layers.

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
        rope_parameters={"rope_type": "default", "rope_theta": 100 * rope_theta if copying else rope_theta},
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=end,
        bos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = end
    if copying:
        if heads != 4 or layers < 2:
            raise ValueError("Copying from the start takes 4 heads and at least 2 layers")
        _copy_from_the_start(model)
    return model


@torch.no_grad()
def _copy_from_the_start(model: Qwen2ForCausalLM) -> None:
    """Sets three heads to an induction circuit, and lets the other parts begin quietly.

    Trained from random weights, a model this small does not find the circuit within a few thousand batches: it names a
    memory by letters that stand nowhere. A head of the first layer looks at the token before (its scores depend on the
    distance alone) and notes which it was; two heads of the second layer look for places that noted the current token,
    and hand on what stands there. All of it is trained like the rest.
    """
    hidden, width = model.config.hidden_size, model.config.hidden_size // 4
    half = width // 2
    # Directions without overlap: what is read of a token, where the token before is noted, what is handed on.
    basis = torch.linalg.qr(torch.randn(hidden, hidden)).Q
    read, noted, handed = basis[:width], basis[width : 2 * width], basis[2 * width :]
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.mul_(0.1)
        layer.mlp.down_proj.weight.mul_(0.1)

    first = model.model.layers[0].self_attn
    speed = model.config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
    quick = slice(0, half // 4)  # the pairs of dimensions whose rotation tells neighbors apart
    first.q_proj.weight[:width] = 0
    first.k_proj.weight[:width] = 0
    first.q_proj.bias[quick] = 9.0
    first.k_proj.bias[quick] = 9.0 * speed[quick].cos()
    first.k_proj.bias[half:width][quick] = 9.0 * speed[quick].sin()
    first.v_proj.weight[:width] = read
    first.o_proj.weight[:, :width] = 0.15 * noted.T

    second = model.model.layers[1].self_attn
    slow = torch.cat([torch.arange(half // 2, half), half + torch.arange(half // 2, half)])  # hardly rotated
    for head in range(2):
        part = slice(head * half, (head + 1) * half)
        own = slice(head * width, (head + 1) * width)
        for projection, directions in ((second.q_proj, read), (second.k_proj, noted)):
            projection.weight[own] = 0
            projection.weight[head * width + slow] = 3.5 * directions[part]
        second.v_proj.weight[own] = handed[own]
        second.o_proj.weight[:, own] = 0.4 * handed[own].T
