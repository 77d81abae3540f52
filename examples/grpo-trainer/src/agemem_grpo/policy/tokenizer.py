"""The tiny policy's tokenizer: byte-level BPE trained on its own corpus, with Qwen's special tokens.

Owns the vocabulary and the phrases that are one token each. Leaves out what the corpus is (`rows.py`) and the order of
a prompt (`chat_template.jinja`).

A model of a million parameters copies names and ids well when they have few tokens, and its prompts are short when the
phrases that agemem repeats in every prompt are one token each. Both only shorten prompts: any text survives encoding
and decoding, and if agemem's wording changes, prompts become longer, not wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CALL_START, CALL_END = "<tool_call>", "</tool_call>"

CALL_HEADS = {
    "Add_memory": "content",
    "Update_memory": "memory_id",
    "Delete_memory": "memory_id",
    "Retrieve_memory": "query",
    "Summary_context": "span",
    "Filter_context": "criteria",
}
"""A tool and its first argument, so that choosing a tool, which GRPO has to learn, is one token."""

PHRASES: tuple[str, ...] = (
    *(f'\n{{"name":"{name}","arguments":{{"{first}":"' for name, first in CALL_HEADS.items()),
    '"}}\n',
    '","content":"',
    '","confirmation":true}}\n',
    *(f" {name}" for name in CALL_HEADS),
    *(f"{role}\n" for role in ("system", "user", "assistant", "tool")),
    "\nTools:",
    "You are a helpful assistant.\n\nManage your memory with the tools. Respond with tool calls or a final answer.\n\n",
    "Context: about ",
    "% of 8192 tokens used.",
    '\n\n<retrieved_memories count="',
    '<retrieved_memories count="',
    '">\n</retrieved_memories>',
    '">\n<memory id="',
    '<memory id="',
    '" already_in_context="true"/>\n',
    "</memory>\n",
    "</retrieved_memories>",
    " message (context ",
    " messages (context ",
    " -> ",
    " tokens). Edit ",
    "Stored as memory ",
    "Updated memory ",
    "Deleted memory ",
)
"""Agemem's fixed wording around the variable parts of a prompt."""

# Words with the space before them, single digits (for ids and dates), single other characters.
WORDS = Regex(r" ?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\s")


def train_tokenizer(texts: Iterable[str], *, vocabulary: int = 1536) -> PreTrainedTokenizerFast:
    """Trains the tokenizer on ``texts`` and gives it the chat template.

    ``vocabulary`` is the most tokens BPE may have; phrases and special tokens are added to it. The same texts give the
    same tokenizer. Errors: ``ValueError`` when ``vocabulary`` does not hold the 256 bytes.

    >>> tokenizer = train_tokenizer(["In May Ivo Hale settled in Graz."] * 3)
    >>> tokenizer.decode(tokenizer.encode("Ivo Hale"))
    'Ivo Hale'
    """
    if vocabulary < 256:
        raise ValueError(f"A byte-level vocabulary has at least 256 tokens, not {vocabulary}")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(WORDS, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    inner.add_special_tokens([AddedToken(text, special=True) for text in (PAD, START, END)])
    # As in Qwen's tokenizers, the marks of a call are text that a parser reads, so decoding keeps them.
    inner.add_tokens([AddedToken(text, special=False, normalized=False) for text in (CALL_START, CALL_END, *PHRASES)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=chat_template(),
    )


def chat_template() -> str:
    """The template's text."""
    return (Path(__file__).parent / "chat_template.jinja").read_text()
