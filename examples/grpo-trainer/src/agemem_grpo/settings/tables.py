"""The tables of a settings file: names, defaults, and what each value may be.

Owns the models. They are pydantic dataclasses: values are checked whenever one is created, also by
`dataclasses.replace`.
Leaves out files and error messages (`reading.py`) and what the settings do (`training/`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Json = dict[str, Any]
Advantages = Literal["feed", "shuffled", "branched"]
Reward = Literal["all-returns", "answer-only"]

VARIANTS: Mapping[str, tuple[Reward, Advantages]] = {
    "all-returns": ("all-returns", "feed"),
    "answer-only": ("answer-only", "feed"),
    "shuffled": ("all-returns", "shuffled"),
    "counterfactual": ("all-returns", "branched"),
}
"""What a study compares, by name: the reward (``all-returns`` is the one of the setting ``reward``), and where the
advantages come from: one per rollout, the same shuffled, or one per step from groups that share a beginning."""

_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=_CONFIG)
class TrainSettings:
    """Table ``[train]``. Defaults are the paper's, where it gives a value (K is a field of the rollout request)."""

    iterations: Count = 60
    """Batches of rollouts; each is followed by ``updates`` optimizer steps."""
    tasks_per_iteration: Count = 4
    policy_calls: Count | None = None
    """Model calls of the policy that the whole training takes, to about a group: the iterations share them, and
    ``tasks_per_iteration`` is only how many tasks the first has. So runs whose groups take different numbers of calls
    can be compared; none = every iteration has the same number of tasks."""
    updates: Count = 1
    """Optimizer steps per batch of rollouts; the samples are divided among them."""
    gradient_accumulation: Count = 1
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    lr_schedule: str = "constant"
    beta: Amount = 0.1
    """Weight of the KL term to the frozen reference (AgeMem, eq. 6 and appendix C)."""
    clip: Annotated[float, Field(gt=0)] = 0.2
    """Half-width of PPO's clip range around 1."""
    max_grad_norm: Amount = 1.0
    weight_decay: Amount = 0.0
    loss_type: str = "dapo"
    """TRL's name for the normalization; ``dapo`` is the mean over the trained tokens of a step."""
    normalize: Literal["token", "trajectory"] = "token"
    """``trajectory`` gives every trajectory the same weight, however many tokens it has."""
    level: Literal["token", "action"] = "token"
    """``action`` takes one ratio and one KL term per step, as the paper writes the objective."""
    join_steps: bool = False
    """Compute a step that continues the one before it together with it, as one sequence: the loss is the same, for less
    computing. Only with ``level = "token"``."""
    share_prefixes: bool = False
    """Compute the samples of a trajectory as one tree, what they begin with once: the same loss, for less computing.
    In one process and single precision; with ``gradient_accumulation`` at the number of rollouts each is a tree."""
    min_reward_std: Amount = 0.0
    """Groups whose rewards have at most this standard deviation are left out, besides those with equal rewards."""
    mask_truncated: bool = False
    max_length: Count = 10240
    """Longest prompt and response together, in tokens; longer samples are dropped and counted."""
    lora: Mapping[str, Any] | None = None
    """Arguments of ``peft.LoraConfig``; none = all weights are trained."""
    checkpoint_every: Count = 1
    """Iterations per checkpoint. After a kill, iterations since the last one are trained again on their rollouts."""
    keep_checkpoints: Count = 2
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.25
    """If a larger share of rollouts has no reward, the iteration is rolled out again; the third time ends the run."""
    bf16: bool = False
    trainer: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further fields of TRL's ``GRPOConfig``; they override the fields above."""


@dataclass(frozen=True, config=_CONFIG)
class CounterfactualSettings:
    """Table ``[counterfactual]``: the variant of that name. Its groups share a beginning, and what is rewarded is what
    the policy did since, measured against alternatives in the same context and memory."""

    at: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    """Model calls of the shared beginning; iterations take the numbers in turn. 0 = none, an ordinary group: what is
    always shared is never trained on."""
    tasks_per_iteration: Count
    """A beginning is made once for K rollouts, so that as many calls of the policy are enough for more tasks; with
    ``train.policy_calls`` those of the first iteration."""


@dataclass(frozen=True, config=_CONFIG)
class EvaluateSettings:
    """Table ``[evaluate]``."""

    tasks: Count = 64
    """Held-out tasks, from the beginning of the file."""
    k: Count = 2
    """Rollouts per task."""
    seed: int = 20260101
    """Sampling seed, the same before and after training."""
    request: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the rollout request that evaluation sets differently, for example ``policy.temperature``."""
    without_memory: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields that remove the memory tools; empty = this comparison is left out."""


