"""Which part of a picture is the digit: the ways to read it are tried, and the likeliest taken.

Ink may be darker or lighter than its paper; what is narrower than a small, a middling or a large
window may be ink and all else paper, shadow or desk; thin lines may be print. No single rule is
right for a close crop of a fat marker and for a page in half shadow both, so each way gives a
`Proposal`, and a small network of 24 hidden units, fitted on simulated photographs, says how likely
it is to be the digit and nothing else.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.background import (
    FAINTEST_INK,
    GrayPicture,
    Plane,
    noise_sigma,
    polarity_votes,
)
from mnist_edge.preprocess.components import select_digit
from mnist_edge.preprocess.line_removal import keep_thick, remove_lines
from mnist_edge.preprocess.morphology import dilate
from mnist_edge.preprocess.strokes import stroke_width

__all__ = ["INK_LEVEL", "Mask", "Proposal", "bounding_box", "find_digit", "propose"]

Mask = npt.NDArray[np.bool_]
_Reading = tuple[bool, Plane, Mask]
"""Whether the ink is dark, how far each pixel stands out, and where there is ink, print and all."""

INK_LEVEL = 0.42
"""Ink is what stands out by more than this part of what the strongest does."""

_WINDOWS = (2.0, 3.5, 6.0, 11.0)
"""Windows that tell ink from paper, as parts of the picture's longer side."""

_SMALLEST_WINDOW = 9
"""Pixels of the picture as it came: in fewer there is no light and shadow to tell apart."""

_ENLARGED = 1.3
"""Times that a picture was enlarged from which on it has too few pixels for print and shadows."""

_NOISE_FACTOR = 4.0
"""Ink must stand out from the paper's own noise_sigma by this many standard deviations."""

_SURE = 2.0
"""Logit above which nothing else is tried."""

_BLOCK_FILLED, _BLOCK_ASPECT = 0.7, 0.4
"""Parts of its box that a block fills, and of its longer side that its shorter one has."""

_HOPELESS = -1.4
"""Logit below which there is no digit: blank paper lies below, readable digits above."""

_UNLIKELY = 0.0
"""Logit below which a digit far away is taken rather than the likeliest proposal."""

