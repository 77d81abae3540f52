"""Finds the checkout of agemem, whose commands and rollout service a run starts."""

from __future__ import annotations

from pathlib import Path

from agemem_grpo.settings import SettingsError


def find_project(project: str | None) -> Path:
    """The checkout as given, or the nearest folder upwards with `graphs/rollout.ts` and installed packages.

    Errors: `SettingsError`.
    """
    starts = [Path(project)] if project else [Path.cwd(), Path(__file__)]
    for start in starts:
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / "graphs" / "rollout.ts").exists():
                if (folder / "node_modules" / "@langchain" / "langgraph-cli").exists():
                    return folder
                raise SettingsError(f"{folder} has no packages: run `npm ci` there")
    raise SettingsError("No checkout of agemem here: set service.project, or service.url of a running service")
