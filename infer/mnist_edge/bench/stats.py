"""How sure a measured time is: bootstrap intervals over sittings and rounds.

What is independent is a *sitting*, a process of its own; the rounds in it share its memory layout,
and the calls in a round share nearly everything (Kalibera & Jones 2013, "Rigorous benchmarking in
reasonable time"). So sittings are drawn with replacement, and rounds within each of them (Davison
& Hinkley 1997, section 3.8), and what is drawn is reduced as the original is: to its median.

With five sittings, a percentile interval is too narrow. Its tails are moved out to where Student's
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
    "change",
    "comparable",
    "interval",
    "outliers",
    "quiet",
    "resampled_medians",
    "student_t",
    "tail",
]

Rounds = npt.NDArray[np.float64]
"""Medians of rounds, ``[sittings, rounds]``, any unit; NaN where a round is left out."""

_QUICKEST, _DISTURBED = 0.1, 1.2
"""A round is disturbed that takes so many times as long as those of that part that are quickest."""

_FEWEST = 0.3
"""Part of a sitting's rounds, below which the quiet ones are so by accident."""

_FEWEST_QUIET = 3
"""Sittings, below which an interval over them says nothing."""

_RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Interval:
    """A figure and the confidence interval around it, in one unit."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def inverse(self, numerator: float) -> Interval:
        """Of `numerator` over the figure: a rate, of a time."""
        return Interval(numerator / self.value, numerator / self.high, numerator / self.low)


def interval(rounds: Rounds, level: float = 0.95, seed: int = _SEED) -> Interval:
    """The median of all rounds, and its interval.

    Args:
        rounds: ``[K, R]``. Where K = 1, the rounds themselves are taken for independent.
        level: confidence, in 0..1.
    """
    drawn = resampled_medians(rounds, np.random.default_rng(seed))
    cut = tail(len(_independent(rounds)), level)
    low, high = np.quantile(drawn, [cut, 1 - cut])
    return Interval(float(np.nanmedian(rounds)), float(low), float(high))


def change(now: Rounds, then: Rounds, level: float = 0.95, seed: int = _SEED) -> Interval:
    """How many times the median of `then` that of `now` is, where nothing pairs their rounds."""
    source = np.random.default_rng(seed)
    drawn = resampled_medians(now, source) / resampled_medians(then, source)
    cut = tail(min(len(_independent(now)), len(_independent(then))), level)
    low, high = np.quantile(drawn, [cut, 1 - cut])
    return Interval(float(np.nanmedian(now) / np.nanmedian(then)), float(low), float(high))


def quiet(calibration: Rounds) -> npt.NDArray[np.bool_]:
    """Rounds ``[sittings, rounds]`` in which nothing else had the core.

    Where something has, a neighbour on the other half of the core, another guest of the host, all
    takes longer for as long as that lasts, and not all by the same factor. The calibration graph's
    own time tells: in a quiet round, it is no more than a fifth above the run's quickest tenth.
    Sittings with few such rounds were hardly quiet in those, and have none.
    """
    told: npt.NDArray[np.bool_] = calibration <= _DISTURBED * np.quantile(calibration, _QUICKEST)
    told[told.mean(axis=1) < _FEWEST] = False
    return told


def comparable(calibration: Rounds) -> npt.NDArray[np.bool_]:
    """Rounds to make ratios of: the quiet ones, or all, where too few sittings have any."""
    told = quiet(calibration)
    enough = min(_FEWEST_QUIET, len(told))
    return told if np.count_nonzero(told.any(axis=1)) >= enough else np.ones_like(told)


def resampled_medians(rounds: Rounds, source: np.random.Generator) -> npt.NDArray[np.float64]:
    """Medians ``[2000]`` of what the two-stage bootstrap draws from ``[K, R]``."""
    units = np.sort(_independent(rounds), axis=1)  # what is left out goes last
    sittings, count = units.shape
    left = np.count_nonzero(~np.isnan(units), axis=1)
    chosen = source.integers(0, sittings, (_RESAMPLES, sittings, 1))
    within = (source.random((_RESAMPLES, sittings, count)) * left[chosen]).astype(np.intp)
    drawn = np.where(np.arange(count) < left[chosen], units[chosen, within], np.nan)
    return _medians(drawn.reshape(_RESAMPLES, -1))


def _medians(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each row, without its NaNs; `numpy.nanmedian` takes 40 times as long."""
    ordered = np.sort(rows, axis=1)
    left = np.count_nonzero(~np.isnan(ordered), axis=1)
    row = np.arange(len(rows))
    medians: npt.NDArray[np.float64] = (ordered[row, (left - 1) // 2] + ordered[row, left // 2]) / 2
    return medians


def tail(units: int, level: float) -> float:
    """Probability to leave out on each side, for so many independent units."""
    if units < 2:
        return 0.0
    spread = math.sqrt(units / (units - 1)) * student_t(level, units - 1)
    return NormalDist().cdf(-spread)


def student_t(level: float, freedom: int) -> float:
    """T with P(-t <= T <= t) = `level`, for T of Student's distribution."""
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


def outliers(times: npt.NDArray[np.int64]) -> int:
    """How many lie above Tukey's fence, the third quartile and one and a half of its distance from
    the first (Tukey 1977). They are counted, and stay in every figure.
    """
    first, third = np.percentile(times, [25, 75])
    return int(np.count_nonzero(times > third + 1.5 * (third - first)))


def _independent(rounds: Rounds) -> Rounds:
    """What is drawn, a row each: sittings in which there is a round; rounds, where there is one."""
    if len(rounds) > 1:
        return rounds[~np.isnan(rounds).all(axis=1)]
    return rounds[~np.isnan(rounds)][:, np.newaxis]
