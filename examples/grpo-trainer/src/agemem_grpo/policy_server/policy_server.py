"""The policy server: a model folder behind an address, in this process or as `python -m agemem_grpo.policy_server`.

Owns the lifetime of the parts and the exchange of weights. Leaves out routes (`app.py`) and generating (`engine.py`).
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn

from agemem_grpo.policy_server.app import create_app
from agemem_grpo.policy_server.decoder import Decoder
from agemem_grpo.policy_server.engine import Engine
from agemem_grpo.policy_server.errors import WeightsError
from agemem_grpo.policy_server.loading import load_model, load_tokenizer, stop_tokens
from agemem_grpo.policy_server.texts import Texts


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a policy is served."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    device: str = "cpu"
    dtype: str = "float32"
    """Use the trainer's: another precision gives other log-probabilities."""
    threads: int = 1
    """Processor threads of a forward pass."""
    model_name: str = "policy"
    """What requests call the model."""
    max_model_len: int | None = None
    """Longest sequence in tokens, prompt and response. Default: the model's."""
    max_rows: int = 64
    """Requests generated at once."""
    max_waiting: int = 256
    """Further requests that may wait; more are answered with 429."""
    prefix_tokens: int = 16_384
    """Tokens of finished rows whose keys and values are kept for prompts with the same beginning; 0 keeps none."""


class PolicyServer:
    """Serves the policy in a Hugging Face folder.

    Raises WeightsError when the folder cannot be served.

    >>> with PolicyServer("runs/policy", version=0) as server:  # doctest: +SKIP
    ...     print(server.url)
    ...     server.update_weights("runs/step-10", version=1)
    http://127.0.0.1:40123/v1
    """

    def __init__(self, model: str | Path, options: ServerOptions | None = None, *, version: int = 0) -> None:
        self.options = options or ServerOptions()
        folder = Path(model)
        tokenizer = load_tokenizer(folder)
        loaded = load_model(folder, device=self.options.device, dtype=self._dtype)
        self._check_vocabulary(loaded.get_input_embeddings().num_embeddings, len(tokenizer))
        longest = loaded.config.get_text_config().max_position_embeddings
        self.window = min(self.options.max_model_len or longest, longest)
        self.root = str(folder)
        self.texts = Texts(tokenizer)
        self.stop_tokens = stop_tokens(loaded, tokenizer)
        self._model = loaded
        self._updating = threading.Lock()
        self.engine = Engine(
            self._decoder(), version=version, max_waiting=self.options.max_waiting, threads=self.options.threads
        )
        self._socket = socket.create_server((self.options.host, self.options.port), backlog=1024)
        # Idle clients and proxies keep connections longer than uvicorn's 5 s, and a dropped one costs a retry.
        config = uvicorn.Config(create_app(self), log_level="warning", access_log=False, timeout_keep_alive=75)
        self._http = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="policy-http", daemon=True)

    @property
    def url(self) -> str:
        """For OPENAI_BASE_URL."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    @property
    def version(self) -> int:
        """Number of the weights that answer."""
        return self.engine.version

    def start(self) -> PolicyServer:
        """Returns when the server is ready."""
        self.engine.start()
        self._thread.start()
        while not self._http.started:
            if not self._thread.is_alive():
                raise RuntimeError("The HTTP server ended while it started; its log says why")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Answers pending requests with 503 and ends."""
        self.engine.stop()
        self._http.should_exit = True
        self._thread.join()

    def __enter__(self) -> PolicyServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def update_weights(self, path: str | Path, version: int) -> None:
        """Loads a folder while the old weights serve, and lets it take over once the active requests are done.

        Returns when it has taken over. Raises WeightsError when it cannot be served; the old weights then stay.
        """
        with self._updating:
            folder = Path(path)
            new = load_model(folder, device=self.options.device, dtype=self._dtype, base=self._model)
            served, self._model = self._model, new
            try:
                self.engine.swap(self._decoder(), version).result()
            except BaseException:
                self._model = served
                raise
            self.root = str(folder)

    @property
    def _dtype(self) -> torch.dtype:
        dtype = getattr(torch, self.options.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"dtype {self.options.dtype!r} is none of torch's; use float32 or bfloat16")
        return dtype

    def _decoder(self) -> Decoder:
        return Decoder(self._model, max_rows=self.options.max_rows, prefix_tokens=self.options.prefix_tokens)

    def _check_vocabulary(self, embeddings: int, tokens: int) -> None:
        if tokens > embeddings:
            raise WeightsError(
                f"The tokenizer has {tokens} tokens, the model embeds {embeddings}. Save the two that belong together."
            )

    def _serve(self) -> None:
        self._http.run(sockets=[self._socket])
