"""Logits of rows that come, go and share prefixes, against plain forward passes."""

from __future__ import annotations

import inspect
import random
import warnings

import pytest
import torch
from torch import Tensor

from agemem_grpo.policy_server.decoder import Decoder, Row
from policy_server.tiny_chat import plain_logps, tiny_model


def push(rows: list[Row], logits: Tensor, rng: random.Random, found: dict[Row, list[float]]) -> None:
    for row, logps in zip(rows, torch.log_softmax(logits.float(), dim=-1), strict=True):
        token = rng.randrange(logps.numel())
        row.generated.append(token)
        found.setdefault(row, []).append(logps[token].item())


@pytest.mark.parametrize("prefix_tokens", [0, 300, 16_384])
def test_equals_plain_forward_passes_whatever_the_others_do(prefix_tokens: int) -> None:
    model = tiny_model()
    decoder = Decoder(model, max_rows=16, prefix_tokens=prefix_tokens)
    rng = random.Random(5)
    opening = [rng.randrange(200) for _ in range(40)]
    found: dict[Row, list[float]] = {}
    for turn in range(80):
        if turn % 5 == 0 and len(decoder.rows) <= 10:
            shared = opening if rng.random() < 0.7 else []
            tail = [rng.randrange(200) for _ in range(rng.randrange(1, 90))]
            # Some prompts are equal, some go on from what was generated, most are new.
            rows = [Row([*shared, *tail[: rng.choice([len(tail), 1, 30])]]) for _ in range(rng.randrange(1, 7))]
            if found and rng.random() < 0.5:
                earlier = rng.choice(list(found))
                rows[0] = Row([*earlier.prompt, *earlier.generated, 7][:150])
            push(rows, decoder.admit(rows), rng, found)
        push(list(decoder.rows), decoder.step(), rng, found)
        decoder.retire([row for row in decoder.rows if rng.random() < 0.1])
    rows = list(found)
    assert len(rows) > 20
    expected = plain_logps(model, [row.prompt for row in rows], [row.generated for row in rows])
    for row, logps in zip(rows, expected, strict=True):
        assert found[row] == pytest.approx(logps, abs=5e-5)
    assert (decoder.stats.reused_tokens > 0) == (prefix_tokens > 0)


def test_computes_a_prompt_of_many_requests_once() -> None:
    decoder = Decoder(tiny_model(), max_rows=8)
    prompt = list(range(60))
    logits = decoder.admit([Row(prompt) for _ in range(8)])
    assert decoder.stats.reused_tokens == 7 * 59
    assert torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-5)


def test_keeps_no_more_tokens_than_it_may() -> None:
    decoder = Decoder(tiny_model(), max_rows=4, prefix_tokens=100)
    for first in range(10):
        rows = [Row([first * 20 + at for at in range(30)])]
        decoder.admit(rows)
        decoder.retire(rows)
        assert decoder.pool.held <= 100


def test_refuses_more_rows_than_it_has_slots_for() -> None:
    decoder = Decoder(tiny_model(), max_rows=1)
    with pytest.raises(ValueError, match="2 rows do not fit"):
        decoder.admit([Row([1]), Row([2])])


def test_warns_of_nothing_that_transformers_will_drop() -> None:
    decoder = Decoder(tiny_model(), max_rows=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoder.admit([Row(list(range(60)))])


def test_a_model_with_the_former_name_of_the_cache_computes_the_same() -> None:
    model = tiny_model()
    prompt = list(range(60))
    expected = Decoder(model, max_rows=2).admit([Row(prompt)])

    forward = model.forward
    present = "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"
    names: set[str] = set()

    def former(*, past_key_values: object, **given: object) -> object:
        names.update(given)
        return forward(**{present: past_key_values}, **given)

    model.forward = former
    decoder = Decoder(model, max_rows=2)
    assert torch.equal(decoder.admit([Row(prompt)]), expected)
    assert torch.allclose(decoder.admit([Row(prompt)]), expected, atol=1e-5)
    assert decoder.stats.reused_tokens == 59
    assert "cache" not in names
