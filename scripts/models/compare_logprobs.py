"""Compares a local model's log-probabilities with those of transformers on the same, dequantized weights.

Usage: python compare_logprobs.py MODEL.gguf RECORDED.jsonl

RECORDED is what `npm run -s bench -- gguf-logprobs` wrote. Prints the differences in nats over all response tokens as JSON.
Needs torch, transformers and gguf. Leaves out running the model (`bench/gguf-logprobs.ts`).
"""

import json
import statistics
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


def differences(model, record: dict) -> list[float]:
    """Absolute difference per response token; the first token's is that after the prompt's last."""
    prompt, response = record["promptTokenIds"], record["responseTokenIds"]
    with torch.no_grad():
        logits = model(torch.tensor([prompt + response])).logits[0]
    scores = logits[len(prompt) - 1 : -1].float().log_softmax(-1)
    own = scores.gather(1, torch.tensor(response)[:, None])[:, 0].tolist()
    return [abs(a - b) for a, b in zip(own, record["logprobs"], strict=True)]


def main(model_file: str, recorded: str) -> None:
    torch.set_num_threads(1)
    path = Path(model_file)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    lines = Path(recorded).read_text(encoding="utf-8").splitlines()
    found = sorted(value for line in lines for value in differences(model, json.loads(line)))
    print(json.dumps({
        "model": path.name,
        "tokens": len(found),
        "mean": statistics.fmean(found),
        "median": statistics.median(found),
        "p99": found[int(0.99 * (len(found) - 1))],
        "max": found[-1],
    }))


if __name__ == "__main__":
    main(*sys.argv[1:])
