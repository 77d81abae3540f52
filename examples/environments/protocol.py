"""The protocol of all environment servers here: AgentGym's, plus what an evaluation needs.

POST /create -> {id}
POST /reset {id, ...setup}, POST /step {id, action} -> {observation, goal, reward, done, won, progress, valid}
GET /observation, /available_actions, /expert, each with ?id=
POST /close {id}
GET /health -> {name, episodes, rss_mb}
An error is {"error", "kind"} with status 200, as with AgentGym's servers; kind is "request" for mistakes of the caller.
Standard library only.
"""

import argparse
import json
import os
import resource
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class RequestError(Exception):
    """The request cannot be fulfilled: no such episode, task or field."""


class Game:
    """One episode. A server subclasses it."""

    def reset(self, setup):
        """Set up a task and return the state."""
        raise NotImplementedError

    def step(self, action):
        """Take one action and return the state."""
        raise NotImplementedError

    def available_actions(self):
        return []

    def expert(self):
        """The next actions of an expert, or None if there is none."""
        return None

    def close(self):
        pass


def state(observation, goal, progress, won, done, valid, **more):
    """A state in the form of the protocol; the reward is the progress, as in AgentGym's BabyAI and ScienceWorld."""
    return {
        "observation": observation,
        "goal": goal,
        "reward": progress,
        "progress": progress,
        "won": won,
        "done": done,
        "valid": valid,
        **more,
    }


def rss_mb():
    """Current memory of this process, or its peak where /proc does not exist."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class Episodes:
    """Open episodes by number. One call at a time, because the games are not thread-safe."""

    def __init__(self, name, make_game):
        self.name = name
        self.make_game = make_game
        self.lock = threading.Lock()
        self.open = {}
        self.states = {}
        self.created = 0

    def game(self, request):
        try:
            return self.open[int(request["id"])]
        except (KeyError, TypeError, ValueError):
            raise RequestError(f"no episode has the id {request.get('id')!r}") from None

    def handle(self, path, request):
        with self.lock:
            if path == "/create":
                self.created += 1
                self.open[self.created] = self.make_game()
                return {"id": self.created}
            if path in ("/", "/health"):
                return {"name": self.name, "episodes": len(self.open), "created": self.created, "rss_mb": rss_mb()}
            game = self.game(request)
            return self.of_game(path, game, request)

    def of_game(self, path, game, request):
        number = int(request["id"])
        if path == "/close":
            del self.open[number]
            self.states.pop(number, None)
            game.close()
            return {"closed": True}
        if path == "/reset":
            self.states[number] = game.reset(request)
            return {"id": number, **self.states[number]}
        if number not in self.states:
            raise RequestError("reset the episode first")
        if path == "/step":
            if not isinstance(request.get("action"), str):
                raise RequestError("the request has no action")
            self.states[number] = game.step(request["action"])
            return self.states[number]
        if path == "/observation":
            return self.states[number]
        if path == "/available_actions":
            return {"available_actions": game.available_actions()}
        if path == "/expert":
            return {"actions": game.expert()}
        raise RequestError(f"there is no {path}")


def handler_of(episodes):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers are sent at once.
        disable_nagle_algorithm = True
        wbufsize = -1

        def answer(self, request):
            try:
                body = episodes.handle(urlsplit(self.path).path, request)
            except RequestError as error:
                body = {"error": str(error), "kind": "request"}
            except Exception as error:  # a game may raise anything; the next episode must still be served
                traceback.print_exc()
                body = {"error": f"{type(error).__name__}: {error}", "kind": "server"}
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.answer({key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self):
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                request = json.loads(text or b"{}")
            except ValueError:
                request = None
            self.answer(request if isinstance(request, dict) else {})

        def log_message(self, *_):
            pass

    return Handler


def serve(name, make_game):
    """Serve until the standard input closes, which it does when the process that started this one ends."""
    parser = argparse.ArgumentParser(description=f"{name} as an environment server")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--stay", action="store_true", help="keep running when the standard input closes")
    args = parser.parse_args()
    server = ThreadingHTTPServer((args.host, args.port), handler_of(Episodes(name, make_game)))
    server.daemon_threads = True
    print(json.dumps({"name": name, "port": server.server_address[1]}), flush=True)
    if not args.stay:

        def watch():
            sys.stdin.buffer.read()
            os._exit(0)

        threading.Thread(target=watch, daemon=True).start()
    server.serve_forever()
