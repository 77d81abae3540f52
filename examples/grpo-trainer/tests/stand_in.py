"""A stand-in for the LangGraph API of the rollout service, with the faults that the client must survive."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


class StandIn:
    """Serves threads and runs. ``answer(request)`` makes the final state of a run.

    ``faults`` are taken from the left, one per join: "drop" closes the connection, "busy" answers 503, "restart"
    forgets all threads, as a restarted server does.
    """

    def __init__(self, answer: Callable[[Json], Json]) -> None:
        self.answer = answer
        self.faults: list[str] = []
        self.started: list[Json] = []
        self.threads: dict[str, Json] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def join(self, thread: str) -> tuple[int, Json] | None:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "drop":
            return None
        if fault == "busy":
            return 503, {"message": "loading"}
        if fault == "restart":
            self.threads.clear()
        if thread not in self.threads:
            return 404, {"message": "Thread not found"}
        return 200, self.answer(self.threads[thread])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _reply(self, status: int, body: Json | None) -> None:
                content = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/threads":
                    owner.threads.setdefault(body["thread_id"], {})
                    return self._reply(200, body)
                request = body["input"]["request"]
                owner.started.append(request)
                owner.threads[self.path.split("/")[2]] = request
                return self._reply(200, {"run_id": f"run-{len(owner.started)}"})

            def do_DELETE(self) -> None:
                known = owner.threads.pop(self.path.split("/")[2], None) is not None
                self._reply(204 if known else 404, None if known else {"message": "Thread not found"})

            def do_GET(self) -> None:
                thread = self.path.split("/")[2]
                if not self.path.endswith("/join"):
                    known = thread in owner.threads
                    return self._reply(200 if known else 404, {"status": "running"} if known else {"message": "no run"})
                reply = owner.join(thread)
                if reply is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                with contextlib.suppress(OSError):  # a client that polls has hung up
                    self._reply(*reply)

        return Handler


def records_of(request: Json) -> list[Json]:
    """Two scored rollouts without token ids for each task of a request, as records of the feed."""
    records: list[Json] = []
    for task in request["tasks"]:
        group = f"{request['run_name']}/{task['id']}"
        for index, (reward, advantage) in enumerate(((0.0, -1.0), (1.0, 1.0))):
            records.append(trajectory_record(group, task["id"], index, reward=reward, advantage=advantage))
    return records


def trajectory_record(group: str, task: str, index: int, *, reward: float, advantage: float) -> Json:
    """A trajectory record without steps in a group of two with mean 0.5 and deviation 0.5."""
    return {
        "schema": "agemem.trajectory/1",
        "kind": "trajectory",
        "task_id": task,
        "group_id": group,
        "rollout_id": f"{group}/{index}",
        "rollout_index": index,
        "attempt": 1,
        "k": 2,
        "status": "ok",
        "error": None,
        "reward": reward,
        "reward_parts": {"task": reward, "context": reward, "memory": reward, "penalty": 0.0},
        "advantage": advantage,
        "advantage_meta": {
            "mean": 0.5,
            "std": 0.5,
            "std_kind": "population",
            "eps": 0.0,
            "n": 2,
            "zero_variance": False,
        },
        "n_steps": 0,
        "episode": {"answer": "Porto"},
    }


def state_of(request: Json) -> Json:
    """Final state of a run that succeeded."""
    records = records_of(request)
    groups = [{"samples": records[i : i + 2]} for i in range(0, len(records), 2)]
    return {"groups": groups, "summary": {"rollouts": len(records), "failed": 0, "mean_reward": 0.5}}
