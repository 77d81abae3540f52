"""Dequantizing: a small GGUF file, written here with the format's own library, becomes a folder that can be served."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from agemem_grpo.policy.gguf import GgufError, dequantize
from agemem_grpo.policy_server.loading import load_model, load_tokenizer

HIDDEN, FEED, HEADS, LAYERS = 64, 96, 2, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def symbols() -> list[str]:
    """The 256 characters that stand for bytes in GPT-2's vocabulary."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shown = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        shown.setdefault(byte, chr(256 + len([each for each in range(byte) if each not in kept])))
    return [shown[byte] for byte in range(256)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A Llama of two layers, its matrices in blocks of eight bits (Q8_0)."""
    chance = np.random.default_rng(3)
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    tokens = [*SPECIAL, *symbols(), "He", "Ġl"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(["H e", "Ġ l"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)

    def matrix(name: str, rows: int, columns: int) -> None:
        values = chance.normal(0, 0.1, (rows, columns)).astype(np.float32)
        packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    matrix("token_embd.weight", len(tokens), HIDDEN)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(HIDDEN, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{part}.weight", HIDDEN, HIDDEN)
        for part in ("ffn_gate", "ffn_up"):
            matrix(f"blk.{layer}.{part}.weight", FEED, HIDDEN)
        matrix(f"blk.{layer}.ffn_down.weight", HIDDEN, FEED)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_folder_has_the_weights_that_the_quantized_numbers_stand_for(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    count = dequantize(file, out)
    model = load_model(out, device="cpu", dtype=torch.float32)
    assert count == model.num_parameters()
    held = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    for name, values in (
        ("token_embd.weight", model.get_input_embeddings().weight),
        ("token_embd.weight", model.get_output_embeddings().weight),
        ("blk.1.ffn_down.weight", model.model.layers[1].mlp.down_proj.weight),
    ):
        expected = gguf.quants.dequantize(held[name].data, held[name].tensor_type)
        np.testing.assert_array_equal(values.numpy(), expected)


def test_the_template_names_the_tools_and_keeps_a_prompt_when_the_conversation_grows(
    file: Path, tmp_path: Path
) -> None:
    dequantize(file, tmp_path / "out")
    tokenizer = load_tokenizer(tmp_path / "out")
    tool = {"name": "Update_memory", "parameters": {"required": ["memory_id", "content"], "properties": {}}}
    call = {"type": "function", "function": {"name": "Update_memory", "arguments": {"memory_id": "m1", "content": "x"}}}
    found = '<retrieved_memories query="Ada" count="1">\n<memory id="m1" type="fact" score="0.9">Hi</memory>'
    messages = [
        {"role": "system", "content": "Manage."},
        {"role": "user", "content": found},
        {"role": "assistant", "content": "", "tool_calls": [call, call]},
        {"role": "tool", "content": "Updated."},
    ]

    def shown(count: int, ask: bool) -> str:
        tools = [{"type": "function", "function": tool}]
        given = tokenizer.apply_chat_template(messages[:count], tools=tools, tokenize=False, add_generation_prompt=ask)
        return str(given)

    assert "Tools: Update_memory(memory_id, content)\n" in shown(1, False)
    assert '<retrieved_memories count="1">\n<memory id="m1">Hi</memory>' in shown(2, True)
    written = '<tool_call>{"name":"Update_memory","arguments":{"memory_id":"m1","content":"x"}}</tool_call>'
    assert shown(3, False) == f"{shown(2, True)}{written}\n{written}<|im_end|>\n"
    assert shown(4, True).startswith(shown(3, False))


def test_text_survives_the_tokenizer(file: Path, tmp_path: Path) -> None:
    dequantize(file, tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer("He lives in Łódź.", add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == "He lives in Łódź."
    assert tokenizer.convert_ids_to_tokens(ids)[:2] == ["He", "Ġl"]
    assert tokenizer.eos_token == "<|im_end|>"


def test_what_cannot_be_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(GgufError, match="npm run models"):
        dequantize(tmp_path / "missing.gguf", tmp_path / "out")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF, or not")
    with pytest.raises(GgufError, match="cannot be read"):
        dequantize(tmp_path / "broken.gguf", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(FileExistsError, match="name a new folder"):
        dequantize(tmp_path / "broken.gguf", tmp_path / "full")
