"""A stand-in for the streaming rollout service, with the faults that the client must survive."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


class StandIn:
    """Serves `agemem.rollouts/1`. ``answer(request)`` makes what a request comes to: groups of samples, or an error.

    ``faults`` are taken from the left, one per connection: "drop" closes it at once, "busy" answers 503, "cut" closes
    it within the first group, "lose" forgets which groups were acknowledged.
    """

    def __init__(self, answer: Callable[[Json], Json]) -> None:
        self.answer = answer
        self.faults: list[str] = []
        self.started: list[Json] = []
        """Requests, each when it was first asked for."""
        self.bodies: list[Json] = []
        self.requests: dict[str, Json] = {}
        """Open requests by id."""
        self.acknowledged: dict[str, list[str]] = {}
        self.closes: list[Json] = []
        """Bodies of the requests to close one."""
        self.alive_s = 0.1
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lines(self, body: Json, fault: str | None) -> Iterator[Json | None]:
        """What is said to a reader; None breaks the connection."""
        identity, request = body["request_id"], body["request"]
        if identity not in self.requests:
            self.started.append(request)
            self.requests[identity] = request
        if body["again"] or fault == "lose":
            self.acknowledged[identity] = []
        have = self.acknowledged.setdefault(identity, [])
        have.extend(body["acknowledged"])
        yield {"event": "open"}
        result: list[Json] = []
        worker = threading.Thread(target=lambda: result.append(self.answer(request)), daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(self.alive_s)
            yield {"event": "alive"}
        if "error" in result[0]:
            yield {"event": "error", "remedy": "Mend it.", **result[0]["error"]}
            return
        for number, group in enumerate(result[0]["groups"]):
            group_id = group["samples"][0]["group_id"]
            if group_id in have:
                continue
            for sample in group["samples"]:
                yield {"event": "sample", "group_id": group_id, "sample": sample}
                if fault == "cut":
                    yield None
            yield {"event": "group", "group_id": group_id}
            # One ahead, as the service: the next group waits for an acknowledgement.
            while number >= body["ahead"] - 1 and group_id not in have and identity in self.requests:
                threading.Event().wait(0.01)
        yield {"event": "end"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _reply(self, status: int, body: Json) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/rollouts":
                    return self._stream(body)
                if self.path == "/rollouts/close":
                    owner.closes.append(body)
                    owner.requests.pop(body["request_id"], None)
                elif body["request_id"] not in owner.requests:
                    return self._reply(404, {"code": "AGEMEM_ROLLOUTS_UNKNOWN", "message": "No request", "remedy": ""})
                else:
                    owner.acknowledged[body["request_id"]].extend(body["groups"])
                self._reply(200, {})

            def _stream(self, body: Json) -> None:
                owner.bodies.append(body)
                fault = owner.faults.pop(0) if owner.faults else None
                if fault == "busy":
                    return self._reply(503, {"message": "loading"})
                self.close_connection = True
                if fault == "drop":
                    return
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    for line in owner.lines(body, fault):
                        if line is None:
                            return
                        content = json.dumps(line).encode() + b"\n"
                        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    return  # the client has hung up

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
    """What a request comes to that succeeded."""
    records = records_of(request)
    groups = [{"samples": records[i : i + 2]} for i in range(0, len(records), 2)]
    return {"groups": groups, "summary": {"rollouts": len(records), "failed": 0, "mean_reward": 0.5}}
