"""Saves a trainer's model as a folder that servers and trainers load."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def save_model(model: Any, tokenizer: Any, folder: Path, *, merge: bool) -> None:
    """Saves model and tokenizer; the folder is complete or missing, even after a kill.

    ``merge`` writes a model with LoRA adapters as a plain one, with the adapters added to its weights; the model in
    memory is not changed.
    """
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    if merge:
        _save_merged(model, temporary)
    else:
        model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)


def _save_merged(model: Any, folder: Path) -> None:
    model.merge_adapter()
    try:
        # peft wraps each adapted layer: its weights are named base_layer, next to the adapters.
        state = {
            name.removeprefix("base_model.model.").replace(".base_layer", ""): tensor
            for name, tensor in model.state_dict().items()
            if "lora_" not in name
        }
        model.get_base_model().save_pretrained(folder, state_dict=state)
    finally:
        model.unmerge_adapter()
