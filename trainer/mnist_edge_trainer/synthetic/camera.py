"""What a camera makes of a page: blur, resolution, noise, one bit, compression.

Pages are planes: float32 ``[3, H, W]``, or ``[1, H, W]`` where all that is on it is gray.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mnist_edge.types import FloatImage, GrayImage
from mnist_edge_trainer.synthetic.scenes import Rng, Scene

__all__ = ["BENCHMARK_CAMERA", "TRAINING_CAMERA", "Camera", "Planes", "capture"]

Planes: TypeAlias = npt.NDArray[np.float32]
"""float32 ``[3, H, W]`` or ``[1, H, W]``, reflectance or light, 0..1."""


class Camera(NamedTuple):
    """How pictures are blurred, and where their noise comes from.

    Attributes:
        blur: blurs planes with a Gaussian, given its standard deviation in pixels.
        noise: makes the noise of so many rows and columns: float32 ``[3, H, W]``, of a standard
            deviation near 1.
    """

    blur: Callable[[Planes, float], Planes]
    noise: Callable[[tuple[int, ...], Rng], Planes]


_OWN, _COMMON = 0.5, 0.85
"""Standard deviations of the part of the noise that is each colour's own, and of the common one."""

_NOISE_SIDE = 640
"""Side of the noise that photographs for training share, pixels; larger than any of them."""

_NOISE_SEED = 2025


def capture(page: Planes, scene: Scene, blur: float, camera: Camera, rng: Rng) -> Image.Image:
    """Takes a picture of a page.

    Args:
        page: the light that comes from it, 0..1.
        scene: how it is taken.
        blur: standard deviation, pixels; 0 = none.
        camera: blurs, and makes the noise.
        rng: of noise.

    Returns:
        an RGB picture, or a 1-bit one.
    """
    if blur:
        page = camera.blur(page, blur)
    levels = page * np.float32(255)
    if scene.stretch or scene.resolution is not None:
        levels = _resample(levels, scene)
    if scene.noise:
        levels = levels + camera.noise(levels.shape[1:], rng) * np.float32(scene.noise * 255)
    levels += np.float32(0.5)
    picture = Image.merge("RGB", _to_images(levels))
    if scene.one_bit:
        paper = sum(scene.paper) * min(scene.lamp, scene.shadow)
        threshold = (paper + sum(scene.ink)) / 6 * 255
        return picture.convert("L").point(lambda level: 255 * (level > threshold)).convert("1")
    if scene.jpeg_quality is not None:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=scene.jpeg_quality)
        picture = Image.open(file)
    return picture


def _filter(page: Planes, sigma: float) -> Planes:
    return np.stack([ndimage.gaussian_filter(plane, sigma) for plane in page])


def _fresh_noise(shape: tuple[int, ...], rng: Rng) -> Planes:
    """Draws noise that no other picture has."""
    noise = rng.standard_normal((*shape, 3), np.float32) * np.float32(_OWN)
    noise += rng.standard_normal((*shape, 1), np.float32) * np.float32(_COMMON)
    return noise.transpose(2, 0, 1)


def _multiply(page: Planes, sigma: float) -> Planes:
    """Blurs as `_filter`, but for the last bits, with two products of matrices."""
    rows, columns = page.shape[1:]
    radius = int(4 * sigma + 0.5)
    if radius > min(rows, columns):
        return _filter(page, sigma)
    down, across = _blur_matrix(rows, sigma, radius), _blur_matrix(columns, sigma, radius)
    blurred: Planes = np.matmul(np.matmul(down, page), across.T, dtype=np.float32)
    return blurred


def _blur_matrix(count: int, sigma: float, radius: int) -> FloatImage:
    """A matrix that blurs `count` samples, mirrored at both ends: float32 ``[count, count]``."""
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    length = count + 2 * radius
    band = np.zeros((count, length + 1), np.float32)
    band[:, : 2 * radius + 1] = kernel / kernel.sum()
    # Rows that are one element shorter begin one element later each: the kernel moves along.
    band = band.ravel()[: count * length].reshape(count, length)
    matrix = band[:, radius : radius + count].copy()
    matrix[:, :radius] += band[:, :radius][:, ::-1]
    matrix[:, count - radius :] += band[:, radius + count :][:, ::-1]
    return matrix


def _shared_noise(shape: tuple[int, ...], rng: Rng) -> Planes:
    """Cuts noise out of a field that all pictures share: at random, turned over at random."""
    field = _noise_field()
    if max(shape) > _NOISE_SIDE:
        return _fresh_noise(shape, rng)
    top, left = (int(rng.integers(_NOISE_SIDE - side + 1)) for side in shape)
    down, across = (1 - 2 * int(turned) for turned in rng.integers(2, size=2))
    return field[:, top : top + shape[0], left : left + shape[1]][:, ::down, ::across]


@functools.cache
def _noise_field() -> Planes:
    field = _fresh_noise((_NOISE_SIDE, _NOISE_SIDE), np.random.default_rng(_NOISE_SEED))
    return np.ascontiguousarray(field)


BENCHMARK_CAMERA = Camera(_filter, _fresh_noise)
"""Takes the photographs that robustness is measured on. They never change, by not one bit."""

TRAINING_CAMERA = Camera(_multiply, _shared_noise)
"""Takes photographs to train on, in a third of the time."""


def _resample(levels: Planes, scene: Scene) -> Planes:
    """Brings a page to the camera's resolution, levels 0..255."""
    height, width = levels.shape[1:]
    longer = scene.resolution or max(height, width)
    size = (longer, longer)
    if not scene.stretch:
        size = (
            max(1, round(width * longer / max(height, width))),
            max(1, round(height * longer / max(height, width))),
        )
    resized = [image.resize(size, Image.Resampling.BOX) for image in _to_images(levels)]
    return np.stack([np.asarray(image, np.float32) for image in resized[: len(levels)]])


def _to_images(levels: Planes) -> list[Image.Image]:
    """Three planes of levels 0..255, cut off at both ends."""
    pixels: GrayImage = np.clip(levels, 0, 255).astype(np.uint8)
    images = [Image.fromarray(plane) for plane in pixels]
    return images if len(images) == 3 else images * 3
