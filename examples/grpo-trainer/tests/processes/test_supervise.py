"""Children of a run: started, restarted after a crash, ended with all they started, also when the parent is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from agemem_grpo.processes.supervise import ChildSpec, SuperviseError, Supervisor, free_port

SERVER = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(f"{os.getpid()} {child.pid}".encode())
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def spec(port: int, program: str = SERVER, **options: float) -> ChildSpec:
    command = [sys.executable, "-c", program, str(port)]
    return ChildSpec("server", lambda: command, f"http://127.0.0.1:{port}/", **options)  # type: ignore[arg-type]


def pids(port: int) -> tuple[int, int]:
    """The server and the process it started."""
    own, child = httpx.get(f"http://127.0.0.1:{port}/").text.split()
    return int(own), int(child)


def gone(pid: int) -> bool:
    """True once the process has ended; a zombie without a parent that waits counts."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def eventually(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except httpx.TransportError:
            pass  # not up yet
        time.sleep(0.05)
    return False


def test_a_killed_child_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    port = free_port()
    with Supervisor(tmp_path) as supervisor:
        (child,) = supervisor.add(spec(port))
        first, helper = pids(port)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: pids(port)[0] != first)
        assert child.restarts == 1
        assert eventually(lambda: gone(helper)), "what the killed child had started goes on"
        last = pids(port)
    assert all(eventually(lambda pid=pid: gone(pid)) for pid in last), "the end leaves processes behind"
    assert (tmp_path / "server.log").read_text().count("\nserving\n") == 2


def test_a_restart_takes_the_command_of_that_moment(tmp_path: Path) -> None:
    port = free_port()
    weights = ["one"]
    command = ChildSpec(
        "server", lambda: [sys.executable, "-c", SERVER, str(port), weights[0]], f"http://127.0.0.1:{port}/"
    )
    with Supervisor(tmp_path) as supervisor:
        supervisor.add(command)
        weights[0] = "two"
        first, _ = pids(port)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: pids(port)[0] != first)
        started = Path(f"/proc/{pids(port)[0]}/cmdline").read_bytes().split(b"\0")
    assert started[-2] == b"two"


def test_a_child_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        Supervisor(tmp_path) as supervisor,
        pytest.raises(SuperviseError, match=r"ended while starting[\s\S]*no weights here"),
    ):
        supervisor.add(spec(free_port(), "raise SystemExit('no weights here')"))


def test_a_child_that_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    port = free_port()
    with Supervisor(tmp_path) as supervisor:
        supervisor.add(spec(port, max_restarts=1))
        os.kill(pids(port)[0], signal.SIGKILL)
        assert eventually(lambda: pids(port)[0] > 0)
        supervisor.check()
        os.kill(pids(port)[0], signal.SIGKILL)

        def given_up() -> bool:
            try:
                supervisor.check()
            except SuperviseError as error:
                return "2 times in a row" in str(error)
            return False

        assert eventually(given_up)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at the parent's death is Linux's")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    port = free_port()
    program = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from agemem_grpo.processes.supervise import ChildSpec, Supervisor
command = [sys.executable, "-c", {SERVER!r}, "{port}"]
with Supervisor(Path({str(tmp_path)!r})) as supervisor:
    supervisor.add(ChildSpec("server", lambda: command, "http://127.0.0.1:{port}/"))
    print("up", flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    server, _ = pids(port)
    parent.kill()
    parent.wait()
    assert eventually(lambda: gone(server))