_SMALL, _ALONE, _CLEAR = 0.1, 0.8, 5.0
"""A digit far away is unlike those that the model was fitted to. What is smaller than this part of
the picture, more than this part of all its ink, clearer than this many standard deviations of the
noise_sigma, and on what looks like paper is answered however unlikely it is."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """One way to read a picture.

    Attributes:
        digit: bool ``[H, W]``, the pieces of ink that are the digit; at least one True.
        is_dark: the ink is darker than its paper.
        window: pixels; what is wider is no ink.
        clean: what removed print from the ink, if anything did.
        is_far_away: it is small, alone, clear, and on what looks like paper.
        features: what `find_digit` judges it by.
    """

    digit: Mask
    is_dark: bool
    window: int
    clean: Callable[[Mask], Mask] | None
    is_far_away: bool
    features: list[float]

    @property
    def is_small(self) -> bool:
        """Whether it is too few pixels to be judged by."""
        return bool(_size(self.digit) < _SMALL * max(self.digit.shape))

    @property
    def is_likely(self) -> bool:
        """Whether it is rather the digit than not."""
        return _logit(self.features) > _UNLIKELY

    @property
    def fills_its_box(self) -> bool:
        """Whether it is a block, as a page on a desk is, and hardly any digit."""
        rows, columns = bounding_box(self.digit)
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        block = self.digit[rows, columns].mean() > _BLOCK_FILLED
        return bool(block and min(tall, wide) > _BLOCK_ASPECT * max(tall, wide))


def find_digit(sheet: GrayPicture, enlarged: float) -> Proposal | None:
    """The likeliest proposal; once one is likely enough, what is left is not tried.

    Args:
        sheet: the picture, about 64 to 128 pixels along its longer side.
        enlarged: times that it is larger than it came.

    Returns:
        None where nothing stands out from the paper, or nothing that may be a digit.
    """
    best, best_logit = None, -np.inf
    far_away, far_logit = None, -np.inf
    for group in propose(sheet, enlarged):
        for proposal in group:
            logit = _logit(proposal.features)
            if logit > best_logit:
                best, best_logit = proposal, logit
            if proposal.is_far_away and logit > far_logit:
                far_away, far_logit = proposal, logit
        if best_logit > _SURE:
            break
    if best_logit < _UNLIKELY and far_away is not None:
        return far_away
    return best if best_logit > _HOPELESS else None


def propose(sheet: GrayPicture, enlarged: float) -> Iterator[list[Proposal]]:
    """Every proposal, by groups: those with the largest window, and as it is, first."""
    side = max(sheet.plane.shape)
    noise = noise_sigma(sheet.plane)
    votes = polarity_votes(sheet.plane)
    votes.append(sum(votes) / len(votes))
    span = max(1.0, float(np.ptp(sheet.plane)))
    with_print = enlarged < _ENLARGED
    windows = [int(side / part) for part in _WINDOWS]
    fewest = max(5, _SMALLEST_WINDOW * enlarged)
    windows = windows[:1] + [window for window in windows[1:] if window >= fewest]
    readings: dict[int, list[_Reading]] = {}
    for clean in (None, remove_lines, keep_thick) if with_print else (None,):
        for window in windows:
            # A few pixels hold no shadow, and strokes along the edge that look wide.
            reach = window if with_print else side
            if window not in readings:
                readings[window] = [_read(sheet, dark, reach, noise) for dark in (True, False)]
            group = []
            for is_dark, ink, everything in readings[window]:
                mask = everything if clean is None else clean(everything)
                if not mask.any() or (clean is not None and mask is everything):
                    continue
                digit = select_digit(mask)
                facts = _describe(digit, mask, everything, ink, window)
                contrast = facts.pop()
                signal = contrast / (noise + 1)
                facts += [contrast / span, float(np.log10(max(0.1, signal)))]
                facts.append(math.log(max(1.0, enlarged)))
                facts += [vote if is_dark else -vote for vote in votes]
                is_small, alone = _size(digit) < _SMALL * side, facts[9]
                is_far_away = bool(
                    is_small and alone > _ALONE and signal > _CLEAR and facts[-1] > 0
                )
                group.append(Proposal(digit, is_dark, reach, clean, is_far_away, facts))
            yield group


def _read(sheet: GrayPicture, is_dark: bool, window: int, noise: float) -> _Reading:
    ink = sheet.ink(is_dark, window)
    return is_dark, ink, _inked(ink, noise)


def _inked(ink: Plane, noise: float) -> Mask:
    """Where there is ink, print and all; nowhere where nothing stands out from the noise_sigma."""
    typical = float(np.median(ink))
    floor = max(FAINTEST_INK, _NOISE_FACTOR * noise)
    if typical < FAINTEST_INK:
        ink = ink - typical
    standing_out = ink[ink > floor]
    if len(standing_out) < 3:
        return np.zeros(ink.shape, bool)
    strongest = float(np.percentile(standing_out, 96))
    mask: Mask = ink > max(floor, INK_LEVEL * strongest)
    return mask


def _describe(digit: Mask, mask: Mask, everything: Mask, ink: Plane, window: int) -> list[float]:
    """What tells a digit from a shadow, a frame, or the paper between strokes; contrast last."""
    height, width = digit.shape
    rows, columns = bounding_box(digit)
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    size = max(tall, wide)
    area = float(digit.sum())
    stroke = stroke_width(digit[rows, columns])
    values = ink[digit]
    contrast = float(values.mean())
    near = dilate(digit, 3)
    ring = dilate(near, 3) & ~near
    around = float(ink[ring].mean()) if ring.any() else contrast
    off_centre = abs((rows.start + rows.stop) / height - 1) + abs(
        (columns.start + columns.stop) / width - 1
    )
    return [
        _edge(digit),
        _edge(mask),
        min(stroke / size, 1.0),
        min(stroke / window, 1.5),
        size / max(digit.shape),
        min(tall, wide) / size,
        float(values.std()) / max(contrast, 1.0),
        around / max(contrast, 1.0),
        area / float(mask.sum()),
        area / float(everything.sum()),
        area / (tall * wide),
        float(mask.mean()),
        off_centre / 2,
        float(np.log(window / max(digit.shape))),
        contrast,
    ]


def _edge(mask: Mask) -> float:
    """The part of the picture's edge that is ink."""
    return float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())


def bounding_box(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that holds the mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _size(mask: Mask) -> int:
    """Longer side of the box that holds the mask, pixels."""
    rows, columns = bounding_box(mask)
    return max(int(rows.stop - rows.start), int(columns.stop - columns.start))


def _logit(features: list[float]) -> float:
    """How likely a proposal is the digit and nothing else."""
    mean, scale, first, first_bias, second, second_bias = _weights()
    hidden = np.maximum((np.asarray(features) - mean) / scale @ first + first_bias, 0)
    return float((hidden @ second)[0] + second_bias[0])


@functools.cache
def _weights() -> list[npt.NDArray[np.float64]]:
    with open(
        os.path.join(os.path.dirname(__file__), "proposal_weights.json"), encoding="utf-8"
    ) as file:
        return [np.asarray(values) for values in json.load(file)["weights"]]
