"""SIGKILL to the policy server, the rollout service and the trainer, each once and in the middle of an iteration.

The run goes on or is given again, ends, and has trained every iteration exactly once.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .small_run import kill_group, lines_of, running_in, start, wait_until, write_run

ITERATIONS = 7


@pytest.mark.node
def test_a_run_survives_a_kill_of_each_of_its_processes(tmp_path: Path) -> None:
    settings = write_run(tmp_path, iterations=ITERATIONS)
    out = tmp_path / "out"
    run = out / "all-returns-0"
    trainer = start(settings, out, "--no-evaluation")
    try:
        # The next rollouts begin when the line of an iteration is written.
        for done, server in ((1, "policy-server"), (2, "rollout-service")):
            wait_until(lambda done=done: len(lines_of(run)) >= done, trainer)
            time.sleep(0.2)
            kill_group(run, server)
        wait_until(lambda: len(lines_of(run)) >= 4, trainer)
        time.sleep(0.1)
        trainer.kill()
        trainer.wait()
        trained = [line["iteration"] for line in lines_of(run)]
        before = lines_of(run)
        deadline = time.monotonic() + 15
        while running_in(run) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running_in(run) == [], "servers outlive their killed trainer"

        trainer = start(settings, out, "--no-evaluation")
        assert trainer.wait(timeout=150) == 0, (tmp_path / "out.log").read_text()[-3000:]
    finally:
        trainer.kill()
        trainer.wait()
    after = lines_of(run)
    assert trained == list(range(len(trained)))
    assert 4 <= len(trained) < ITERATIONS
    assert [line["iteration"] for line in after] == list(range(ITERATIONS))
    assert [line["step"] for line in after] == list(range(1, ITERATIONS + 1))
    assert after[: len(before)] == before, "a finished iteration was trained again"
    assert (run / "model" / "model.safetensors").exists()
    logs = {name: (run / "logs" / f"{name}.log").read_text() for name in ("policy-server", "rollout-service")}
    # Started, started again after the kill, and by the second command.
    assert all(log.count("\n== ") == 3 for log in logs.values()), logs

    again = start(settings, out, "--no-evaluation")
    assert again.wait(timeout=60) == 0
    assert lines_of(run) == after
