"""Simulated photographs: what a phone, a scanner or a drawing program makes of a digit.

::

    strokes -> place on the page -> ruling -> ink -> clutter -> light -> crop -> blur -> camera
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_edge.types import BOX, FloatImage, GrayImage, Mask
from mnist_edge_trainer.synthetic.scenes import Rng, Scene

__all__ = ["draw_strokes", "render", "render_blank"]

_FINE = 8
"""Pixels of the strokes, as they are drawn, for one of MNIST's."""

_STROKE_WIDTH = 2.5
"""Typical width of MNIST's strokes, in its pixels."""

_OUTLINE = 4
"""Oversampling of the box round a digit."""

_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""Rows and columns to the neighbours of a pixel, clockwise from the one above."""

_RgbImage = npt.NDArray[np.float32]
"""float32 ``[H, W, 3]``, reflectance or light, 0..1."""


class _Box(NamedTuple):
    """First and last row, first and last column."""

    top: int
    bottom: int
    left: int
    right: int


def render(digit: GrayImage, scene: Scene, rng: Rng) -> Image.Image:
    """Renders a photograph of a digit.

    Args:
        digit: uint8 ``[28, 28]`` in MNIST form.
        scene: what it looks like.
        rng: of noise, specks, and of where lines, shadows and intruders lie.

    Returns:
        an RGB picture; RGBA where the scene is transparent, 1-bit where it is of one bit.
    """
    height = max(6.0, scene.digit_height * min(scene.size))
    ink = _place(draw_strokes(digit, scene, rng), scene, height)
    if scene.transparent:
        return _transparent(ink, scene)
    page = np.broadcast_to(np.array(scene.paper, np.float32), (*ink.shape, 3)).copy()
    _draw_ruling(page, ink, scene, height, rng)
    _draw_frame(page, ink, scene, height, rng)
    page += (ink * scene.opacity)[..., np.newaxis] * (np.array(scene.ink, np.float32) - page)
    _draw_dust(page, scene, height, rng)
    _draw_intruder(page, ink, scene, rng)
    page *= _illumination(ink.shape, scene, rng)[..., np.newaxis]
    picture = page[_crop(ink, scene, height)]
    if scene.blur:
        stroke = (scene.pen_width or _STROKE_WIDTH) * height / BOX
        picture = ndimage.gaussian_filter(picture, (scene.blur * stroke,) * 2 + (0,))
    return _capture(picture, scene, rng)


def render_blank(digit: GrayImage, scene: Scene, rng: Rng) -> Image.Image:
    """Renders the same picture without the digit: paper, printing, clutter, light, camera."""
    return render(digit, replace(scene, opacity=0.0, transparent=False, one_bit=False), rng)


def draw_strokes(digit: GrayImage, scene: Scene, rng: Rng) -> FloatImage:
    """Draws the strokes alone, enlarged, with the scene's pen.

    Args:
        digit: uint8 ``[28, 28]`` in MNIST form.
        scene: its pen, and the gaps in the stroke.
        rng: of where the gaps are.

    Returns:
        float32 ``[224, 224]``: how much of each pixel is covered, 0..1.
    """
    side = digit.shape[0] * _FINE
    large = np.asarray(
        Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC), np.float32
    )
    strokes: FloatImage = np.clip((large / 255 - 0.5) * 3 + 0.5, 0, 1)
    if scene.pen_width is not None:
        # Thinned at half the size, which takes a quarter of the time.
        middle = _thin(strokes[::2, ::2] > 0.5)
        distance = ndimage.zoom(ndimage.distance_transform_edt(~middle) * 2, 2, order=1)
        covered = np.clip(scene.pen_width * _FINE / 2 - distance + 0.5, 0, 1)
        strokes = covered.astype(np.float32)
    for _ in range(scene.gaps):
        _interrupt(strokes, scene, rng)
    return strokes


def _thin(mask: Mask) -> Mask:
    """Thins every stroke to its middle line, one pixel wide.

    T. Zhang and C. Suen, "A fast parallel algorithm for thinning digital patterns" (1984).
    """
    image = np.pad(mask, 1).astype(np.uint8)
    height, width = mask.shape
    while True:
        before = int(image.sum())
        for is_first_pass in (True, False):
            ring = [
                image[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in _NEIGHBOURS
            ]
            north, _, east, _, south, _, west, _ = ring
            count = sum(ring)
            rises = sum(
                (a < b).astype(np.uint8) for a, b in zip(ring, (*ring[1:], north), strict=True)
            )
            if is_first_pass:
                corner = (north & east & south) | (east & south & west)
            else:
                corner = (north & east & west) | (north & south & west)
            erase = (count >= 2) & (count <= 6) & (rises == 1) & (corner == 0)
            image[1:-1, 1:-1][erase] = 0
        if int(image.sum()) == before:
            return image[1:-1, 1:-1].astype(bool)


def _interrupt(strokes: FloatImage, scene: Scene, rng: Rng) -> None:
    """Erases a straight band across the stroke at a random place, in place."""
    ys, xs = np.nonzero(strokes > 0.5)
    pick = rng.integers(len(ys))
    y, x = ys[pick], xs[pick]
    reach = ((scene.pen_width or 3.0) / 2 + 1.5) * _FINE
    grid_y, grid_x = np.ogrid[: strokes.shape[0], : strokes.shape[1]]
    near = (grid_y - y) ** 2 + (grid_x - x) ** 2 <= reach**2
    points = np.stack(np.nonzero(near & (strokes > 0.5))).astype(np.float64)
    # The stroke's direction there: the first principal axis of its pixels.
    direction = np.linalg.eigh(np.cov(points))[1][:, 1] if points.shape[1] > 2 else (1.0, 0.0)
    band = np.abs((grid_y - y) * direction[0] + (grid_x - x) * direction[1])
    strokes[near & (band <= scene.gap_width * _FINE / 2)] = 0


def _place(strokes: FloatImage, scene: Scene, height: float) -> FloatImage:
    """Puts the strokes on the page, scaled, tilted, shifted: float32 ``[H, W]`` in 0..1."""
    page_width, page_height = scene.size
    scale = BOX * _FINE / height
    if scale > 2:
        # Averaged first: the transform below reads few of the pixels.
        reduction = int(scale)
        strokes = np.asarray(Image.fromarray(strokes).reduce(reduction))
        scale /= reduction
    middle = (strokes.shape[0] - 1) / 2
    x = (page_width - 1) / 2 + scene.offset[0] * ((page_width - height) / 2)
    y = (page_height - 1) / 2 + scene.offset[1] * ((page_height - height) / 2)
    cos = math.cos(math.radians(scene.tilt)) * scale
    sin = math.sin(math.radians(scene.tilt)) * scale
    coefficients = (cos, -sin, middle - cos * x + sin * y, sin, cos, middle - sin * x - cos * y)
    placed = Image.fromarray(strokes).transform(
        scene.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    ink: FloatImage = np.clip(np.asarray(placed), 0, 1)
    return ink


def _bounding_box(ink: FloatImage) -> _Box:
    """Bounds the strokes, however thin they are."""
    ys, xs = np.nonzero(ink >= 0.3 * ink.max())
    return _Box(int(ys.min()), int(ys.max()), int(xs.min()), int(xs.max()))


def _crop(ink: FloatImage, scene: Scene, height: float) -> tuple[slice, slice]:
    if scene.margin is None:
        return slice(None), slice(None)
    border = round(scene.margin * height)
    box = _bounding_box(ink)
    return (
        slice(max(0, box.top - border), box.bottom + 1 + border),
        slice(max(0, box.left - border), box.right + 1 + border),
    )


def _parallel_lines(
    shape: tuple[int, ...], angle: float, pitch: float, width: float, phase: float
) -> FloatImage:
    """Lines at an angle to the horizontal, anti-aliased: float32 ``[H, W]`` in 0..1."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    across = y * math.cos(angle) + x * math.sin(angle) + phase
    distance = np.abs((across + pitch / 2) % pitch - pitch / 2)
    return np.clip(width / 2 - distance + 0.5, 0, 1).astype(np.float32)


