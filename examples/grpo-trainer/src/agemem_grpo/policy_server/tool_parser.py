"""Tool calls in the text of a response, as Hermes and Qwen write them.

<tool_call>{"name": "Add_memory", "arguments": {"content": "…"}}</tool_call>

Owns reading them. If any call of a response is not well-formed, the response has no calls: all of it is content, as
with vLLM, so that the agent sees what the policy wrote. It is stricter than vLLM, because an unclosed call, a call
without arguments and numbers that JSON cannot hold are not well-formed, and more lenient, because a call may contain
the closing tag in a string. Leaves out whether the tool exists, which the agent decides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """`content` is the text outside the calls, or None if there is none."""

    content: str | None
    tool_calls: tuple[ToolCall, ...]


class _MalformedError(Exception):
    pass


def parse_tool_calls(text: str) -> Parsed:
    """Splits a response into content and calls. Never raises.

    >>> parse_tool_calls('<tool_call>{"name": "Add_memory", "arguments": {"content": "x"}}</tool_call>').tool_calls
    (ToolCall(name='Add_memory', arguments='{"content": "x"}'),)
    >>> parse_tool_calls("<tool_call>Add_memory</tool_call>").tool_calls
    ()
    """
    if OPEN not in text:
        return Parsed(text, ())
    try:
        outside, calls = _split(text)
    except _MalformedError:
        return Parsed(text, ())
    return Parsed(outside if outside.strip() else None, tuple(calls))


def _split(text: str) -> tuple[str, list[ToolCall]]:
    outside: list[str] = []
    calls: list[ToolCall] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        outside.append(text[at:start])
        call, at = _call(text, start + len(OPEN))
        calls.append(call)
    outside.append(text[at:])
    return "".join(outside), calls


def _call(text: str, start: int) -> tuple[ToolCall, int]:
    """The call whose JSON begins after `start`, and the end of its closing tag."""
    start += len(text[start:]) - len(text[start:].lstrip(_SPACE))
    try:
        value, end = _DECODER.raw_decode(text, start)
        call = _checked(value)
    # Deep nesting overflows the stack of the JSON reader, and a lone surrogate cannot be encoded.
    except (ValueError, RecursionError) as error:
        raise _MalformedError from error
    rest = text[end:].lstrip(_SPACE)
    if not rest.startswith(CLOSE):
        raise _MalformedError
    return call, len(text) - len(rest) + len(CLOSE)


def _checked(value: Any) -> ToolCall:
    if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
        raise _MalformedError
    name, arguments = value["name"], value["arguments"]
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise _MalformedError
    written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    (name + written).encode("utf-8")
    return ToolCall(name, written)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
