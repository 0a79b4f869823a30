"""What the program says on this processor, to be compared: `answers.py SAMPLES PICTURES OUT`.

Needs the inference package alone: it also runs where there is no torch.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mnist_edge import DigitClassifier, NumberReader
from mnist_edge.model import Model, bundled_models

__all__ = ["answers"]

IMAGES = 1_000
_HEADER = 16
_SUFFIXES = {".png", ".jpg", ".webp", ".gif", ".bmp", ".tif"}


def answers(samples: Path, pictures: Path) -> dict[str, Any]:
    """Predictions by model, and by picture its 28 x 28 and its reading.

    Args:
        samples: folder with MNIST's test images and pictures of numbers.
        pictures: folder with pictures of digits, searched through.
    """
    classifier, reader = DigitClassifier(), NumberReader()
    content = gzip.decompress((samples / "MNIST/raw" / "t10k-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(content, np.uint8, IMAGES * 784, _HEADER).reshape(-1, 28, 28)
    return {
        "probabilities": {
            name: Model.load(name).run(images).astype(float).tolist() for name in bundled_models()
        },
        "images": {
            path.relative_to(pictures).as_posix(): _normalized(classifier, path)
            for path in sorted(pictures.rglob("*"))
            if path.suffix in _SUFFIXES
        },
        "numbers": {
            path.name: reader.read(path).to_dict() | {"path": path.name}
            for path in sorted((samples / "numbers").glob("*.*"))
            if path.suffix in _SUFFIXES
        },
    }


def _normalized(classifier: DigitClassifier, path: Path) -> str:
    """A sum of what the network sees of a picture, or why it sees nothing."""
    prediction = next(iter(classifier.stream([path])))
    if prediction.image is None:
        return prediction.error or "no digit"
    return hashlib.sha256(prediction.image.tobytes()).hexdigest()


if __name__ == "__main__":
    samples, pictures, output = map(Path, sys.argv[1:])
    output.write_text(json.dumps(answers(samples, pictures)), encoding="utf-8")
