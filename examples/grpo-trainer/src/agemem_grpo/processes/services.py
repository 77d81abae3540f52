"""The servers of a run: the policy server on the current weights, and the rollout service that calls it.

Owns their commands, addresses and settings, and publishing new weights. Leaves out keeping them running
(`supervise.py`) and the requests for rollouts (`feed/service.py`).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from agemem_grpo.errors import GrpoError
from agemem_grpo.feed.service import RolloutService, merged
from agemem_grpo.processes.project import find_project
from agemem_grpo.processes.supervise import ChildSpec, Supervisor, free_port
from agemem_grpo.settings import Settings
from agemem_grpo.training.state import RunFolder, write_atomically

MODEL_NAME = "policy"
"""Name of the served model in requests."""


class WeightsError(GrpoError):
    """The policy server could not load weights."""


class Services:
    """A context manager that starts the servers for which the settings name no address.

    >>> with Services(settings, RunFolder(Path("runs/x"))) as services:          # doctest: +SKIP
    ...     services.load_weights(Path("runs/x/weights/v1"), 1)
    ...     records = services.rollouts.records(tasks, policy_version=1)
    """

    def __init__(self, settings: Settings, folder: RunFolder) -> None:
        self._settings = settings
        self._folder = folder
        self._supervisor = Supervisor(folder.logs)
        server, service = settings.server, settings.service
        self._server_port = free_port() if server.url is None else 0
        self._service_port = free_port() if service.url is None else 0
        self.policy_url = server.url or f"http://127.0.0.1:{self._server_port}/v1"
        service_url = service.url or f"http://127.0.0.1:{self._service_port}"
        self._weights, self._version = Path(settings.model), 0
        self._server_root = self.policy_url.removesuffix("/v1")
        self._check_s = 2.0
        self._published = False
        self._publishing = threading.Lock()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep_published, name="weights-keeper", daemon=True)
        policy = {"model": MODEL_NAME, "base_url": self.policy_url}
        self.rollouts = RolloutService(service_url, merged(settings.rollout, {"policy": policy}))

    def __enter__(self) -> Services:
        self._supervisor.__enter__()
        try:
            specs: list[ChildSpec] = []
            if self._settings.server.url is None:
                specs.append(self._policy_server())
            if self._settings.service.url is None:
                specs.append(self._rollout_service())
            self._supervisor.add(*specs)
        except BaseException:
            self._supervisor.__exit__()
            raise
        if self._settings.server.url is not None:
            self._keeper.start()  # our own server restarts with the weights it had
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._keeper.ident is not None:
            self._keeper.join(timeout=10)
        self.rollouts.close()
        self._supervisor.__exit__()

    def check(self) -> None:
        """Errors: `SuperviseError` when a server could not be kept running."""
        self._supervisor.check()

    def load_weights(self, folder: Path, version: int, *, patience_s: float = 300.0) -> None:
        """Makes the policy server answer with the weights in ``folder``, even after it restarts.

        A server named by an address is watched: if it was restarted without these weights, it gets them again.

        Errors: :class:`WeightsError` when it refuses them or does not answer for ``patience_s`` seconds.
        """
        with self._publishing:
            self._weights, self._version = folder, version
            self._publish(patience_s)
            self._published = True

    def _publish(self, patience_s: float) -> None:
        folder = self._weights
        deadline = time.monotonic() + patience_s
        while True:
            try:
                response = self._post_weights()
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return
                problem = f"HTTP {response.status_code}: {response.text[:500]}"
                if response.status_code != 429 and response.status_code < 500:
                    raise WeightsError(f"The policy server refused {folder}: {problem}")
            self.check()
            if time.monotonic() > deadline:
                raise WeightsError(f"The policy server did not load {folder} in {patience_s:.0f} s: {problem}")
            time.sleep(0.2)

    def _post_weights(self) -> httpx.Response:
        body = {"path": str(self._weights.resolve()), "version": self._version}
        return httpx.post(f"{self._server_root}/update_weights", json=body, timeout=300)

    def _keep_published(self) -> None:
        """Publishes the weights again if a server that is not ours was restarted without them."""
        while not self._stopping.wait(self._check_s):
            with self._publishing:
                if not self._published:
                    continue
                try:
                    served = httpx.get(f"{self._server_root}/health", timeout=10).json().get("policy_version")
                    if served != self._version:
                        self._post_weights()
                except (httpx.HTTPError, ValueError):
                    continue  # it is down: pending requests wait for it, and the next round checks again

    def _policy_server(self) -> ChildSpec:
        server = self._settings.server
        port = self._server_port

        def command() -> Sequence[str]:
            own = [sys.executable, "-m", "agemem_grpo.policy_server", "--model", str(self._weights.resolve())]
            own += ["--version", str(self._version)]
            own += ["--host", "127.0.0.1", "--port", str(port), "--device", server.device]
            return [*own, "--threads", str(server.threads), "--model-name", MODEL_NAME, *server.arguments]

        env = {"OMP_NUM_THREADS": str(server.threads)}
        return ChildSpec("policy-server", command, f"http://127.0.0.1:{port}/health", env=env)

    def _rollout_service(self) -> ChildSpec:
        """`langgraphjs dev` with its own configuration, so that its state folder belongs to the run."""
        project = find_project(self._settings.service.project)
        home = self._folder.root / "service"
        graph = os.path.relpath(project / "graphs" / "rollout.ts", home)
        app = os.path.relpath(project / "graphs" / "rollout-http.ts", home)
        config = {
            "node_version": "20",
            "graphs": {"rollout": f"./{graph}:graph"},
            "http": {"app": f"./{app}:app"},
        }
        write_atomically(home / "langgraph.json", json.dumps(config, indent=2) + "\n")
        write_atomically(home / ".gitignore", ".langgraph_api\nrollouts\n")
        program = project / "node_modules/@langchain/langgraph-cli/dist/cli/cli.mjs"
        port = str(self._service_port)
        # --no-reload, because files of the run change all the time.
        flags = ["--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", port]
        command = ["node", str(program), "dev", *flags, "--config", str((home / "langgraph.json").resolve())]
        env = {
            "LOG_LEVEL": "warn",
            "LANGSMITH_TRACING": "false",
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "AGEMEM_ROLLOUT_FOLDER": str((home / "rollouts").resolve()),
            "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY", "none"),
            **self._settings.service.env,
        }
        health = f"http://127.0.0.1:{port}/ok"
        return ChildSpec("rollout-service", lambda: command, health, cwd=project, env=env)
