"""Rows of `agemem export` read back by what takes them: TRL's and Hugging Face's classes, and strict stand-ins for
Trinity-RFT's `Experience` and verl's `AgentLoopOutput`, whose packages need GPUs to install.

Run by `npm run test:trainers`, which makes the rows and names their folder. Nothing here is skipped.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import queue
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import PartialState
from datasets import load_dataset
from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl.experimental.async_grpo.async_grpo_trainer import (
    DataCollatorForRollout,
    FixedCountBatcher,
    RolloutQueueDataset,
)
from trl.experimental.async_grpo.async_rollout_worker import RolloutSample

ROWS = Path(os.environ["AGEMEM_TRAINER_ROWS"])


def rows_of(name: str) -> list[dict[str, Any]]:
    with (ROWS / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


RECORDS = rows_of("run")
STEPS = [record for record in RECORDS if record["kind"] == "step"]
TRAJECTORIES = {record["rollout_id"]: record for record in RECORDS if record["kind"] == "trajectory"}


def test_there_is_something_to_read() -> None:
    assert len(TRAJECTORIES) == 6
    assert len(STEPS) > 20
    assert all(step["trainable"] for step in STEPS)
    assert {step["finish_reason"] for step in STEPS} == {"tool_calls", "stop", "length"}
    advantages = {trajectory["advantage"] for trajectory in TRAJECTORIES.values()}
    assert min(advantages) < 0 < max(advantages)


# --- TRL: the real dataclass, data set, batcher and collator of trl.experimental.async_grpo ---


def test_trl_takes_every_row_as_a_rollout_sample() -> None:
    fields = {field.name for field in dataclasses.fields(RolloutSample)} - {"enqueued_at"}
    rows = rows_of("trl")
    assert len(rows) == len(STEPS)
    for row, step in zip(rows, STEPS, strict=True):
        assert set(row) == fields
        sample = RolloutSample(**row)
        prompt, response = step["prompt_token_ids"], step["response_token_ids"]
        assert sample.input_ids == prompt + response
        assert sample.completion_mask == [0] * len(prompt) + [1] * len(response)
        assert sample.old_log_probs == [0] * len(prompt) + step["response_logprobs"]
        assert sample.advantage == TRAJECTORIES[step["rollout_id"]]["advantage"]
        assert sample.model_version == 5
        assert all(isinstance(value, (int, float)) for value in sample.metrics.values())
    groups = {row["group_id"] for row in rows}
    assert len(groups) == 2
    assert all(isinstance(group, int) and group < 2**53 for group in groups)


def test_trls_trainer_would_be_fed_these_batches() -> None:
    PartialState()  # the data set's logger asks for the process
    rows = rows_of("trl")
    samples: queue.Queue[RolloutSample] = queue.Queue()
    for row in rows:
        samples.put(RolloutSample(**row))
    metrics: dict[str, list[Any]] = defaultdict(list)
    source = RolloutQueueDataset(samples, lambda: 5, lambda _seconds: None, 5.0, metrics)
    groups = next(iter(FixedCountBatcher(source, 1, len(rows))))
    batch = DataCollatorForRollout(pad_token_id=0, metrics=metrics)([groups])
    (taken,) = groups

    def content(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row["input_ids"]), tuple(row["old_log_probs"]), row["advantage"], row["group_id"]

    assert sorted(map(content, taken)) == sorted(map(content, rows))
    joined = [token for row in taken for token in row["input_ids"]]
    assert batch["input_ids"].tolist() == [joined]
    trained = batch["completion_mask"].bool()
    assert int(trained.sum()) == sum(len(step["response_token_ids"]) for step in STEPS)
    assert batch["global_n_tokens"].item() == int(trained.sum())
    expected = [row["advantage"] for row in taken for token in row["completion_mask"] if token]
    assert batch["advantages"][trained].tolist() == pytest.approx(expected)
    assert float(batch["old_log_probs"][trained].max()) <= 0.0
    assert torch.equal(batch["old_log_probs"][~trained], torch.zeros(int((~trained).sum())))
    assert metrics["reward"] == [pytest.approx(sum(row["metrics"]["reward"] for row in rows) / len(rows))]


def test_trl_drops_rows_of_weights_that_are_too_old() -> None:
    samples: queue.Queue[RolloutSample] = queue.Queue()
    old, new = rows_of("trl")[:2]
    samples.put(RolloutSample(**old))
    samples.put(RolloutSample(**{**new, "model_version": 12}))
    metrics: dict[str, list[Any]] = defaultdict(list)
    source = RolloutQueueDataset(samples, lambda: 12, lambda _seconds: None, 5.0, metrics)
    assert next(iter(source))["input_ids"] == new["input_ids"]
    assert sum(metrics["sample/dropped_stale_total"]) == 1


# --- Chat rows: Hugging Face's data sets and a chat template ---

TEMPLATE = (
    "{%- if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>\n{% endif %}"
    "{%- for message in messages %}<|{{ message.role }}|>{{ message.content or '' }}"
    "{%- for call in message.tool_calls or [] %}<call>{{ call.function.name }} {{ call.function.arguments }}</call>"
    "{%- endfor %}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", chat_template=TEMPLATE)


def test_chat_rows_survive_a_data_set_and_a_chat_template() -> None:
    rows = rows_of("chat")
    kept = [step for step in STEPS if not step["truncated"]]
    assert len(rows) == len(kept)
    dataset = load_dataset("json", data_files=str(ROWS / "chat.jsonl"), split="train")
    template = tokenizer()
    for row, loaded, step in zip(rows, dataset, kept, strict=True):
        text = template.apply_chat_template(row["messages"], tools=row["tools"], tokenize=False)
        again = template.apply_chat_template(loaded["messages"], tools=loaded["tools"], tokenize=False)
        # A data set gives all messages the same keys and fills in null; the template must not tell the difference.
        assert again == text
        response = step["response"]
        assert text.rstrip().endswith(
            f"{response['tool_calls'][-1]['arguments']}</call>" if response["tool_calls"] else response["content"]
        )
        weights = [message.get("weight") for message in row["messages"] if message["role"] == "assistant"]
        assert weights == [0] * (len(weights) - 1) + [1]
        prompt = template.apply_chat_template(
            row["messages"][:-1], tools=row["tools"], tokenize=False, add_generation_prompt=True
        )
        assert text.startswith(prompt)


# --- Trinity-RFT: what `Experience` and `EID` take and check (trinity/common/experience.py) ---


@dataclasses.dataclass
class EID:
    batch: int | str
    task: int | str
    run: int
    step: int
    suffix: str

    def __post_init__(self) -> None:
        assert isinstance(self.run, int)
        assert isinstance(self.step, int)
        assert isinstance(self.suffix, str)
        assert self.suffix


@dataclasses.dataclass
class Experience:
    eid: EID
    tokens: torch.Tensor
    prompt_length: int
    logprobs: torch.Tensor
    reward: float
    action_mask: torch.Tensor | None = None
    truncate_status: str | None = None
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        assert self.tokens.dtype == torch.int32
        response = len(self.tokens) - self.prompt_length
        assert self.prompt_length > 0
        assert response > 0, "a single turn needs a response"
        assert self.logprobs.shape == (response,)
        assert bool(torch.isfinite(self.logprobs).all())
        if self.action_mask is not None:
            assert self.action_mask.dtype == torch.bool
            assert self.action_mask.shape == (response,)
        assert self.truncate_status in (None, "prompt_truncated", "response_truncated")
        assert math.isfinite(self.reward)
        assert all(isinstance(value, float) and math.isfinite(value) for value in self.metrics.values())


def to_experience(row: dict[str, Any]) -> Experience:
    """The few lines an importer needs."""
    mask = {"action_mask": torch.tensor(row["action_mask"])} if "action_mask" in row else {}
    return Experience(
        **{
            **row,
            **mask,
            "eid": EID(**row["eid"]),
            "tokens": torch.tensor(row["tokens"], dtype=torch.int32),
            "logprobs": torch.tensor(row["logprobs"], dtype=torch.float32),
            "metrics": {key: float(value) for key, value in row["metrics"].items()},
        }
    )


def test_trinity_takes_every_row_as_an_experience() -> None:
    experiences = [to_experience(row) for row in rows_of("trinity")]
    assert len(experiences) == len(STEPS)
    assert len({dataclasses.astuple(one.eid) for one in experiences}) == len(experiences)
    for one, step in zip(experiences, STEPS, strict=True):
        assert one.tokens.tolist() == step["prompt_token_ids"] + step["response_token_ids"]
        assert one.prompt_length == len(step["prompt_token_ids"])
        assert one.reward == TRAJECTORIES[step["rollout_id"]]["reward"]
        assert (one.truncate_status == "response_truncated") == step["truncated"]
    assert sum(one.truncate_status is not None for one in experiences) == 1


def test_trinitys_step_wise_grpo_gives_the_advantages_of_the_recording() -> None:
    """`step_wise_grpo`: the reward of a run's last step, over the sample deviation of its task, on all its steps."""
    experiences = [to_experience(row) for row in rows_of("trinity")]
    last: dict[tuple[int | str, int], float] = {}
    for one in experiences:
        last[(one.eid.task, one.eid.run)] = one.reward
    # A task of Trinity is a group: another seed or another version of the weights is another task.
    task_of = {step["rollout_id"]: one.eid.task for one, step in zip(experiences, STEPS, strict=True)}
    assert len(last) == len(TRAJECTORIES)
    assert len(set(task_of.values())) == len({trajectory["group_id"] for trajectory in TRAJECTORIES.values()})
    by_task: dict[int | str, list[float]] = defaultdict(list)
    for (task, _run), reward in last.items():
        by_task[task].append(reward)
    for rollout, trajectory in TRAJECTORIES.items():
        group = torch.tensor(by_task[task_of[rollout]], dtype=torch.float64)
        assert len(group) > 1
        expected = (trajectory["reward"] - group.mean()) / (group.std() + 1e-6)
        assert trajectory["advantage"] == pytest.approx(float(expected), abs=1e-9)


