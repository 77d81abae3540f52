"""vLLM with the interface of our own policy server.

Owns `/update_weights` for a vLLM server: requests wait while an adapter replaces the previous one, so that each
response comes from one set of weights. Leaves out full weights, which TRL's asynchronous trainer sends to vLLM itself.

A gateway that was just started has no version: it refuses to generate until weights have been published to it, so that
the base model never answers for a trained policy.

vLLM must be 0.22 or newer and run with `--enable-lora`, VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and
VLLM_SERVER_DEV_MODE=1 (for `/reset_prefix_cache`: keys and values of the old adapter would be used for the new one).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agemem_grpo.policy_server.app import application
from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.policy_server.hangup import unless_gone
from agemem_grpo.policy_server.loading import ADAPTER
from agemem_grpo.policy_server.protocol import read_update

Json = dict[str, Any]

NEEDED = (0, 22)
"""The version that TRL's asynchronous trainer requires too. Older ones lack token ids (before 0.10.2) or cannot replace
an adapter in place; which versions in between would work was not checked."""

LORA_NAME = "agemem-policy"
"""The name of the adapter in vLLM."""


class Gateway:
    """One vLLM server, the adapter it serves, and the pending requests."""

    def __init__(self, upstream: httpx.AsyncClient, *, model_name: str = "policy") -> None:
        self.upstream = upstream
        self.model_name = model_name
        self.version: int | None = None
        """Number of the published weights; None until some are."""
        self.base = self.root = self.serving = self.upstream_version = ""
        self._under_way = 0
        self._changed = asyncio.Condition()
        self._updating = False

    async def connect(self) -> None:
        """Reads what vLLM serves. Raises ApiError 502 when vLLM cannot be reached or is not set up for this."""
        self.upstream_version = str((await self._call("GET", "/version"))["version"])
        if _release(self.upstream_version) < NEEDED:
            message = f"vLLM is {self.upstream_version}; {'.'.join(map(str, NEEDED))} or newer is needed. Update vLLM."
            raise ApiError(502, message, code="upstream")
        models = (await self._call("GET", "/v1/models"))["data"]
        self.base, self.root = models[0]["id"], models[0]["root"]
        self.serving = self.base
        await self._call("POST", "/reset_prefix_cache")

    async def chat(self, request: Request) -> Response:
        body = await request.body()
        try:
            asked = json.loads(body)
        except ValueError as error:
            raise ApiError(400, f"The body is not JSON: {error}", code="invalid_request") from error
        if not isinstance(asked, dict) or asked.get("model") != self.model_name:
            raise ApiError(404, f"This server has {self.model_name!r}", code="model_not_found", param="model")
        if asked.get("stream"):
            raise ApiError(400, "This gateway does not stream", code="invalid_request", param="stream")
        answer = await unless_gone(request, self._ask(asked))
        return answer or Response(status_code=499)

    async def _ask(self, asked: Json) -> Response:
        async with self._admitted():
            version = self.version
            if version is None:
                message = "No weights have been published since the gateway was started: POST /update_weights"
                raise ApiError(503, message, code="no_weights", retry_after=2)
            answer = await self._send("POST", "/v1/chat/completions", {**asked, "model": self.serving})
        if not answer.is_success:
            kept = {name: answer.headers[name] for name in ("retry-after", "content-type") if name in answer.headers}
            return Response(answer.content, answer.status_code, kept)
        return JSONResponse({**answer.json(), "model": self.model_name, "policy_version": version})

    async def update_weights(self, request: Request) -> Response:
        update = read_update(await request.body())
        folder = Path(update.path)
        adapter = (folder / ADAPTER).is_file()
        if not adapter and str(folder) != str(Path(self.root)):
            message = f"{folder} is neither an adapter nor {self.root}, which vLLM serves. Train with LoRA here."
            raise ApiError(400, message, code="weights_refused", param="path")
        async with self._alone():
            if adapter:
                load = {"lora_name": LORA_NAME, "lora_path": str(folder), "load_inplace": True}
                await self._call("POST", "/v1/load_lora_adapter", load, refused="weights_refused")
                await self._call("POST", "/reset_prefix_cache")
            self.serving = LORA_NAME if adapter else self.base
            self.version = update.version
        return JSONResponse({"status": "ok", "policy_version": self.version})

    async def models(self, _: Request) -> Response:
        model = {"id": self.model_name, "object": "model", "owned_by": "agemem-grpo", "root": self.root}
        return JSONResponse({"object": "list", "data": [{**model, "policy_version": self.version}]})

    async def health(self, _: Request) -> Response:
        await self._call("GET", "/health")
        status = "ok" if self.version is not None else "no_weights"
        return JSONResponse({"status": status, "policy_version": self.version, "active": self._under_way})

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._updating)
            self._under_way += 1
        try:
            yield
        finally:
            async with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._updating)
            self._updating = True
            await self._changed.wait_for(lambda: self._under_way == 0)
        try:
            yield
        finally:
            async with self._changed:
                self._updating = False
                self._changed.notify_all()

    async def _send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        try:
            return await self.upstream.request(method, path, json=body)
        except httpx.TransportError as error:
            # The client retries after 503, because vLLM may be starting.
            raise ApiError(503, f"vLLM does not answer: {error!r}", code="upstream", retry_after=2) from error

    async def _call(self, method: str, path: str, body: Json | None = None, *, refused: str = "upstream") -> Any:
        answer = await self._send(method, path, body)
        if not answer.is_success:
            status = 400 if answer.status_code < 500 and refused != "upstream" else 502
            message = f"vLLM answered {path} with {answer.status_code}: {answer.text[:500]}. See how it must run."
            raise ApiError(status, message, code=refused)
        return answer.json() if answer.headers.get("content-type", "").startswith("application/json") else None


def _release(version: str) -> tuple[int, ...]:
    """``"0.22.1rc2+cu130"`` as ``(0, 22, 1)``; a text that is not a version sorts before all."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def create_gateway(gateway: Gateway) -> Starlette:
    """The ASGI application over a gateway."""
    return application(gateway)
