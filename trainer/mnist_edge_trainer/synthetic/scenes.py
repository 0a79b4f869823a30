"""Scenes: everything about a simulated photograph but the digit in it.

Each of `CORRUPTIONS` varies one thing at three severities, which is how robustness is measured, as
ImageNet-C does (Hendrycks and Dietterich, arXiv:1903.12261). `random_scene` mixes them, which is
what a network is trained on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

__all__ = ["CORRUPTIONS", "SEVERITIES", "Colour", "Rng", "Scene", "plain_scene", "random_scene"]

Colour: TypeAlias = tuple[float, float, float]
"""RGB reflectance, 0..1."""

Rng: TypeAlias = np.random.Generator

_Changes: TypeAlias = dict[str, Any]
"""Fields of a `Scene` that differ from their defaults."""

SEVERITIES = ("mild", "middle", "severe")
"""Names of severity 0, 1 and 2."""

_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in lightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Scene:
    """One picture, but for the digit in it.

    Widths of the pen are in MNIST's pixels, a twentieth of the digit's height; all else is in
    fractions of the page, or of full white.

    Attributes:
        size: width and height of the page, pixels.
        digit_height: height of the digit's box, of the page's shorter side.
        offset: of the digit from the middle of the page, of the room there is: -1..1 each way.
        tilt: of the digit, degrees, counter-clockwise.
        pen_width: width of the stroke; None keeps the digit's.
        gaps: places where the stroke is interrupted.
        gap_width: width of each.
        ink, paper: RGB reflectance, 0..1.
        opacity: how much of the paper the ink hides, 0..1.
        ruling: printed lines.
        line_pitch: between lines, in heights of the digit.
        line_level: reflectance of the lines, 0 = as black as can be.
        line_width: of lines and frame, pixels.
        frame: reflectance of a box drawn round the digit; None = no box.
        dust: specks on the page.
        intruder: something large in a corner.
        shadow: light that is left in the shadow over a part of the page; 1 = none.
        penumbra: width of the shadow's border, of the page.
        lamp: light that is left at the far side of a lamp; 1 = even.
        vignette: light that is left in the corners; 1 = even.
        blur: standard deviation, of the stroke's width.
        noise: standard deviation, of full white.
        jpeg_quality: 1..95; None = no compression.
        resolution: pixels along the longer side of what the camera delivers; None = all.
        one_bit: every pixel is black or white.
        margin: the page is cut to this much round the ink, of the digit; None = the whole page.
        stretch: the cut page is stretched to a square.
        transparent: no paper at all.
    """

    size: tuple[int, int] = (224, 224)
    digit_height: float = 0.5
    offset: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    pen_width: float | None = None
    gaps: int = 0
    gap_width: float = 1.0
    ink: Colour = (0.12, 0.12, 0.16)
    paper: Colour = (0.94, 0.93, 0.9)
    opacity: float = 1.0
    ruling: Literal["none", "ruled", "squared"] = "none"
    line_pitch: float = 0.5
    line_level: float = 0.6
    line_width: float = 1.2
    frame: float | None = None
    dust: int = 0
    intruder: Literal["none", "finger", "page edge"] = "none"
    shadow: float = 1.0
    penumbra: float = 0.01
    lamp: float = 1.0
    vignette: float = 1.0
    blur: float = 0.0
    noise: float = 0.004
    jpeg_quality: int | None = None
    resolution: int | None = None
    one_bit: bool = False
    margin: float | None = None
    stretch: bool = False
    transparent: bool = False


def plain_scene(rng: Rng) -> Scene:
    """Draws a scene of a dark pen on a light page, nearly upright."""
    return _anywhere(rng, digit_height=float(rng.uniform(0.3, 0.8)), tilt=float(rng.uniform(-6, 6)))


def random_scene(rng: Rng) -> Scene:
    """Draws a random scene: each part independently, most of them harmless."""
    draw = _Draw(rng)
    changes: _Changes = {}
    # In this order: every part draws from the same stream of random numbers.
    for part in (_page_and_pen, _far_page, _colours, _printing, _clutter, _light, _camera):
        changes |= part(draw)
    return replace(Scene(), **changes)


@dataclass(frozen=True)
class _Draw:
    """Draws random values as plain Python numbers."""

    rng: Rng

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, end: int) -> int:
        return int(self.rng.integers(low, end))

    def one_of(self, *names: str) -> str:
        return str(self.rng.choice(names))

    def log_between(self, low: float, high: float) -> float:
        return float(np.exp(self.between(math.log(low), math.log(high))))


def _page_and_pen(draw: _Draw) -> _Changes:
    chance, between = draw.chance, draw.between
    return {
        "size": (draw.integer(96, 321), draw.integer(96, 321)),
        "digit_height": between(0.25, 0.85),
        "offset": (between(-1, 1), between(-1, 1)),
        "tilt": between(-25, 25) if chance(0.4) else between(-6, 6),
        "pen_width": draw.log_between(0.5, 5.5) if chance(0.5) else None,
        "noise": between(0.0, 0.05) ** (1 if chance(0.3) else 2),
        "opacity": between(0.2, 1.0) if chance(0.3) else 1.0,
        "blur": between(0.0, 1.0) if chance(0.3) else 0.0,
        "jpeg_quality": draw.integer(10, 95) if chance(0.4) else None,
        "dust": draw.integer(1, 30) if chance(0.15) else 0,
    }


def _far_page(draw: _Draw) -> _Changes:
    """A whole page, seen from afar."""
    if not draw.chance(0.1):
        return {}
    return {
        "size": (draw.integer(320, 521), draw.integer(320, 521)),
        "digit_height": draw.between(0.05, 0.25),
    }


def _colours(draw: _Draw) -> _Changes:
    """Light on dark, two colours of like lightness, or dark on light."""
    between = draw.between
    if draw.chance(0.35):
        paper = between(0.0, 0.45)
        return {"paper": _gray(paper), "ink": _gray(between(paper + 0.3, 1.0))}
    if draw.chance(0.3):
        return _two_colours(draw.rng, between(0.0, 0.5))
    paper = between(0.6, 1.0)
    return {
        "paper": _random_hue(draw.rng, paper, 0.06),
        "ink": _random_hue(draw.rng, between(0, 0.3), 0.25),
    }


def _printing(draw: _Draw) -> _Changes:
    """Lines on the paper, a box round the digit."""
    between = draw.between
    changes: _Changes = {}
    if draw.chance(0.25):
        changes |= {
            "ruling": draw.one_of("ruled", "squared"),
            "line_pitch": between(0.25, 1.4),
            "line_level": between(0.3, 0.85),
            "line_width": between(0.8, 2.0),
        }
    if draw.chance(0.1):
        changes |= {"frame": between(0.1, 0.6), "line_width": between(1, 4), "tilt": 0.0}
    return changes


def _clutter(draw: _Draw) -> _Changes:
    """Something in a corner, gaps in the stroke."""
    changes: _Changes = {}
    if draw.chance(0.15):
        changes |= {"intruder": draw.one_of("finger", "page edge")}
    if draw.chance(0.2):
        changes |= {"gaps": draw.integer(1, 3), "gap_width": draw.between(0.8, 1.6)}
    return changes


def _light(draw: _Draw) -> _Changes:
    """Uneven light, of one kind."""
    between = draw.between
    kind = draw.rng.random()
    if kind < 0.2:
        return {"shadow": between(0.35, 0.9), "penumbra": between(0.003, 0.1)}
    if kind < 0.35:
        return {"lamp": between(0.25, 0.9)}
    if kind < 0.5:
        return {"vignette": between(0.3, 0.9)}
    return {}


def _camera(draw: _Draw) -> _Changes:
    """A picture cut close and small, perhaps of one bit, or one without paper."""
    if draw.chance(0.3):
        resolution = round(draw.log_between(8, 64))
        return {
            "margin": draw.between(0.0, 0.3),
            "resolution": resolution,
            "one_bit": draw.chance(0.4),
            "stretch": draw.chance(0.2),
        }
    return {"transparent": draw.chance(0.05)}


def _anywhere(rng: Rng, **changes: Any) -> Scene:
    """A dark pen on a light page, somewhere on it: the scene that every corruption starts from."""
    offset = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.8, 0.8)))
    return replace(Scene(offset=offset), **changes)


def _random_hue(rng: Rng, lightness: float, saturation: float) -> Colour:
    """A colour of given luma, 0..1, as far from gray as `saturation` says, 0..1."""
    direction = rng.standard_normal(3)
    direction -= direction @ _LUMA
    colour = lightness + saturation * direction / np.abs(direction).max()
    red, green, blue = (float(part) for part in np.clip(colour, 0, 1))
    return red, green, blue


def _two_colours(rng: Rng, contrast: float) -> _Changes:
    """Ink and paper of different colours, `contrast` apart in lightness."""
    middle = rng.uniform(0.4, 0.6)
    sign = rng.choice([-1, 1])
    ink = _random_hue(rng, middle + sign * contrast / 2, 0.3)
    paper = _random_hue(rng, middle - sign * contrast / 2, 0.3)
    if np.abs(np.subtract(ink, paper)).max() < 0.4:
        red, green, blue = ink
        paper = (2 * middle - red, 2 * middle - green, 2 * middle - blue)
    return {"ink": ink, "paper": paper}


def _gray(lightness: float) -> Colour:
    return lightness, lightness, lightness


def _sign(rng: Rng) -> float:
    return float(rng.choice([-1, 1]))


CORRUPTIONS: dict[str, Callable[[Rng, int], Scene]] = {
    "light on dark": lambda rng, s: _anywhere(
        rng, ink=_gray((0.95, 0.8, 0.5)[s]), paper=_gray((0.05, 0.2, 0.28)[s])
    ),
    "colours": lambda rng, s: _anywhere(rng, **_two_colours(rng, (0.4, 0.15, 0.0)[s])),
    "transparent": lambda rng, s: _anywhere(
        rng,
        transparent=True,
        ink=_gray(float(rng.choice([0.0, 1.0]))),
        opacity=(1.0, 0.75, 0.5)[s],
    ),
    "shadow": lambda rng, s: _anywhere(
        rng, shadow=(0.75, 0.55, 0.35)[s], penumbra=float(rng.choice([0.005, 0.05]))
    ),
    "lamp": lambda rng, s: _anywhere(rng, lamp=(0.7, 0.45, 0.25)[s]),
    "vignette": lambda rng, s: _anywhere(rng, vignette=(0.7, 0.45, 0.25)[s]),
    "pencil": lambda rng, s: _anywhere(rng, opacity=(0.5, 0.3, 0.17)[s], noise=0.01),
    "noise": lambda rng, s: _anywhere(rng, noise=(0.03, 0.07, 0.14)[s]),
    "jpeg": lambda rng, s: _anywhere(rng, jpeg_quality=(40, 15, 6)[s]),
    "blur": lambda rng, s: _anywhere(rng, blur=(0.3, 0.6, 1.0)[s]),
    "ruled paper": lambda rng, s: _anywhere(
        rng,
        ruling="ruled",
        line_pitch=float(rng.uniform(0.5, 1.3)),
        line_level=(0.75, 0.5, 0.2)[s],
        tilt=float(rng.uniform(-8, 8)),
    ),
    "squared paper": lambda rng, s: _anywhere(
        rng,
        ruling="squared",
        line_pitch=float(rng.uniform(0.3, 0.8)),
        line_level=(0.75, 0.5, 0.2)[s],
        tilt=float(rng.uniform(-8, 8)),
    ),
    "frame": lambda rng, s: _anywhere(
        rng,
        frame=(0.5, 0.25, 0.1)[s],
        line_width=(1.5, 3.0, 5.0)[s],
        digit_height=0.4,
        offset=(0.0, 0.0),
    ),
    "intruder": lambda rng, s: _anywhere(
        rng,
        intruder=str(rng.choice(["finger", "page edge"])),
        digit_height=(0.35, 0.45, 0.55)[s],
        offset=(0.0, 0.0),
    ),
    "dust": lambda rng, s: _anywhere(rng, dust=(10, 40, 120)[s]),
    "thin pen": lambda rng, s: _anywhere(rng, pen_width=(1.0, 0.6, 0.35)[s]),
    "fat pen": lambda rng, s: _anywhere(rng, pen_width=(3.5, 4.5, 5.5)[s]),
    "small": lambda rng, s: _anywhere(rng, size=(640, 480), digit_height=(0.4, 0.25, 0.14)[s]),
    "at the edge": lambda rng, s: _anywhere(
        rng,
        digit_height=0.6,
        offset=(_sign(rng) * (1.0, 1.02, 1.06)[s], float(rng.uniform(-1, 1))),
    ),
    "tilt": lambda rng, s: _anywhere(rng, tilt=_sign(rng) * (8, 16, 25)[s]),
    "broken": lambda rng, s: _anywhere(rng, gaps=(1, 2, 3)[s], gap_width=(1.0, 1.2, 1.6)[s]),
    "low resolution": lambda rng, s: _anywhere(
        rng, margin=0.05, resolution=(20, 12, 8)[s], offset=(0.0, 0.0)
    ),
    "one bit": lambda rng, s: _anywhere(
        rng, one_bit=True, margin=0.1, resolution=(64, 28, 16)[s], offset=(0.0, 0.0)
    ),
    "cut close": lambda rng, s: _anywhere(
        rng, margin=(0.1, 0.03, 0.0)[s], pen_width=(None, 3.5, 4.5)[s], offset=(0.0, 0.0)
    ),
}
"""Draws a scene with one thing wrong with the picture, at severity 0, 1 or 2 (`SEVERITIES`)."""
