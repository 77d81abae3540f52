"""One tiny policy and one server per module that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from agemem_grpo.policy_server import PolicyServer, ServerOptions
from policy_server.tiny_chat import save_policy

# Models this small are slower on more threads, and much slower on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[PolicyServer]:
    with PolicyServer(folder, ServerOptions(max_rows=8, max_waiting=64), version=3) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: PolicyServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as http:
        yield http
