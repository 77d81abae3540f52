"""Exports all-MiniLM-L6-v2 to ONNX, and writes what the original makes of 200 sentences.

Usage: python export_minilm.py SOURCE TARGET

SOURCE is a folder of sentence-transformers with weights; TARGET gets the ONNX model, the tokenizer and `reference.json`,
a list of [sentence, vector] that `check-embeddings.ts` compares with. Leaves out getting the packages (`models.mjs`).
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
         "sentence_bert_config.json")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MAX_TOKENS = 256

PEOPLE = ("Ada", "Björn", "Chidi", "Dolores", "Émile", "Fatima", "Gao", "Halldóra", "Iván", "Jürgen")
FACTS = (
    "{} moved to Oslo on 14 December.",
    "Where does {} live now?",
    "{} is allergic to peanuts, and drinks green tea instead of coffee!",
    "flight AT 1873, gate B12, booked by {}",
    "{}'s deadline for the cookbook (320 pages) is 30 January; the publisher is Casa Azul.",
    "Remember: {} doesn't want e-mails before 9:30 a.m. — not even urgent ones…",
    "{} 住在东京, ездит на велосипеде 🚲 and speaks naïve café French.",
    "2026-11-20 08:12:03 WARN mailer queue=newsletter user={} status=retry",
)


def sentences() -> list[str]:
    """200: facts about ten people, lists and pairs of facts, and texts longer than the model reads."""
    short = [fact.format(person) for person in PEOPLE for fact in FACTS]
    pairs = [f"{a} {b}" for a, b in zip(short, reversed(short))]
    words = [" ".join(short[i].split()[:2] + short[-i - 1].split()[:2]) for i in range(30)]
    long = [" ".join(short[i:] + short[:i]) for i in range(0, 80, 8)]
    return short + pairs + words + long


def embed(model, tokenizer, texts: list[str]) -> torch.Tensor:
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1).float()
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


class Exported(torch.nn.Module):
    """Tensors in, one tensor out: what ONNX can say."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


def main(source: Path, target: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    shutil.rmtree(target, ignore_errors=True)
    (target / "onnx").mkdir(parents=True)
    example = tokenizer(["one sentence", "two: a longer sentence"], padding=True, return_tensors="pt")
    torch.onnx.export(
        # The exporter gives back the mode it found; a wrapper in training mode would turn dropout on.
        Exported(model).eval(),
        tuple(example[name] for name in INPUTS),
        str(target / "onnx" / "model.onnx"),
        input_names=list(INPUTS),
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in (*INPUTS, "last_hidden_state")},
        opset_version=17,
        dynamo=False,
    )
    for name in FILES:
        shutil.copy(source / name, target / name)
    shutil.copytree(source / "1_Pooling", target / "1_Pooling")
    texts = sentences()
    vectors = [row for i in range(0, len(texts), 20) for row in embed(model, tokenizer, texts[i : i + 20]).tolist()]
    (target / "reference.json").write_text(json.dumps(list(zip(texts, vectors))), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
