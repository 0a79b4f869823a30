"""Makes the pictures in this folder from MNIST's test set: `python samples/make_samples.py`.

Not chosen by how well they are read: the first three test images of every digit. The first
becomes a PNG as it is; the second a larger PNG, dark pen on light paper, off centre; the third a
JPEG, chalk on a blackboard for odd digits and ink on a coloured card for even ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_edge.mnist import load_split

SAMPLES = Path(__file__).parent


def drawn(
    digit: Image.Image, size: tuple[int, int], ink: str, paper: str, at: tuple[int, int]
) -> Image.Image:
    """The digit as a stencil of ink on paper, 196 pixels high, its corner at `at`."""
    stencil = digit.resize((196, 196), Image.Resampling.BICUBIC)
    picture = Image.new("RGB", size, paper)
    picture.paste(ink, at, stencil)
    return picture


def main(folder: Path) -> None:
    images, labels = load_split(SAMPLES, "test")
    for label in range(10):
        first, second, third = (
            Image.fromarray(images[index]) for index in np.flatnonzero(labels == label)[:3]
        )
        first.save(folder / f"{label}-mnist.png")
        pen = drawn(second, (400, 300), "#1b2a4a", "#f4f1e8", (20 + 18 * label, 40))
        pen.convert("L").save(folder / f"{label}-pen.png")
        if label % 2:
            drawn(third, (320, 420), "#e8e8e0", "#2f3b36", (60, 110)).save(
                folder / f"{label}-chalk.jpg", quality=80
            )
        else:
            drawn(third, (320, 420), "#8c1c2c", "#ead9a0", (90, 140)).save(
                folder / f"{label}-card.jpg", quality=80
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
