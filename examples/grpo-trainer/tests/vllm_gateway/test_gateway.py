"""The gateway against a stand-in for vLLM's routes. vLLM itself is not run here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.vllm_gateway.gateway import Gateway, create_gateway

CHAT = {"model": "policy", "messages": [{"role": "user", "content": "x"}], "top_k": 5}


class StandIn:
    """Says which weights each request met, and in which order calls came."""

    def __init__(self, base: Path, *, dev_mode: bool = True, version: str = "0.22.0") -> None:
        self.version = version
        self.base = base
        self.dev_mode = dev_mode
        self.adapter = ""
        self.calls: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def chat(self, request: Request) -> Response:
        asked = await request.json()
        self.calls.append(f"chat {asked['model']}")
        weights = "base" if asked["model"] == "qwen" else self.adapter
        await self.hold.wait()
        self.calls.append("answered")
        if asked["messages"][0]["content"] == "overload":
            return JSONResponse({"error": {}}, 429, {"Retry-After": "7"})
        return JSONResponse({"model": asked["model"], "weights": weights, "top_k": asked["top_k"]})

    async def load(self, request: Request) -> Response:
        asked = await request.json()
        if "broken" in asked["lora_path"]:
            return JSONResponse({"error": {"message": "no such rank"}}, 400)
        assert asked["load_inplace"] is True
        self.calls.append(f"load {asked['lora_name']}")
        self.adapter = Path(asked["lora_path"]).name
        return PlainTextResponse("Success")

    async def reset(self, _: Request) -> Response:
        self.calls.append("reset")
        return Response(status_code=200)

    def app(self) -> Starlette:
        async def models(_: Request) -> Response:
            return JSONResponse({"data": [{"id": "qwen", "root": str(self.base)}]})

        async def version(_: Request) -> Response:
            return JSONResponse({"version": self.version})

        routes = [
            Route("/version", version),
            Route("/v1/models", models),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/load_lora_adapter", self.load, methods=["POST"]),
        ]
        if self.dev_mode:
            routes.append(Route("/reset_prefix_cache", self.reset, methods=["POST"]))
        return Starlette(routes=routes)


def adapter(folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return folder


def run(stand_in: StandIn, work: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(stand_in.app()), base_url="http://vllm") as upstream:
            gateway = Gateway(upstream)
            await gateway.connect()
            transport = httpx.ASGITransport(create_gateway(gateway))
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                await asyncio.wait_for(work(client), 10)

    asyncio.run(scene())


async def update(client: httpx.AsyncClient, path: Path, version: int) -> httpx.Response:
    return await client.post("/update_weights", json={"path": str(path), "version": version})


async def ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={**CHAT, **fields})


def test_serves_the_base_then_adapters_and_the_base_again(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path)

    async def work(client: httpx.AsyncClient) -> None:
        assert (await update(client, tmp_path, 0)).status_code == 200
        first = (await ask(client)).json()
        assert first == {"model": "policy", "weights": "base", "top_k": 5, "policy_version": 0}
        assert (await update(client, adapter(tmp_path / "one"), 4)).json()["policy_version"] == 4
        second = (await ask(client)).json()
        assert (second["weights"], second["policy_version"]) == ("one", 4)
        await update(client, tmp_path, 0)
        assert (await ask(client)).json()["weights"] == "base"

    run(stand_in, work)
    changes = [call for call in stand_in.calls if call != "answered"]
    assert changes == ["reset", "chat qwen", "load agemem-policy", "reset", "chat agemem-policy", "chat qwen"]


def test_requests_wait_for_the_exchange_and_the_exchange_for_requests(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path)

    async def work(client: httpx.AsyncClient) -> None:
        await update(client, tmp_path, 0)
        stand_in.hold.clear()
        early = asyncio.create_task(ask(client))
        await until(lambda: "chat qwen" in stand_in.calls)
        change = asyncio.create_task(update(client, adapter(tmp_path / "one"), 1))
        await asyncio.sleep(0.05)
        late = asyncio.create_task(ask(client))
        await asyncio.sleep(0.05)
        assert stand_in.calls == ["reset", "chat qwen"]
        stand_in.hold.set()
        assert ((await early).json()["policy_version"], (await late).json()["policy_version"]) == (0, 1)
        assert (await change).status_code == 200

    run(stand_in, work)
    order = ["reset", "chat qwen", "answered", "load agemem-policy", "reset", "chat agemem-policy", "answered"]
    assert stand_in.calls == order


def test_keeps_the_weights_when_an_adapter_is_refused(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        await update(client, adapter(tmp_path / "one"), 1)
        refused = await update(client, adapter(tmp_path / "broken"), 2)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "weights_refused")
        assert "no such rank" in refused.json()["error"]["message"]
        (tmp_path / "whole").mkdir()
        assert (await update(client, tmp_path / "whole", 3)).json()["error"]["code"] == "weights_refused"
        answer = (await ask(client)).json()
        assert (answer["weights"], answer["policy_version"]) == ("one", 1)

    run(StandIn(tmp_path), work)


def test_hands_refusals_of_vllm_on(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        await update(client, tmp_path, 0)
        overloaded = await ask(client, messages=[{"role": "user", "content": "overload"}])
        assert (overloaded.status_code, overloaded.headers["retry-after"]) == (429, "7")
        assert (await ask(client, model="other")).status_code == 404
        assert (await ask(client, stream=True)).status_code == 400
        assert (await client.post("/v1/chat/completions", content=b"[")).status_code == 400

    run(StandIn(tmp_path), work)


def test_does_not_start_before_a_vllm_that_keeps_its_prefixes(tmp_path: Path) -> None:
    async def nothing(_: httpx.AsyncClient) -> None:
        raise AssertionError("connected")

    with pytest.raises(ApiError, match="/reset_prefix_cache with 404"):
        run(StandIn(tmp_path, dev_mode=False), nothing)


def test_a_gateway_without_weights_does_not_answer_for_the_policy(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path)

    async def work(client: httpx.AsyncClient) -> None:
        refused = await ask(client)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_weights")
        assert refused.headers["retry-after"] == "2"
        assert (await client.get("/v1/models")).json()["data"][0]["policy_version"] is None
        await update(client, adapter(tmp_path / "one"), 7)
        assert (await ask(client)).json()["policy_version"] == 7

    run(stand_in, work)
    assert "chat qwen" not in stand_in.calls


@pytest.mark.parametrize("version", ["0.21.3", "0.10.2rc1", "dev"])
def test_does_not_start_before_a_vllm_that_is_too_old(tmp_path: Path, version: str) -> None:
    async def nothing(_: httpx.AsyncClient) -> None:
        raise AssertionError("connected")

    with pytest.raises(ApiError, match=f"vLLM is {version}; 0.22 or newer"):
        run(StandIn(tmp_path, version=version), nothing)


@pytest.mark.parametrize("version", ["0.22.0", "v0.23.1rc2+cu130", "1.0"])
def test_starts_before_a_vllm_that_is_new_enough(tmp_path: Path, version: str) -> None:
    async def nothing(_: httpx.AsyncClient) -> None:
        """Connecting is all."""

    run(StandIn(tmp_path, version=version), nothing)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
