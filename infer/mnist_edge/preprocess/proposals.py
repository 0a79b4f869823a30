"""Region proposals: which part of a picture is the digit.

Ink may be darker or lighter than its paper; what is narrower than a small, a middling or a large
window may be ink and all else paper, shadow or desk; thin lines may be printed. No single rule is
right both for a close crop of a fat marker and for a page in half shadow. So each combination makes
a `Proposal`, and the one with the highest score is taken (see `mnist_edge.preprocess.scoring`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mnist_edge.preprocess.background import GrayPlane, drawn_levels, noise_sigma, polarity_votes
from mnist_edge.preprocess.components import Box, bounding_box, select_digit
from mnist_edge.preprocess.line_removal import keep_thick, remove_lines
from mnist_edge.preprocess.order_statistics import median, percentile
from mnist_edge.preprocess.scoring import (
    PictureStatistics,
    ProposalFeatures,
    Reading,
    proposal_features,
    score,
)
from mnist_edge.types import Mask

__all__ = ["INK_LEVEL", "Proposal", "find_digit", "overview", "propose", "separate_ink"]

INK_LEVEL = 0.42
"""Ink is what stands out by more than this part of what the strongest ink does."""

_WINDOWS = (2.0, 3.5, 6.0, 11.0)
"""Windows that separate ink from paper: the picture's longer side divided by each."""


@dataclass(frozen=True)
class _Limits:
    """Thresholds of the search for the digit. *Score* is the logit of `score`."""

    overview_side: int = 128
    """Longer side of the overview, pixels; more in strips, whose area is at least half of this
    squared."""

    enlarged_side: int = 64
    """Smaller pictures are enlarged to this, so that a stroke is some pixels wide."""

    enlarged_scale: float = 1.3
    """Enlarged so many times, a picture has too few pixels to show printed lines or shadows."""

    smallest_window: int = 9
    """Pixels of the picture as it came: fewer do not separate light from shadow."""

    faintest_ink: float = 10.0
    """Gray levels between ink and paper below which nothing is seen."""

    noise_factor: float = 4.0
    """Ink stands out from the paper by at least this many standard deviations of the noise."""

    certain: float = 2.0
    """Score above which no further proposal is made."""

    likely: float = 0.0
    """Score above which a proposal is rather the digit than not."""

    hopeless: float = -1.4
    """Score below which there is no digit: blank paper lies below, readable digits above."""

    small: float = 0.1
    """A smaller digit has too few pixels to be cropped from; fraction of the longer side."""

    alone: float = 0.8
    """A digit far away is more than this part of all the ink, ..."""

    clear: float = 5.0
    """... and stands out by more than this many standard deviations of the noise."""

    middle_gray: int = 128
    """Flat paper of this level and above is light."""

    least_drawn: float = 0.2
    """A smaller mark on flat paper is a speck; fraction of the picture's longer side."""

    log_tiny: float = math.log(64 / 28)
    """Logarithm of how much a picture is enlarged that has too few pixels to show a page."""

    filling: float = 0.8
    """A digit that was cut out of a scan is at least this part of it; of its longer side."""

    block_filled: float = 0.7
    """A block fills more than this part of its box, ..."""

    block_aspect: float = 0.4
    """... whose shorter side is more than this part of its longer one."""


_LIMITS = _Limits()


@dataclass(frozen=True, eq=False)
class Proposal:
    """A digit that may be in a picture, found on its overview.

    Attributes:
        digit: bool ``[H, W]`` on the overview, True = ink of the digit; at least one True.
        ink: bool ``[H, W]``, all ink without the printed lines that were removed.
        box: bounding box of `digit`.
        size: longer side of `box`, pixels.
        is_dark: the ink is darker than its paper.
        window: window of the top-hat, pixels.
        remove_print: what removed printed lines from the ink, if anything did.
        is_small: it has too few pixels to be cropped from.
        is_block: it fills its box, as a page on a desk does and hardly any digit.
        is_far_away: it is small, alone, clear, and on what looks like paper. No such digit was
            among those that the score was fitted to.
        features: what it is scored by.
    """

    digit: Mask
    ink: Mask
    box: Box
    size: int
    is_dark: bool
    window: int
    remove_print: Callable[[Mask], Mask] | None
    is_small: bool
    is_block: bool
    is_far_away: bool
    features: ProposalFeatures

    @property
    def fills_picture(self) -> bool:
        """Whether it is all that there is, and goes from edge to edge."""
        features = self.features
        return features.size > _LIMITS.filling and features.part_of_all_ink > _LIMITS.alone

    def is_drawn_on(self, paper: int | None) -> bool:
        """Whether it is all that there is on flat paper of a gray level; None = it is not flat."""
        if paper is None or self.is_dark != (paper >= _LIMITS.middle_gray):
            return False
        return (
            self.remove_print is None
            and not (self.is_block and self.features.log_scale < _LIMITS.log_tiny)
            and self.features.size > _LIMITS.least_drawn
            and self.features.part_of_all_ink > _LIMITS.alone
        )

    @property
    def is_likely(self) -> bool:
        """Whether it is rather the digit than not."""
        return score(self.features) > _LIMITS.likely


