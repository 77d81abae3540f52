"""`python -m agemem_grpo.policy_server --model DIR`: serves until SIGINT or SIGTERM.

Prints one line when it is ready: `listening http://HOST:PORT/v1`.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import threading
from collections.abc import Sequence

from transformers.utils import logging

from agemem_grpo.policy_server.errors import WeightsError
from agemem_grpo.policy_server.policy_server import PolicyServer, ServerOptions

_HELP = {
    "host": "address to listen at",
    "port": "0 takes a free one",
    "device": "cpu, cuda, cuda:1, …",
    "dtype": "precision of the weights",
    "threads": "processor threads of a forward pass",
    "model_name": "what requests call the model",
    "max_model_len": "longest sequence in tokens; the model's by default",
    "max_rows": "requests generated at once",
    "max_waiting": "requests queued beyond that before 429",
    "prefix_tokens": "tokens of finished rows kept for prompts that begin alike",
}


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser(prog="python -m agemem_grpo.policy_server", description=__doc__)
    parsed.add_argument("--model", required=True, help="folder written by save_pretrained()")
    parsed.add_argument("--version", type=int, default=0, help="number of these weights; default 0")
    for field in dataclasses.fields(ServerOptions):
        kind = int if field.default is None else type(field.default)
        name = f"--{field.name.replace('_', '-')}"
        parsed.add_argument(name, type=kind, default=field.default, help=f"{_HELP[field.name]} (%(default)s)")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 2 when the folder cannot be served or the address cannot be bound."""
    given = vars(parser().parse_args(arguments))
    model, version = given.pop("model"), given.pop("version")
    # A progress bar for each loading of weights would fill the log of a training run.
    logging.disable_progress_bar()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = PolicyServer(model, ServerOptions(**given), version=version)
    except (WeightsError, OSError, ValueError) as error:
        print(f"agemem_grpo.policy_server: {error}", file=sys.stderr)
        return 2
    with server:
        print(f"listening {server.url}", flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
