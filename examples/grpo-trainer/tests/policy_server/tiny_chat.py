"""A random chat model of a few thousand parameters with a byte-level tokenizer and a chat template. For tests only."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

TEMPLATE = """\
{%- if tools %}<|im_start|>tools
{% for tool in tools %}{{ tool.function.name }} {% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == "robot" %}{{ raise_exception("no robots") }}{% endif %}<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte, the special ones, and the tags of calls, which are text."""
    tokens = {letter: at for at, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(tag, special=False) for tag in ("<tool_call>", "</tool_call>")])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    return fast


def tiny_model(seed: int = 0, **changes: int) -> Qwen2ForCausalLM:
    """Weights are large enough that tokens differ in probability."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "initializer_range": 0.3,
    }
    return Qwen2ForCausalLM(Qwen2Config(**{**settings, **changes})).eval()


def save_policy(folder: Path, seed: int = 0, **changes: int) -> Path:
    tiny_model(seed, **changes).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def plain_logps(model: Qwen2ForCausalLM, prompts: list[list[int]], completions: list[list[int]]) -> list[list[float]]:
    """What a trainer computes: one padded batch, prompts on the left, and attention mask only."""
    width = max(map(len, prompts))
    tail = max(map(len, completions))
    ids = torch.zeros((len(prompts), width + tail), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        both = torch.tensor(prompt + completion)
        span = slice(width - len(prompt), width + len(completion))
        ids[row, span], mask[row, span] = both, 1
    with torch.no_grad():
        logps = torch.log_softmax(model(input_ids=ids, attention_mask=mask).logits.float(), dim=-1)
    found = logps[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return [found[row, width - 1 : width - 1 + len(one)].tolist() for row, one in enumerate(completions)]
