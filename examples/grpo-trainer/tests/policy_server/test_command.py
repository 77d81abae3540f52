"""`python -m agemem_grpo.policy_server` as another process starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

SOURCE = Path(__file__).parents[2] / "src"


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-m", "agemem_grpo.policy_server", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_says_where_it_listens_serves_and_ends_on_a_signal(folder: Path) -> None:
    process = start("--model", str(folder), "--version", "4", "--model-name", "tiny", "--threads", "1")
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "listening"
        (model,) = httpx.get(f"{url}/models").json()["data"]
        assert (model["id"], model["policy_version"]) == ("tiny", 4)
        assert httpx.get(url.replace("/v1", "/health")).json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    process = start("--model", str(tmp_path))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "holds no tokenizer" in said
    assert "Traceback" not in said
