"""Imports rows of `agemem export --to trinity` into the experience buffer that Trinity's trainer reads.

Owns turning rows into Trinity's objects. Trinity's own operator computes the advantages, so a group must be imported
whole. The objects and the operator are tested with Trinity-RFT 0.3.1 and 0.6.0; writing to its buffer is not.

python recipes/trinity/import_rows.py rows.jsonl --buffer sqlite:///agemem.db
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

TENSORS = {"tokens": torch.int32, "logprobs": torch.float32, "action_mask": torch.bool}


def experience_fields(row: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `Experience`, except `eid`, which stays a dictionary.

    Raises ValueError when lengths do not match, because Trinity would then train on shifted tokens.
    """
    fields = {name: torch.tensor(row[name], dtype=kind) for name, kind in TENSORS.items() if name in row}
    response = len(fields["tokens"]) - row["prompt_length"]
    for name in ("logprobs", "action_mask"):
        if name in fields and len(fields[name]) != response:
            raise ValueError(f"{row['eid']}: {len(fields[name])} {name} for a response of {response} tokens")
    return {**row, **fields}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows in the order of the file: the steps of a rollout are consecutive, and the reward of the last one counts."""
    with path.open() as lines:
        return [experience_fields(json.loads(line)) for line in lines if line.strip()]


def experiences(rows: Iterable[dict[str, Any]]) -> list[Any]:
    """Trinity's objects. A field that the installed Trinity does not know (`truncate_status` in 0.3) is left out."""
    from trinity.common.experience import EID, Experience

    known = inspect.signature(Experience.__init__).parameters
    return [
        Experience(**{name: value for name, value in row.items() if name in known} | {"eid": EID(**row["eid"])})
        for row in rows
    ]


async def write(rows: Iterable[dict[str, Any]], buffer: str) -> int:
    """Scores the rows as groups and appends them to the buffer. Returns how many were written."""
    from trinity.algorithm.advantage_fn.multi_step_grpo_advantage import StepWiseGRPOAdvantageFn
    from trinity.buffer.writer.sql_writer import SQLWriter
    from trinity.common.config import StorageConfig

    scored, _ = StepWiseGRPOAdvantageFn().process(experiences(rows))
    config = StorageConfig(name="agemem", storage_type="sql", schema_type="experience", path=buffer, wrap_in_ray=False)
    await SQLWriter(config).write(scored)
    return len(scored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--buffer", required=True, help="SQL address, as in multi_step_grpo.yaml")
    given = parser.parse_args()
    written = asyncio.run(write(read_rows(given.rows), given.buffer))
    print(f"{written} steps written to {given.buffer}")


if __name__ == "__main__":
    main()
