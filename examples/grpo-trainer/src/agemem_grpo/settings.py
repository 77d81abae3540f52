"""Settings of a training run: the TOML files in `configs/`, checked.

Owns names, defaults and checks. Leaves out what the settings do (`loop.py`, `evaluate.py`, `study.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .errors import GrpoError

Json = dict[str, Any]
Advantages = Literal["feed", "shuffled"]
Reward = Literal["all-returns", "answer-only"]

VARIANTS: Mapping[str, tuple[Reward, Advantages]] = {
    "all-returns": ("all-returns", "feed"),
    "answer-only": ("answer-only", "feed"),
    "shuffled": ("all-returns", "shuffled"),
}
"""What a study compares: the reward, and where the advantages come from."""


class SettingsError(GrpoError, ValueError):
    """A settings file that cannot be used. The message names the field and what it should be."""


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Table ``[train]``. Defaults are the paper's where it gives one (K is a field of the rollout request)."""

    iterations: int = 60
    """Batches of rollouts; each is followed by ``updates`` optimiser steps."""
    tasks_per_iteration: int = 4
    updates: int = 1
    """Optimiser steps per batch of rollouts; the samples are dealt out to them."""
    gradient_accumulation: int = 1
    learning_rate: float = 1e-5
    warmup_steps: int = 0
    lr_schedule: str = "constant"
    beta: float = 0.1
    """Weight of the KL term to the frozen reference (AgeMem, eq. 6 and appendix C)."""
    clip: float = 0.2
    """Half-width of PPO's clip range around 1."""
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    loss_type: str = "dapo"
    """TRL's name of the normalisation; ``dapo`` is the mean over the trained tokens of a step."""
    normalise: str = "token"
    """``trajectory`` lets every trajectory weigh the same, however many tokens it has."""
    min_reward_std: float = 0.0
    """Groups whose rewards deviate no more than this are left out, besides those of equal rewards."""
    mask_truncated: bool = False
    max_length: int = 10240
    """Longest prompt and response together, in tokens; longer samples are dropped and counted."""
    lora: Mapping[str, Any] | None = None
    """Arguments of ``peft.LoraConfig``; none = all weights are trained."""
    checkpoint_every: int = 1
    """Iterations per checkpoint. After a kill, iterations since the last one are trained again from their rollouts."""
    keep_checkpoints: int = 2
    max_failed: float = 0.25
    """Share of rollouts without reward above which an iteration is rolled out again, up to three times."""
    bf16: bool = False
    trainer: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of TRL's ``GRPOConfig``, over what the fields above say."""


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """Table ``[evaluate]``."""

    tasks: int = 64
    """Held-out tasks, from the beginning of the file."""
    k: int = 2
    """Rollouts per task."""
    seed: int = 20260101
    """Sampling seed: before and after are asked with the same ones."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the rollout request that evaluation sets otherwise, for example ``policy.temperature``."""
    without_memory: Mapping[str, Any] = field(default_factory=dict)
    """Fields that take the memory tools away; empty = this comparison is left out."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Table ``[server]``: the policy server of this package, or the address of another one."""

    url: str | None = None
    """Address up to ``/v1`` of a server that runs already and knows ``/update_weights``; none = start our own."""
    threads: int = 1
    device: str = "cpu"
    arguments: tuple[str, ...] = ()
    """Further arguments of ``python -m agemem_grpo.server``."""
    adapters: bool = False
    """Hand LoRA adapters over as they are, which `server/vllm_gateway.py` needs; otherwise they are merged."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Table ``[service]``: the rollout service."""

    url: str | None = None
    """Address of a LangGraph API that serves the assistant ``rollout``; none = start ``langgraphjs dev``."""
    project: str | None = None
    """Checkout of agemem to start it from; none = the one around the working folder."""
    env: Mapping[str, str] = field(default_factory=lambda: {"AGEMEM_EMBEDDINGS": "lexical"})


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """Table ``[prepare]``: tasks and a warm-started policy that are made first, in the folder of the study."""

    train: str
    """Source of the training tasks, as `agemem tasks` takes it."""
    heldout: str
    warm: str
    """Source of the tasks whose rollouts by the rules are imitated."""
    rollout: Mapping[str, Any] = field(default_factory=dict)
    """Options of `agemem rollout` for them: ``k``, ``prompt``, ``temperature``, ..."""
    export: Mapping[str, Any] = field(default_factory=dict)
    """Options of `agemem export --to chat`."""
    warm_start: Mapping[str, Any] = field(default_factory=dict)
    """Options of `agemem-grpo warm-start`: ``steps``, ``hidden``, ..."""

    def facts(self) -> Json:
        """All fields as JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole settings file."""

    model: str
    """Folder (or hub name) of the policy that training starts from."""
    train_tasks: str
    heldout_tasks: str
    rollout: Mapping[str, Any]
    """Fields of every rollout request as they are sent: ``k``, ``max_turns``, ``policy.temperature``, ..."""
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    prepare: PrepareSettings | None = None
    threads: int = 1
    """Threads of the trainer."""
    device: str = "cpu"

    def fingerprint(self) -> str:
        """Short hash of what decides the result: a run folder belongs to one."""
        facts = dataclasses.asdict(self)
        # Where things run decides speed, and the length may be extended.
        for place in ("server", "service", "threads"):
            del facts[place]
        del facts["evaluate"]
        if self.prepare is not None:
            for made in ("model", "train_tasks", "heldout_tasks"):
                del facts[made]
        for name in ("iterations", "checkpoint_every", "keep_checkpoints"):
            del facts["train"][name]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


