"""Readers of numbers for `readers.py`: ours, the naive way, RapidOCR, Tesseract."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mnist_edge_trainer.numbers.evaluation import our_reader
from mnist_edge_trainer.numbers.scoring import Answer, ReadFunction, digits_of
from mnist_edge_trainer.numbers.test_sets.records import NumberPicture

__all__ = ["READERS", "NumberReaderKind"]


_DIGITS_ONLY = "tessedit_char_whitelist=0123456789"


@dataclass(frozen=True)
class NumberReaderKind:
    """How a reader is made.

    Attributes:
        make: loads it, for one thread.
        version: of it; empty where it is not installed.
        install: the command that installs it.
    """

    make: Callable[..., ReadFunction]
    version: Callable[[], str]
    install: str


def _gray(picture: NumberPicture) -> npt.NDArray[np.uint8]:
    pixels = picture.pixels()
    return pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))


def naive() -> ReadFunction:
    """Otsu's threshold, connected components, and the bundled classifier, as tutorials do it."""
    from mnist_edge import DigitClassifier

    classifier = DigitClassifier(min_confidence=0)

    def read(picture: NumberPicture) -> Answer:
        gray = _gray(picture)
        is_ink = gray > otsu(gray)
        # Whatever there is less of is ink.
        if is_ink.mean() > 0.5:
            is_ink = ~is_ink
        labels, count = ndimage.label(is_ink, np.ones((3, 3)))
        boxes = [box for box in ndimage.find_objects(labels) if count]
        tallest = max((box[0].stop - box[0].start for box in boxes), default=0)
        digits = []
        for place, box in enumerate(boxes, 1):
            if box[0].stop - box[0].start < max(6, 0.45 * tallest):
                continue
            digit = np.pad(255 * (labels[box] == place).astype(np.uint8), 4)
            prediction = classifier.predict(digit)
            digits.append((box[1].start, prediction.label or "", prediction.confidence or 0.0))
        digits.sort()
        confidence = float(np.prod([confidence for *_, confidence in digits])) if digits else 0.0
        return Answer("".join(label for _, label, _ in digits), confidence)

    return read


def otsu(gray: npt.NDArray[np.uint8]) -> int:
    """The threshold that parts the levels best into two classes (Otsu 1979)."""
    counts = np.bincount(gray.ravel(), minlength=256).astype(float)
    below = np.cumsum(counts)
    sums = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (sums[-1] * below / below[-1] - sums) ** 2 / (below * (below[-1] - below))
    return int(np.nan_to_num(spread).argmax())


def rapidocr() -> ReadFunction:
    """RapidOCR with the models of its wheel, as it comes, on one thread.

    Where it detects no text, as in strips 28 pixels high, its recognizer reads the whole picture.
    """
    from rapidocr import RapidOCR

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    engine = RapidOCR(params={"Global.log_level": "critical", **threads})

    def read(picture: NumberPicture) -> Answer:
        # Said each time: it keeps what the call before said.
        found = engine(picture.content, use_det=True, use_cls=True)
        if not found.txts:
            found = engine(picture.content, use_det=False, use_cls=False)
            return Answer(digits_of("".join(found.txts or ())), min(found.scores or (0.0,)))
        lefts = [float(np.min(box[:, 0])) for box in found.boxes]
        lines = sorted(zip(lefts, found.txts, found.scores, strict=True))
        return Answer(
            digits_of("".join(text for _, text, _ in lines)), min(score for *_, score in lines)
        )

    return read


def tesseract() -> ReadFunction:
    """Tesseract's network, set to one line and nothing but digits.

    A process for each picture, which is how pytesseract calls it.
    """
    command = [*("tesseract", "stdin", "stdout", "--psm", "7"), "-c", _DIGITS_ONLY, "tsv"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}

    def read(picture: NumberPicture) -> Answer:
        done = subprocess.run(
            command, input=picture.content, capture_output=True, check=True, env=environment
        )
        rows = [row.split("\t") for row in done.stdout.decode().splitlines()[1:]]
        words = [(row[11], float(row[10]) / 100) for row in rows if digits_of(row[11])]
        confidence = min((confidence for _, confidence in words), default=0.0)
        return Answer("".join(digits_of(word) for word, _ in words), confidence)

    return read


def _package_version(package: str) -> Callable[[], str]:
    def version() -> str:
        if importlib.util.find_spec(package) is None:
            return ""
        return importlib.metadata.version(package.replace("_", "-"))

    return version


def _tesseract_version() -> str:
    if shutil.which("tesseract") is None:
        return ""
    done = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


READERS = {
    "mnist-edge": NumberReaderKind(our_reader, _package_version("mnist_edge"), ""),
    "naive": NumberReaderKind(naive, _package_version("mnist_edge"), ""),
    "RapidOCR": NumberReaderKind(
        rapidocr, _package_version("rapidocr"), "pip install rapidocr==3.10.0 onnxruntime"
    ),
    "Tesseract": NumberReaderKind(
        tesseract, _tesseract_version, "apt install tesseract-ocr (or: brew install tesseract)"
    ),
}
"""Readers by the name that the table has for them."""
