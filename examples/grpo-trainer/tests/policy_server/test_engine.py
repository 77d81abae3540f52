"""Queue, seeds, cancelling and the exchange of weights, without HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from agemem_grpo.policy_server.decoder import Decoder
from agemem_grpo.policy_server.engine import Engine, Job
from agemem_grpo.policy_server.errors import ApiError
from agemem_grpo.policy_server.sampling import Sampling
from policy_server.tiny_chat import plain_logps, tiny_model

NEVER: frozenset[int] = frozenset()


def engine_of(seed: int = 0, max_rows: int = 8, max_waiting: int = 64) -> Engine:
    return Engine(Decoder(tiny_model(seed), max_rows=max_rows), version=1, max_waiting=max_waiting, threads=1)


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = engine_of()
    running.start()
    yield running
    running.stop()


def job(seed: int, length: int = 20, prompt: list[int] | None = None) -> Job:
    return Job(prompt or [seed, 5, 9], max_tokens=length, stop_tokens=NEVER, seed=seed)


def test_a_seed_gives_the_same_tokens_alone_and_in_any_company(engine: Engine) -> None:
    alone = [engine.submit(job(seed)).result(30).token_ids for seed in range(6)]
    rng = random.Random(1)
    jobs = [job(seed % 6 if seed < 12 else 100 + seed, rng.randrange(20, 30)) for seed in range(40)]
    together = [one.result(30).token_ids for one in map(engine.submit, jobs)]
    for seed in range(12):
        assert together[seed][:20] == alone[seed % 6]
    assert len(set(map(tuple, alone))) == 6


def test_without_a_seed_requests_differ(engine: Engine) -> None:
    jobs = [Job([1, 2, 3], max_tokens=20, stop_tokens=NEVER) for _ in range(4)]
    assert len({tuple(one.result(30).token_ids) for one in map(engine.submit, jobs)}) == 4


def test_calls_with_one_seed_and_other_prompts_draw_other_numbers(engine: Engine) -> None:
    first, second = job(1, prompt=[1, 2]), job(1, prompt=[1, 3])
    assert first.draws.random() != second.draws.random()
    assert job(1, prompt=[1, 2]).draws.random() == job(1, prompt=[1, 2]).draws.random()


def test_ends_at_a_stop_token_which_counts(engine: Engine) -> None:
    free = engine.submit(job(3)).result(30)
    stop = free.token_ids[7]
    ended = engine.submit(Job([3, 5, 9], max_tokens=20, stop_tokens=frozenset({stop}), seed=3)).result(30)
    assert ended.token_ids == free.token_ids[: free.token_ids.index(stop) + 1]
    assert (ended.finish_reason, free.finish_reason) == ("stop", "length")
    assert len(ended.logprobs) == len(ended.token_ids)


def test_answers_with_one_set_of_weights_each() -> None:
    engine = engine_of()
    engine.start()
    before = [job(seed, 200) for seed in range(8)]
    for one in before:
        engine.submit(one)
    wait_until(lambda: engine.figures()["active"] == 8)
    swapped = engine.swap(Decoder(tiny_model(1), max_rows=8), 2)
    after = [job(seed, 40) for seed in range(8)]
    for one in after:
        engine.submit(one)
    swapped.result(30)
    assert all(one.done.done() for one in before)
    made_by(before, version=1, weights=0)
    made_by(after, version=2, weights=1)
    engine.stop()


def made_by(jobs: list[Job], *, version: int, weights: int) -> None:
    """The log-probabilities tell by which weights the tokens were sampled, to the last."""
    completions = [one.done.result(30) for one in jobs]
    assert {one.policy_version for one in completions} == {version}
    ids = [one.token_ids for one in completions]
    expected = plain_logps(tiny_model(weights), [one.prompt for one in jobs], ids)
    for one, logps in zip(completions, expected, strict=True):
        assert one.logprobs == pytest.approx(logps, abs=1e-4)


def test_a_cancelled_request_leaves_the_batch(engine: Engine) -> None:
    gone = job(0, 100_000)
    engine.submit(gone)
    wait_until(lambda: engine.figures()["active"] == 1)
    gone.done.cancel()
    wait_until(lambda: engine.figures()["active"] == 0)
    assert len(gone.row.generated) < 100_000
    waiting = job(1)
    waiting.done.cancel()
    engine.submit(waiting)
    assert len(engine.submit(job(2)).result(30).token_ids) == 20
    assert waiting.row.generated == []


def test_refuses_more_than_may_wait_with_retry_after() -> None:
    engine = engine_of(max_waiting=2)
    engine.submit(job(0))
    engine.submit(job(1))
    with pytest.raises(ApiError) as refused:
        engine.submit(job(2))
    assert (refused.value.status, refused.value.headers()) == (429, {"Retry-After": "1"})


def test_a_pass_that_fails_fails_its_requests_and_no_others(engine: Engine) -> None:
    beyond = Job([10_000], max_tokens=5, stop_tokens=NEVER)
    with pytest.raises(ApiError) as failed:
        engine.submit(beyond).result(30)
    assert failed.value.status == 500
    assert len(engine.submit(job(1)).result(30).token_ids) == 20


def test_ends_what_is_under_way_with_503() -> None:
    engine = engine_of()
    engine.start()
    under_way = job(0, 100_000)
    engine.submit(under_way)
    wait_until(lambda: engine.figures()["active"] == 1)
    engine.stop()
    with pytest.raises(ApiError) as ended:
        under_way.done.result(0)
    assert ended.value.status == 503
    with pytest.raises(ApiError) as refused:
        engine.submit(job(1))
    assert refused.value.status == 503


def test_samples_each_request_in_its_own_way(engine: Engine) -> None:
    greedy = [Job([4, 4], 10, NEVER, Sampling(temperature=0)) for _ in range(2)]
    hot = Job([4, 4], 10, NEVER, Sampling(temperature=2.0), seed=1)
    first, second, other = (one.result(30) for one in map(engine.submit, [*greedy, hot]))
    assert first.token_ids == second.token_ids != other.token_ids
    model = tiny_model()
    with torch.no_grad():
        assert first.token_ids[0] == int(model(torch.tensor([[4, 4]])).logits[0, -1].argmax())


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen within 30 s")
