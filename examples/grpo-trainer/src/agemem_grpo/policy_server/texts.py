"""Converts between messages, texts and token ids: the chat template, and the text of sampled tokens.

Owns rendering prompts with the model's own template, decoding, and finding stop strings. Leaves out reading calls
(`tool_parser.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase

from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.policy_server.protocol import ChatRequest, Message

Json = dict[str, Any]


class Texts:
    """A tokenizer as the server uses it. The template comes from the folder that the server was started with."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._tokens: dict[int, str] = {}

    def prompt(self, request: ChatRequest) -> list[int]:
        """The ids of the rendered messages. Raises ApiError 400 when the template refuses them."""
        messages = [_for_template(message) for message in request.messages]
        tools = [tool.model_dump(exclude_none=True) for tool in request.tools or []]
        try:
            text = self.tokenizer.apply_chat_template(
                messages,
                tools=tools or None,
                add_generation_prompt=True,
                tokenize=False,
                **(request.chat_template_kwargs or {}),
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            message = f"The chat template refused the messages: {error}"
            raise ApiError(400, message, code="invalid_request", param="messages") from error
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def text(self, ids: list[int]) -> str:
        """Without special tokens, such as the one that ends the response."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def token(self, token: int) -> str:
        """One token by itself; part of a character becomes U+FFFD."""
        if token not in self._tokens:
            self._tokens[token] = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return self._tokens[token]

    def stop_finder(self, stops: list[str]) -> Callable[[list[int]], str | None] | None:
        """Finds the stop string that the last token completed; None without stop strings."""
        if not stops:
            return None
        # A token has at least one byte, except special ones, which have no text.
        reach = max(len(stop.encode()) for stop in stops) + 8

        def find(ids: list[int]) -> str | None:
            tail = self.text(ids[-reach:])
            return next((stop for stop in stops if stop in tail), None)

        return find


def cut_at_stop(text: str, stop: str | None) -> str:
    """The text before the stop string, as OpenAI's API returns it; the token ids stay complete."""
    return text if stop is None else text[: text.index(stop)] if stop in text else text


def _for_template(message: Message) -> Json:
    """A message as templates expect it: content as text, and arguments as objects (a string would be encoded twice)."""
    fields = message.model_dump(exclude_none=True)
    content = message.content
    fields["content"] = content if isinstance(content, str) else "".join(part.text for part in content or [])
    for call in fields.get("tool_calls") or []:
        try:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        except ValueError as error:
            what = f"The arguments of {call['function']['name']} in messages are not JSON: {error}"
            raise ApiError(400, what, code="invalid_request", param="messages") from error
    return fields
