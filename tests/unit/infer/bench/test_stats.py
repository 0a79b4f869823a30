"""The statistics, against scipy's, and on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.cbook import boxplot_stats
from scipy import stats

from mnist_edge.bench.stats import (
    Interval,
    change,
    interval,
    outliers,
    quiet,
    resampled_medians,
    student_t,
    tail,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 59])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_student_is_scipys(level: float, freedom: int) -> None:
    assert student_t(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom))


def test_the_tail_is_students_for_few_and_nearly_normal_for_many() -> None:
    spread = np.sqrt(5 / 4) * stats.t.ppf(0.975, 4)
    assert tail(5, 0.95) == pytest.approx(stats.norm.cdf(-spread), rel=1e-6)
    assert tail(10_000, 0.95) == pytest.approx(0.025, rel=0.01)
    assert tail(1, 0.95) == 0


def test_rounds_of_one_sitting_are_drawn_as_scipy_draws_them() -> None:
    rounds = np.random.default_rng(1).lognormal(3, 0.2, (1, 200))
    drawn = resampled_medians(rounds, np.random.default_rng(0))
    theirs = stats.bootstrap(
        rounds, np.median, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert drawn.std() == pytest.approx(theirs.standard_error, rel=0.1)
    assert low == pytest.approx(theirs.confidence_interval.low, rel=0.005)
    assert high == pytest.approx(theirs.confidence_interval.high, rel=0.005)


def test_sittings_are_what_is_drawn() -> None:
    """Where all rounds of a sitting are the same, it is scipy's bootstrap over the sittings."""
    sittings = np.array([10.0, 11, 12, 14, 17, 18, 19])
    drawn = resampled_medians(np.tile(sittings[:, np.newaxis], 30), np.random.default_rng(0))
    theirs = stats.bootstrap(
        (sittings,), np.median, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
    )
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(drawn, quantile) == np.quantile(theirs.bootstrap_distribution, quantile)


def test_intervals_cover() -> None:
    """Sittings differ by 2 %, rounds by 1 % with heavy tails; 95 % are promised."""
    source = np.random.default_rng(3)
    covered = 0
    for seed in range(120):
        sittings = 0.02 * source.standard_normal((5, 1))
        rounds = 0.01 * source.standard_t(3, (5, 12))
        own = interval(np.exp(sittings + rounds), seed=seed)
        covered += own.low <= 1 <= own.high
    assert covered >= 0.93 * 120


def test_taking_rounds_for_independent_would_not_cover() -> None:
    """Why there are sittings: the same noise in one, whose rounds share its luck."""
    source = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        luck = 0.02 * source.standard_normal()
        own = interval(np.exp(luck + 0.01 * source.standard_t(3, (1, 60))))
        covered += own.low <= 1 <= own.high
    assert covered < 30


def test_the_median_is_numpys_and_units_only_scale() -> None:
    rounds = np.random.default_rng(0).lognormal(3, 0.1, (5, 12))
    own = interval(rounds)
    assert own.value == np.median(rounds)
    assert own.low < own.value < own.high
    assert own.scaled(8) == Interval(own.value * 8, own.low * 8, own.high * 8)
    rate = own.inverse(32)
    assert rate.low < rate.value < rate.high
    assert rate.value == 32 / own.value


def test_a_change_is_the_ratio_of_medians() -> None:
    source = np.random.default_rng(0)
    then = source.lognormal(3, 0.01, (5, 12))
    own = change(1.2 * then, then)
    assert own.value == pytest.approx(1.2)
    assert 1.1 < own.low < 1.2 < own.high < 1.3


def test_outliers_are_those_of_a_box_plot() -> None:
    times = np.random.default_rng(0).gamma(2, 1000, 500).astype(np.int64)
    (box,) = boxplot_stats(times)
    assert outliers(times) == len(box["fliers"]) > 0
    assert outliers(np.full(20, 7)) == 0


def test_what_is_left_out_counts_for_nothing() -> None:
    source = np.random.default_rng(0)
    rounds = source.lognormal(3, 0.02, (5, 30))
    disturbed = source.random((5, 30)) < 0.5
    disturbed[1] = True
    with_noise = np.where(disturbed, np.nan, rounds)
    own = interval(with_noise)
    assert own.value == np.median(rounds[~disturbed])
    assert own.low < own.value < own.high
    wider = interval(rounds)
    assert own.high - own.low > wider.high - wider.low


def test_a_neighbour_on_the_core_is_noticed_by_the_calibration() -> None:
    """Half of the rounds take half as long again, and the subject's suffer more than that."""
    source = np.random.default_rng(0)
    calibration = source.lognormal(3, 0.02, (5, 30))
    times = 2 * calibration * source.lognormal(0, 0.02, (5, 30))
    disturbed = np.zeros((5, 30), bool)
    disturbed[:2] = disturbed[2, ::2] = True
    calibration[disturbed] *= 1.5
    times[disturbed] *= 1.8
    np.testing.assert_array_equal(quiet(calibration), ~disturbed)
    told = interval(np.where(quiet(calibration), times / calibration, np.nan))
    assert told.low < 2 < told.high
    assert told.high < 2.1


def test_a_sitting_that_was_hardly_quiet_is_left_out() -> None:
    calibration = np.full((5, 30), 10.0)
    calibration[3, 8:] = 15
    assert not quiet(calibration)[3].any()
    assert quiet(calibration)[[0, 1, 2, 4]].all()
