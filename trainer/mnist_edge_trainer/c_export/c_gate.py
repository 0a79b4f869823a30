"""The C gate: compiled, the source must give what onnxruntime gives for the quantized file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from mnist_edge.errors import GateError
from mnist_edge.model import INPUT
from mnist_edge.runtime import create_session
from mnist_edge.types import GrayImage
from mnist_edge_trainer.c_export.integer_graph import Convolution, IntegerGraph

__all__ = [
    "SANITIZERS",
    "WARNINGS",
    "CGate",
    "Computed",
    "can_sanitize",
    "compare",
    "compiler",
    "run_compiled",
    "wanted_logits",
]

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_UNITS = ("mnist_edge.c", "mnist_edge_fit.c", "harness.c")
_COMPILERS = ("cc", "gcc", "clang")
_BATCH = 500

_MOST_CHANGED = 0.001
"""Part of the images whose prediction may differ; with the kernels of x86 and Arm none does."""

_HARNESS = r"""
#include <stdio.h>
#include "mnist_edge.h"
static uint8_t scratch[MNIST_EDGE_SCRATCH];
int main(void)
{
    uint8_t image[784], probabilities[MNIST_EDGE_CLASSES];
    int32_t logits[MNIST_EDGE_CLASSES];
    while (fread(image, 1, sizeof image, stdin) == sizeof image) {
        int32_t digit;
        mnist_edge_logits(image, scratch, logits);
        digit = mnist_edge_predict(image, scratch, probabilities);
        fwrite(&digit, sizeof digit, 1, stdout);
        fwrite(logits, sizeof logits, 1, stdout);
        fwrite(probabilities, sizeof probabilities, 1, stdout);
    }
    return 0;
}
"""

Logits = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Computed:
    """What the compiled source says of N images.

    Attributes:
        digits: int32 ``[N]``.
        logits: int32 ``[N, C]``, units of 2^-16.
        probabilities: uint8 ``[N, C]``, units of 1/255.
    """

    digits: npt.NDArray[np.int32]
    logits: Logits
    probabilities: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CGate:
    """Comparison of the source with onnxruntime.

    Attributes:
        images: how many.
        accuracy: top-1 of the source, fraction.
        changed: predictions that differ.
        different: images with a logit that differs.
        largest_difference: of a probability.
    """

    images: int
    accuracy: float
    changed: int
    different: int
    largest_difference: float

    def require(self) -> None:
        """Raises GateError where too many predictions differ."""
        if self.changed > _MOST_CHANGED * self.images:
            raise GateError(
                f"the C source predicts {self.changed} of {self.images} images differently from "
                "onnxruntime; nothing was written"
            )


def compiler() -> str | None:
    """The host's C compiler; None where there is none."""
    return next((name for name in _COMPILERS if shutil.which(name)), None)


def run_compiled(
    files: Mapping[str, str], images: GrayImage, command: str, flags: Sequence[str] = ("-O2",)
) -> Computed:
    """Compiles the source with all warnings as errors, and runs it on images.

    Args:
        files: of `source.sources`, by name.
        images: uint8 ``[N, 28, 28]``.
        command: the compiler.
        flags: further ones.

    Raises:
        GateError: it cannot be compiled, or fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in {**files, "harness.c": _HARNESS}.items():
            (folder / file).write_text(text, encoding="utf-8")
        arguments = [command, *WARNINGS, *flags, *_UNITS, "-o", "harness"]
        built = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
        if built.returncode:
            raise GateError(f"{command} does not compile the C source: {_first(built.stderr)}")
        done = subprocess.run(
            [str(folder / "harness")], input=images.tobytes(), capture_output=True, check=False
        )
    if done.returncode:
        raise GateError(f"the C source fails: {_first(done.stderr.decode(errors='replace'))}")
    return _parsed(done.stdout, len(images))


def can_sanitize(command: str) -> bool:
    """Whether the compiler has the sanitizers' libraries."""
    with tempfile.TemporaryDirectory() as folder:
        program = ["-x", "c", "-", "-o", f"{folder}/empty"]
        done = subprocess.run(
            [command, *SANITIZERS, *program],
            input=b"int main(void) { return 0; }",
            capture_output=True,
            check=False,
        )
    return not done.returncode


def _parsed(output: bytes, count: int) -> Computed:
    row = np.frombuffer(output, np.uint8).reshape(count, -1)
    classes = (row.shape[1] - 4) // 5
    digits, logits, probabilities = np.split(row, [4, 4 + 4 * classes], axis=1)
    return Computed(
        np.ascontiguousarray(digits).view(np.int32)[:, 0],
        np.ascontiguousarray(logits).view(np.int32),
        probabilities,
    )


def _first(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines()
    return lines[0].strip() if lines else "no message"


def wanted_logits(
    model: ModelProto, graph: IntegerGraph, images: GrayImage
) -> tuple[Logits, npt.NDArray[np.float32]]:
    """The logits that onnxruntime computes, as the source would write them; and probabilities.

    onnxruntime multiplies the last layer's sums by float32 scales; these give the sums back.

    Args:
        model: the quantized file.
        graph: what was read of it.
        images: uint8 ``[N, 28, 28]``.

    Returns:
        int32 ``[N, C]`` in units of 2^-16, and float32 ``[N, C]``.
    """
    with_logits = ModelProto()
    with_logits.CopyFrom(model)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    output = onnx.helper.make_tensor_value_info(softmax.input[0], onnx.TensorProto.FLOAT, None)
    with_logits.graph.output.append(output)
    session = create_session(with_logits.SerializeToString())
    probabilities, logits = (
        np.concatenate(parts)
        for parts in zip(
            *(
                session.run(None, {INPUT: images[start : start + _BATCH, np.newaxis]})
                for start in range(0, len(images), _BATCH)
            ),
            strict=True,
        )
    )
    last = graph.layers[-1]
    assert isinstance(last, Convolution)
    scale = last.multiplier / 2.0**last.shift
    sums = np.rint(logits / scale).astype(np.int64)
    places = last.shift.astype(np.int64) - 16
    products = np.abs(sums) * last.multiplier + (1 << (places - 1))
    return (np.sign(sums) * (products >> places)).astype(np.int32), probabilities


def compare(
    computed: Computed,
    logits: Logits,
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
) -> CGate:
    """Compares the source's answers with onnxruntime's.

    Args:
        computed: the source's.
        logits: as of `wanted_logits`.
        probabilities: the same.
        labels: int64 ``[N]``.
    """
    return CGate(
        len(labels),
        float((computed.digits == labels).mean()),
        int((computed.digits != probabilities.argmax(axis=1)).sum()),
        int((computed.logits != logits).any(axis=1).sum()),
        float(np.abs(computed.probabilities / 255 - probabilities).max()),
    )
