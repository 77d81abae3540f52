"""From groups to training samples and tensors: one sample per step of the policy.

Owns which steps are trained on, the reason for omitting each other step, and the padding. The prompts of two steps need
not extend each other, because the policy edits its own context; so each step is a separate sequence with the advantage
of its trajectory (AgeMem, eq. 6). Leaves out the loss (`training/objective.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from agemem_grpo.feed.groups import Group, Step, Trajectory


@dataclass(frozen=True, slots=True)
class Sample:
    """One step as a trainer sees it. The four token fields of the completion have equal lengths."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    old_logprobs: tuple[float, ...]
    completion_mask: tuple[int, ...]
    """1 = train on this token."""
    advantage: float
    trajectory_id: str
    trajectory_weight: float
    """1 / trained tokens of the trajectory: the sum over its trained tokens is 1, however many steps it has."""
    policy_version: int | None
    group_id: str
    stage: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What is trained on in a group: the samples, and how many steps were omitted for each reason."""

    samples: list[Sample]
    dropped: dict[str, int]


def samples_of(
    group: Group,
    *,
    drop_zero_variance: bool = True,
    min_reward_std: float = 0.0,
    mask_truncated: bool = False,
    max_length: int | None = None,
) -> Selection:
    """The samples of a group, and the number of steps omitted for each reason.

    - "unscored": the rollout failed or has no reward; it does not count in the baseline either.
    - "zero_variance": all rewards of the group are equal, so its advantages are 0 (default: left out; with
      `drop_zero_variance=False` they stay, and only the KL term acts on them).
    - "low_variance": the standard deviation of the rewards is not above `min_reward_std` (default 0: off). Dividing
      by it would turn differences of a token or two in the context into advantages of 1.
    - "truncated": the response was cut at the length limit and `mask_truncated` is set (default: trained on, because
      a response without end is the policy's own mistake).
    - "too_long": prompt and response have more than `max_length` tokens (default: no limit).
    - "masked": the mask excludes all tokens.
    - "shared": the step belongs to a beginning that the whole group shares, and has the advantage 0.
    - "error", "no_token_ids", "token_mismatch", "no_logprobs", "floor_logprobs", "cut": the step's `drop_reason`.

    >>> selection = samples_of(group, mask_truncated=True)
    >>> len(selection.samples), selection.dropped
    (20, {"truncated": 1})
    """
    samples: list[Sample] = []
    dropped = Counter[str]()
    for trajectory in group.trajectories:
        reason = _why_not(trajectory, drop_zero_variance, min_reward_std)
        if reason is not None:
            dropped[reason] += len(trajectory.steps)
            continue
        kept: list[Step] = []
        for step in trajectory.steps:
            problem = _why_not_step(step, mask_truncated, max_length)
            if problem is None:
                kept.append(step)
            else:
                dropped[problem] += 1
        tokens = sum(sum(step.response_mask) for step in kept)
        samples.extend(_sample(trajectory, step, 1 / tokens) for step in kept)
    return Selection(samples, dict(dropped))


def _why_not(trajectory: Trajectory, drop_zero_variance: bool, min_reward_std: float) -> str | None:
    if trajectory.advantage is None:
        return "unscored"
    if trajectory.zero_variance:
        return "zero_variance" if drop_zero_variance else None
    if min_reward_std > 0 and (trajectory.group_std or 0.0) <= min_reward_std:
        return "low_variance"
    return None


def _why_not_step(step: Step, mask_truncated: bool, max_length: int | None) -> str | None:
    if not step.trainable:
        return step.drop_reason
    if sum(step.response_mask) == 0:
        return "masked"
    if step.advantage == 0:
        return "shared"
    if mask_truncated and step.truncated:
        return "truncated"
    if max_length is not None and len(step.prompt_token_ids) + len(step.response_token_ids) > max_length:
        return "too_long"
    return None


def _sample(trajectory: Trajectory, step: Step, weight: float) -> Sample:
    if trajectory.advantage is None:
        raise ValueError(f"rollout {trajectory.rollout_id} has no advantage")
    return Sample(
        prompt_ids=step.prompt_token_ids,
        completion_ids=step.response_token_ids,
        old_logprobs=step.response_logprobs,
        completion_mask=step.response_mask,
        advantage=trajectory.advantage if step.advantage is None else step.advantage,
        trajectory_id=trajectory.rollout_id,
        trajectory_weight=weight,
        policy_version=step.policy_version,
        group_id=trajectory.group_id,
        stage=step.stage,
    )


@dataclass(slots=True)
class Batch:
    """Samples as tensors of B rows: prompts padded left to P columns, completions padded right to C."""

    prompt_ids: torch.Tensor
    prompt_mask: torch.Tensor
    completion_ids: torch.Tensor
    completion_mask: torch.Tensor
    """The attention mask: 1 for every real token, trained or not."""
    loss_mask: torch.Tensor
    """1 for the tokens to train on."""
    old_logps: torch.Tensor
    advantages: torch.Tensor
    trajectory_weights: torch.Tensor
    trajectory_ids: list[str]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with all tensors on the device."""
        tensors = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "trajectory_ids"}
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        return Batch(**moved, trajectory_ids=self.trajectory_ids)


def collate(samples: Sequence[Sample], pad_id: int) -> Batch:
    """Pads samples to the longest prompt and the longest completion among them, as TRL lays sequences out.

    Raises ValueError when there is no sample.

    >>> collate(samples, tokenizer.pad_token_id).completion_ids.shape
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    prompt_width = max(len(one.prompt_ids) for one in samples)
    width = max(len(one.completion_ids) for one in samples)

    def left(values: Sequence[int], fill: int) -> list[int]:
        return [fill] * (prompt_width - len(values)) + list(values)

    def right(values: Sequence[float], fill: float) -> list[float]:
        return list(values) + [fill] * (width - len(values))

    return Batch(
        prompt_ids=torch.tensor([left(one.prompt_ids, pad_id) for one in samples]),
        prompt_mask=torch.tensor([left([1] * len(one.prompt_ids), 0) for one in samples]),
        completion_ids=torch.tensor([right(one.completion_ids, pad_id) for one in samples], dtype=torch.long),
        completion_mask=torch.tensor([right([1] * len(one.completion_ids), 0) for one in samples], dtype=torch.long),
        loss_mask=torch.tensor([right(one.completion_mask, 0) for one in samples], dtype=torch.long),
        old_logps=torch.tensor([right(one.old_logprobs, 0.0) for one in samples], dtype=torch.float32),
        advantages=torch.tensor([one.advantage for one in samples], dtype=torch.float32),
        trajectory_weights=torch.tensor([one.trajectory_weight for one in samples], dtype=torch.float32),
        trajectory_ids=[one.trajectory_id for one in samples],
    )
