"""The class that Agent Lightning's local controller starts for each rollout: it runs `rollout.ts`.

Owns only the handover; the addresses of the gateway and of the rewards, and the task, are in the environment.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

SCRIPT = Path(__file__).with_name("rollout.ts")
PROJECT = SCRIPT.parents[4]


class AgeMemAgent:
    """One rollout of one task. Raises RuntimeError when it fails, which marks the rollout as failed."""

    async def run(self) -> None:
        process = await asyncio.create_subprocess_exec("npx", "tsx", str(SCRIPT), cwd=PROJECT)
        if status := await process.wait():
            raise RuntimeError(f"{SCRIPT.name} ended with {status}")