@dataclass(frozen=True, config=_CONFIG)
class ServerSettings:
    """Table ``[server]``: the policy server of this package, or the address of another one."""

    url: str | None = None
    """Address, including ``/v1``, of a running server that has ``/update_weights``; none = start our own."""
    threads: Count = 1
    device: str = "cpu"
    arguments: tuple[str, ...] = ()
    """Further arguments of ``python -m agemem_grpo.policy_server``."""
    adapters: bool = False
    """Pass LoRA adapters on unmerged, which the vLLM gateway needs; otherwise they are merged."""


@dataclass(frozen=True, config=_CONFIG)
class ServiceSettings:
    """Table ``[service]``: the rollout service."""

    url: str | None = None
    """Address of a LangGraph API that serves the assistant ``rollout``; none = start ``langgraphjs dev``."""
    project: str | None = None
    """Checkout of agemem to start it from; none = the one around the working folder."""
    env: Mapping[str, str] = dataclasses.field(default_factory=lambda: {"AGEMEM_EMBEDDINGS": "lexical"})


@dataclass(frozen=True, config=_CONFIG)
class PrepareSettings:
    """Table ``[prepare]``: tasks and a warm-started policy, which are made first, in the folder of the study."""

    train: str
    """Source of the training tasks, in the form that `agemem tasks` takes."""
    heldout: str
    warm: str
    """Source of the tasks whose rollouts by the rules are imitated."""
    gguf: str | None = None
    """A language model to start from, as a GGUF file (relative to the checkout of agemem); none = the tiny policy."""
    rollout: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options of `agemem rollout` for them: ``k``, ``prompt``, ``temperature``, ..."""
    score: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options of `agemem score`, by whose reward the rollouts to imitate are chosen; none = by the reward they have."""
    export: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options of `agemem export --to chat`."""
    warm_start: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options of `agemem-grpo warm-start`: ``steps``, ``hidden``, ..."""
    shared_warm_start: bool = False
    """All seeds start from one policy, that of seed 0: cheaper, but the runs then differ less than independent ones."""

    def facts(self) -> Json:
        """All fields as JSON values; later fields only where they are set, so that folders made before them fit."""
        later = ("gguf", "score", "shared_warm_start")
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name not in later}


@dataclass(frozen=True, config=_CONFIG)
class Settings:
    """A whole settings file."""

    model: str
    """Folder (or hub name) of the policy that training starts from."""
    train_tasks: str
    heldout_tasks: str
    rollout: Mapping[str, Any]
    """Fields of every rollout request, sent unchanged: ``k``, ``max_turns``, ``policy.temperature``, ..."""
    reward: Literal["all-returns", "agemem"] = "all-returns"
    """What rollouts are trained on and policies are compared by: the paper's reward, or ours, whose maintenance asks
    for outdated memories that were put right."""
    counterfactual: CounterfactualSettings | None = None
    train: TrainSettings = dataclasses.field(default_factory=TrainSettings)
    evaluate: EvaluateSettings = dataclasses.field(default_factory=EvaluateSettings)
    server: ServerSettings = dataclasses.field(default_factory=ServerSettings)
    service: ServiceSettings = dataclasses.field(default_factory=ServiceSettings)
    prepare: PrepareSettings | None = None
    threads: Count = 1
    """Threads of the trainer."""
    device: str = "cpu"

    @model_validator(mode="after")
    def _adapters_need_lora(self) -> Settings:
        if self.server.adapters and self.train.lora is None:
            raise ValueError("server.adapters passes LoRA adapters on: set train.lora, or leave it out")
        return self

    @model_validator(mode="after")
    def _rollouts_are_whole_elsewhere(self) -> Settings:
        if "branch_at" in self.rollout:
            raise ValueError("rollout.branch_at would share the beginnings of evaluations too: use counterfactual.at")
        return self

    @model_validator(mode="after")
    def _joined_steps_have_token_ratios(self) -> Settings:
        if self.train.join_steps and self.train.level == "action":
            raise ValueError('train.join_steps computes steps together: leave it out with train.level = "action"')
        return self

    def facts(self) -> Json:
        """All fields as JSON values."""
        return dataclasses.asdict(self)

    def decisive(self) -> Json:
        """What decides the trained policy, as JSON values: a run folder belongs to one such set of values.

        Left out are places, threads and shared prefixes, which decide only speed; evaluation; how checkpoints are kept;
        and the number of iterations, which may be raised.
        """
        facts = self.facts()
        for place in ("server", "service", "threads", "evaluate"):
            del facts[place]
        if self.prepare is not None:
            for made in ("model", "train_tasks", "heldout_tasks"):
                del facts[made]
        for name in ("iterations", "checkpoint_every", "keep_checkpoints", "share_prefixes"):
            del facts["train"][name]
        return facts

    def fingerprint(self) -> str:
        """Short hash of :meth:`decisive`."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()[:16]
