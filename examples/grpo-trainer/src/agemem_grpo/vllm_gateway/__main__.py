"""`python -m agemem_grpo.vllm_gateway --upstream URL`: serves until it is interrupted.

Prints one line when it is ready: `listening http://HOST:PORT/v1`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

import httpx
import uvicorn

from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.vllm_gateway.gateway import Gateway, create_gateway


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 2 when vLLM cannot be reached or is not set up for this."""
    parser = argparse.ArgumentParser(prog="python -m agemem_grpo.vllm_gateway", description=__doc__)
    parser.add_argument("--upstream", required=True, help="address of vLLM, without /v1")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--model-name", default="policy", help="what requests call the model")
    given = parser.parse_args(arguments)
    return asyncio.run(_serve(given))


async def _serve(given: argparse.Namespace) -> int:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=given.upstream, timeout=None, limits=limits) as upstream:
        gateway = Gateway(upstream, model_name=given.model_name)
        try:
            await gateway.connect()
        except ApiError as error:
            print(f"vllm_gateway: {error.message}", file=sys.stderr)
            return 2
        print(f"listening http://{given.host}:{given.port}/v1", flush=True)
        config = uvicorn.Config(
            create_gateway(gateway), host=given.host, port=given.port, log_level="warning", timeout_keep_alive=75
        )
        await uvicorn.Server(config).serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
