"""Evaluation of a policy on held-out tasks, with its memory tools and without them.

Owns which rollouts are made and the figures of one evaluation. Leaves out comparing evaluations (`study/results.py`).
The reward is the one of the setting ``reward``, also for a policy that was trained with the answer alone. Tasks and
sampling seeds are the same before and after training.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agemem_grpo.feed.groups import Group, Trajectory, read_feed
from agemem_grpo.feed.service import merged, require_rolled_out, require_version
from agemem_grpo.feed.tasks import Task, read_tasks
from agemem_grpo.processes.services import Services
from agemem_grpo.settings import Settings
from agemem_grpo.training.metrics import mean, measured_reward, normalize_answer, summarize
from agemem_grpo.training.state import write_atomically

Json = dict[str, Any]


def evaluate(settings: Settings, services: Services, path: Path, *, version: int, seed: int) -> Json:
    """Evaluates the weights that the policy server holds and writes the result to ``path``.

    If the file already exists, returns its content. ``seed`` becomes part of the sampling seed.
    Errors: those of the rollout service, and `RolloutFailedError` when more than a tenth of the rollouts failed.
    """
    if path.exists():
        return dict(json.loads(path.read_text()))
    tasks = read_tasks(Path(settings.heldout_tasks))[: settings.evaluate.tasks]
    result: Json = {"tasks": len(tasks), "k": settings.evaluate.k, "version": version, "seed": seed}
    result["with_memory"] = _measure(settings, services, tasks, path.stem, version, seed, {})
    if settings.evaluate.without_memory:
        without = settings.evaluate.without_memory
        result["without_memory"] = _measure(settings, services, tasks, f"{path.stem}-without", version, seed, without)
    write_atomically(path, json.dumps(result, indent=1) + "\n")
    return result


def _measure(
    settings: Settings,
    services: Services,
    tasks: Sequence[Task],
    name: str,
    version: int,
    seed: int,
    over: Mapping[str, Any],
) -> Json:
    own = settings.evaluate
    fixed = {
        "k": own.k,
        "seed": f"evaluate/{own.seed}/{seed}",
        "reward": {"preset": settings.reward},
        "policy": {"send_seed": True},
    }
    overrides = merged(merged(own.request, over), fixed)
    records = services.rollouts.records(
        tasks, version, run_name=f"evaluate-{name}-{seed}-v{version}", overrides=overrides
    )
    groups = list(read_feed(records))
    require_rolled_out(groups, max_failed=0.1)
    require_version(groups, version)
    return measure(groups, {task["id"]: str(task["answer"]) for task in tasks}, settings.reward)


MEASURES = ("reward", "answer_f1", "answer_exact", "memory_quality", "maintenance")
"""What is measured of each rollout. The last two are there where they were judged, and where they apply."""


def measure(groups: Sequence[Group], answers: Mapping[str, str], reward: str = "all-returns") -> Json:
    """Figures of an evaluation from its groups; ``answers`` are the gold answers by task id.

    ``answer_f1`` is the judge's score, or 0 where no answer was given; ``answer_exact`` compares normalized texts;
    ``memory_quality`` (MQ) is the judge's, of what memory held at the end; ``maintenance`` is the reward's part.
    ``by_task`` holds the mean per task, from which intervals over tasks are computed.
    """
    by_task: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for trajectory in group.trajectories:
            for measured, value in _scores(trajectory, answers[str(group.task_id)], reward).items():
                by_task[str(group.task_id)][measured].append(value)
    means = {task: {name: mean(values) for name, values in scores.items()} for task, scores in by_task.items()}
    overall = {
        name: mean(score for scores in means.values() if (score := scores.get(name)) is not None) for name in MEASURES
    }
    return {**overall, "figures": summarize(groups), "by_task": means}


def _scores(trajectory: Trajectory, gold: str, by: str) -> dict[str, float]:
    reward = measured_reward(trajectory, by)
    if trajectory.reward is None or reward is None:
        return {}
    exact = trajectory.answer is not None and normalize_answer(trajectory.answer) == normalize_answer(gold)
    f1 = trajectory.reward_parts.get("task") or 0.0
    sometimes = {
        "memory_quality": trajectory.memory_quality,
        "maintenance": trajectory.reward_parts.get("memory.maintenance"),
    }
    return {
        "reward": reward,
        "answer_f1": max(0.0, f1),
        "answer_exact": float(exact),
        **{name: value for name, value in sometimes.items() if value is not None},
    }
