"""The Agent Lightning recipe with the configuration files of Agent Lightning 1.0.2 and verl 0.8.0 themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from omegaconf import OmegaConf
from trainer_sources import FOLDER, trainer_sources

RECIPE = Path(__file__).parents[1] / "recipes" / "agent-lightning"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RECIPE))
    with trainer_sources("agentlightning"), trainer_sources("verl"):
        import configuration

        yield configuration
    sys.modules.pop("configuration", None)


def test_its_trainers_configuration_is_composed_with_ours_over_it(recipe: ModuleType) -> None:
    config = recipe.configuration(["trainer.n_gpus_per_node=2"])
    lightning, actor, rollout = config.agentlightning, config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    assert lightning.agl_base_url == "http://localhost:8080"  # Agent Lightning's own
    assert config.algorithm.gamma == 1.0  # verl's own
    assert (lightning.trace_aggregator.level, lightning.local.agent_class) == ("transition", "agemem_agent.AgeMemAgent")
    assert (rollout.n, rollout.name, rollout.mode, actor.kl_loss_coef) == (8, "vllm", "async", 0.1)
    assert (config.algorithm.enable_rollout_level_advantage, actor.policy_loss.loss_mode) == (True, "per_rollout_mean")
    assert config.trainer.n_gpus_per_node == 2
    assert config.data.max_prompt_length + config.data.max_response_length <= rollout.max_model_len


def test_every_field_that_its_trainer_reads_is_there(recipe: ModuleType) -> None:
    config = recipe.configuration()
    source = (FOLDER / "agentlightning/verl/trainer.py").read_text()
    paths = {path.removesuffix(".get").rstrip(".") for path in re.findall(r"self\.config\.([a-z_.0-9]+)", source)}
    assert len(paths) > 30
    nothing = object()
    for path in sorted(paths):
        assert OmegaConf.select(config, path, default=nothing) is not nothing, path
    # Of the values that have no default, verl reads the reward model's only when one is enabled.
    assert set(OmegaConf.missing_keys(config)) <= {"reward.reward_model.rollout.name"}
    OmegaConf.resolve(config)


def test_fields_that_nobody_reads_are_refused(recipe: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"data\.max_promt_length, agentlightning\.local\.agent"):
        recipe.configuration(["data.max_promt_length=1", "agentlightning.local.agent=x"])


def test_a_missing_trainer_is_named(recipe: ModuleType) -> None:
    with pytest.raises(ModuleNotFoundError, match="agentlightnings is not installed"):
        recipe.folder_of("agentlightnings")
