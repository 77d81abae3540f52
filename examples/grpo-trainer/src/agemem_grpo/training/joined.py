"""Steps that continue each other, joined into one sequence, so that their common beginning is computed once.

The next prompt of a policy that did not edit its context is the last prompt, its response, and what followed. Joined,
a rollout of seven steps costs half the tokens; the loss is the same, because attention is causal and what stands
between two responses is not trained on. Owns which samples are joined. Leaves out samples of single steps
(`feed/samples.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agemem_grpo.feed.samples import Sample


def join_steps(samples: Sequence[Sample]) -> list[Sample]:
    """Joins each sample to the one before it if it continues it token by token; the order stays.

    Steps of different rollouts, weights or advantages are never joined, nor those after an edit of the context, nor
    those whose text was tokenized otherwise the second time.

    >>> len(join_steps([first_step, second_step]))  # doctest: +SKIP
    1
    """
    joined: list[Sample] = []
    for sample in samples:
        if joined and (both := _both(joined[-1], sample)) is not None:
            joined[-1] = both
        else:
            joined.append(sample)
    return joined


def _both(first: Sample, second: Sample) -> Sample | None:
    same = ("trajectory_id", "advantage", "policy_version", "trajectory_weight")
    if any(getattr(first, name) != getattr(second, name) for name in same):
        return None
    done = (*first.prompt_ids, *first.completion_ids)
    if second.prompt_ids[: len(done)] != done:
        return None
    between = second.prompt_ids[len(done) :]
    return replace(
        second,
        prompt_ids=first.prompt_ids,
        completion_ids=(*first.completion_ids, *between, *second.completion_ids),
        old_logprobs=(*first.old_logprobs, *(0.0 for _ in between), *second.old_logprobs),
        completion_mask=(*first.completion_mask, *(0 for _ in between), *second.completion_mask),
    )
