"""Photographs of pages: paper, ruled lines, perspective, light, blur, noise, JPEG.

A page is drawn flat, seen in perspective, then lit. The truth follows the ink through the same
homography (Hartley and Zisserman 2004, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mnist_edge_trainer.numbers.test_sets.handwriting import row_of_marks
from mnist_edge_trainer.numbers.test_sets.records import (
    Box,
    Hand,
    Mark,
    NumberPicture,
    Plane,
    Rng,
    bounds,
    encode,
)

__all__ = ["Page", "blank_page", "on_page", "photograph", "rule", "smooth_noise"]

_PENS = ((0.08, 0.09, 0.12), (0.08, 0.14, 0.45), (0.1, 0.25, 0.55), (0.3, 0.3, 0.33))
"""Black, two blues, pencil: RGB reflectance."""

_ROOM = 0.12
"""Of the page beside what a camera sees, for each side."""


@dataclass(frozen=True, eq=False)
class Page:
    """A page before it is photographed.

    Attributes:
        colours: float32 ``[H, W, 3]``, reflectance 0..1; drawn on in place.
        marks: the digits on it, for the truth.
    """

    colours: Plane
    marks: list[Mark]

    def ink(self, mark: Mark, colour: Sequence[float]) -> None:
        """Draws a mark in a colour, RGB in 0..1."""
        rows, columns = mark.ink.shape
        part = self.colours[mark.y : mark.y + rows, mark.x : mark.x + columns]
        part += mark.ink[..., np.newaxis] * (np.asarray(colour, np.float32) - part)


def on_page(hand: Hand, length: int, rng: Rng) -> NumberPicture:
    """A number on a photographed page, a tenth to a third of its height; some digits touch."""
    images, text = hand.write(length, rng)
    height = int(rng.integers(480, 900))
    page = blank_page((height, height * 4 // 3), rng)
    digit = float(np.exp(rng.uniform(math.log(0.07), math.log(0.2)))) * height
    # No number is wider than what the camera sees of the page.
    digit = min(digit, 0.9 * page.colours.shape[1] * (1 - 4 * _ROOM) / length)
    gaps = np.where(rng.random(length - 1) < 0.2, rng.uniform(-1.5, 0.5, length - 1), 0)
    gaps = np.where(gaps == 0, rng.uniform(1.5, 10, length - 1), gaps)
    if rng.random() < 0.5:
        rule(page, digit * rng.uniform(1.1, 2), bool(rng.random() < 0.3), rng)
    marks = row_of_marks(images, gaps.tolist(), digit / 20, rng)
    width = max(mark.x + mark.ink.shape[1] for mark in marks)
    tall = max(mark.y + mark.ink.shape[0] for mark in marks)
    x, y = _place(page, width, tall, rng)
    colour = _PENS[int(rng.integers(len(_PENS)))]
    for mark in marks:
        placed = Mark(mark.ink * np.float32(rng.uniform(0.8, 1)), mark.x + x, mark.y + y)
        page.ink(placed, colour)
        page.marks.append(placed)
    return photograph(page, text, rng)


def blank_page(size: tuple[int, int], rng: Rng) -> Page:
    """Paper of a slight colour and cloudiness, with room around what a camera will see.

    Args:
        size: rows and columns of the photograph to be.
        rng: of the paper.
    """
    rows, columns = (round(side * (1 + 2 * _ROOM)) for side in size)
    tint = np.array([1, rng.uniform(0.95, 1), rng.uniform(0.85, 1)], np.float32)
    paper = rng.uniform(0.75, 1) * tint
    clouds = 1 - 0.04 * smooth_noise((rows, columns), 6, rng)
    return Page((clouds[..., np.newaxis] * paper).astype(np.float32), [])


def smooth_noise(shape: tuple[int, int], cells: int, rng: Rng) -> Plane:
    """Noise of `cells` random values a side, interpolated: float32 ``[H, W]``, 0..1."""
    small = Image.fromarray(rng.random((cells, cells), np.float32))
    large = small.resize(shape[::-1], Image.Resampling.BICUBIC)
    noise: Plane = np.clip(np.asarray(large), 0, 1)
    return noise


def rule(page: Page, pitch: float, is_squared: bool, rng: Rng) -> None:
    """Prints lines over the page.

    Args:
        page: is drawn on.
        pitch: from line to line, pixels.
        is_squared: columns as well as rows.
        rng: of colour, width, and where the first line lies.
    """
    pitch = max(pitch, 12.0)
    darkness = rng.uniform(0.15, 0.5)
    tint = np.array([1, rng.uniform(0.6, 1), rng.uniform(0.3, 1)], np.float32) * darkness
    half = rng.uniform(0.5, 1.5)
    for axis in (0, 1) if is_squared else (0,):
        along = np.arange(page.colours.shape[axis]) + rng.uniform(0, pitch)
        distance = np.abs((along + pitch / 2) % pitch - pitch / 2)
        line = np.clip(half - distance + 0.5, 0, 1).astype(np.float32)
        line = line[:, None, None] if axis == 0 else line[None, :, None]
        np.multiply(page.colours, 1 - line * tint, out=page.colours)


def photograph(page: Page, text: str, rng: Rng, tilt: float = 6) -> NumberPicture:
    """Photographs a page, in uneven light.

    Args:
        page: with its marks.
        text: the number on it.
        rng: of the camera's place, the light, and the noise.
        tilt: degrees, at most, either way.
    """
    rows, columns = page.colours.shape[:2]
    size = round(rows / (1 + 2 * _ROOM)), round(columns / (1 + 2 * _ROOM))
    to_page = _homography(_corners(size), _seen_corners(page, size, tilt, rng))
    levels = np.clip(page.colours, 0, 1) * 255 + 0.5
    seen = Image.fromarray(levels.astype(np.uint8)).transform(
        size[::-1],
        Image.Transform.PERSPECTIVE,
        (to_page / to_page[2, 2]).ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
    )
    light = _light(size, rng)
    picture = np.asarray(seen, np.float32) / 255 * light[..., np.newaxis]
    blur = rng.uniform(0.3, 1.2) * size[0] / 700
    picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    noise = rng.standard_normal(picture.shape, np.float32)
    picture = picture + noise * np.float32(rng.uniform(0.005, 0.04))
    content = encode(picture, "JPEG", int(rng.integers(60, 95)))
    from_page = np.linalg.inv(to_page)
    return NumberPicture(content, text, tuple(_seen_box(mark, from_page) for mark in page.marks))


def _place(page: Page, width: int, height: int, rng: Rng) -> tuple[int, int]:
    """Where something so large lies on the page: x and y, pixels; the camera sees all of it."""
    rows, columns = page.colours.shape[:2]
    # The room that no camera sees, and as much again for its tilt.
    border_x, border_y = 1.6 * _ROOM * columns, 1.6 * _ROOM * rows
    x = rng.uniform(border_x, max(border_x + 1, columns - border_x - width))
    y = rng.uniform(border_y, max(border_y + 1, rows - border_y - height))
    return round(x), round(y)


def _corners(size: tuple[int, int]) -> npt.NDArray[np.float64]:
    rows, columns = size
    return np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float64)


def _seen_corners(
    page: Page, size: tuple[int, int], tilt: float, rng: Rng
) -> npt.NDArray[np.float64]:
    """The corners of the photograph, on the page: turned, and each moved a little."""
    rows, columns = page.colours.shape[:2]
    angle = math.radians(rng.uniform(-tilt, tilt))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centred = _corners(size) - (size[1] / 2, size[0] / 2)
    corners = centred @ turn.T + (columns / 2, rows / 2)
    moved: npt.NDArray[np.float64] = corners + rng.uniform(-0.05, 0.05, (4, 2)) * min(size)
    return moved


def _homography(
    source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The homography of four points ``[4, 2]`` onto four others: float64 ``[3, 3]``."""
    rows = []
    for (x, y), (u, v) in zip(source.tolist(), target.tolist(), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(rows), target.ravel())
    return np.append(solved, 1.0).reshape(3, 3)


def _light(size: tuple[int, int], rng: Rng) -> Plane:
    """A lamp at one side, and in a third of the pictures a soft shadow's edge: ``[H, W]``, 0..1."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in size)
    angle, shadow_angle = rng.uniform(0, 2 * math.pi, 2)
    along = (x * math.cos(angle) + y[:, np.newaxis] * math.sin(angle)) / 1.42
    light = 1 - rng.uniform(0, 0.5) * (1 + along) / 2
    if rng.random() < 1 / 3:
        across = x * math.cos(shadow_angle) + y[:, np.newaxis] * math.sin(shadow_angle)
        inside = np.clip(across / rng.uniform(0.05, 0.3) + 0.5, 0, 1)
        light = light * (1 - rng.uniform(0.2, 0.5) * inside)
    lit: Plane = light.astype(np.float32)
    return lit


def _seen_box(mark: Mark, from_page: Plane) -> Box:
    points = mark.points()
    projected = np.column_stack([points, np.ones(len(points))]) @ from_page.T
    return bounds(projected[:, :2] / projected[:, 2:])
