"""Weights at a policy server that runs elsewhere: published, and published again when it was restarted without them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agemem_grpo.processes.services import Services
from agemem_grpo.settings import settings_of
from agemem_grpo.training.state import RunFolder


class PolicyServer:
    """Knows one version of weights, which a restart makes it forget."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.updates: list[dict[str, Any]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _reply(self) -> None:
                content = json.dumps({"policy_version": owner.version}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.updates.append(body)
                owner.version = body["version"]
                self._reply()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    server = PolicyServer()
    yield server
    server.close()


def test_a_restarted_server_gets_the_weights_again(server: PolicyServer, tmp_path: Path) -> None:
    raw = {"model": "m", "train_tasks": "t", "heldout_tasks": "h", "rollout": {}}
    settings = settings_of({**raw, "server": {"url": server.url}, "service": {"url": "http://127.0.0.1:1"}})
    services = Services(settings, RunFolder(tmp_path))
    services._check_s = 0.05
    with services:
        time.sleep(0.3)
        assert server.updates == [], "nothing is published before the loop says what"
        services.load_weights(tmp_path / "v3", 3)
        assert server.updates == [{"path": str(tmp_path / "v3"), "version": 3}]
        server.version = None
        deadline = time.monotonic() + 20
        while server.version is None:
            assert time.monotonic() < deadline, "the weights were not published again"
            time.sleep(0.02)
        assert server.updates[-1] == {"path": str(tmp_path / "v3"), "version": 3}
        assert len(server.updates) == 2
