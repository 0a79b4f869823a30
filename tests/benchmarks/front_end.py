"""What the front end costs beside decoding: `python tests/benchmarks/front_end.py`.

Each row times the whole road from a file to the network's picture against Pillow alone decoding
the same file, at the scale that the front end asks for; the two take turns in one process.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_edge.inputs.decode import LONGER_SIDE
from mnist_edge.mnist import load_split
from mnist_edge.preprocess.preprocessor import preprocess_one

ROOT = Path(__file__).parents[2]


def decode_with_pillow(path: Path) -> None:
    with Image.open(path) as image:
        image.draft(None, (LONGER_SIDE, LONGER_SIDE))
        image.load()


def phone_photo(path: Path, digit: np.ndarray) -> None:
    """12 megapixels of paper in falling light, with the grain of a camera and one digit."""
    rng = np.random.default_rng(0)
    page = Image.new("L", (4000, 3000))
    page.paste(Image.fromarray(digit).resize((1100, 1100), Image.Resampling.BICUBIC), (1500, 900))
    ink = np.asarray(page, np.float32)[:, :, np.newaxis] / 255
    light = np.linspace(0.6, 1, 4000, dtype=np.float32)[np.newaxis, :, np.newaxis]
    colours = np.array([235, 230, 220], np.float32) * (1 - 0.85 * ink) * light
    grain = rng.normal(0, 5, (3000, 4000, 1)).astype(np.float32)
    pixels = np.clip(colours + grain, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=90)


def interleaved(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, taken in zip((ours, theirs), times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    mine, pillows = (1000 * statistics.median(taken) for taken in times)
    print(f"  front end {mine:8.3f} ms   Pillow {pillows:8.3f} ms   {mine / pillows:.2f} x")


def main() -> None:
    images, _ = load_split(ROOT / "samples", "test")
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "mnist.png", Path(folder) / "photo.jpg"
        Image.fromarray(images[0]).save(small)
        phone_photo(large, images[0])
        for name, path, rounds in (
            ("28 x 28 PNG in MNIST form", small, 5_000),
            (f"12-megapixel JPEG, {large.stat().st_size / 1e6:.1f} MB", large, 40),
        ):
            print(name)
            preprocess_one(path)
            interleaved(partial(preprocess_one, path), partial(decode_with_pillow, path), rounds)


if __name__ == "__main__":
    main()
