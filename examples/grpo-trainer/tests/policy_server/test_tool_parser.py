"""Tool calls in texts: what is read, and that nothing else is."""

from __future__ import annotations

import json
import random
import re

import pytest

from agemem_grpo.policy_server.tool_parser import ToolCall, parse_tool_calls

ADD = '<tool_call>\n{"name": "Add_memory", "arguments": {"content": "Ann lives in Oslo"}}\n</tool_call>'


def test_reads_calls_in_order_and_leaves_the_text_outside() -> None:
    other = '<tool_call>{"arguments": {"query": "Ann"}, "name": "Retrieve_memory"}</tool_call>'
    parsed = parse_tool_calls(f"I store it. {ADD}\n{other} Done.")
    assert parsed.content == "I store it. \n Done."
    assert parsed.tool_calls == (
        ToolCall("Add_memory", '{"content": "Ann lives in Oslo"}'),
        ToolCall("Retrieve_memory", '{"query": "Ann"}'),
    )


def test_has_no_content_when_there_are_only_calls() -> None:
    assert parse_tool_calls(f"\n{ADD}\n").content is None


def test_keeps_text_without_calls_as_it_is() -> None:
    assert parse_tool_calls(" Oslo\n").content == " Oslo\n"
    assert parse_tool_calls("").content == ""


def test_takes_the_closing_tag_within_a_string() -> None:
    text = '<tool_call>{"name": "a", "arguments": {"content": "</tool_call>"}}</tool_call>'
    assert parse_tool_calls(text).tool_calls == (ToolCall("a", '{"content": "</tool_call>"}'),)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "Add_memory",
        "[]",
        '"Add_memory"',
        '{"name": "a"}',
        '{"arguments": {}}',
        '{"name": "", "arguments": {}}',
        '{"name": 1, "arguments": {}}',
        '{"name": "a", "arguments": "{}"}',
        '{"name": "a", "arguments": [1]}',
        '{"name": "a", "arguments": null}',
        '{"name": "a", "arguments": {}, "more": 1}',
        '{"name": "a", "arguments": {"x": NaN}}',
        '{"name": "a", "arguments": {"x": Infinity}}',
        '{"name": "a", "arguments": {"x": 1e999}}',
        '{"name": "a", "arguments": {"x": "\\ud800"}}',
        '{"name": "a", "arguments": {}} {"name": "b", "arguments": {}}',
        '{"name": "a", "arguments": {}',
        "{'name': 'a', 'arguments': {}}",
        '{"name": "a", "arguments": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"name": "a", "arguments": {"x": ' + "9" * 10_000 + "}}",
    ],
)
def test_makes_no_call_of_what_is_not_well_formed(inside: str) -> None:
    text = f"{ADD}<tool_call>{inside}</tool_call>"
    assert parse_tool_calls(text) == (type(parse_tool_calls(""))(text, ()))


@pytest.mark.parametrize("text", ["<tool_call>", ADD[:-1], "<tool_call>" + ADD, ADD + "<tool_call>"])
def test_makes_no_call_of_an_open_tag(text: str) -> None:
    parsed = parse_tool_calls(text)
    assert (parsed.content, parsed.tool_calls) == (text, ())


PIECES = [
    "<tool_call>",
    "</tool_call>",
    '{"name": ',
    '"Add_memory"',
    ', "arguments": ',
    '{"x": "y"}',
    "{}",
    "}",
    "{",
    "\n",
]
PIECES += ["[", '"', "\\", "\ud800", "é", "null", ADD, "1e999", "NaN", ",", ":"]


def test_never_raises_and_never_invents_a_call() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    calls = 0
    for _ in range(20_000):
        text = "".join(rng.choices(PIECES, k=rng.randrange(12)))
        if rng.random() < 0.5:
            text = mutated(ADD * rng.randrange(1, 3), rng)
        parsed = parse_tool_calls(text)
        calls += len(parsed.tool_calls)
        if not parsed.tool_calls:
            assert parsed.content == text
            continue
        # The oracle reads differently: calls that hold no tags are what is between two tags.
        blocks = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL)
        assert len(blocks) == len(parsed.tool_calls) == text.count("<tool_call>")
        for block, call in zip(blocks, parsed.tool_calls, strict=True):
            assert json.loads(block) == {"name": call.name, "arguments": json.loads(call.arguments)}
            assert isinstance(json.loads(call.arguments), dict)
    assert calls > 100, "the fuzzer makes well-formed calls too, or it shows nothing"


def mutated(text: str, rng: random.Random) -> str:
    letters = list(text)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(letters))
        letters[at : at + rng.randrange(3)] = rng.choice(['"', "{", "}", "<", "", "x", "\\", "\x00"])
    return "".join(letters)
