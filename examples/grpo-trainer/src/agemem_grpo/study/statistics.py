"""Means with 95 % intervals: over seeds by Student's t, over tasks by the bootstrap.

Owns the calculation of intervals. Leaves out where the values come from (`training/evaluate.py`) and how they are shown
(`report.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; ``low`` and ``high`` are None where ``n`` is too small for one."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:+.3f} (n = {self.n})"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and Student's t interval of independent values, such as one gain per seed.

    One value has no interval. Errors: `ValueError` without values.

    >>> interval = t_interval([1.0, 2.0, 3.0])
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3)
    (2.0, -0.484, 4.484)
    """
    if not values:
        raise ValueError("an interval of no values")
    mean = float(np.mean(values))
    n = len(values)
    if n == 1:
        return Interval(mean, None, None, n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean, mean - half, mean + half, n)


def bootstrap_interval(
    values: Sequence[float], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Mean and percentile bootstrap interval, for values of many tasks with a distribution far from normal.

    Errors: `ValueError` without values.
    """
    if not values:
        raise ValueError("an interval of no values")
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) == 1:
        return Interval(mean, None, None, 1)
    random = np.random.default_rng(seed)
    means = array[random.integers(0, len(array), size=(resamples, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(array))
