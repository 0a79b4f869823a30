"""The statistics, against scipy's, and on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.cbook import boxplot_stats
from scipy import stats

from mnist_edge.bench.stats import (
    Interval,
    comparable_rounds,
    count_outliers,
    median_interval,
    ratio_interval,
    resampled_medians,
    student_t,
    tail_probability,
    undisturbed_rounds,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 59])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_student_t_equals_scipys(level: float, freedom: int) -> None:
    assert student_t(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom))


def test_tail_is_students_for_few_units_and_nearly_normal_for_many() -> None:
    spread = np.sqrt(5 / 4) * stats.t.ppf(0.975, 4)
    assert tail_probability(5, 0.95) == pytest.approx(stats.norm.cdf(-spread), rel=1e-6)
    assert tail_probability(10_000, 0.95) == pytest.approx(0.025, rel=0.01)
    assert tail_probability(1, 0.95) == 0


def test_rounds_of_one_process_are_drawn_as_scipy_draws_them() -> None:
    rounds = np.random.default_rng(1).lognormal(3, 0.2, (1, 200))
    medians = resampled_medians(rounds, np.random.default_rng(0))
    expected = stats.bootstrap(
        rounds, np.median, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
    )
    low, high = np.quantile(medians, [0.025, 0.975])
    assert medians.std() == pytest.approx(expected.standard_error, rel=0.1)
    assert low == pytest.approx(expected.confidence_interval.low, rel=0.005)
    assert high == pytest.approx(expected.confidence_interval.high, rel=0.005)


def test_processes_of_constant_rounds_are_drawn_as_scipy_draws_them() -> None:
    processes = np.array([10.0, 11, 12, 14, 17, 18, 19])
    medians = resampled_medians(np.tile(processes[:, np.newaxis], 30), np.random.default_rng(0))
    expected = stats.bootstrap(
        (processes,),
        np.median,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(0),
    ).bootstrap_distribution
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(medians, quantile) == np.quantile(expected, quantile)


def test_intervals_cover_the_truth() -> None:
    """Processes differ by 2 %, rounds by 1 % with heavy tails; 95 % are promised."""
    source = np.random.default_rng(3)
    covered = 0
    for seed in range(120):
        processes = 0.02 * source.standard_normal((5, 1))
        rounds = 0.01 * source.standard_t(3, (5, 12))
        interval = median_interval(np.exp(processes + rounds), seed=seed)
        covered += interval.low <= 1 <= interval.high
    assert covered >= 0.93 * 120


def test_intervals_of_a_single_process_would_not_cover_it() -> None:
    """Why there are several processes: the same noise in one, whose rounds share its luck."""
    source = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        luck = 0.02 * source.standard_normal()
        interval = median_interval(np.exp(luck + 0.01 * source.standard_t(3, (1, 60))))
        covered += interval.low <= 1 <= interval.high
    assert covered < 30


def test_median_is_numpys_and_units_only_scale() -> None:
    rounds = np.random.default_rng(0).lognormal(3, 0.1, (5, 12))
    interval = median_interval(rounds)
    assert interval.value == np.median(rounds)
    assert interval.low < interval.value < interval.high
    assert interval.scaled(8) == Interval(interval.value * 8, interval.low * 8, interval.high * 8)
    rate = interval.inverse(32)
    assert rate.low < rate.value < rate.high
    assert rate.value == 32 / interval.value


def test_ratio_is_that_of_the_medians() -> None:
    source = np.random.default_rng(0)
    then = source.lognormal(3, 0.01, (5, 12))
    ratio = ratio_interval(1.2 * then, then)
    assert ratio.value == pytest.approx(1.2)
    assert 1.1 < ratio.low < 1.2 < ratio.high < 1.3


def test_outliers_are_those_of_a_box_plot() -> None:
    times = np.random.default_rng(0).gamma(2, 1000, 500).astype(np.int64)
    (box,) = boxplot_stats(times)
    assert count_outliers(times) == len(box["fliers"]) > 0
    assert count_outliers(np.full(20, 7)) == 0


def test_rounds_left_out_do_not_count() -> None:
    source = np.random.default_rng(0)
    rounds = source.lognormal(3, 0.02, (5, 30))
    disturbed = source.random((5, 30)) < 0.5
    disturbed[1] = True
    interval = median_interval(np.where(disturbed, np.nan, rounds))
    assert interval.value == np.median(rounds[~disturbed])
    assert interval.low < interval.value < interval.high
    of_all = median_interval(rounds)
    assert interval.high - interval.low > of_all.high - of_all.low


def test_disturbed_rounds_are_recognized_by_the_reference() -> None:
    """Half of the rounds take half as long again, and the target's suffer more than that."""
    source = np.random.default_rng(0)
    reference = source.lognormal(3, 0.02, (5, 30))
    times = 2 * reference * source.lognormal(0, 0.02, (5, 30))
    disturbed = np.zeros((5, 30), bool)
    disturbed[:2] = disturbed[2, ::2] = True
    reference[disturbed] *= 1.5
    times[disturbed] *= 1.8
    mask = undisturbed_rounds(reference)
    np.testing.assert_array_equal(mask, ~disturbed)
    np.testing.assert_array_equal(comparable_rounds(reference), mask)
    ratio = median_interval(np.where(mask, times / reference, np.nan))
    assert ratio.low < 2 < ratio.high
    assert ratio.high < 2.1


def test_process_with_few_undisturbed_rounds_is_left_out() -> None:
    reference = np.full((5, 30), 10.0)
    reference[3, 8:] = 15
    mask = undisturbed_rounds(reference)
    assert not mask[3].any()
    assert mask[[0, 1, 2, 4]].all()


def test_all_rounds_are_comparable_if_few_processes_are_undisturbed() -> None:
    reference = np.full((5, 30), 15.0)
    reference[:2] = 10
    assert comparable_rounds(reference).all()
