"""Starts Agent Lightning's trainer on tasks of `agemem tasks`. Not run here.

python train.py tasks/hotpotqa-train.jsonl tasks/hotpotqa-dev.jsonl
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

from agemem_grpo.feed.tasks import read_tasks


def rows(path: Path) -> list[dict[str, str]]:
    """A row is a rollout's input; the whole task is one field, which reaches the agent as one variable."""
    return [{"id": task["id"], "task": json.dumps(task)} for task in read_tasks(path)]


def main(train: Path, heldout: Path) -> None:
    import agentlightning.verl.entrypoint as lightning
    from hydra import compose, initialize_config_dir

    verl = files("verl").joinpath("trainer/config")
    with initialize_config_dir(config_dir=str(Path(__file__).parent.resolve()), version_base=None):
        config = compose("config", overrides=[f"hydra.searchpath=[file://{verl}]"])
    lightning.run_ppo(config, train_dataset=rows(train), val_dataset=rows(heldout))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