def _draw_ruling(page: _RgbImage, ink: FloatImage, scene: Scene, height: float, rng: Rng) -> None:
    """Prints lines on the page, in place."""
    angle = math.radians(scene.tilt + rng.uniform(-2, 2))
    level = scene.line_level
    tint = np.array([level * 0.9, level * 0.96, 0.1 + level * 0.9], np.float32)
    pitch = max(6.0, scene.line_pitch * height)
    turns = {"none": (), "ruled": (0.0,), "squared": (0.0, math.pi / 2)}[scene.ruling]
    for turn in turns:
        phase = float(rng.uniform(0, pitch))
        lines = _parallel_lines(ink.shape, angle + turn, pitch, scene.line_width, phase)
        page += lines[..., np.newaxis] * (tint - page)


def _draw_frame(page: _RgbImage, ink: FloatImage, scene: Scene, height: float, rng: Rng) -> None:
    """Prints a box round the digit, in place."""
    if scene.frame is None:
        return
    box = _bounding_box(ink)
    gaps = rng.uniform(0.12, 0.6, 4) * height
    corners = [box.left - gaps[0], box.top - gaps[1], box.right + gaps[2], box.bottom + gaps[3]]
    outline = Image.new("L", (ink.shape[1] * _OUTLINE, ink.shape[0] * _OUTLINE))
    ImageDraw.Draw(outline).rectangle(
        [_OUTLINE * float(corner) for corner in corners],
        outline=255,
        width=round(_OUTLINE * scene.line_width),
    )
    drawn = np.asarray(outline.reduce(_OUTLINE), np.float32)[..., np.newaxis] / 255
    page += drawn * (scene.frame - page)


