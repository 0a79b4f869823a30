"""Background subtraction, against values that the test pictures were made with."""

from __future__ import annotations

import numpy as np
import pytest

from mnist_edge.preprocess.background import (
    GrayPlane,
    fit_illumination,
    noise_sigma,
    otsu,
    polarity_votes,
    to_gray,
)
from mnist_edge.types import FloatImage, GrayImage, Mask


def bar(shape: tuple[int, int] = (100, 120)) -> Mask:
    """A vertical stroke, six pixels wide."""
    mask = np.zeros(shape, bool)
    mask[20:80, 57:63] = True
    return mask


def on_paper(ink: int, paper: int) -> GrayImage:
    return np.where(bar(), ink, paper).astype(np.uint8)


def test_gray_picture_becomes_its_own_plane() -> None:
    picture = on_paper(30, 220)
    plane = to_gray(picture)
    assert plane.pixels is picture
    assert plane.scales_with_light


def test_colours_of_equal_luma_are_separated() -> None:
    """The luma of both is 0.299 R + 0.587 G + 0.114 B = 76."""
    picture = np.where(bar()[..., np.newaxis], (254, 0, 0), (0, 130, 0)).astype(np.uint8)
    pixels = to_gray(picture).pixels.astype(int)
    contrast = pixels[bar()].mean() - pixels[~bar()].mean()
    assert abs(contrast) > 100


def test_lighter_paper_stays_lighter_in_colour() -> None:
    picture = np.where(bar()[..., np.newaxis], (40, 60, 160), (230, 220, 200)).astype(np.uint8)
    plane = to_gray(picture)
    assert plane.scales_with_light
    assert plane.pixels[~bar()].min() > plane.pixels[bar()].max() + 100


@pytest.mark.parametrize("is_dark", [True, False])
def test_top_hat_separates_ink_from_paper_in_half_shadow(is_dark: bool) -> None:
    """Ink that keeps 40 % of the light is found in a shadow that keeps half of it."""
    strokes = bar()
    light = np.where(np.arange(100)[:, np.newaxis] < 50, 1.0, 0.5) * np.ones((1, 120))
    reflectance = np.where(strokes, 0.4, 0.9) if is_dark else np.where(strokes, 0.9, 0.4)
    plane = GrayPlane(np.rint(255 * reflectance * light).astype(np.uint8), scales_with_light=True)
    ink = plane.top_hat(is_dark, 31)
    assert ink.dtype == np.float32
    assert ink[~strokes].max() == 0
    assert ink[strokes].min() > 40


def test_top_hat_corrects_the_light_on_dark_ink() -> None:
    light = np.where(np.arange(100)[:, np.newaxis] < 50, 1.0, 0.5) * np.ones((1, 120))
    pixels = np.rint(255 * np.where(bar(), 0.4, 0.9) * light).astype(np.uint8)
    shaded, lit = np.s_[52:78, 57:63], np.s_[22:48, 57:63]
    corrected, as_it_is = (
        GrayPlane(pixels, scales_with_light=scales).top_hat(True, 31) for scales in (True, False)
    )
    assert as_it_is[shaded].mean() == pytest.approx(0.5 * as_it_is[lit].mean(), rel=0.02)
    assert corrected[shaded].mean() > 0.75 * corrected[lit].mean()


@pytest.mark.parametrize("sigma", [3.0, 8.0, 15.0])
def test_noise_sigma_of_normal_noise(sigma: float) -> None:
    noise = np.random.default_rng(0).normal(128, sigma, (200, 200))
    assert noise_sigma(np.rint(noise).astype(np.uint8)) == pytest.approx(sigma, rel=0.15)


def test_noise_sigma_ignores_strokes_and_single_columns() -> None:
    assert noise_sigma(on_paper(0, 255)) == 0
    assert noise_sigma(np.zeros((5, 1), np.uint8)) == 0


def test_otsu_separates_two_clusters() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(50, 8, 4000), rng.normal(180, 8, 1000)
    threshold = otsu(np.concatenate([low, high]).astype(np.float32))
    assert low.max() < threshold <= high.min()


def test_otsu_of_one_value_is_that_value() -> None:
    assert otsu(np.full((3, 3), 7, np.float32)) == 7


def quadratic_light() -> FloatImage:
    y, x = np.mgrid[-1:1:48j, -1:1:64j]
    light: FloatImage = (170 + 40 * x - 25 * y - 30 * x * x + 10 * x * y).astype(np.float32)
    return light


def test_illumination_is_fitted_beside_ink() -> None:
    light = quadratic_light()
    page = light.copy()
    page[15:35, 28:34] -= 100
    np.testing.assert_allclose(fit_illumination(page), light, atol=1)


def test_illumination_of_evenly_lit_paper_is_one_level() -> None:
    page = np.full((48, 64), 200, np.float32)
    page[15:35, 28:34] = 50
    assert np.unique(fit_illumination(page)).tolist() == [200]


@pytest.mark.parametrize(("ink", "paper", "sign"), [(30, 220, 1), (220, 30, -1)])
def test_polarity_votes_agree_on_a_stroke_on_paper(ink: int, paper: int, sign: int) -> None:
    votes = polarity_votes(on_paper(ink, paper))
    assert all(sign * vote > 0.8 for vote in votes)


def test_evenly_lit_votes_see_through_a_gradient() -> None:
    gradient = np.linspace(60, 220, 120)[np.newaxis] * np.ones((100, 1))
    votes = polarity_votes(np.where(bar(), 0.5 * gradient, gradient).astype(np.uint8))
    assert votes.evenly_lit_edge > 0.9
    assert votes.evenly_lit_area > 0.8
    assert votes.edge < 0.6


@pytest.mark.parametrize("seed", range(20))
def test_otsu_counts_as_numpys_histogram_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.random(2000) * 10 ** rng.uniform(1, 3)).astype(np.float32)
    values = np.rint(values) if seed % 2 else values
    counts, edges = np.histogram(values, bins=256, range=(values.min(), values.max()))
    centers = (edges[:-1] + edges[1:]) / 2
    between = [
        counts[: i + 1].sum()
        * counts[i + 1 :].sum()
        * (
            np.average(centers[: i + 1], weights=counts[: i + 1])
            - np.average(centers[i + 1 :], weights=counts[i + 1 :])
        )
        ** 2
        for i in range(255)
    ]
    threshold = otsu(values)
    assert threshold == pytest.approx(edges[int(np.argmax(between)) + 1], rel=1e-6)


def test_otsu_of_values_that_hardly_differ_is_one_of_them() -> None:
    values = np.array([100, 100, np.nextafter(np.float32(100), np.float32(101))], np.float32)
    assert 100 <= otsu(values) <= values.max()
