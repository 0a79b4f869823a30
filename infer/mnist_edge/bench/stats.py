"""Confidence intervals of measured times: a bootstrap over worker processes and their rounds.

What is independent is a *process*: its rounds share one memory layout, and the calls in a round
share nearly everything (Kalibera & Jones 2013, "Rigorous benchmarking in reasonable time"). So
processes are drawn with replacement, and rounds within each of them (Davison & Hinkley 1997,
section 3.8). Each draw is reduced as the original is: to its median.

With five processes, a percentile interval is too narrow. Its tails are moved out to where Student's
t would put them (Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "Rounds",
    "comparable_rounds",
    "count_outliers",
    "median_interval",
    "median_ratio",
    "ratio_interval",
    "resampled_medians",
    "student_t",
    "tail_probability",
    "undisturbed_rounds",
]

Rounds = npt.NDArray[np.float64]
"""Medians of rounds, ``[processes, rounds]``, any unit; NaN where a round is left out."""

_QUICKEST = 0.1
"""Quantile of the rounds that stands for an idle machine."""

_DISTURBED = 1.2
"""Times that quantile above which a round is disturbed."""

_FEWEST_ROUNDS = 0.3
"""Fraction of a process's rounds, below which the undisturbed ones are so by accident."""

_FEWEST_PROCESSES = 3
"""Undisturbed processes, below which an interval over them says nothing."""

_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Interval:
    """A figure and the confidence interval around it, in one unit.

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """The figure and its interval in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def inverse(self, numerator: float) -> Interval:
        """`numerator` over the figure: a rate, if the figure is a time."""
        return Interval(numerator / self.value, numerator / self.high, numerator / self.low)


def median_interval(rounds: Rounds, level: float = 0.95, seed: int = _SEED) -> Interval:
    """The median of all rounds, and its interval.

    Args:
        rounds: ``[K, R]``. If K = 1, the rounds themselves are taken as independent.
        level: confidence, in 0..1.
        seed: of the bootstrap.
    """
    medians = resampled_medians(rounds, np.random.default_rng(seed))
    tail = tail_probability(len(_independent(rounds)), level)
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Interval(float(np.nanmedian(rounds)), float(low), float(high))


def ratio_interval(now: Rounds, then: Rounds, level: float = 0.95, seed: int = _SEED) -> Interval:
    """The ratio of two medians of two runs, whose rounds are not paired, and its interval.

    Args:
        now: the numerator, ``[K, R]``.
        then: the denominator, ``[L, S]``.
        level: confidence, in 0..1.
        seed: of the bootstrap.
    """
    source = np.random.default_rng(seed)
    ratios = resampled_medians(now, source) / resampled_medians(then, source)
    tail = tail_probability(min(len(_independent(now)), len(_independent(then))), level)
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Interval(median_ratio(now, then), float(low), float(high))


def median_ratio(now: Rounds, then: Rounds) -> float:
    """The ratio of two medians, without an interval."""
    return float(np.nanmedian(now) / np.nanmedian(then))


def undisturbed_rounds(reference: Rounds) -> npt.NDArray[np.bool_]:
    """Rounds in which no other process had the core.

    Where another one has it, or the other half of the core, or the host, everything takes longer
    for as long as that lasts, and not all by the same factor. The reference graph's time shows it:
    in an undisturbed round, it is no more than a fifth above the run's quickest tenth. A process
    with few such rounds was hardly undisturbed in those either, and counts as disturbed.

    Args:
        reference: times of the reference graph, ``[processes, rounds]``.

    Returns:
        a mask of that shape.
    """
    mask: npt.NDArray[np.bool_] = reference <= _DISTURBED * np.quantile(reference, _QUICKEST)
    mask[mask.mean(axis=1) < _FEWEST_ROUNDS] = False
    return mask


def comparable_rounds(reference: Rounds) -> npt.NDArray[np.bool_]:
    """Rounds to make ratios of: the undisturbed ones, or all where too few processes have any.

    Args:
        reference: times of the reference graph, ``[processes, rounds]``.

    Returns:
        a mask of that shape.
    """
    mask = undisturbed_rounds(reference)
    enough = min(_FEWEST_PROCESSES, len(mask))
    return mask if np.count_nonzero(mask.any(axis=1)) >= enough else np.ones_like(mask)


def resampled_medians(rounds: Rounds, source: np.random.Generator) -> npt.NDArray[np.float64]:
    """Medians of 2000 draws of the two-stage bootstrap.

    Args:
        rounds: ``[K, R]``.
        source: of the random draws.

    Returns:
        ``[2000]``, in the unit of `rounds`.
    """
    units = np.sort(_independent(rounds), axis=1)  # NaNs, the rounds left out, go last
    processes, count = units.shape
    valid = np.count_nonzero(~np.isnan(units), axis=1)
    chosen = source.integers(0, processes, (_RESAMPLES, processes, 1))
    within = (source.random((_RESAMPLES, processes, count)) * valid[chosen]).astype(np.intp)
    drawn = np.where(np.arange(count) < valid[chosen], units[chosen, within], np.nan)
    return _medians(drawn.reshape(_RESAMPLES, -1))


def _medians(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The median of each row without its NaNs; `numpy.nanmedian` takes 40 times as long."""
    ordered = np.sort(rows, axis=1)
    valid = np.count_nonzero(~np.isnan(ordered), axis=1)
    row = np.arange(len(rows))
    medians: npt.NDArray[np.float64] = (
        ordered[row, (valid - 1) // 2] + ordered[row, valid // 2]
    ) / 2
    return medians


def tail_probability(units: int, level: float) -> float:
    """Probability to cut off on each side, for so many independent units."""
    if units < 2:
        return 0.0
    spread = math.sqrt(units / (units - 1)) * student_t(level, units - 1)
    return NormalDist().cdf(-spread)


def student_t(level: float, freedom: int) -> float:
    """Quantile of Student's distribution: t with P(-t <= T <= t) = `level`.

    Args:
        level: in 0..1.
        freedom: degrees of freedom, 1 or more.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(|T| <= t), t = tan(angle) sqrt(freedom) (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    is_odd = freedom % 2
    term, total = math.cos(angle) if is_odd else 1.0, 0.0
    for number in range(is_odd + 1, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * number / (number + 1)
    inner = math.sin(angle) * total
    return 2 / math.pi * (angle + inner) if is_odd else inner


def count_outliers(times: npt.NDArray[np.int64]) -> int:
    """Number of times above Tukey's fence, which stay in every figure.

    The fence is the third quartile plus one and a half interquartile ranges (Tukey 1977).
    """
    first, third = np.percentile(times, [25, 75])
    return int(np.count_nonzero(times > third + 1.5 * (third - first)))


def _independent(rounds: Rounds) -> Rounds:
    """The units that are drawn, a row each: processes with a round; or rounds, of one process."""
    if len(rounds) > 1:
        return rounds[~np.isnan(rounds).all(axis=1)]
    return rounds[~np.isnan(rounds)][:, np.newaxis]
