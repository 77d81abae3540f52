"""A GGUF file as a Hugging Face folder: ``python -m agemem_grpo.policy.gguf FILE --out DIR``.

GGUF is the form in which small models are at hand (`npm run models`); a trainer needs their weights in full precision.
Owns dequantizing, and the chat template of the folder. Leaves out training it (`warm_start.py`). Needs the package
``gguf``, which is installed by itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agemem_grpo.errors import GrpoError

TEMPLATE = Path(__file__).parent / "brief_chatml.jinja"
"""The template a folder gets: ChatML with tools by name and required arguments, calls in Hermes' form."""


class GgufError(GrpoError):
    """A GGUF file that cannot become a folder. The message says why, and what to do."""


def dequantize(file: Path, out: Path, *, template: Path = TEMPLATE) -> int:
    """Writes the folder ``out`` from a GGUF ``file``; returns the number of parameters.

    Weights are float32: what the quantized numbers stand for, so that they can be trained. The tokenizer is the file's,
    with ``template`` as its chat template, because those of the smallest models know no tools.
    Errors: :class:`GgufError` for a file that is missing, damaged, of an architecture that transformers cannot read, or
    without the package ``gguf``; ``FileExistsError`` when ``out`` already holds files.

    >>> dequantize(Path("SmolLM2-135M-Instruct.Q4_1.gguf"), Path("smollm2"))  # doctest: +SKIP
    134515008
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} already holds files: name a new folder")
    if not file.is_file():
        raise GgufError(f"{file} does not exist: `npm run models` in a checkout of agemem fetches small models.")
    if find_spec("gguf") is None:
        raise GgufError("Reading GGUF files needs the package gguf: `pip install gguf`.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # The readers of the format and of each architecture have errors of their own.
    except Exception as error:
        raise GgufError(f"{file} cannot be read: {error}") from error
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    _plain(model).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return int(model.num_parameters())


def _plain(model: Any) -> Any:
    """The same weights in a model that was never quantized: transformers refuses to save the one it dequantized."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._name_or_path = ""
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="agemem_grpo.policy.gguf", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("file", type=Path, help="GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    given = parser.parse_args(argv)
    print(json.dumps({"parameters": dequantize(given.file, given.out), "template": TEMPLATE.name}))


if __name__ == "__main__":
    main()
