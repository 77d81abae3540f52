"""The fields of a record of `agemem.trajectory/1` that a trainer reads, as pydantic models.

Owns names, types and limits; a test compares them with `schemas/agemem.trajectory-1.json`. Fields that a trainer does
not use are ignored. Leaves out rules between fields (`records.py`) and between records (`groups.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

SCHEMA = "agemem.trajectory/1"

Id = Annotated[str, Field(min_length=1)]
Index = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Operation = Literal["ADD", "UPDATE", "DELETE", "RETRIEVE", "SUMMARY", "FILTER"]
Status = Literal["ok", "error", "timeout", "truncated", "cancelled"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Identity(_Record):
    """The fields of every record. Those of the group are None for a rollout without one."""

    schema_: Literal["agemem.trajectory/1"] = Field(alias="schema")
    kind: Literal["step", "trajectory"]
    rollout_id: Id
    attempt: Positive


class Call(Identity):
    """Any call of a rollout. Auxiliary calls (a summarizer's, a judge's) are never trained on; only their index
    matters."""

    kind: Literal["step"]
    step_index: Index
    call_role: Literal["policy", "aux"]


class MemoryOp(_Record):
    """A memory operation that a response requested."""

    op: Operation
    tool_call_id: str
    ok: bool


class StepRecord(Call):
    """A call of the policy. Log-probabilities are natural logarithms."""

    group_id: str | None = None
    stage: Literal[0, 1, 2, 3]
    trainable: bool
    advantage: float | None = None
    drop_reason: str | None = None
    policy_version: Index | None = None
    prompt_token_ids: list[Index] | None = None
    response_token_ids: list[Index] | None = None
    response_logprobs: list[float] | None = None
    response_mask: list[Literal[0, 1]] | None = None
    truncated: bool
    finish_reason: str | None = None
    format_error: str | None = None
    memory_ops: list[MemoryOp] = []


class AdvantageMeta(_Record):
    """The baseline of a group's advantages (AgeMem, eq. 5)."""

    mean: float
    std: Annotated[float, Field(ge=0)]
    std_kind: Literal["sample", "population", "none"]
    eps: Annotated[float, Field(ge=0)]
    zero_variance: bool


class Verdicts(_Record):
    """What the judge said."""

    memory_quality: Annotated[float, Field(ge=0, le=1)] | None


class Episode(_Record):
    """The outcome of a rollout."""

    answer: str | None = None


class TrajectoryRecord(Identity):
    """One rollout, after its steps."""

    kind: Literal["trajectory"]
    task_id: str | None = None
    group_id: str | None = None
    k: Positive | None = None
    status: Status
    reward: float | None = None
    reward_parts: dict[str, float | None] = {}
    verdicts: Verdicts | None = None
    metadata: dict[str, JsonValue] = {}
    """Notes about a rollout, of which ``branch_at`` is read (`records.py`)."""
    advantage: float | None = None
    advantage_meta: AdvantageMeta | None = None
    n_steps: Index
    episode: Episode | None = None
