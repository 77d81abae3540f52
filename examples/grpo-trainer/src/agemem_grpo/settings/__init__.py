"""Settings of a training run: the TOML files in `configs/` and `recipes/`, checked by pydantic."""

from agemem_grpo.settings.reading import SettingsError, read_settings, settings_of
from agemem_grpo.settings.tables import (
    VARIANTS,
    CounterfactualSettings,
    EvaluateSettings,
    PrepareSettings,
    ServerSettings,
    ServiceSettings,
    Settings,
    TrainSettings,
)

__all__ = [
    "VARIANTS",
    "CounterfactualSettings",
    "EvaluateSettings",
    "PrepareSettings",
    "ServerSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "TrainSettings",
    "read_settings",
    "settings_of",
]
