"""TRL's `GRPOTrainer`, fed by rollouts that are already complete.

Owns the step that TRL calls "generate and score": here it takes the next samples from a feed. Prompts, completions,
masks, advantages and the log-probabilities of the old policy come from the feed; nothing is generated, no reward is
computed, no text is tokenized. Everything after it is TRL's: loss, clipping, KL against the reference, optimizer,
schedule, checkpoints, logs. Leaves out where samples come from (`loop.py`) and what the loss means (`objective.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, NoReturn

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import use_adapter

from agemem_grpo.feed.samples import Batch, Sample, collate
from agemem_grpo.training.objective import action_losses
from agemem_grpo.training.prefix_tree import SharedPiece, shared_piece

Feed = Callable[[int], Sequence[Sample]]
Inputs = dict[str, Any]
"""Tensors with TRL's names, and ``shared``, a :class:`~agemem_grpo.training.prefix_tree.SharedPiece`."""

TOKEN_MEAN_LOSSES = ("dapo", "cispo", "vespo")
"""TRL's loss types that divide by the trained tokens of the optimizer step, whatever pieces the step is cut into."""


class EmptyFeedError(RuntimeError):
    """The feed had nothing to train on several times in a row."""


class StepwiseGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """Step-wise GRPO on TRL: each sample is one step of the policy with the advantage of its trajectory.

    `feed(global_step)` returns the samples of the next optimizer step, any number of them; it is called once per
    `steps_per_generation * num_iterations / gradient_accumulation_steps` steps, in the main process. The samples are
    grouped by length into `gradient_accumulation_steps` pieces, each padded to its own longest sequence. The size of a
    piece follows from that; `per_device_train_batch_size` and `num_generations` only have to satisfy TRL.

    With several processes the main one calls the feed, and each trains on its share.

    Settings of `GRPOConfig` that matter:

    - `max_steps`: must be given; the data set behind the trainer is a placeholder.
    - `beta`: the paper's is 0.1 (TRL's default is 0); eq. 6 as written is with `use_bias_correction_kl=False` (TRL's
      default is True). `epsilon`: clipping; a huge value turns it off.
    - `loss_type`: "dapo" (TRL's default) is the mean over trained tokens, as `normalize="token"` of the objective.
      Losses that take means of sequences need pieces of equal size.
    - `temperature`: set it to that of the rollouts. `learning_rate`, schedule, `save_*`, `resume_from_checkpoint`: as
      in TRL.
    - `mask_truncated_completions`, `max_completion_length`, reward and generation settings have no effect: what is
      trained on is decided where samples are made (`samples_of`).

    `level="action"` trains with one ratio and one KL term per step instead of per token (eq. 6 to the letter); the loss
    is then that of `objective.py`, not TRL's.

    `normalize="trajectory"` gives every trajectory the same weight, however many tokens it has. `max_empty` (default 8)
    is how often in a row the feed may have nothing. With `peft_config` an adapter is trained and the reference is the
    model without it; otherwise the reference is loaded from where the model came from, also after a resume.

    `share_prefixes` puts the samples of a trajectory into one piece and computes each piece as a tree, what its samples
    begin with once (`prefix_tree.py`): the same loss, for less computing, in one process and single precision.

    Logged besides TRL's own: "ratio/mean" and "ratio/max_deviation" (largest |rho - 1| over the tokens of the step; at
    the first update it shows how exact the feed's log-probabilities are), and for the feed "feed/samples",
    "feed/tokens" (trained), "feed/padding" (share of positions), "feed/shared" (share of tokens that trees save),
    "feed/seconds" (waited), "feed/empty", "feed/advantage_abs".

    Raises ValueError for settings that cannot work, EmptyFeedError after `max_empty` empty answers.

    >>> args = GRPOConfig("out", max_steps=50, beta=0.1, gradient_accumulation_steps=4, use_cpu=True, bf16=False)
    >>> StepwiseGRPOTrainer("tiny-policy", args, feed=loop.feed).train()
    """

    _buffered_inputs: list[Inputs] | None

    def __init__(
        self,
        model: Any,
        args: GRPOConfig,
        feed: Feed,
        *,
        normalize: Literal["token", "trajectory"] = "token",
        level: Literal["token", "action"] = "token",
        share_prefixes: bool = False,
        max_empty: int = 8,
        processing_class: Any = None,
        callbacks: list[Any] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        peft_config: Any = None,
        quantization_config: Any = None,
    ) -> None:
        _check_settings(args, normalize, level)
        if share_prefixes:
            _check_sharing(args)
        self._share_prefixes = share_prefixes
        self._shared: SharedPiece | None = None
        self._level = level
        self._feed = feed
        self._normalize = normalize
        self._max_empty = max_empty
        self._policy_logps: torch.Tensor | None = None
        self._ratios: list[tuple[float, float, float]] = []
        super().__init__(
            model=model,
            reward_funcs=_no_reward,
            args=args,
            # TRL iterates over a data set of prompts. Ours are in the feed, so TRL gets one blank row per prompt.
            train_dataset=Dataset.from_dict(
                {"prompt": [""] * (args.max_steps * args.generation_batch_size // args.num_generations)}
            ),
            processing_class=processing_class,
            callbacks=callbacks,
            optimizers=optimizers,
            peft_config=peft_config,
            quantization_config=quantization_config,
        )

    def _prepare_inputs(self, generation_batch: Any) -> Inputs:
        """The next piece. TRL's own version would pad all pieces to one length and drop what does not divide evenly."""
        if not self.model.training:
            raise NotImplementedError("evaluate with rollouts: the feed is for training")
        pieces = self.args.steps_per_generation
        if self._buffered_inputs is None or self._step % (pieces * self.num_iterations) == 0:
            self._buffered_inputs = self._generate_and_score_completions(generation_batch)
        return dict(self._buffered_inputs[self._step % pieces])

    def _generate_and_score_completions(self, inputs: Any) -> list[Inputs]:
        """Takes samples from the feed and arranges them as the pieces that TRL's loss reads. `inputs` is blank."""
        samples = self._take()
        windows = self.args.steps_per_generation // self.args.gradient_accumulation_steps
        share = self._share(samples, windows)
        order = torch.randperm(len(share)).tolist() if windows > 1 else range(len(share))
        pieces: list[Inputs] = []
        for window in range(windows):
            batches = self._pieces([share[i] for i in order[window::windows]] or [_blank(share[0])])
            pieces.extend(self._inputs(batches, windows))
        self._note("feed/samples", len(samples))
        self._note("feed/tokens", sum(sum(one.completion_mask) for one in samples))
        self._note("feed/advantage_abs", sum(abs(one.advantage) for one in samples) / len(samples))
        shared = [piece["shared"] for piece in pieces if self._share_prefixes]
        if shared:
            whole = sum(int(piece["prompt_mask"].sum() + piece["completion_mask"].sum()) for piece in pieces)
            self._note("feed/shared", 1 - sum(len(each.tree.ids) for each in shared) / whole)
        masks = [mask for piece in pieces for mask in (piece["prompt_mask"], piece["completion_mask"])]
        self._note("feed/padding", 1 - sum(float(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks))
        return pieces

    def _take(self) -> list[Sample]:
        """The next samples of the feed, the same in all processes."""
        began = time.perf_counter()
        box: list[Any] = [None]
        if self.accelerator.is_main_process:
            for empty in range(self._max_empty):
                samples = list(self._feed(self.state.global_step))
                if samples:
                    box = [samples]
                    self._note("feed/empty", empty)
                    break
        if self.accelerator.num_processes > 1:
            broadcast_object_list(box)
        if box[0] is None:
            raise EmptyFeedError(f"The feed had no samples {self._max_empty} times at step {self.state.global_step}.")
        self._note("feed/seconds", time.perf_counter() - began)
        return list(box[0])

    def _share(self, samples: list[Sample], windows: int) -> list[Sample]:
        """This process's share. All shares have the same size, because TRL gathers a figure per row of each piece."""
        world = self.accelerator.num_processes
        parts = world * windows * self.args.gradient_accumulation_steps
        if self.loss_type not in TOKEN_MEAN_LOSSES and len(samples) % parts:
            raise ValueError(
                f"loss_type {self.loss_type!r} takes means of pieces, and {len(samples)} samples make no {parts} equal "
                'ones: use loss_type="dapo", gradient_accumulation_steps=1, or a feed that returns a multiple'
            )
        blanks = [_blank(samples[0])] * (-len(samples) % world)
        return [*samples, *blanks][self.accelerator.process_index :: world]

    def _pieces(self, samples: list[Sample]) -> list[Batch]:
        """One optimizer step cut into accumulation pieces of about equal numbers, with similar lengths together."""
        count = self.args.gradient_accumulation_steps
        ordered: list[list[Sample]]
        if self._share_prefixes:
            trajectories: dict[str, list[Sample]] = {}
            for one in samples:
                trajectories.setdefault(one.trajectory_id, []).append(one)
            ordered = list(trajectories.values())
        else:
            ordered = [[one] for one in sorted(samples, key=lambda one: len(one.prompt_ids) + len(one.completion_ids))]
        cuts = [len(ordered) * i // count for i in range(count + 1)]
        parts = [[one for unit in ordered[a:b] for one in unit] or [_blank(samples[0])] for a, b in pairwise(cuts)]
        return [collate(part, self._tokenizer.pad_token_id).to(self.accelerator.device) for part in parts]

    def _inputs(self, batches: list[Batch], windows: int) -> list[Inputs]:
        """The pieces of one optimizer step, with TRL's names."""
        tokens = self._sum(sum(batch.loss_mask.sum() for batch in batches))
        weights = [batch.loss_mask for batch in batches]
        if self._normalize == "trajectory":
            weights = [batch.loss_mask * batch.trajectory_weights.unsqueeze(1) for batch in batches]
            # Scaled to sum to the number of tokens, which is what TRL divides by.
            scale = tokens / self._sum(sum(weight.sum() for weight in weights)).clamp(min=1e-12)
            weights = [weight * scale for weight in weights]
        result = []
        for batch, weight in zip(batches, weights, strict=True):
            inputs: Inputs = {
                "prompt_ids": batch.prompt_ids,
                "prompt_mask": batch.prompt_mask,
                "completion_ids": batch.completion_ids,
                "completion_mask": batch.completion_mask,
                # TRL multiplies the loss by it: 0 on tokens that are seen but not trained, else the token's weight.
                "tool_mask": weight,
                "advantages": batch.advantages,
                "old_per_token_logps": batch.old_logps,
                # TRL divides it by `windows` again, because its own figure covers all of them.
                "num_items_in_batch": tokens * windows,
            }
            if self._level == "action":
                inputs["tool_mask"], inputs["action_weights"] = batch.loss_mask, self._action_weights(batch, batches)
            if self._share_prefixes:
                inputs["shared"] = shared_piece(self.accelerator.unwrap_model(self.model), batch)
            if self.beta != 0:
                inputs["ref_per_token_logps"] = self._reference_logps(batch, inputs.get("shared"))
            result.append(inputs)
        return result

    def _action_weights(self, batch: Batch, batches: list[Batch]) -> torch.Tensor:
        """What each step of a piece counts; those of all pieces and processes sum to the number of processes."""
        trained = [one.loss_mask.bool().any(1).float() for one in batches]
        total = self._sum(sum(counts.sum() for counts in trained)).clamp(min=1)
        weights: torch.Tensor = batch.loss_mask.bool().any(1).float() * self.accelerator.num_processes / total
        return weights

    @torch.no_grad()
    def _reference_logps(self, batch: Batch, shared: SharedPiece | None) -> torch.Tensor:
        self._shared = shared
        ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)
        attention = torch.cat([batch.prompt_mask, batch.completion_mask], dim=1)
        width = batch.completion_ids.shape[1]
        if self.ref_model is not None:
            logps, _, _ = self._get_per_token_logps_and_entropies(self.ref_model, ids, attention, width)
            return logps  # type: ignore[no-any-return]
        model = self.accelerator.unwrap_model(self.model)
        with _adapter_off(model):
            logps, _, _ = self._get_per_token_logps_and_entropies(self.model, ids, attention, width)
        return logps  # type: ignore[no-any-return]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        if self._shared is None:
            result = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        else:
            result = (*self._shared.logps(self.accelerator.unwrap_model(args[0]), self.temperature), None)
        if torch.is_grad_enabled():
            self._policy_logps = result[0].detach()
        return result

    def _compute_loss(self, model: Any, inputs: Inputs) -> torch.Tensor:
        self._shared = inputs.get("shared")
        loss: torch.Tensor = (
            super()._compute_loss(model, inputs) if self._level == "token" else self._action_loss(model, inputs)
        )
        trained = inputs["tool_mask"] > 0
        if self._policy_logps is not None and bool(trained.any()):
            ratio = (self._policy_logps - inputs["old_per_token_logps"])[trained].exp()
            self._ratios.append((float(ratio.sum()), float(ratio.numel()), float((ratio - 1).abs().max())))
        if self.accelerator.sync_gradients and self._ratios:
            sums, counts, deviations = zip(*self._ratios, strict=True)
            self._note("ratio/mean", sum(sums) / sum(counts))
            self._note("ratio/max_deviation", max(deviations))
            self._ratios.clear()
        return loss

    def _action_loss(self, model: Any, inputs: Inputs) -> torch.Tensor:
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        width = inputs["completion_ids"].shape[1]
        logps = self._get_per_token_logps_and_entropies(model, ids, attention, width)[0]
        per_action = action_losses(
            logps,
            inputs["old_per_token_logps"],
            inputs.get("ref_per_token_logps"),
            inputs["tool_mask"],
            inputs["advantages"],
            beta=self.beta,
            clip=(self.epsilon_low, self.epsilon_high),
            correct_kl=self.args.use_bias_correction_kl,
        )
        loss: torch.Tensor = (per_action * inputs["action_weights"]).sum()
        return loss

    def _note(self, name: str, value: float) -> None:
        self._metrics["train"][name].append(float(value))

    def _sum(self, value: Any) -> torch.Tensor:
        """The sum of a number over all processes."""
        total: torch.Tensor = self.accelerator.gather(value.float().reshape(1)).sum()
        return total


def _check_settings(args: GRPOConfig, normalize: str, level: str) -> None:
    problem = None
    if args.max_steps <= 0:
        problem = "max_steps must be given: the feed has no end of its own"
    elif args.use_vllm or args.use_liger_kernel:
        problem = "use_vllm and use_liger_kernel must be off: nothing is generated here, and liger knows no weights"
    elif args.eval_strategy != "no":
        problem = 'eval_strategy must be "no": evaluate with rollouts'
    elif args.steps_per_generation % args.gradient_accumulation_steps:
        problem = "steps_per_generation must be a multiple of gradient_accumulation_steps"
    elif normalize not in ("token", "trajectory"):
        problem = f'normalize is "token" or "trajectory", not {normalize!r}'
    elif normalize == "trajectory" and args.loss_type not in TOKEN_MEAN_LOSSES:
        problem = f'normalize="trajectory" needs loss_type "dapo", not {args.loss_type!r}'
    elif level not in ("token", "action"):
        problem = f'level is "token" or "action", not {level!r}'
    elif level == "action" and normalize != "token":
        problem = 'level="action" divides by the number of steps: leave normalize at "token"'
    if problem is not None:
        raise ValueError(problem)


def _check_sharing(args: GRPOConfig) -> None:
    if args.bf16 or args.fp16 or args.world_size > 1:
        raise ValueError("share_prefixes does not work with several processes or half precision: leave it out")


def _adapter_off(model: Any) -> Any:
    """The model before training: without a new adapter, or with TRL's copy of a given one."""
    return use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None)


def _blank(sample: Sample) -> Sample:
    """A placeholder for a piece without samples: a forward pass with weight 0."""
    return replace(sample, completion_mask=(0,) * len(sample.completion_mask), advantage=0.0, trajectory_weight=0.0)


def _no_reward(**_: Any) -> NoReturn:
    raise AssertionError("rewards are the feed's")
