"""Draws and their log-probabilities."""

from __future__ import annotations

import math

import pytest
import torch

from agemem_grpo.policy_server.sampling import Sampling, log_probabilities, sample

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def probabilities(one: Sampling) -> list[float]:
    return log_probabilities(LOGITS, [one]).exp()[0].tolist()


def test_is_the_models_own_distribution_by_default() -> None:
    assert torch.equal(log_probabilities(LOGITS, [Sampling()]), torch.log_softmax(LOGITS, dim=-1))


def test_divides_by_the_temperature() -> None:
    expected = torch.softmax(LOGITS[0] / 0.5, dim=-1).tolist()
    assert probabilities(Sampling(temperature=0.5)) == pytest.approx(expected, abs=1e-6)


def test_keeps_top_k_and_normalizes_again() -> None:
    both = math.exp(2) + math.exp(1)
    expected = [math.exp(2) / both, math.exp(1) / both, 0, 0]
    assert probabilities(Sampling(top_k=2)) == pytest.approx(expected, abs=1e-6)
    assert probabilities(Sampling(top_k=9)) == pytest.approx(torch.softmax(LOGITS[0], -1).tolist(), abs=1e-6)


@pytest.mark.parametrize(("top_p", "kept"), [(0.01, 1), (0.64, 1), (0.65, 2), (0.88, 2), (0.89, 3), (0.999, 4)])
def test_keeps_the_likeliest_until_their_sum_reaches_top_p(top_p: float, kept: int) -> None:
    # The probabilities are 0.644, 0.237, 0.087 and 0.032.
    assert sum(p > 0 for p in probabilities(Sampling(top_p=top_p))) == kept


def test_draws_each_token_as_often_as_its_probability_says() -> None:
    count = 20_000
    uniforms = [(i + 0.5) / count for i in range(count)]
    options = [Sampling(temperature=2.0, top_k=3)] * count
    tokens, logprobs = sample(LOGITS.expand(count, -1), options, uniforms)
    for token, p in enumerate(probabilities(options[0])):
        assert tokens.count(token) / count == pytest.approx(p, abs=1e-3)
    assert logprobs[0] == pytest.approx(math.log(probabilities(options[0])[tokens[0]]), abs=1e-6)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_never_draws_a_token_that_was_cut(uniform: float) -> None:
    logits = torch.full((1, 1000), -50.0)
    logits[0, 500] = 0.0
    assert sample(logits, [Sampling(top_k=1)], [uniform]) == ([500], [0.0])


def test_rows_do_not_touch_each_other() -> None:
    logits = torch.randn((5, 50), generator=torch.Generator().manual_seed(1))
    options = [Sampling(), Sampling(temperature=0), Sampling(top_p=0.3), Sampling(top_k=2), Sampling(temperature=1.5)]
    uniforms = [0.1, 0.9, 0.5, 0.7, 0.3]
    tokens, logprobs = sample(logits, options, uniforms)
    for row in range(5):
        alone = sample(logits[row : row + 1], options[row : row + 1], uniforms[row : row + 1])
        assert alone == ([tokens[row]], [pytest.approx(logprobs[row], abs=1e-6)])


def test_temperature_0_is_the_likeliest_token_with_its_log_probability_at_1() -> None:
    expected = torch.log_softmax(LOGITS[0], -1)[0].item()
    assert sample(LOGITS, [Sampling(temperature=0)], [0.999]) == ([0], [pytest.approx(expected)])
