"""MNIST's own rule in C gives what it gives in Python, within one gray level."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from mnist_edge.bundled import read_model
from mnist_edge.preprocess.plain import fit_digit
from mnist_edge.types import GrayImage
from mnist_edge_trainer.c_export import c_gate
from mnist_edge_trainer.c_export.integer_graph import read_graph
from mnist_edge_trainer.c_export.source import sources
from tests.conftest import Digits
from tests.drawings import draw

NANO = "mnist-edge-nano-int8"

pytestmark = pytest.mark.skipif(c_gate.compiler() is None, reason="needs a C compiler")

HARNESS = """
#include <stdio.h>
#include "mnist_edge.h"
static uint8_t picture[1 << 20];
int main(void)
{
    uint16_t size[2];
    while (fread(size, sizeof size, 1, stdin)) {
        uint8_t image[784] = {0};
        size_t pixels = (size_t)size[0] * size[1];
        if (fread(picture, 1, pixels, stdin) != pixels)
            return 1;
        putchar(mnist_edge_fit(picture, size[0], size[1], image));
        fwrite(image, sizeof image, 1, stdout);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    graph = read_graph(onnx.load_from_string(read_model(NANO)), NANO)
    for name, text in {**sources(graph, "test"), "harness.c": HARNESS}.items():
        (folder / name).write_text(text)
    command = c_gate.compiler()
    assert command is not None
    sanitizers = c_gate.SANITIZERS if c_gate.can_sanitize(command) else ()
    units = ("mnist_edge_fit.c", "harness.c", "-o", "fit")
    subprocess.run([command, *c_gate.WARNINGS, "-O2", *sanitizers, *units], cwd=folder, check=True)
    return folder / "fit"


def fit(program: Path, pictures: Sequence[GrayImage]) -> list[GrayImage | None]:
    """What the C makes of pictures of any size."""
    content = b"".join(
        struct.pack("HH", picture.shape[1], picture.shape[0]) + picture.tobytes()
        for picture in pictures
    )
    done = subprocess.run([program], input=content, capture_output=True, check=True)
    rows = np.frombuffer(done.stdout, np.uint8).reshape(len(pictures), 785)
    return [row[1:].reshape(28, 28) if row[0] else None for row in rows]


def test_drawings(program: Path, train_digits: Digits) -> None:
    sheets = draw(train_digits[0][55_000:56_000], seed=2)
    for sheet, image in zip(sheets, fit(program, list(sheets)), strict=True):
        wanted = fit_digit(sheet)
        assert image is not None
        assert wanted is not None
        assert np.abs(image.astype(int) - wanted).max() <= 1


def test_any_picture_of_any_size(program: Path) -> None:
    """Noise, gradients, one pixel: the same, or nothing in both."""
    rng = np.random.default_rng(0)
    pictures: list[GrayImage] = [np.full((9, 9), 7, np.uint8), np.zeros((1, 1), np.uint8)]
    for _ in range(300):
        shape = tuple(int(side) for side in rng.integers(1, 90, 2))
        low, high = sorted(rng.integers(0, 256, 2))
        pictures.append(rng.integers(low, high + 1, shape, dtype=np.uint8))
    differ = 0
    for picture, image in zip(pictures, fit(program, pictures), strict=True):
        wanted = fit_digit(picture)
        assert (image is None) == (wanted is None)
        if image is not None and wanted is not None:
            differ += np.abs(image.astype(int) - wanted).max() > 1
    # In noise two thresholds may part the levels equally well but for the last bit.
    assert differ <= 3
