"""The chat completions request and response in vLLM's shape: OpenAI's with token ids.

Owns which fields there are and what they may hold. A field that would change the distribution and is not supported is
refused rather than ignored, because log-probabilities would be silently wrong. Leaves out generating.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agemem_grpo.policy_server.engine import Completion
from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.policy_server.tool_parser import Parsed

Json = dict[str, Any]
_Body = TypeVar("_Body", bound=BaseModel)


class _Lenient(BaseModel):
    """Messages and tools go to the chat template, which may use more fields than are named here."""

    model_config = ConfigDict(extra="allow")


class TextPart(_Lenient):
    type: Literal["text"]
    text: str


class FunctionCall(_Lenient):
    name: str
    arguments: str


class CallMessage(_Lenient):
    id: str | None = None
    function: FunctionCall


class Message(_Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[CallMessage] | None = None


class Function(_Lenient):
    name: Annotated[str, Field(min_length=1)]


class Tool(_Lenient):
    type: Literal["function"]
    function: Function


_Neutral0 = Annotated[float, Field(ge=0, le=0)]
_Stop = Annotated[str, Field(min_length=1)]


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    """As with vLLM, "none" shows the tools to the model but reads no calls."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Default 1."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Default 1."""
    top_k: Annotated[int, Field(ge=-1)] | None = None
    """0, -1 and the default allow all tokens."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Default and maximum: the space left in the window."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Field(max_length=16)] | None = None
    ignore_eos: bool = False
    seed: int | None = None
    logprobs: bool | None = None
    return_token_ids: bool | None = None
    return_tokens_as_token_ids: bool | None = None
    stream: bool | None = None
    stream_options: Json | None = None
    chat_template_kwargs: Json | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    # These change the distribution and are not supported: only values without effect are accepted.
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    presence_penalty: _Neutral0 | None = None
    frequency_penalty: _Neutral0 | None = None
    min_p: _Neutral0 | None = None
    repetition_penalty: Annotated[float, Field(ge=1, le=1)] | None = None
    # These do not affect the tokens.
    user: str | None = None
    metadata: Json | None = None
    store: bool | None = None
    parallel_tool_calls: bool | None = None

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def reads_calls(self) -> bool:
        return bool(self.tools) and self.tool_choice != "none"


class WeightsUpdate(BaseModel):
    """The body of POST /update_weights: a folder of the server's machine, and the number its weights get."""

    model_config = ConfigDict(extra="forbid", strict=True)

    path: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=0)]


def read_request(body: bytes) -> ChatRequest:
    """Raises ApiError 400 that names the first wrong field."""
    return _read(ChatRequest, body)


def read_update(body: bytes) -> WeightsUpdate:
    """Raises ApiError 400 that names the first wrong field."""
    return _read(WeightsUpdate, body)


def _read(kind: type[_Body], body: bytes) -> _Body:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        message = first["msg"] if param is None else f"{param}: {first['msg']}"
        raise ApiError(400, message, code="invalid_request", param=param) from error


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that a response contains."""

    request: ChatRequest
    prompt: list[int]
    completion: Completion
    parsed: Parsed
    token_texts: list[str]

    @property
    def finish_reason(self) -> str:
        """A response that was cut off is reported so, even after a complete call."""
        calls = self.parsed.tool_calls and self.completion.finish_reason == "stop"
        return "tool_calls" if calls else self.completion.finish_reason


def response(answer: Answer) -> Json:
    """The body of an answer that does not stream."""
    message: Json = {"role": "assistant", "content": answer.parsed.content, "refusal": None}
    message["tool_calls"] = _calls(answer)
    choice = {"index": 0, "message": message, **_choice(answer)}
    ids = {"prompt_token_ids": answer.prompt} if answer.request.return_token_ids else {}
    return {**_head(answer, "chat.completion"), **ids, "choices": [choice], "usage": _usage(answer)}


def chunks(answer: Answer) -> Iterator[str]:
    """The server-sent events of an answer that streams. All tokens come in one delta, after the prompt's ids."""
    head = _head(answer, "chat.completion.chunk")
    ids = {"prompt_token_ids": answer.prompt} if answer.request.return_token_ids else {}
    start = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    yield _event({**head, **ids, "choices": [start]})
    delta: Json = {"content": answer.parsed.content}
    if calls := _calls(answer):
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
    yield _event({**head, "choices": [{"index": 0, "delta": delta, **_choice(answer)}]})
    if (answer.request.stream_options or {}).get("include_usage"):
        yield _event({**head, "choices": [], "usage": _usage(answer)})
    yield "data: [DONE]\n\n"


def _head(answer: Answer, kind: str) -> Json:
    version = answer.completion.policy_version
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": answer.request.model,
        "system_fingerprint": f"agemem-grpo-v{version}",
        "policy_version": version,
    }


def _choice(answer: Answer) -> Json:
    request, completion = answer.request, answer.completion
    ids = {"token_ids": completion.token_ids} if request.return_token_ids else {}
    return {
        "finish_reason": answer.finish_reason,
        "stop_reason": completion.stop_reason,
        "logprobs": {"content": _logprobs(answer)} if request.logprobs else None,
        **ids,
    }


def _logprobs(answer: Answer) -> list[Json]:
    content = []
    completion = answer.completion
    for token, text, logprob in zip(completion.token_ids, answer.token_texts, completion.logprobs, strict=True):
        shown = f"token_id:{token}" if answer.request.return_tokens_as_token_ids else text
        content.append({"token": shown, "logprob": logprob, "bytes": list(text.encode()), "top_logprobs": []})
    return content


def _calls(answer: Answer) -> list[Json]:
    return [
        {
            "id": f"chatcmpl-tool-{uuid.uuid4().hex}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in answer.parsed.tool_calls
    ]


def _usage(answer: Answer) -> Json:
    prompt, completion = len(answer.prompt), len(answer.completion.token_ids)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _event(body: Json) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
