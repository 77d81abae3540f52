"""The loop with a real trainer and a made-up service: what is asked for, kept, and done again after an end midway."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stand_in import trajectory_record
from tiny_policy import save_policy
from transformers import AutoModelForCausalLM

from agemem_grpo.feed.service import RolloutFailedError
from agemem_grpo.settings import CounterfactualSettings, Settings, SettingsError, TrainSettings
from agemem_grpo.training.loop import Loop, deal
from agemem_grpo.training.run import train
from agemem_grpo.training.state import RunFolder

Json = dict[str, Any]


class MadeUpRollouts:
    """Answers with two one-step rollouts per task: advantage +1 for token 5, -1 for token 6, by default."""

    def __init__(self) -> None:
        self.asked: list[Json] = []
        self.fail_at: int | None = None
        self.flat = False
        self.unscored = 0

    def records(
        self, tasks: Sequence[Mapping[str, Any]], version: int, *, run_name: str, overrides: Mapping[str, Any]
    ) -> list[Json]:
        if version == self.fail_at:
            raise ConnectionError("the run ends here")
        self.asked.append({"version": version, "name": run_name, "tasks": [task["id"] for task in tasks], **overrides})
        records: list[Json] = []
        for task in tasks:
            group = f"{run_name}/{task['id']}"
            for index, (reward, advantage) in enumerate(((1.0, 1.0), (0.0, -1.0))):
                record = trajectory_record(group, task["id"], index, reward=reward, advantage=advantage)
                if self.flat:
                    record |= {"reward": 0.5, "advantage": 0.0}
                    record["advantage_meta"] |= {"std": 0.0, "zero_variance": True}
                if self.unscored:
                    record |= {"reward": None, "advantage": None, "advantage_meta": None, "status": "error"}
                records += [step_record(record, version, token=5 + index), record | {"n_steps": 1}]
        self.unscored = max(0, self.unscored - 1)
        return records


def step_record(trajectory: Json, version: int, *, token: int) -> Json:
    """The one step of a rollout: prompt 2 3 4, one token."""
    identity = {name: trajectory[name] for name in ("schema", "task_id", "group_id", "rollout_id", "attempt")}
    return {
        **identity,
        "kind": "step",
        "stage": 3,
        "step_index": 0,
        "call_role": "policy",
        "trainable": True,
        "drop_reason": None,
        "prompt_token_ids": [2, 3, 4],
        "response_token_ids": [token],
        "response_logprobs": [-3.7],
        "response_mask": [1],
        "truncated": False,
        "finish_reason": "stop",
        "policy_version": version,
        "memory_ops": [],
    }


class MadeUpServices:
    """What the loop uses of the servers."""

    def __init__(self) -> None:
        self.rollouts = MadeUpRollouts()
        self.loaded: list[tuple[str, int]] = []

    def check(self) -> None:
        """All servers are up."""

    def load_weights(self, folder: Path, version: int) -> None:
        assert (folder / "model.safetensors").exists()
        self.loaded.append((folder.name, version))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(
        "".join(
            json.dumps({"id": f"t{i}", "question": "q", "answer": "Porto", "context": ["c"]}) + "\n" for i in range(5)
        )
    )
    options = TrainSettings(iterations=3, tasks_per_iteration=2, learning_rate=1e-2, beta=0.05)
    return Settings(save_policy(tmp_path / "policy"), str(tasks), str(tasks), {"k": 2}, train=options)


def loop(settings: Settings, folder: Path, services: MadeUpServices, variant: str = "all-returns") -> Loop:
    return Loop(settings, RunFolder(folder), services, variant=variant, seed=1)  # type: ignore[arg-type]


def chances(model: Path | str) -> torch.Tensor:
    """Log-probabilities of all tokens after the prompt."""
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(model)(torch.tensor([[2, 3, 4]])).logits[0, -1]
    return logits.log_softmax(-1)


def chance_of_5(model: Path | str) -> float:
    return float(chances(model)[5].exp())


def preference(model: Path | str) -> float:
    """How much likelier the rewarded token is than the other, as a logarithm."""
    return float(chances(model)[5] - chances(model)[6])


def test_trains_on_what_the_current_weights_rolled_out(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    run = tmp_path / "run"
    loop(settings, run, services).train()
    assert services.loaded == [("v0", 0), ("v1", 1), ("v2", 2)]
    asked = services.rollouts.asked
    assert [each["name"] for each in asked] == ["all-returns-1-v0", "all-returns-1-v1", "all-returns-1-v2"]
    assert [each["seed"] for each in asked] == ["1/0", "1/1", "1/2"]
    assert asked[0]["reward"] == {"preset": "all-returns"}
    assert asked[0]["policy"] == {"send_seed": True}
    lines = RunFolder(run).read_metrics()
    assert [(line["iteration"], line["step"], line["samples"]) for line in lines] == [(0, 1, 4), (1, 2, 4), (2, 3, 4)]
    assert {"loss", "kl", "grad_norm", "ratio/mean"} <= set(lines[0]["train"])
    assert chance_of_5(run / "model") > chance_of_5(settings.model)


def test_an_end_midway_costs_only_the_iteration_under_way(settings: Settings, tmp_path: Path) -> None:
    whole, broken = MadeUpServices(), MadeUpServices()
    loop(settings, tmp_path / "whole", whole).train()
    broken.rollouts.fail_at = 2
    with pytest.raises(ConnectionError):
        loop(settings, tmp_path / "broken", broken).train()
    broken.rollouts.fail_at = None
    loop(settings, tmp_path / "broken", broken).train()
    assert broken.rollouts.asked == whole.rollouts.asked
    ours, theirs = (RunFolder(tmp_path / name).read_metrics() for name in ("broken", "whole"))
    assert [line["iteration"] for line in ours] == [0, 1, 2]
    assert [line["train"]["loss"] for line in ours] == pytest.approx([line["train"]["loss"] for line in theirs])
    one, other = (AutoModelForCausalLM.from_pretrained(tmp_path / name / "model") for name in ("broken", "whole"))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_rollouts_that_had_come_back_are_trained_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = MadeUpServices()
    seal = RunFolder.seal

    def killed(self: RunFolder, checkpoint: Path, lines: Sequence[Json]) -> None:
        if lines[-1]["iteration"] == 1:
            raise KeyboardInterrupt  # after the rollouts and the update, before the checkpoint counts
        seal(self, checkpoint, lines)

    monkeypatch.setattr(RunFolder, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        loop(settings, tmp_path / "run", services).train()
    monkeypatch.setattr(RunFolder, "seal", seal)
    loop(settings, tmp_path / "run", services).train()
    assert [each["version"] for each in services.rollouts.asked] == [0, 1, 2], "version 1 was rolled out twice"
    assert [line["rollouts_reused"] for line in RunFolder(tmp_path / "run").read_metrics()] == [False, True, False]


def test_fewer_checkpoints_give_the_same_lines(settings: Settings, tmp_path: Path) -> None:
    sparse = replace(settings, train=replace(settings.train, checkpoint_every=2))
    services = MadeUpServices()
    services.rollouts.fail_at = 2
    with pytest.raises(ConnectionError):
        loop(sparse, tmp_path / "run", services).train()
    assert [line["iteration"] for line in RunFolder(tmp_path / "run").read_metrics()] == [0, 1]
    services.rollouts.fail_at = None
    loop(sparse, tmp_path / "run", services).train()
    assert [line["iteration"] for line in RunFolder(tmp_path / "run").read_metrics()] == [0, 1, 2]


def test_several_updates_share_the_rollouts(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    loop(replace(settings, train=replace(settings.train, updates=2)), tmp_path / "run", services).train()
    assert len(services.rollouts.asked) == 3
    lines = RunFolder(tmp_path / "run").read_metrics()
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [len(hand) for hand in deal(list(range(5)), 2, seed="s")] == [3, 2]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 samples for 2"):
        deal([1], 2, seed="s")  # type: ignore[list-item]


def test_variants_ask_for_their_reward_and_shuffle(settings: Settings, tmp_path: Path) -> None:
    answer, shuffled = MadeUpServices(), MadeUpServices()
    loop(settings, tmp_path / "answer", answer, "answer-only").train()
    assert {each["reward"]["preset"] for each in answer.rollouts.asked} == {"answer-only"}
    # Over 20 updates the advantages dealt out at random cancel; the true ones do not. Without KL: the made-up server
    # says log-probabilities that are not the reference's.
    longer = replace(settings, train=replace(settings.train, iterations=20, beta=0.0))
    loop(longer, tmp_path / "shuffled", shuffled, "shuffled").train()
    loop(longer, tmp_path / "true", MadeUpServices()).train()
    assert {each["reward"]["preset"] for each in shuffled.rollouts.asked} == {"all-returns"}
    before = preference(settings.model)
    gain, control = (preference(tmp_path / name / "model") - before for name in ("true", "shuffled"))
    assert gain > 1
    assert abs(control) < gain / 2


def test_counterfactual_groups_share_beginnings_in_turn(settings: Settings, tmp_path: Path) -> None:
    branched = replace(settings, counterfactual=CounterfactualSettings(at=(0, 4), tasks_per_iteration=3))
    asked = {}
    for variant in ("counterfactual", "all-returns"):
        services = MadeUpServices()
        loop(branched, tmp_path / variant, services, variant).train()
        asked[variant] = services.rollouts.asked
    assert [each.get("branch_at") for each in asked["counterfactual"]] == [None, 4, None]
    assert [len(each["tasks"]) for each in asked["counterfactual"]] == [3, 3, 3]
    assert [line["branch_at"] for line in RunFolder(tmp_path / "counterfactual").read_metrics()] == [0, 4, 0]
    assert all("branch_at" not in each for each in asked["all-returns"])
    assert [len(each["tasks"]) for each in asked["all-returns"]] == [2, 2, 2]


@pytest.mark.parametrize("variant", ["all-returns", "counterfactual"])
def test_calls_to_spend_decide_the_tasks_also_after_an_end_midway(
    settings: Settings, tmp_path: Path, variant: str
) -> None:
    # Two calls per task here. The first iteration has 2 tasks or 4, the others share what is left of 20 calls.
    budget = replace(settings.train, policy_calls=20)
    counterfactual = CounterfactualSettings(at=(0, 1), tasks_per_iteration=4)
    spending = replace(settings, train=budget, counterfactual=counterfactual)
    services = MadeUpServices()
    services.rollouts.fail_at = 2
    with pytest.raises(ConnectionError):
        loop(spending, tmp_path / "run", services, variant).train()
    services.rollouts.fail_at = None
    loop(spending, tmp_path / "run", services, variant).train()
    asked = [each["tasks"] for each in services.rollouts.asked]
    assert [len(each) for each in asked] == ([2, 4, 4] if variant == "all-returns" else [4, 3, 3])
    assert sum(line["policy_calls"] for line in RunFolder(tmp_path / "run").read_metrics()) == 20
    in_order = [task for each in asked for task in each]
    assert set(in_order[:5]) == {"t0", "t1", "t2", "t3", "t4"}, "tasks are taken one after the other"


def test_the_reward_of_the_settings_is_asked_for(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    loop(replace(settings, reward="agemem"), tmp_path / "run", services).train()
    assert {each["reward"]["preset"] for each in services.rollouts.asked} == {"agemem"}


def test_without_any_variance_only_the_pull_to_the_reference_acts(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    services.rollouts.flat = True
    loop(settings, tmp_path / "run", services).train()
    for line in RunFolder(tmp_path / "run").read_metrics():
        assert line["dropped"] == {"zero_variance": 4}
        assert line["samples"] == 4
    assert chance_of_5(tmp_path / "run" / "model") == pytest.approx(chance_of_5(settings.model), rel=1e-4)


def test_failed_rollouts_are_asked_for_again_and_then_given_up(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    services.rollouts.unscored = 1
    loop(settings, tmp_path / "run", services).train()
    names = [each["name"] for each in services.rollouts.asked]
    assert names[:2] == ["all-returns-1-v0", "all-returns-1-v0-again1"]
    services.rollouts.unscored = 3
    with pytest.raises(RolloutFailedError, match="4 of 4 rollouts failed"):
        loop(settings, tmp_path / "other", services).train()


def test_an_adapter_is_trained_and_served_merged(settings: Settings, tmp_path: Path) -> None:
    lora = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
    run = tmp_path / "run"
    loop(replace(settings, train=replace(settings.train, lora=lora)), run, MadeUpServices()).train()
    assert chance_of_5(run / "weights" / "v1") != chance_of_5(settings.model)
    assert chance_of_5(run / "model") > chance_of_5(settings.model)


def test_a_finished_run_asks_for_nothing(settings: Settings, tmp_path: Path) -> None:
    services = MadeUpServices()
    loop(settings, tmp_path / "run", services).train()
    asked = len(services.rollouts.asked)
    loop(settings, tmp_path / "run", services).train()
    assert len(services.rollouts.asked) == asked
    longer = replace(settings, train=replace(settings.train, iterations=4))
    loop(longer, tmp_path / "run", services).train()
    assert [line["iteration"] for line in RunFolder(tmp_path / "run").read_metrics()] == [0, 1, 2, 3]


def test_an_unknown_variant_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no variant 'all'"):
        train(settings, tmp_path / "out", variant="all", seed=0)


def test_a_variant_that_the_settings_lack_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"needs the table \[counterfactual\]"):
        train(settings, tmp_path / "out", variant="counterfactual", seed=0)
    with pytest.raises(SettingsError, match='needs reward = "all-returns", not "agemem"'):
        train(replace(settings, reward="agemem"), tmp_path / "out", variant="answer-only", seed=0)
