"""Starts Agent Lightning's trainer on tasks of `agemem tasks`. Not run here.

python train.py tasks/hotpotqa-train.jsonl tasks/hotpotqa-dev.jsonl [FIELD=VALUE ...]

Needs Python 3.12 or newer, agentlightning 1.0.2, and verl 0.7.1 or 0.8.0, which its `scripts/setup_verl.sh` installs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agemem_grpo.feed.tasks import read_tasks


def rows(path: Path) -> list[dict[str, str]]:
    """A row is the input of a rollout; the whole task is one field, which reaches the agent as one variable."""
    return [{"id": task["id"], "task": json.dumps(task)} for task in read_tasks(path)]


def main(train: Path, heldout: Path, *dotlist: str) -> None:
    if sys.version_info < (3, 12):
        raise SystemExit("Agent Lightning 1.0 needs Python 3.12 or newer")
    import agentlightning.verl.entrypoint as lightning
    from configuration import configuration

    lightning.run_ppo(configuration(dotlist), train_dataset=rows(train), val_dataset=rows(heldout))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
