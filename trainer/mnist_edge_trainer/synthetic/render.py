"""Simulated photographs: what a phone, a scanner or a drawing program makes of a digit.

::

    strokes -> place on the page -> ruling -> ink -> clutter -> light -> camera

Only what the camera sees of the page is drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mnist_edge.preprocess.components import Box, bounding_box
from mnist_edge.types import BOX, FloatImage, GrayImage
from mnist_edge_trainer.synthetic.camera import BENCHMARK_CAMERA, Camera, Planes, capture
from mnist_edge_trainer.synthetic.scenes import Colour, Rng, Scene
from mnist_edge_trainer.synthetic.strokes import FINE, draw_strokes

__all__ = ["draw_strokes", "render", "render_blank"]

_STROKE_WIDTH = 2.5
"""Typical width of MNIST's strokes, in its pixels."""

_OUTLINE = 4
"""Oversampling of the box round a digit."""

_SOURCE_MARGIN = 4
"""Pixels round the strokes that are transformed with them: as far as the interpolation reaches."""


class _Page(NamedTuple):
    """What the camera sees of a page, while it is drawn on.

    Attributes:
        planes: its colours, drawn on in place.
        shape: rows and columns of the whole page.
        seen: the part that is seen, which `planes` show.
    """

    planes: Planes
    shape: tuple[int, int]
    seen: Box

    def grid(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows ``[H, 1]`` and columns ``[1, W]`` of the page that are seen."""
        return (
            np.arange(self.seen.top, self.seen.bottom)[:, np.newaxis],
            np.arange(self.seen.left, self.seen.right)[np.newaxis],
        )

    def cover(self, covered: npt.NDArray[np.floating[Any]], colour: Colour | float) -> None:
        """Lays a colour over what is seen.

        Args:
            covered: ``[H, W]``, how much of each pixel, 0..1.
            colour: one for each plane, or one for all.
        """
        colours = np.broadcast_to(np.asarray(colour, np.float32), 3)
        for plane, part in zip(self.planes, colours, strict=False):
            plane += covered * (part - plane)


def render(
    digit: GrayImage, scene: Scene, rng: Rng, camera: Camera = BENCHMARK_CAMERA
) -> Image.Image:
    """Renders a photograph of a digit.

    Args:
        digit: uint8 ``[28, 28]`` in MNIST form.
        scene: what it looks like.
        rng: of noise, specks, and of where lines, shadows and intruders lie.
        camera: what it is taken with.

    Returns:
        an RGB picture; RGBA where the scene is transparent, 1-bit where it is of one bit.
    """
    height = max(6.0, scene.digit_height * min(scene.size))
    ink = _place(draw_strokes(digit, scene, rng), scene, height)
    if scene.transparent:
        return _transparent(ink, scene)
    seen = _seen(ink, scene, height)
    page = _blank_page(ink.shape, seen, scene)
    _draw_ruling(page, scene, height, rng)
    _draw_frame(page, ink, scene, height, rng)
    page.cover(ink[seen.top : seen.bottom, seen.left : seen.right] * scene.opacity, scene.ink)
    _draw_dust(page, scene, height, rng)
    _draw_intruder(page, ink, scene, rng)
    _light(page, scene, rng)
    blur = scene.blur * (scene.pen_width or _STROKE_WIDTH) * height / BOX
    return capture(page.planes, scene, blur, camera, rng)


def render_blank(
    digit: GrayImage, scene: Scene, rng: Rng, camera: Camera = BENCHMARK_CAMERA
) -> Image.Image:
    """Renders the same picture without the digit: paper, printing, clutter, light, camera."""
    return render(digit, replace(scene, opacity=0.0, transparent=False, one_bit=False), rng, camera)


def _place(strokes: FloatImage, scene: Scene, height: float) -> FloatImage:
    """Puts the strokes on the page, scaled, tilted, shifted: float32 ``[H, W]`` in 0..1."""
    page_width, page_height = scene.size
    scale = BOX * FINE / height
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
    ink = np.zeros((page_height, page_width), np.float32)
    inked = strokes > 0
    if not inked.any():
        return ink
    # Only the strokes are transformed, and only to where they come to lie: the paper round them is
    # most of the page, and interpolating it would take most of the time.
    box = bounding_box(inked)
    top, left = max(0, box.top - _SOURCE_MARGIN), max(0, box.left - _SOURCE_MARGIN)
    source = strokes[top : box.bottom + _SOURCE_MARGIN, left : box.right + _SOURCE_MARGIN]
    corners_y = np.array([top, top, top + source.shape[0], top + source.shape[0]]) - middle
    corners_x = np.array([left, left + source.shape[1]] * 2) - middle
    ys = y + (cos * corners_y - sin * corners_x) / scale**2
    xs = x + (sin * corners_y + cos * corners_x) / scale**2
    first_y, end_y = max(0, int(ys.min()) - 1), min(page_height, int(ys.max()) + 2)
    first_x, end_x = max(0, int(xs.min()) - 1), min(page_width, int(xs.max()) + 2)
    if first_y >= end_y or first_x >= end_x:
        return ink
    x, y = x - first_x, y - first_y
    coefficients = (
        *(cos, -sin, middle - cos * x + sin * y - left),
        *(sin, cos, middle - sin * x - cos * y - top),
    )
    placed = Image.fromarray(source).transform(
        (end_x - first_x, end_y - first_y),
        Image.Transform.AFFINE,
        coefficients,
        Image.Resampling.BICUBIC,
    )
    ink[first_y:end_y, first_x:end_x] = np.clip(np.asarray(placed), 0, 1)
    return ink


def _bounding_box(ink: FloatImage) -> Box:
    """Bounds the strokes, however thin they are."""
    return bounding_box(ink >= 0.3 * ink.max())


def _seen(ink: FloatImage, scene: Scene, height: float) -> Box:
    """The part of the page that the camera sees."""
    rows, columns = ink.shape
    if scene.margin is None:
        return Box(0, rows, 0, columns)
    border = round(scene.margin * height)
    box = _bounding_box(ink)
    return Box(
        max(0, box.top - border),
        min(rows, box.bottom + border),
        max(0, box.left - border),
        min(columns, box.right + border),
    )


def _blank_page(shape: tuple[int, ...], seen: Box, scene: Scene) -> _Page:
    """Paper. It has one plane where nothing on it will have a colour."""
    is_gray = scene.ruling == "none" and scene.intruder != "finger"
    is_gray &= len({*scene.paper}) == 1 and len({*scene.ink}) == 1
    colours = np.array(scene.paper[: 1 if is_gray else 3], np.float32)
    planes = np.empty((len(colours), seen.bottom - seen.top, seen.right - seen.left), np.float32)
    planes[:] = colours[:, np.newaxis, np.newaxis]
    return _Page(planes, (shape[0], shape[1]), seen)


def _draw_ruling(page: _Page, scene: Scene, height: float, rng: Rng) -> None:
    """Prints lines on the page."""
    angle = math.radians(scene.tilt + rng.uniform(-2, 2))
    level = scene.line_level
    tint = (level * 0.9, level * 0.96, 0.1 + level * 0.9)
    pitch = max(6.0, scene.line_pitch * height)
    y, x = page.grid()
    for turn in {"none": (), "ruled": (0.0,), "squared": (0.0, math.pi / 2)}[scene.ruling]:
        phase = float(rng.uniform(0, pitch))
        across = y * math.cos(angle + turn) + x * math.sin(angle + turn) + phase
        distance = np.abs((across + pitch / 2) % pitch - pitch / 2)
        lines = np.clip(scene.line_width / 2 - distance + 0.5, 0, 1).astype(np.float32)
        page.cover(lines, tint)


def _draw_frame(page: _Page, ink: FloatImage, scene: Scene, height: float, rng: Rng) -> None:
    """Prints a box round the digit."""
    if scene.frame is None:
        return
    box = _bounding_box(ink)
    gaps = rng.uniform(0.12, 0.6, 4) * height
    left, top = box.left - gaps[0], box.top - gaps[1]
    right, bottom = box.right - 1 + gaps[2], box.bottom - 1 + gaps[3]
    shift = _OUTLINE * page.seen.left, _OUTLINE * page.seen.top
    rows, columns = page.planes.shape[1:]
    outline = Image.new("L", (columns * _OUTLINE, rows * _OUTLINE))
    ImageDraw.Draw(outline).rectangle(
        [
            int(_OUTLINE * corner) - shift[axis % 2]
            for axis, corner in enumerate((left, top, right, bottom))
        ],
        outline=255,
        width=round(_OUTLINE * scene.line_width),
    )
    page.cover(np.asarray(outline.reduce(_OUTLINE), np.float32) / 255, scene.frame)


def _draw_dust(page: _Page, scene: Scene, height: float, rng: Rng) -> None:
    """Drops specks on the page."""
    rows, columns = page.shape
    top, bottom, left, right = page.seen
    for _ in range(scene.dust):
        radius = rng.uniform(0.008, 0.022) * height
        centre_y, centre_x = rng.uniform(0, rows), rng.uniform(0, columns)
        shade = rng.uniform(0.1, 0.6)
        reach = radius + 1
        first_y, end_y = max(top, int(centre_y - reach)), min(bottom, int(centre_y + reach) + 1)
        first_x, end_x = max(left, int(centre_x - reach)), min(right, int(centre_x + reach) + 1)
        if first_y >= end_y or first_x >= end_x:
            continue
        y, x = np.arange(first_y, end_y)[:, np.newaxis], np.arange(first_x, end_x)
        speck = np.clip(radius - np.hypot(y - centre_y, x - centre_x) + 0.5, 0, 1)
        planes = page.planes[:, first_y - top : end_y - top, first_x - left : end_x - left]
        planes += speck * (shade - planes)


def _draw_intruder(page: _Page, ink: FloatImage, scene: Scene, rng: Rng) -> None:
    """Lays something large in a corner, where there is room for it."""
    if scene.intruder == "none":
        return
    rows, columns = page.shape
    corner_y, corner_x = rng.integers(2) * rows, rng.integers(2) * columns
    ink_y, ink_x = np.nonzero(ink >= 0.1 * ink.max())
    # It comes near the digit and never covers it.
    room = float(np.hypot(ink_y - corner_y, ink_x - corner_x).min()) - 0.04 * min(page.shape)
    reach = min(room, rng.uniform(0.25, 0.5) * min(page.shape))
    if reach < 4:
        return
    y, x = page.grid()
    colour: Colour | float
    if scene.intruder == "finger":
        shape = reach - np.hypot((y - corner_y) * rng.uniform(1, 1.5), x - corner_x)
        colour = tuple(np.array([0.75, 0.55, 0.45], np.float32) * rng.uniform(0.4, 1))
    else:
        slope = abs(rng.uniform(0.4, 2.5))
        shape = reach - (np.abs(y - corner_y) * slope + np.abs(x - corner_x)) / max(1.0, slope)
        shape = shape * min(1.0, slope)
        colour = rng.uniform(0.1, 0.5)
    page.cover(np.clip(shape + 0.5, 0, 1), colour)


def _light(page: _Page, scene: Scene, rng: Rng) -> None:
    """Lights the page."""
    if min(scene.lamp, scene.vignette, scene.shadow) >= 1:
        return
    top, bottom, left, right = page.seen
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in page.shape)
    y, x = y[top:bottom, np.newaxis], x[left:right]
    light = np.ones(page.planes.shape[1:], np.float32)
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
    planes = page.planes
    planes *= light


def _transparent(ink: FloatImage, scene: Scene) -> Image.Image:
    colour = np.array(scene.ink, np.float32) * 255
    alpha = ink * scene.opacity * 255
    pixels = np.dstack([np.broadcast_to(colour, (*ink.shape, 3)), alpha])
    return Image.fromarray(np.rint(pixels).astype(np.uint8), "RGBA")
