"""Tells ink from paper, whatever the colours and the light: how far each pixel stands out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mnist_edge.preprocess.morphology import opening

__all__ = [
    "FAINTEST_INK",
    "GrayPicture",
    "Plane",
    "noise_sigma",
    "otsu",
    "polarity_votes",
    "to_gray",
]

Grey = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

FAINTEST_INK = 10.0
"""Grey levels between ink and paper below which there is nothing to see."""

_SMALL_SIDE = 64
"""Longer side of the copy in which questions about the whole picture are asked, pixels."""

_DARK_INK_FLOOR, _LIGHT_INK_FLOOR = 40.0, 160.0
"""Grey levels added to the paper's before they are taken for the light on it. Dark paper says
little about the light, so light ink is corrected less."""

_LAMP_FITS = 4
_RIDGE = 1e-3 * np.eye(6, dtype=np.float32)
"""Keeps the fit of a picture one pixel wide solvable."""


@dataclass(frozen=True)
class GrayPicture:
    """A picture as one plane of grey.

    Attributes:
        plane: uint8 ``[H, W]``, the direction in colour in which ink and paper differ most.
        follows_light: a shadow scales the plane, as it does every mixture of positive parts of
            red, green and blue; not so their differences.
    """

    plane: Grey
    follows_light: bool

    def ink(self, is_dark: bool, window: int) -> Plane:
        """How far each pixel stands out from the paper round it.

        The paper's level is what is left when all that is narrower than `window` is removed,
        which keeps the border of a shadow where it is. Ink in a shadow stands out less, in
        proportion to the light that is left; that is made good.

        Args:
            is_dark: whether the ink is darker than its paper.
            window: in pixels, odd or rounded up, wider than any stroke.

        Returns:
            float32 ``[H, W]`` in grey levels, paper near 0, ink above.
        """
        plane = 255 - self.plane if is_dark else self.plane
        paper = opening(plane, window)
        ink = (plane - paper).astype(np.float32)
        if self.follows_light:
            # Of every level: there are fewer levels than pixels.
            levels = np.arange(256, dtype=np.float32)
            light = 255 + _DARK_INK_FLOOR - levels if is_dark else levels + _LIGHT_INK_FLOOR
            ink *= (light[_median_level(paper)] / light)[paper]
        return ink


def to_gray(picture: Grey) -> GrayPicture:
    """Reduces colours to the plane in which ink and paper lie farthest apart.

    Args:
        picture: uint8 ``[H, W]`` grey, or ``[H, W, 3]`` RGB.

    Returns:
        a sheet; lighter stays lighter wherever lightness tells ink and paper apart.
    """
    if picture.ndim == 2:
        return GrayPicture(picture, follows_light=True)
    direction = _contrast_direction(picture)
    # A little of the opposite sign is noise.
    follows_light = bool(direction.min() > -0.05)
    if follows_light:
        direction = np.maximum(direction, 0)
        direction /= direction.sum()
    lift = -255 * float(direction[direction < 0].sum())
    mixture = (*(float(part) for part in direction), lift)
    plane = np.asarray(Image.fromarray(picture).convert("L", mixture))
    return GrayPicture(plane, follows_light)


def _contrast_direction(picture: Grey) -> Plane:
    """The direction in RGB along which neighbouring pixels differ most: the first principal
    component of what is left when slow changes, which are light, are taken away.
    """
    image = Image.fromarray(picture)
    image = image.reduce(max(1, max(image.size) // _SMALL_SIDE))
    smooth = image.filter(ImageFilter.BoxBlur(max(image.size) / 6))
    detail = (np.asarray(image, np.float32) - np.asarray(smooth, np.float32)).reshape(-1, 3)
    direction: Plane = np.linalg.eigh(detail.T @ detail)[1][:, -1]
    direction *= (1 if direction.sum() >= 0 else -1) / np.abs(direction).sum()
    return direction


def noise_sigma(plane: Grey) -> float:
    """Standard deviation of the noise, grey levels, from the typical step between neighbours."""
    left, right = plane[:, :-1], plane[:, 1:]
    steps = np.maximum(left, right) - np.minimum(left, right)
    return _median_level(steps) / 0.954 if steps.size else 0.0


def _median_level(levels: Grey) -> int:
    """The median of bytes, by counting them; the upper one where there are two."""
    counts = np.cumsum(np.bincount(levels.ravel(), minlength=256))
    return int(np.searchsorted(counts, counts[-1] // 2, side="right"))


def _median(values: Plane) -> float:
    """The median, the upper one where there are two; faster than numpy's, and as good here."""
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])


def polarity_votes(plane: Grey) -> list[float]:
    """Whether the paper is lighter than what is on it: four answers, each -1 (no) to 1 (yes).

    Paper is what most of the picture, and most of its edge, is made of. Both are asked of the
    picture as it is, which a digit that fills it needs, and without its slow changes of light,
    which a photograph needs.
    """
    image = Image.fromarray(plane)
    small = np.asarray(image.reduce(max(1, max(image.size) // _SMALL_SIDE)), np.float32)
    votes: list[float] = []
    for level in (small, small - _lamp(small)):
        light = level >= otsu(level)
        edge = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
        votes += [2 * float(edge.mean()) - 1, 2 * float(light.mean()) - 1]
    return votes


def _lamp(plane: Plane) -> Plane:
    """The light on the paper: a quadratic surface where there is a lamp, a vignette, a slanted
    page; else one level.

    Pixels far off the surface are ink; they are left out and the rest is fitted again. A digit
    that fills the picture can be followed by a surface too: it counts as light only where it
    explains most of the picture far better than one level does.
    """
    y, x = (
        axis.astype(np.float32).ravel()
        for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in plane.shape), indexing="ij")
    )
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    values = plane.ravel()
    level = _median(values)
    flat = _median(np.abs(values - level))
    weights = np.ones(len(values), dtype=np.float32)
    for _ in range(_LAMP_FITS):
        # The normal equations: six unknowns, whatever the number of pixels.
        weighted = terms * weights[:, np.newaxis]
        surface = terms @ np.linalg.solve(weighted.T @ terms + _RIDGE, weighted.T @ values)
        residual = np.abs(values - surface)
        typical = _median(residual)
        weights = (residual <= 2 * typical + 1).astype(np.float32)
    if typical + 1 > (flat + 1) / 2:
        return np.full(plane.shape, level, dtype=np.float32)
    lamp: Plane = surface.reshape(plane.shape).astype(np.float32)
    return lamp


def otsu(values: Plane) -> float:
    """The threshold that separates two classes best.

    N. Otsu, "A threshold selection method from gray-level histograms" (1979).
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    counts, edges = np.histogram(values, bins=256, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
        separation = np.nan_to_num(below * above * apart**2)
    return float(edges[int(separation.argmax()) + 1])
