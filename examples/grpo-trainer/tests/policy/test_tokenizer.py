"""The tiny policy's tokenizer and chat template: nothing is lost, nothing shifts, prompts are short."""

from __future__ import annotations

import json

import pytest

from agemem_grpo.policy.tokenizer import CALL_END, CALL_HEADS, CALL_START, END, START, train_tokenizer

CORPUS = [
    "Mateo Solberg: In July Mateo Solberg took in a chinchilla.",
    "Which animal does Mateo Solberg keep now?",
    "Removed 1 message (context 760 -> 731 tokens). Edit esvd2h80d.",
    "mg2m4xcwy mbq5w476d 2026-11-21 0.63",
] * 3

BLOCK = (
    'It rained.\n\n<retrieved_memories query="It &quot;rained&quot;." count="2">\n'
    '<memory id="mg2m4xcwy" type="fact" updated="2026-11-21" score="0.63">Ada &amp; Bo: "> it &lt;was&gt;</memory>\n'
    '<memory id="mbq5w476d" already_in_context="true"/>\n'
    "</retrieved_memories>"
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(CORPUS, vocabulary=400)


def call(name: str, arguments: object) -> dict:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "text",
    [
        "Mateo Solberg keeps  two\tspaces\n\nand lines \n",
        "Ünïcode, 漢字, 🦔 and \u0000\u0007 control",
        '{"name": "Add_memory", "arguments": {"content": "a\\"b"}}',
        " leading and trailing ",
        BLOCK,
    ],
)
def test_any_text_survives(tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_marks_of_a_call_are_text_and_the_marks_of_a_turn_are_not(tokenizer) -> None:
    ids = tokenizer.encode(f"{CALL_START}x{CALL_END}{END}")
    assert len(ids) == 4
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"{CALL_START}x{CALL_END}"
    assert tokenizer.eos_token == END


@pytest.mark.parametrize("name", CALL_HEADS)
def test_choosing_a_tool_is_one_token(tokenizer, name: str) -> None:
    head = f'\n{{"name":"{name}","arguments":{{"{CALL_HEADS[name]}":"'
    assert len(tokenizer.encode(head)) == 1


def test_an_id_has_the_same_tokens_wherever_it_stands(tokenizer) -> None:
    for memory in ("mg2m4xcwy", "mbq5w476d", "m00000000", "mzzzzzzzz"):
        alone = tokenizer.encode(memory)
        places = (
            f"Stored as memory {memory}.",
            f'<memory id="{memory}">',
            f'\n{{"name":"Update_memory","arguments":{{"memory_id":"{memory}","content":"',
        )
        for text in places:
            ids = tokenizer.encode(text)
            assert any(ids[i : i + len(alone)] == alone for i in range(len(ids))), text


def conversation() -> list[dict]:
    return [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": BLOCK},
        {"role": "assistant", "content": "", "tool_calls": [call("Add_memory", '{"content":"it was"}')]},
        {"role": "tool", "content": "Stored as memory mg2m4xcwy.", "tool_call_id": "call_1"},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
        {"role": "assistant", "content": "a chinchilla"},
        {"role": "user", "content": 'a bare <retrieved_memories query="x" is text'},
    ]


TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in CALL_HEADS]


def render(tokenizer, messages: list[dict], generation: bool) -> str:
    return tokenizer.apply_chat_template(messages, tools=TOOLS, add_generation_prompt=generation, tokenize=False)


def test_a_conversation_that_grows_keeps_its_prompt(tokenizer) -> None:
    messages = conversation()
    whole = tokenizer.encode(render(tokenizer, messages, False))
    for end in range(1, len(messages)):
        prompt = render(tokenizer, messages[:end], messages[end]["role"] == "assistant")
        ids = tokenizer.encode(prompt)
        assert whole[: len(ids)] == ids, f"{end} messages"


def test_the_template_keeps_ids_and_contents_of_memories_and_names_of_tools(tokenizer) -> None:
    text = render(tokenizer, conversation(), True)
    assert '<retrieved_memories count="2">\n<memory id="mg2m4xcwy">Ada &amp; Bo: "> it &lt;was&gt;</memory>\n' in text
    assert '<memory id="mbq5w476d" already_in_context="true"/>\n</retrieved_memories>' in text
    assert "score" not in text
    assert "rained&quot;" not in text
    assert 'a bare <retrieved_memories query="x" is text' in text
    assert text.count("And now?") == 1
    assert all(text.count(f" {name}") == 1 for name in CALL_HEADS)
    assert text.endswith(f"{START}assistant\n")


@pytest.mark.parametrize("content", ["chinchilla", " chinchilla", [{"type": "text", "text": "chinchilla "}]])
def test_an_answer_is_the_token_it_was_in_the_text(tokenizer, content: object) -> None:
    messages = [{"role": "user", "content": "Mateo took in a chinchilla."}, {"role": "assistant", "content": content}]
    ids = tokenizer.encode(render(tokenizer, messages, False))
    word = tokenizer.encode(" chinchilla")
    assert sum(ids[i : i + len(word)] == word for i in range(len(ids))) == 2


def test_calls_are_in_hermes_form_however_the_arguments_come(tokenizer) -> None:
    arguments = {"memory_id": "m1", "content": "naïve"}
    expected = f"{CALL_START}\n" + json.dumps(
        {"name": "Update_memory", "arguments": arguments}, ensure_ascii=False, separators=(",", ":")
    )
    for given in (arguments, json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))):
        messages = [{"role": "assistant", "content": None, "tool_calls": [call("Update_memory", given)]}]
        assert f"{expected}\n{CALL_END}" in render(tokenizer, messages, False)


def test_the_same_corpus_gives_the_same_tokenizer(tokenizer) -> None:
    again = train_tokenizer(CORPUS, vocabulary=400)
    assert again.get_vocab() == tokenizer.get_vocab()
    with pytest.raises(ValueError, match="256"):
        train_tokenizer(CORPUS, vocabulary=100)