def _draw_dust(page: _RgbImage, scene: Scene, height: float, rng: Rng) -> None:
    """Drops specks on the page, in place."""
    rows, columns = page.shape[:2]
    y, x = np.ogrid[:rows, :columns]
    for _ in range(scene.dust):
        radius = rng.uniform(0.008, 0.022) * height
        centre_y, centre_x = rng.uniform(0, rows), rng.uniform(0, columns)
        distance = np.hypot(y - centre_y, x - centre_x)
        speck = np.clip(radius - distance + 0.5, 0, 1)[..., np.newaxis]
        page += speck * (rng.uniform(0.1, 0.6) - page)


def _draw_intruder(page: _RgbImage, ink: FloatImage, scene: Scene, rng: Rng) -> None:
    """Lays something large in a corner, in place, where there is room for it."""
    if scene.intruder == "none":
        return
    rows, columns = ink.shape
    y, x = np.ogrid[:rows, :columns]
    corner_y, corner_x = rng.integers(2) * rows, rng.integers(2) * columns
    ink_y, ink_x = np.nonzero(ink >= 0.1 * ink.max())
    # It comes near the digit and never covers it.
    room = float(np.hypot(ink_y - corner_y, ink_x - corner_x).min()) - 0.04 * min(ink.shape)
    reach = min(room, rng.uniform(0.25, 0.5) * min(ink.shape))
    if reach < 4:
        return
    if scene.intruder == "finger":
        shape = reach - np.hypot((y - corner_y) * rng.uniform(1, 1.5), x - corner_x)
        colour = np.array([0.75, 0.55, 0.45], np.float32) * rng.uniform(0.4, 1)
    else:
        slope = abs(rng.uniform(0.4, 2.5))
        shape = reach - (np.abs(y - corner_y) * slope + np.abs(x - corner_x)) / max(1.0, slope)
        shape = shape * min(1.0, slope)
        colour = np.full(3, rng.uniform(0.1, 0.5), np.float32)
    page += np.clip(shape + 0.5, 0, 1)[..., np.newaxis] * (colour - page)


def _illumination(shape: tuple[int, ...], scene: Scene, rng: Rng) -> FloatImage:
    """Light on every pixel of the page: float32 ``[H, W]`` in 0..1."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    y = y[:, np.newaxis]
    light = np.ones(shape, np.float32)
    if scene.lamp < 1:
        angle = rng.uniform(0, 2 * math.pi)
        along = (x * math.cos(angle) + y * math.sin(angle)) / 1.42
        light *= 1 - (1 - scene.lamp) * (1 + along) / 2
    if scene.vignette < 1:
        light *= 1 - (1 - scene.vignette) * (x * x + y * y) / 2
    if scene.shadow < 1:
        angle = rng.uniform(0, 2 * math.pi)
        along = x * math.cos(angle) + y * math.sin(angle) - rng.uniform(-0.3, 0.3)
        inside = np.clip(along / (2 * max(scene.penumbra, 1e-3)) + 0.5, 0, 1)
        light *= 1 - (1 - scene.shadow) * inside
    return light


def _capture(page: _RgbImage, scene: Scene, rng: Rng) -> Image.Image:
    """What the camera makes of the page: resolution, noise, one bit, compression."""
    levels = page * 255
    if scene.stretch or scene.resolution is not None:
        levels = _resampled(levels, scene)
    if scene.noise:
        noise = rng.standard_normal(levels.shape, np.float32) * 0.5
        noise += rng.standard_normal((*levels.shape[:2], 1), np.float32) * 0.85
        levels = levels + noise * (scene.noise * 255)
    picture = _to_image(levels + 0.5)
    if scene.one_bit:
        paper = sum(scene.paper) * min(scene.lamp, scene.shadow)
        threshold = (paper + sum(scene.ink)) / 6 * 255
        return picture.convert("L").point(lambda level: 255 * (level > threshold)).convert("1")
    if scene.jpeg_quality is not None:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=scene.jpeg_quality)
        picture = Image.open(file)
    return picture


def _resampled(levels: _RgbImage, scene: Scene) -> _RgbImage:
    """The page at the camera's resolution, levels 0..255."""
    height, width = levels.shape[:2]
    longer = scene.resolution or max(height, width)
    size = (longer, longer)
    if not scene.stretch:
        size = (
            max(1, round(width * longer / max(height, width))),
            max(1, round(height * longer / max(height, width))),
        )
    return np.asarray(_to_image(levels).resize(size, Image.Resampling.BOX), np.float32)


def _to_image(levels: npt.NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def _transparent(ink: FloatImage, scene: Scene) -> Image.Image:
    colour = np.array(scene.ink, np.float32) * 255
    alpha = ink * scene.opacity * 255
    pixels = np.dstack([np.broadcast_to(colour, (*ink.shape, 3)), alpha])
    return Image.fromarray(np.rint(pixels).astype(np.uint8), "RGBA")
