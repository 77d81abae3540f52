"""Intervals by values worked out by hand."""

from __future__ import annotations

import pytest

from agemem_grpo.study.statistics import Interval, bootstrap_interval, t_interval


def test_t_interval_of_three_seeds() -> None:
    # Mean 0.12, deviation 0.02; t(0.975, 2) = 4.30265; half = 4.30265 * 0.02 / sqrt(3) = 0.049683.
    interval = t_interval([0.10, 0.12, 0.14])
    assert interval.mean == pytest.approx(0.12)
    assert interval.low == pytest.approx(0.070317, abs=1e-6)
    assert interval.high == pytest.approx(0.169683, abs=1e-6)


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    assert t_interval([0.3]) == Interval(0.3, None, None, 1)
    assert bootstrap_interval([0.3]) == Interval(0.3, None, None, 1)
    for interval in (t_interval, bootstrap_interval):
        with pytest.raises(ValueError, match="no values"):
            interval([])


def test_bootstrap_of_equal_values_is_a_point_and_repeats() -> None:
    assert bootstrap_interval([0.25] * 8) == Interval(0.25, 0.25, 0.25, 8)
    values = [0.0, 0.0, 1.0, 1.0]
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)


def test_bootstrap_of_two_values_has_quantiles_that_are_known() -> None:
    # Means of two draws from {0, 1}: 0, 0.5, 1 with probabilities 1/4, 1/2, 1/4.
    interval = bootstrap_interval([0.0, 1.0])
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    narrow = bootstrap_interval([0.0, 1.0], level=0.4)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_shows_the_interval() -> None:
    assert str(t_interval([0.10, 0.12, 0.14])) == "+0.120 [+0.070, +0.170]"
    assert str(t_interval([0.10])) == "+0.100 (n = 1)"
