"""The interface of all compared memories: POST /reset {user}, /add {messages}, /search {query, k}, /all.

A memory subclasses Memory and calls serve(). One request at a time, because speed is not compared. An error of the
memory itself (such as model output that it cannot parse) is answered with 500 and its text, and the server continues.
"""

import argparse
import json
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer


class Memory:
    """The memory that a server wraps."""

    def reset(self, user: str) -> None:
        raise NotImplementedError

    def add(self, messages: list[dict]) -> None:
        raise NotImplementedError

    def search(self, query: str, k: int) -> list[dict]:
        """Dictionaries with text, and with score and sources where they exist; best first."""
        raise NotImplementedError

    def all(self) -> list[dict]:
        raise NotImplementedError

    def close(self) -> None:
        """Removes the files."""


def arguments() -> argparse.Namespace:
    """The options of every server: where to listen, and the endpoint of its models."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--base-url", required=True, help="OpenAI-compatible endpoint, with /v1")
    parser.add_argument("--api-key", required=True, help="the account that the endpoint counts under")
    parser.add_argument("--model", default="proxied")
    parser.add_argument("--dims", type=int, required=True, help="dimensions of the embeddings")
    parser.add_argument("--graph", action="store_true", help="Mem0 only: with its graph")
    return parser.parse_args()


def serve(memory: Memory, port: int) -> None:
    """Answers on 127.0.0.1 until it is killed."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.answer(200, {"ok": True})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            try:
                if self.path == "/reset":
                    memory.reset(str(body["user"]))
                    self.answer(200, {})
                elif self.path == "/add":
                    memory.add(body["messages"])
                    self.answer(200, {})
                elif self.path == "/search":
                    self.answer(200, {"memories": memory.search(body["query"], int(body["k"]))})
                elif self.path == "/all":
                    self.answer(200, {"memories": memory.all()})
                else:
                    self.answer(404, {"error": f"no route {self.path}"})
            except Exception as error:  # the memory's failure is its result, so it is reported to the caller
                traceback.print_exc()
                self.answer(500, {"error": f"{type(error).__name__}: {error}"})

        def answer(self, status: int, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def end_with_input() -> None:
        sys.stdin.read()
        memory.close()
        os._exit(0)

    # The harness keeps the standard input open; when it is killed, the input closes.
    threading.Thread(target=end_with_input, daemon=True).start()
    print(f"listening on {port}", flush=True)
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
