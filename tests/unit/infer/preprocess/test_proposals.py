"""Proposals on drawn pictures, and the features that they are scored by."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mnist_edge.preprocess.background import GrayPlane, to_gray
from mnist_edge.preprocess.proposals import Proposal, find_digit, overview, propose
from mnist_edge.preprocess.scoring import score
from mnist_edge.types import GrayImage
from tests.conftest import Digits


def on_paper(digit: GrayImage, ink: int = 40, paper: int = 220, side: int = 84) -> GrayImage:
    """A digit on 300 x 200 pixels of paper, its box of 28 x 28 enlarged to `side`."""
    page = Image.new("L", (300, 200), paper)
    page.paste(ink, (100, 60), Image.fromarray(digit).resize((side, side)))
    return np.asarray(page)


def proposals_of(picture: GrayImage) -> list[Proposal]:
    return [proposal for group in propose(to_gray(picture)) for proposal in group]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((480, 640), (96, 128)),
        ((100, 80), (100, 80)),
        ((28, 28), (64, 64)),
        ((64, 2048), (16, 512)),
        ((1, 1), (64, 64)),
    ],
)
def test_overview_size(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    plane, scale = overview(GrayPlane(np.zeros(shape, np.uint8), scales_with_light=True))
    assert plane.pixels.shape == expected
    assert scale == pytest.approx(expected[1] / shape[1])


@pytest.mark.parametrize(("ink", "paper", "is_dark"), [(40, 220, True), (220, 40, False)])
def test_found_digit_is_the_ink_that_was_drawn(
    ink: int, paper: int, is_dark: bool, train_digits: Digits
) -> None:
    for digit in train_digits[0][:20]:
        proposal = find_digit(to_gray(on_paper(digit, ink, paper)))
        assert proposal is not None
        assert proposal.is_dark == is_dark
        box, scale = proposal.box, 128 / 300
        rows, columns = np.nonzero(digit > 127)
        drawn = [rows.min(), rows.max() + 1, columns.min(), columns.max() + 1]
        expected = [(60 + 3 * y) * scale for y in drawn[:2]]
        expected += [(100 + 3 * x) * scale for x in drawn[2:]]
        np.testing.assert_allclose(box, expected, atol=3)


def test_blank_paper_has_no_proposal() -> None:
    assert proposals_of(np.full((200, 300), 220, np.uint8)) == []
    assert find_digit(to_gray(np.full((200, 300), 220, np.uint8))) is None


def test_features_of_a_drawn_bar() -> None:
    picture = np.full((128, 128), 200, np.uint8)
    picture[32:96, 60:68] = 50
    features = proposals_of(picture)[0].features
    assert features.size == 0.5
    assert features.aspect == 8 / 64
    assert features.box_filled == features.part_of_ink == features.part_of_all_ink == 1
    assert features.picture_inked == 64 * 8 / 128**2
    assert features.digit_on_edge == features.ink_on_edge == features.off_center == 0
    assert features.stroke_of_size == pytest.approx(8 / 64, abs=0.02)
    assert features.log_window == pytest.approx(np.log(0.5))
    assert features.contrast == pytest.approx(1)
    assert features.log_signal == pytest.approx(np.log10(150))
    assert features.log_scale == 0
    assert features.edge_vote == 1
    assert features.mean_vote > 0.9


def test_votes_are_signed_by_the_polarity_of_the_proposal() -> None:
    picture = np.full((128, 128), 200, np.uint8)
    picture[32:96, 32:96] = 50
    picture[40:88, 40:88] = 200
    by_polarity = {proposal.is_dark: proposal.features for proposal in proposals_of(picture)}
    assert by_polarity[True].mean_vote == -by_polarity[False].mean_vote > 0


def test_block_and_small_proposals_are_marked() -> None:
    page = np.full((128, 128), 40, np.uint8)
    page[40:90, 40:80] = 230
    assert any(proposal.is_block for proposal in proposals_of(page))
    dot = np.full((128, 128), 220, np.uint8)
    dot[60:68, 62:65] = 40
    assert all(proposal.is_small for proposal in proposals_of(dot)[:1])


def test_digit_scores_above_the_paper_between_its_strokes(train_digits: Digits) -> None:
    for digit in train_digits[0][:20]:
        scores = {True: -np.inf, False: -np.inf}
        for proposal in proposals_of(on_paper(digit)):
            best = max(scores[proposal.is_dark], score(proposal.features))
            scores[proposal.is_dark] = best
        assert scores[True] > max(0, scores[False])
