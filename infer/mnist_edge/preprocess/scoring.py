"""Scores proposals: 22 features of each, and a multilayer perceptron of 24 hidden units.

`mnist_edge_trainer.training.fit_proposals` fits the weights, on simulated photographs.
"""

from __future__ import annotations

import functools
import json
import math
import pkgutil
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.preprocess.background import PolarityVotes
from mnist_edge.preprocess.bitmask import BitMask
from mnist_edge.preprocess.components import Box
from mnist_edge.preprocess.strokes import stroke_width
from mnist_edge.types import FloatImage, Mask

__all__ = ["PictureStatistics", "ProposalFeatures", "Reading", "proposal_features", "score"]


class PictureStatistics(NamedTuple):
    """What is measured once for a picture, on the copy in which the digit is searched for.

    Attributes:
        noise: standard deviation, gray levels.
        span: from the darkest to the lightest pixel, gray levels, at least 1.
        scale: times that the copy is larger than the picture.
        votes: whether the paper is lighter than the ink.
    """

    noise: float
    span: float
    scale: float
    votes: PolarityVotes


class Reading(NamedTuple):
    """Ink and paper, separated in one of several ways.

    Attributes:
        is_dark: the ink is taken to be darker than its paper.
        window: strokes are narrower than this, pixels.
        used_window: window of the top-hat, pixels: `window`, or the whole side of a picture that
            had to be enlarged.
        top_hat: how far each pixel stands out from the paper, float32 ``[H, W]``, gray levels.
        ink: where there is ink, printed lines included, bool ``[H, W]``.
    """

    is_dark: bool
    window: int
    used_window: int
    top_hat: FloatImage
    ink: Mask


class ProposalFeatures(NamedTuple):
    """What distinguishes a digit from a shadow, a frame, or the paper between strokes.

    The order is that of the weights. *Size* is the longer side of the digit's box, *ink* all ink
    without the printed lines that were removed. Votes are 1 for the polarity of the proposal.

    Attributes:
        digit_on_edge: part of the picture's edge that the digit covers.
        ink_on_edge: part of the picture's edge that ink covers.
        stroke_of_size: width of the strokes / size, at most 1.
        stroke_of_window: width of the strokes / window, at most 1.5.
        size: size / longer side of the picture.
        aspect: shorter / longer side of the digit's box.
        ink_variation: standard deviation / mean of how far the digit stands out.
        halo: how far a ring round the digit stands out / how far the digit does.
        part_of_ink: area of the digit / area of the ink.
        part_of_all_ink: area of the digit / area of the ink and the printed lines.
        box_filled: area of the digit / area of its box.
        picture_inked: part of the picture that ink covers.
        off_center: distance of the box's middle from the picture's, 0 to 1.
        log_window: logarithm of window / longer side of the picture.
        contrast: how far the digit stands out / span of the picture.
        log_signal: decimal logarithm of how far the digit stands out / (noise + 1).
        log_scale: logarithm of how many times the picture was enlarged, at least 0.
        edge_vote: polarity, by the picture's edge.
        area_vote: polarity, by the picture's area.
        evenly_lit_edge_vote: polarity, by the edge without the illumination.
        evenly_lit_area_vote: polarity, by the area without the illumination.
        mean_vote: mean of the four.
    """

    digit_on_edge: float
    ink_on_edge: float
    stroke_of_size: float
    stroke_of_window: float
    size: float
    aspect: float
    ink_variation: float
    halo: float
    part_of_ink: float
    part_of_all_ink: float
    box_filled: float
    picture_inked: float
    off_center: float
    log_window: float
    contrast: float
    log_signal: float
    log_scale: float
    edge_vote: float
    area_vote: float
    evenly_lit_edge_vote: float
    evenly_lit_area_vote: float
    mean_vote: float


def proposal_features(
    digit: Mask, box: Box, ink: Mask, reading: Reading, picture: PictureStatistics
) -> ProposalFeatures:
    """Measures a proposal.

    Args:
        digit: bool ``[H, W]``, the ink that is proposed to be the digit.
        box: bounding box of `digit`.
        ink: bool ``[H, W]``, all ink without what was removed as printed lines.
        reading: where the ink comes from.
        picture: the picture that was read.
    """
    height, width = digit.shape
    tall, wide = box.bottom - box.top, box.right - box.left
    size = max(tall, wide)
    area = float(np.count_nonzero(digit))
    area_of_ink = np.count_nonzero(ink)
    stroke = stroke_width(digit[box.top : box.bottom, box.left : box.right])
    values = reading.top_hat[digit]
    contrast = float(values.mean())
    halo = _ring(digit, box, reading.top_hat)
    edge = 2 * (height + width)
    sign = 1 if reading.is_dark else -1
    votes = PolarityVotes(*(sign * vote for vote in picture.votes))
    return ProposalFeatures(
        digit_on_edge=_count_on_edge(digit) / edge,
        ink_on_edge=_count_on_edge(ink) / edge,
        stroke_of_size=min(stroke / size, 1.0),
        stroke_of_window=min(stroke / reading.window, 1.5),
        size=size / max(digit.shape),
        aspect=min(tall, wide) / size,
        ink_variation=float(values.std()) / max(contrast, 1.0),
        halo=(float(halo.mean()) if len(halo) else contrast) / max(contrast, 1.0),
        part_of_ink=area / area_of_ink,
        part_of_all_ink=area / np.count_nonzero(reading.ink),
        box_filled=area / (tall * wide),
        picture_inked=area_of_ink / ink.size,
        off_center=(
            abs((box.top + box.bottom) / height - 1) + abs((box.left + box.right) / width - 1)
        )
        / 2,
        log_window=float(np.log(reading.window / max(digit.shape))),
        contrast=contrast / picture.span,
        log_signal=float(np.log10(max(0.1, contrast / (picture.noise + 1)))),
        log_scale=math.log(max(1.0, picture.scale)),
        edge_vote=votes.edge,
        area_vote=votes.area,
        evenly_lit_edge_vote=votes.evenly_lit_edge,
        evenly_lit_area_vote=votes.evenly_lit_area,
        mean_vote=sign * sum(picture.votes) / len(picture.votes),
    )


def _ring(digit: Mask, box: Box, values: FloatImage) -> FloatImage:
    """Values on a ring round the digit, one pixel away from it: float32 ``[N]``."""
    top, left = max(0, box.top - 2), max(0, box.left - 2)
    part = np.s_[top : box.bottom + 2, left : box.right + 2]
    near = BitMask.of(digit[part]).dilate()
    ring: FloatImage = values[part][(near.dilate() - near).unpack()]
    return ring


def _count_on_edge(mask: Mask) -> int:
    """Counts the pixels on the edge of the picture; those in its corners count twice."""
    return sum(int(np.count_nonzero(side)) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def score(features: ProposalFeatures) -> float:
    """Computes the logit of the probability that a proposal is the digit and nothing else."""
    mean, scale, first, first_bias, second, second_bias = _weights()
    hidden = np.maximum((np.asarray(features) - mean) / scale @ first + first_bias, 0)
    return float((hidden @ second)[0] + second_bias[0])


@functools.cache
def _weights() -> list[npt.NDArray[np.float64]]:
    """Loads mean and scale of the features, then weights and biases of both layers."""
    # Also from a zip archive; importlib.resources takes many times as long to import.
    content = pkgutil.get_data(__package__, "proposal_weights.json")
    assert content is not None
    return [np.asarray(values) for values in json.loads(content)["weights"]]
