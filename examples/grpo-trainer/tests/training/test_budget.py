"""How many tasks an iteration gets of the calls that a run may spend."""

from __future__ import annotations

import random

import pytest

from agemem_grpo.training.budget import tasks_within


def line(calls: int, groups: int, beginning: int = 0) -> dict[str, int]:
    return {"policy_calls": calls, "groups": groups, "branch_at": beginning}


def test_the_first_iteration_has_the_number_of_tasks_that_was_set() -> None:
    assert tasks_within(1000, [], iterations=4, beginning=0, guess=8) == 8


def test_later_ones_share_what_is_left_by_what_tasks_took() -> None:
    assert tasks_within(1000, [line(400, 8)], iterations=4, beginning=0, guess=8) == 4
    assert tasks_within(1000, [line(100, 8)], iterations=4, beginning=0, guess=8) == 24


def test_groups_that_share_as_long_a_beginning_are_the_measure() -> None:
    lines = [line(400, 8, 0), line(200, 8, 3)]
    assert tasks_within(1000, lines, iterations=4, beginning=3, guess=8) == 8
    assert tasks_within(1000, lines, iterations=4, beginning=0, guess=8) == 4
    assert tasks_within(1000, lines, iterations=4, beginning=2, guess=8) == 5, "none is alike: the mean of all"


def test_a_run_that_has_spent_its_calls_still_ends() -> None:
    assert tasks_within(100, [line(400, 8)], iterations=4, beginning=0, guess=8) == 1
    assert tasks_within(100, [line(400, 8)], iterations=1, beginning=0, guess=8) == 1


@pytest.mark.parametrize("at", [(0,), (0, 2, 3, 4)])
def test_runs_end_within_a_group_of_the_calls_however_they_begin(at: tuple[int, ...]) -> None:
    chance = random.Random(5)
    for _ in range(20):
        lines: list[dict[str, int]] = []
        for iteration in range(16):
            beginning = at[iteration % len(at)]
            tasks = tasks_within(6000, lines, iterations=16, beginning=beginning, guess=chance.randint(4, 12))
            # Eight rollouts of five to nine calls, of which a beginning is made once.
            groups = [beginning + sum(chance.randint(5, 9) - beginning for _ in range(8)) for _ in range(tasks)]
            lines.append(line(sum(groups), tasks, beginning))
        assert sum(each["policy_calls"] for each in lines) == pytest.approx(6000, abs=60)
