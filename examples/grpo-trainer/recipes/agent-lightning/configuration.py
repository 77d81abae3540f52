"""The trainer configuration of this recipe: verl's, overridden by Agent Lightning's, and that by `overrides.yaml`.

Owns composing them and refusing a field that neither knows. Needs hydra-core and the files of both packages, but does
not import them, so that it works on a machine without GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

OVERRIDES = Path(__file__).with_name("overrides.yaml")

FREE = ("actor_rollout_ref.rollout.engine_kwargs.vllm", "agentlightning.local.env_map")
"""Tables whose fields belong to the engine or to us, so that the base configuration cannot know them."""


def configuration(dotlist: Sequence[str] = ()) -> DictConfig:
    """Composes the configuration; `dotlist` holds further values, such as `["trainer.n_gpus_per_node=2"]`.

    Raises ValueError for a field that Agent Lightning and verl do not have, and ModuleNotFoundError without them.
    """
    base_folder = folder_of("agentlightning") / "verl"
    verl_folder = folder_of("verl") / "trainer" / "config"
    with initialize_config_dir(config_dir=str(base_folder), version_base=None):
        # Found by its folder, because `pkg://` would import verl and its GPU libraries.
        base = compose("config", overrides=[f"hydra.searchpath=[file://{verl_folder}]"])
    own = OmegaConf.merge(OmegaConf.load(OVERRIDES), OmegaConf.from_dotlist(list(dotlist)))
    unknown = list(unknown_fields(OmegaConf.to_container(own), base))
    if unknown:
        raise ValueError(f"Neither Agent Lightning nor verl has {', '.join(unknown)}. See {OVERRIDES.name}.")
    OmegaConf.set_struct(base, False)
    merged = OmegaConf.merge(base, own)
    assert isinstance(merged, DictConfig)
    OmegaConf.set_struct(merged, True)
    return merged


def folder_of(package: str) -> Path:
    """The folder of a package, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed: see docs/training.md, Agent Lightning")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def unknown_fields(own: Any, base: Any, at: str = "") -> Iterator[str]:
    """Dotted names of fields in `own` that `base` lacks."""
    if not isinstance(own, dict) or at in FREE:
        return
    for name, value in own.items():
        path = f"{at}.{name}" if at else str(name)
        if not isinstance(base, DictConfig) or name not in base.keys():  # noqa: SIM118 - `in` skips values that are still to be set
            yield path
        else:
            yield from unknown_fields(value, base._get_node(name), path)
