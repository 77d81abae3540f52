"""From a TOML file to checked settings.

Owns reading, overrides, former names of settings, and the error messages. Leaves out the settings (`tables.py`).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agemem_grpo.errors import GrpoError
from agemem_grpo.settings.tables import (
    CounterfactualSettings,
    EvaluateSettings,
    PrepareSettings,
    ServerSettings,
    ServiceSettings,
    Settings,
    TrainSettings,
)
from agemem_grpo.validation import Problem, problems_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Json = dict[str, Any]

_SETTINGS = TypeAdapter(Settings)
_TABLES: Mapping[str, Any] = {
    "": Settings,
    "train": TrainSettings,
    "counterfactual": CounterfactualSettings,
    "evaluate": EvaluateSettings,
    "server": ServerSettings,
    "service": ServiceSettings,
    "prepare": PrepareSettings,
}
_FORMER_NAMES = {("train", "normalise"): "normalize"}
"""Settings that have other names in files of earlier versions, including run folders."""


class SettingsError(GrpoError, ValueError):
    """A settings file that cannot be used. The message names each wrong field, its value, and what it should be."""


def read_settings(path: Path, overrides: Mapping[str, Any] | None = None, *, out: Path | None = None) -> Settings:
    """Reads a TOML file; ``overrides`` are dotted names, such as ``{"train.iterations": 5}``.

    With a table ``[prepare]``, the model and the task files are the ones made in ``out / "prepared"``.

    Errors: :class:`SettingsError` for a file that is missing, not TOML, or has unknown or wrong fields.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    for name, value in (overrides or {}).items():
        _set(raw, name.split("."), value)
    if "prepare" in raw and out is not None:
        made = {"model": "policy", "train_tasks": "train.jsonl", "heldout_tasks": "heldout.jsonl"}
        raw = {**{name: str(out / "prepared" / file) for name, file in made.items()}, **raw}
    return settings_of(raw)


def settings_of(raw: Mapping[str, Any]) -> Settings:
    """Settings from parsed TOML, or from the `settings.json` of a run folder.

    Errors: :class:`SettingsError`, with a sentence for each wrong field.

    >>> settings_of({"model": "m", "train_tasks": "t", "heldout_tasks": "h", "rollout": {}, "threads": "x"})
    Traceback (most recent call last):
    agemem_grpo.settings.reading.SettingsError: threads is 'x': expected a whole number.
    """
    # As JSON: only there does a strict model accept tables and lists; from Python it wants instances and tuples.
    text = json.dumps(_with_new_names(raw), default=str)
    try:
        return _SETTINGS.validate_json(text)
    except ValidationError as error:
        raise SettingsError(" ".join(f"{_sentence(each)}." for each in problems_of(error))) from error


def _sentence(problem: Problem) -> str:
    if not problem.unknown:
        return problem.text
    table, _, _ = problem.field.rpartition(".")
    known = ", ".join(each.name for each in dataclasses.fields(_TABLES[table]))
    return f"{problem.field} is not a setting. Known here: {known}"


def _with_new_names(raw: Mapping[str, Any]) -> Json:
    renamed = dict(raw)
    for (table, former), name in _FORMER_NAMES.items():
        fields = renamed.get(table)
        if isinstance(fields, Mapping) and former in fields:
            if name in fields:
                raise SettingsError(f"{table}.{former} is the former name of {table}.{name}: leave it out.")
            renamed[table] = {name if key == former else key: value for key, value in fields.items()}
    return renamed


def _set(raw: Json, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        raw = raw.setdefault(name, {})
        if not isinstance(raw, dict):
            raise SettingsError(f"{'.'.join(path)} cannot be set: {name} is {raw!r}, not a table.")
    raw[path[-1]] = value
