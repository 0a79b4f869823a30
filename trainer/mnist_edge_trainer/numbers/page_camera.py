"""What a camera makes of a page: perspective, light, blur, noise, compression."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageFilter

from mnist_edge_trainer.numbers.page import LineTruth, Page, smooth_field
from mnist_edge_trainer.synthetic.scenes import Rng

__all__ = ["light", "photograph", "tilt"]


def tilt(page: Page, rng: Rng) -> None:
    """Looks at the page from one side: a homography, of which lines keep their ends."""
    rows, columns = page.levels.shape
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], float)
    moved = corners + rng.uniform(-0.09, 0.09, (4, 2)) * (columns, rows)
    forward, back = _homography(corners, moved), _homography(moved, corners)
    paper = float(np.median(page.levels))
    image = Image.fromarray(page.levels).transform(
        (columns, rows),
        Image.Transform.PERSPECTIVE,
        (back / back[2, 2]).ravel()[:8].tolist(),
        Image.Resampling.BILINEAR,
        fillcolor=paper * float(rng.uniform(0.3, 1.2)),
    )
    page.levels = np.array(image, np.float32)
    page.lines = [_moved(line, forward) for line in page.lines]


def _homography(
    source: np.typing.NDArray[np.float64], target: np.typing.NDArray[np.float64]
) -> np.typing.NDArray[np.float64]:
    """The projective map of four points to four others: float64 ``[3, 3]``."""
    equations, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(equations), np.array(values)), 1.0).reshape(3, 3)


def _moved(line: LineTruth, matrix: np.typing.NDArray[np.float64]) -> LineTruth:
    def at(x: float, y: float) -> tuple[float, float]:
        u, v, w = matrix @ (x, y, 1.0)
        return float(u / w), float(v / w)

    (x0, y0), (x1, y1) = line.start, line.end
    length = max(1e-6, math.hypot(x1 - x0, y1 - y0))
    down = (-(y1 - y0) / length * line.height / 2, (x1 - x0) / length * line.height / 2)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    height = math.dist(at(x - down[0], y - down[1]), at(x + down[0], y + down[1]))
    return LineTruth(at(x0, y0), at(x1, y1), height, line.is_dark)


def light(page: Page, rng: Rng) -> None:
    """Lights the page: a lamp, the border of a shadow, little light at all."""
    rows, columns = page.levels.shape
    if rng.random() < 0.5:
        nodes = int(rng.integers(2, 4))
        page.levels = page.levels * smooth_field(
            (rows, columns), rng, float(rng.uniform(0.3, 1)), 1.0, nodes
        )
    if rng.random() < 0.25:  # the border of a shadow
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        turn = rng.uniform(0, 2 * math.pi)
        along = (x - rng.uniform(0, columns)) * math.cos(turn) + (
            y - rng.uniform(0, rows)
        ) * math.sin(turn)
        soft = float(rng.uniform(1, 60))
        page.levels = page.levels * (
            1 - np.float32(rng.uniform(0.1, 0.6)) * np.clip(along / soft + 0.5, 0, 1)
        )
    if rng.random() < 0.15:
        page.levels = page.levels * np.float32(rng.uniform(0.08, 0.6))
    page.levels = page.levels.astype(np.float32)


def photograph(page: Page, rng: Rng) -> None:
    """Blurs, adds noise, compresses."""
    image = Image.fromarray(page.image)
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(abs(rng.normal(0, 0.9)))))
    levels = np.asarray(image, np.float32) / 255
    if rng.random() < 0.5:
        sigma = np.float32(abs(rng.normal(0, 0.04)))
        levels = levels + rng.standard_normal(levels.shape, np.float32) * sigma
    if rng.random() < 0.15:
        file = io.BytesIO()
        Image.fromarray(np.clip(levels * 255, 0, 255).astype(np.uint8)).save(
            file, "JPEG", quality=int(rng.integers(15, 80))
        )
        levels = np.asarray(Image.open(file), np.float32) / 255
    page.levels = np.clip(levels, 0, 1).astype(np.float32)
