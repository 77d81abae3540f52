"""The routes: OpenAI's for clients, `/update_weights` and `/health` for the trainer.

Owns HTTP. When a client hangs up, its row is dropped. Leaves out generating (`engine.py`) and shapes (`protocol.py`).
Anyone who can reach the address can load any folder of this machine: bind it to the loopback interface, or protect it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agemem_grpo.policy_server.engine import Completion, Job
from agemem_grpo.policy_server.errors import ApiError, WeightsError
from agemem_grpo.policy_server.hangup import unless_gone
from agemem_grpo.policy_server.protocol import Answer, ChatRequest, chunks, read_request, read_update, response
from agemem_grpo.policy_server.sampling import Sampling
from agemem_grpo.policy_server.texts import cut_at_stop
from agemem_grpo.policy_server.tool_parser import Parsed, parse_tool_calls

if TYPE_CHECKING:
    from agemem_grpo.policy_server.policy_server import PolicyServer


class Calls(Protocol):
    """What a policy server does; every error is an :class:`ApiError`."""

    async def chat(self, request: Request) -> Response: ...

    async def models(self, request: Request, /) -> Response: ...

    async def health(self, request: Request, /) -> Response: ...

    async def update_weights(self, request: Request) -> Response: ...


def application(calls: Calls) -> Starlette:
    """The ASGI application of a policy server: its addresses, and errors in OpenAI's form."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", calls.chat, methods=["POST"]),
            Route("/v1/models", calls.models),
            Route("/health", calls.health),
            Route("/update_weights", calls.update_weights, methods=["POST"]),
        ],
        exception_handlers={ApiError: refuse, HTTPException: no_route},
    )


def create_app(server: PolicyServer) -> Starlette:
    """The ASGI application over a server's parts."""
    return application(_Routes(server))


class _Routes:
    def __init__(self, server: PolicyServer) -> None:
        self.server = server
        self.started = int(time.time())

    async def chat(self, request: Request) -> Response:
        asked = read_request(await request.body())
        if asked.model != self.server.options.model_name:
            name = self.server.options.model_name
            message = f"The model {asked.model!r} does not exist; this server has {name!r}"
            raise ApiError(404, message, code="model_not_found", param="model")
        job = self._job(asked)
        completion = await unless_gone(request, asyncio.wrap_future(self.server.engine.submit(job)))
        if completion is None:
            # Nobody reads this answer; 499 is what proxies log for a client that hung up.
            return Response(status_code=499)
        answer = self._answer(asked, job, completion)
        if asked.stream:
            return StreamingResponse(chunks(answer), media_type="text/event-stream")
        return JSONResponse(response(answer))

    def _job(self, asked: ChatRequest) -> Job:
        server = self.server
        prompt = server.texts.prompt(asked)
        room = server.window - len(prompt)
        if not prompt or room < 1:
            message = (
                f"This model's maximum context length is {server.window} tokens, prompt and response together; "
                f"the messages have {len(prompt)}"
            )
            raise ApiError(400, message, code="context_length_exceeded", param="messages")
        return Job(
            prompt,
            max_tokens=min(asked.limit or room, room),
            stop_tokens=frozenset() if asked.ignore_eos else server.stop_tokens,
            sampling=Sampling(
                temperature=1.0 if asked.temperature is None else asked.temperature,
                top_p=1.0 if asked.top_p is None else asked.top_p,
                top_k=max(asked.top_k or 0, 0),
            ),
            seed=asked.seed,
            find_stop=server.texts.stop_finder(asked.stops),
        )

    def _answer(self, asked: ChatRequest, job: Job, completion: Completion) -> Answer:
        texts = self.server.texts
        text = cut_at_stop(texts.text(completion.token_ids), completion.stop_reason)
        parsed = parse_tool_calls(text) if asked.reads_calls else Parsed(text, ())
        token_texts = [texts.token(token) for token in completion.token_ids] if asked.logprobs else []
        return Answer(asked, job.prompt, completion, parsed, token_texts)

    async def models(self, _: Request) -> Response:
        server = self.server
        model = {
            "id": server.options.model_name,
            "object": "model",
            "created": self.started,
            "owned_by": "agemem-grpo",
            "root": server.root,
            "max_model_len": server.window,
            "policy_version": server.version,
        }
        return JSONResponse({"object": "list", "data": [model]})

    async def health(self, _: Request) -> Response:
        server = self.server
        return JSONResponse({"status": "ok", "policy_version": server.version, **server.engine.figures()})

    async def update_weights(self, request: Request) -> Response:
        update = read_update(await request.body())
        try:
            await run_in_threadpool(self.server.update_weights, update.path, update.version)
        except WeightsError as error:
            message = f"{error} Version {self.server.version} stays in use."
            raise ApiError(400, message, code="weights_refused", param="path") from error
        return JSONResponse({"status": "ok", "policy_version": self.server.version})


async def refuse(_: Request, error: Exception) -> Response:
    """The answer for an ApiError."""
    if not isinstance(error, ApiError):
        raise error
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers())


async def no_route(request: Request, error: Exception) -> Response:
    """The answer for an unknown address or method."""
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail}"
    return await refuse(request, ApiError(error.status_code, message, code="not_found"))