# --- verl: what `AgentLoopOutput` takes (verl/experimental/agent_loop/agent_loop.py) ---


class AgentLoopMetrics(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    generate_sequences: float
    tool_calls: float


class AgentLoopOutput(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    prompt_ids: list[int]
    response_ids: list[int]
    response_mask: list[int]
    response_logprobs: list[float] | None
    reward_score: float | None
    num_turns: int
    metrics: AgentLoopMetrics
    extra_fields: dict[str, Any]


def test_verl_takes_every_row_as_a_list_of_outputs() -> None:
    rows = rows_of("verl")
    assert len(rows) == len(TRAJECTORIES)
    assert len({(row["uid"], row["session_id"]) for row in rows}) == len(rows)
    for row, trajectory in zip(rows, TRAJECTORIES.values(), strict=True):
        outputs = [AgentLoopOutput.model_validate(output) for output in row["outputs"]]
        steps = [step for step in STEPS if step["rollout_id"] == trajectory["rollout_id"]]
        assert [output.extra_fields["step_index"] for output in outputs] == [step["step_index"] for step in steps]
        assert [output.reward_score for output in outputs[:-1]] == [None] * (len(outputs) - 1)
        assert outputs[-1].reward_score == trajectory["reward"]
        for output, step in zip(outputs, steps, strict=True):
            assert output.prompt_ids == step["prompt_token_ids"]
            assert output.response_ids == step["response_token_ids"]
            assert output.response_mask == [1] * len(output.response_ids)
            assert output.response_logprobs == step["response_logprobs"]