T = TypeVar("T")


def read_settings(path: Path, overrides: Mapping[str, Any] | None = None, *, out: Path | None = None) -> Settings:
    """Reads a TOML file; ``overrides`` are dotted names, such as ``{"train.iterations": 5}``.

    With a table ``[prepare]`` model and task files are those made in ``out / "prepared"``.

    Errors: :class:`SettingsError` for a file that is missing, not TOML, or has unknown or wrong fields.
    """
    try:
        raw = tomllib.loads(path.read_text())
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
    """Settings from parsed TOML. Errors: :class:`SettingsError`."""
    tables = {
        "train": TrainSettings,
        "evaluate": EvaluateSettings,
        "server": ServerSettings,
        "service": ServiceSettings,
        "prepare": PrepareSettings,
    }
    fields = dict(raw)
    for name, kind in tables.items():
        if name in fields:
            fields[name] = _table(kind, fields[name], name)
    settings = _table(Settings, fields, "")
    train = settings.train
    for name in ("iterations", "tasks_per_iteration", "updates", "gradient_accumulation", "checkpoint_every"):
        if getattr(train, name) < 1:
            raise SettingsError(f"train.{name} is {getattr(train, name)}: it must be 1 or more")
    if settings.server.adapters and train.lora is None:
        raise SettingsError("server.adapters hands adapters over: set train.lora, or leave it out")
    if train.beta < 0 or train.learning_rate <= 0:
        raise SettingsError("train.beta must be 0 or more, train.learning_rate above 0")
    return settings


def _table(kind: type[T], raw: Any, name: str) -> T:
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{name} must be a table")
    known = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    at = f"{name}." if name else ""
    for key in raw:
        if key not in known:
            raise SettingsError(f"{at}{key} is not a setting. Known here: {', '.join(known)}")
    for key, each in known.items():
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING and key not in raw:
            raise SettingsError(f"{at}{key} is missing")
    for key, value in raw.items():
        default = known[key].default
        number = isinstance(default, int | float) and not isinstance(default, bool)
        wrong = (number and (isinstance(value, bool) or not isinstance(value, int | float))) or (
            isinstance(default, bool) and not isinstance(value, bool)
        )
        if wrong or (isinstance(default, str) and not isinstance(value, str)):
            raise SettingsError(f"{at}{key} is {value!r}: expected something like {default!r}")
        if isinstance(default, int) and number and not isinstance(value, int):
            raise SettingsError(f"{at}{key} is {value!r}: expected a whole number")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return kind(**values)


def _set(raw: Json, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        raw = raw.setdefault(name, {})
    raw[path[-1]] = value
