"""A policy from a Hugging Face folder, checked before it is served.

Owns what makes a folder fit to serve. transformers fills missing weights with random numbers and only warns; here that
is an error. Leaves out when weights take over (`engine.py`).
"""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftConfig, PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from agemem_grpo.policy_server.errors import WeightsError

ADAPTER = "adapter_config.json"


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder. Raises WeightsError when it is missing or has no chat template."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} holds no tokenizer: {error}. Save it with save_pretrained().") from error
    if not tokenizer.chat_template:
        raise WeightsError(f"The tokenizer in {folder} has no chat template. Save one with it.")
    return tokenizer


def load_model(
    folder: Path, *, device: str, dtype: torch.dtype, base: PreTrainedModel | None = None
) -> PreTrainedModel:
    """The causal model of a folder, ready to generate.

    A LoRA adapter is merged into the model that its `adapter_config.json` names. `base` is the model served so far; a
    different architecture is refused.

    Raises WeightsError for a folder that is missing or damaged, lacks weights, has unknown ones, or holds NaN or
    infinity.
    """
    model = _merged(folder, dtype) if (folder / ADAPTER).is_file() else _whole(folder, dtype)
    _check_attention(model.config, folder)
    if base is not None and (difference := _difference(base, model)):
        raise WeightsError(f"{folder} is not the architecture that is served: {difference}. Start another server.")
    broken = [name for name, values in model.named_parameters() if not bool(torch.isfinite(values).all())]
    if broken:
        raise WeightsError(f"{folder} holds NaN or infinity in {_some(broken)}. The training has diverged.")
    return model.to(torch.device(device)).eval().requires_grad_(False)


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that end a response: those of the generation config and the tokenizer's own."""
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(one for one in [*ids, tokenizer.eos_token_id] if one is not None)


def _whole(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    if not folder.is_dir():
        raise WeightsError(f"{folder} is not a folder. Give the one that save_pretrained() wrote.")
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa", output_loading_info=True, local_files_only=True
        )
    # The readers of safetensors and pickles have their own errors for damaged files.
    except Exception as error:
        raise WeightsError(f"The weights in {folder} cannot be read: {error}. Save them again.") from error
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := [str(name) for name in report[what]]:
            raise WeightsError(f"{folder} has {what.replace('_', ' ')}: {_some(names)}. Save the whole model.")
    whole: PreTrainedModel = model
    return whole


def _merged(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    adapter = _read_adapter(folder)
    try:
        peft = PeftModel.from_pretrained(_whole(adapter, dtype), folder)
        merged: PreTrainedModel = peft.merge_and_unload(safe_merge=True)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"The adapter in {folder} cannot be merged into {adapter}: {error}.") from error
    return merged


def _read_adapter(folder: Path) -> Path:
    named = PeftConfig.from_pretrained(folder).base_model_name_or_path
    if not named:
        raise WeightsError(f"{folder / ADAPTER} names no base model. Set base_model_name_or_path to its folder.")
    return Path(named)


def _check_attention(config: PreTrainedConfig, folder: Path) -> None:
    kinds = set(getattr(config.get_text_config(), "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise WeightsError(f"{folder} has layers of {sorted(kinds)}; this server has full attention only. Use vLLM.")


def _difference(served: PreTrainedModel, new: PreTrainedModel) -> str | None:
    old_shapes = {name: tuple(values.shape) for name, values in served.named_parameters()}
    new_shapes = {name: tuple(values.shape) for name, values in new.named_parameters()}
    changed = sorted(
        name for name in old_shapes.keys() | new_shapes.keys() if old_shapes.get(name) != new_shapes.get(name)
    )
    return f"{_some(changed)} differ" if changed else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