def find_digit(picture: GrayPlane) -> Proposal | None:
    """Takes the proposal with the highest score; a score high enough ends the search.

    What a program has drawn, on paper of exactly one level, or has cut out in two levels, is taken
    whatever its score: nothing else is there, and the score was fitted to photographs.

    Args:
        picture: of any size.

    Returns:
        None where nothing stands out from the paper, or nothing that may be a digit.
    """
    best, best_score = None, -np.inf
    far_away, far_away_score = None, -np.inf
    drawn, drawn_score = None, -np.inf
    paper, has_two_levels = drawn_levels(picture.pixels)
    for proposals in propose(picture):
        for proposal in proposals:
            logit = score(proposal.features)
            if logit > best_score:
                best, best_score = proposal, logit
            if proposal.is_far_away and logit > far_away_score:
                far_away, far_away_score = proposal, logit
            is_drawn = proposal.is_drawn_on(paper) or (
                has_two_levels and paper is None and proposal.fills_picture
            )
            if is_drawn and logit > drawn_score:
                drawn, drawn_score = proposal, logit
        if best_score > _LIMITS.certain:
            break
    if best_score < _LIMITS.likely and far_away is not None:
        return far_away
    if best is None or best_score <= _LIMITS.hopeless:
        return drawn
    # On flat paper, what has its level is no ink.
    is_paper = paper is not None and drawn is not None and drawn.is_dark != best.is_dark
    return drawn if is_paper else best


def propose(picture: GrayPlane) -> Iterator[list[Proposal]]:
    """Makes proposals, a group for each window and each way to remove printed lines.

    Args:
        picture: of any size.

    Yields:
        proposals for dark and for light ink, where there is any; the largest window comes first,
        and the groups without printed lines last.
    """
    plane, scale = overview(picture)
    side = max(plane.pixels.shape)
    statistics = PictureStatistics(
        noise=noise_sigma(plane.pixels),
        span=max(1.0, float(np.ptp(plane.pixels))),
        scale=scale,
        votes=polarity_votes(plane.pixels),
    )
    has_print = scale < _LIMITS.enlarged_scale
    largest, *windows = (int(side / part) for part in _WINDOWS)
    smallest = max(5, _LIMITS.smallest_window * scale)
    readings: dict[int, list[Reading]] = {}
    for remove_print in (None, remove_lines, keep_thick) if has_print else (None,):
        for window in (largest, *(window for window in windows if window >= smallest)):
            # A few pixels show no shadow, but strokes along the edge that look wide.
            used_window = window if has_print else side
            if window not in readings:
                readings[window] = [
                    separate_ink(plane, is_dark, window, used_window, statistics.noise)
                    for is_dark in (True, False)
                ]
            group = []
            for reading in readings[window]:
                ink = reading.ink if remove_print is None else remove_print(reading.ink)
                if ink.any() and (remove_print is None or ink is not reading.ink):
                    group.append(_make_proposal(ink, reading, remove_print, statistics))
            yield group


def overview(picture: GrayPlane) -> tuple[GrayPlane, float]:
    """Resizes a picture to the size at which its digit is searched for.

    Returns:
        the copy, about 64 to 128 pixels along its longer side; and how many times larger it is.
    """
    height, width = picture.pixels.shape
    longer = max(height, width)
    strip = math.sqrt(_LIMITS.overview_side**2 / 2 / (height * width))
    scale = min(
        max(1.0, _LIMITS.enlarged_side / longer), max(_LIMITS.overview_side / longer, strip)
    )
    if scale == 1:
        return picture, 1.0
    return picture.resize((max(1, round(width * scale)), max(1, round(height * scale)))), scale


def separate_ink(
    plane: GrayPlane, is_dark: bool, window: int, used_window: int, noise: float
) -> Reading:
    """Separates ink from paper in one way.

    Ink stands out from the paper by a part of what the strongest ink does, and by more than noise.

    Args:
        plane: the overview of a picture.
        is_dark: the ink is taken to be darker than its paper.
        window: strokes are narrower than this, pixels.
        used_window: window of the top-hat, pixels.
        noise: standard deviation, gray levels.
    """
    top_hat = plane.top_hat(is_dark, used_window)
    typical = median(top_hat)
    # Noise lifts paper above its opening.
    ink = top_hat - typical if typical < _LIMITS.faintest_ink else top_hat
    floor = max(_LIMITS.faintest_ink, _LIMITS.noise_factor * noise)
    standing_out = ink[ink > floor]
    if len(standing_out) < 3:
        mask = np.zeros(ink.shape, bool)
    else:
        mask = ink > max(floor, INK_LEVEL * percentile(standing_out, 96))
    return Reading(is_dark, window, used_window, top_hat, mask)


def _make_proposal(
    ink: Mask,
    reading: Reading,
    remove_print: Callable[[Mask], Mask] | None,
    statistics: PictureStatistics,
) -> Proposal:
    digit = select_digit(ink)
    box = bounding_box(digit)
    features = proposal_features(digit, box, ink, reading, statistics)
    is_small = features.size < _LIMITS.small
    return Proposal(
        digit=digit,
        ink=ink,
        box=box,
        size=max(box.bottom - box.top, box.right - box.left),
        is_dark=reading.is_dark,
        window=reading.used_window,
        remove_print=remove_print,
        is_small=is_small,
        is_block=features.box_filled > _LIMITS.block_filled
        and features.aspect > _LIMITS.block_aspect,
        is_far_away=is_small
        and features.part_of_all_ink > _LIMITS.alone
        and features.mean_vote > 0
        and float(reading.top_hat[digit].mean()) / (statistics.noise + 1) > _LIMITS.clear,
        features=features,
    )
