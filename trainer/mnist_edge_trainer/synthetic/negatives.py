"""Drawings that are not MNIST's: printed digits, and negatives, which are no digits.

A network that was shown negatives is less sure of what it does not know (outlier exposure:
Hendrycks, Mazeika, Dietterich, arXiv:1812.04606). Everything is drawn light on dark;
`mnist_edge_trainer.synthetic.render` makes pictures of it as it does of MNIST's digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw

from mnist_edge.types import SIDE, GrayImage
from mnist_edge_trainer.synthetic.box import fit_to_box
from mnist_edge_trainer.synthetic.scenes import Rng
from mnist_edge_trainer.synthetic.seven_segment import seven_segment_digit
from mnist_edge_trainer.synthetic.shapes import draw_object, draw_shape
from mnist_edge_trainer.synthetic.typeset import FACES, UNICODE_FACE, bend, typeset

__all__ = ["NEGATIVE_KINDS", "printed_digit", "sample_negative"]

_FINE = 8
"""Pixels of a drawing for one of MNIST's."""

_SEVEN_SEGMENT_SHARE = 0.35
"""Part of the printed digits that are those of displays."""

_LETTERS = "AEFHJKMNPRTUVWXYadefhkmnprtuwxyz"
"""Not those that some hand writes like a digit: B D G I L O Q S Z b c g i j l o q s v."""

_SIGNS = "&@#%*+=?$<>!{}~^"

_SCRIPTS = (
    "αβγΔΓΛΞΠΣΥΨΩηκλμνπρτυφχψω"
    "ДЖИЙКЛМНПУФЦШЩЪЫЮЯджийклмнптфцшщъыюя"
    "אבהמצשת"
    "بتثجحخسشصضعغفقكني"
    "ᐁᐃᐅᐊᐯᐱᐳᐸᑌᑎᑕᑐ"
)
"""Greek, Cyrillic, Hebrew, Arabic, Canadian syllabics; none that is some digit's form."""

_SYMBOLS = (
    "←↑→↓↔↕↖↗↘↙↺↻⇐⇑⇒⇓⇔∀∇∈∏∑√∠∧∩∴≈≠≡≤≥⊂⊃⊆⊕⊗⊥⌂⌘"
    "□■△▲▽▼◇◆▷◁★☆▭▱☀☁☂☃☎☕☘☠☢☮☯☹☺♀♂♠♣♥♦♫⚀⚃⚓⚔⚙✂✈✉✌✎✓✔✗✘✚✝✡❀❄➔"
)


def printed_digit(digit: int, rng: Rng) -> GrayImage:
    """Draws a digit of a random typeface or display: uint8 ``[28, 28]``, in MNIST's box."""
    if rng.random() < _SEVEN_SEGMENT_SHARE:
        return seven_segment_digit(digit, rng)
    return fit_to_box(typeset(str(digit), _any_of(FACES, rng), rng))


def sample_negative(digits: GrayImage, rng: Rng) -> GrayImage:
    """Draws a non-digit of one of `NEGATIVE_KINDS`.

    Args:
        digits: uint8 ``[N, 28, 28]``, of which pairs are made.
        rng: decides which.

    Returns:
        uint8 ``[28, 28]``, light on dark.
    """
    kind = rng.choice(len(_SHARES), p=_SHARES)
    return list(NEGATIVE_KINDS.values())[kind](digits, rng)


def _any_of(choices: tuple[str, ...] | str, rng: Rng) -> str:
    return choices[int(rng.integers(len(choices)))]


def _letter(_: GrayImage, rng: Rng) -> GrayImage:
    letter = typeset(_any_of(_LETTERS + _SIGNS, rng), _any_of(FACES, rng), rng)
    return fit_to_box(bend(letter, rng))


def _script(_: GrayImage, rng: Rng) -> GrayImage:
    return fit_to_box(bend(typeset(_any_of(_SCRIPTS, rng), UNICODE_FACE, rng), rng))


def _symbol(_: GrayImage, rng: Rng) -> GrayImage:
    return fit_to_box(bend(typeset(_any_of(_SYMBOLS, rng), UNICODE_FACE, rng), rng))


def _word(_: GrayImage, rng: Rng) -> GrayImage:
    """Draws a piece of a line of text."""
    characters = _LETTERS + "bcgiloqsvBDGS0123456789"
    text = "".join(_any_of(characters, rng) for _ in range(int(rng.integers(2, 7))))
    return fit_to_box(typeset(text, _any_of(FACES, rng), rng))


def _shape(_: GrayImage, rng: Rng) -> GrayImage:
    return fit_to_box(draw_shape(rng))


def _object(_: GrayImage, rng: Rng) -> GrayImage:
    return fit_to_box(draw_object(rng))


def _scribble(_: GrayImage, rng: Rng) -> GrayImage:
    """Draws a scribble: a smooth random curve with many turns."""
    turns = int(rng.integers(5, 13))
    steps = np.linspace(0, 1, 40 * turns)
    knots = rng.uniform(0.05, 0.95, (turns + 1, 2))
    path = np.stack([np.interp(steps * turns, np.arange(turns + 1), k) for k in knots.T], axis=1)
    smooth = int(rng.integers(1, 30))
    kernel = np.ones(smooth) / smooth
    path = np.stack([np.convolve(axis, kernel, mode="valid") for axis in path.T], axis=1)
    side = SIDE * _FINE
    image = Image.new("L", (side, side))
    points = [(float(x) * side, float(y) * side) for x, y in path]
    ImageDraw.Draw(image).line(points, fill=255, width=int(rng.integers(8, 30)), joint="curve")
    return fit_to_box(image)


def _blot(_: GrayImage, rng: Rng) -> GrayImage:
    """Draws a blot: the area where smooth noise is high."""
    cells = int(rng.integers(3, 10))
    noise = Image.fromarray(rng.random((cells, cells), np.float32) * 255)
    large = np.asarray(noise.resize((SIDE * _FINE,) * 2, Image.Resampling.BICUBIC))
    return fit_to_box(
        Image.fromarray(np.where(large > rng.uniform(120, 170), 255, 0).astype(np.uint8))
    )


def _side_by_side(digits: GrayImage, rng: Rng) -> GrayImage:
    pair = digits[rng.choice(len(digits), 2)]
    return fit_to_box(Image.fromarray(np.concatenate([digit[:, 3:25] for digit in pair], axis=1)))


NEGATIVE_KINDS: Mapping[str, Callable[[GrayImage, Rng], GrayImage]] = {
    "letters": _letter,
    "scripts": _script,
    "symbols": _symbol,
    "shapes": _shape,
    "scribbles": _scribble,
    "objects": _object,
    "blots": _blot,
    "words": _word,
    "pairs": _side_by_side,
}
"""What draws each kind of non-digit, given digits in MNIST form to make pairs of."""

_SHARES = (0.24, 0.16, 0.12, 0.16, 0.1, 0.05, 0.05, 0.04, 0.08)
"""How often each is drawn."""
