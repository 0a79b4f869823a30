"""An integer graph -> C99 sources, by templates."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import jinja2
import numpy as np
import numpy.typing as npt

from mnist_edge import __version__
from mnist_edge.types import GrayImage
from mnist_edge_trainer.c_export.integer_graph import Convolution, IntegerGraph, MaxPool, Shape

__all__ = ["scratch_bytes", "sources", "vectors"]

_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH = 100

_Weights: TypeAlias = npt.NDArray[np.int8] | npt.NDArray[np.uint8]

_WHOLES = [min(65_535, round(65_536 * math.exp(-k))) for k in range(12)]
_PARTS = [round(32_768 * math.exp(-k / 64)) for k in range(64)]
"""The tables of the exponential function."""


def sources(graph: IntegerGraph, title: str) -> dict[str, str]:
    """The files of a network, by name.

    Args:
        graph: the network.
        title: one line for the head of each file.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    is_packed = all(layer.has_four_bits for layer in _convolutions(graph))
    stored = _packed if is_packed else _unpacked
    table = 2 * (len(_WHOLES) + len(_PARTS))
    facts = {
        "title": title.replace("*/", "* /"),
        "version": __version__,
        "classes": graph.classes,
        "layers": graph.layers,
        "scratch": scratch_bytes(graph),
        "patch": f"scratch + {_side_by_side(graph)}",
        "places": _places(graph),
        "flash": _constants(graph, stored) + table,
        "is_packed": is_packed,
        "weight": "uint8_t" if is_packed else "int8_t",
        "stored": stored,
        "table": table,
        "multiplications": _multiplications(graph),
        "has_pools": any(isinstance(layer, MaxPool) for layer in graph.layers),
        "has_large_sums": any(layer.has_large_sums for layer in _convolutions(graph)),
        "wholes": np.array(_WHOLES),
        "parts": np.array(_PARTS),
        "wrapped": _wrapped,
        "shown": _shown,
    }
    names = ("mnist_edge.h", "mnist_edge.c", "mnist_edge_fit.c", "main.c")
    return {name: environment.get_template(name).render(facts) for name in names}


def vectors(
    images: GrayImage, logits: npt.NDArray[np.int32], digits: Sequence[int]
) -> dict[str, str]:
    """The test vectors that ``main.c`` checks, as a header.

    Args:
        images: uint8 ``[N, 28, 28]``.
        logits: int32 ``[N, C]``, of the ONNX file, in units of 2^-16.
        digits: that it predicts.
    """
    lines = [
        "/* Images of MNIST's test set (LeCun, Cortes, Burges; CC BY-SA 3.0), and what the ONNX",
        " * file gives for them. */",
        f"#define VECTORS {len(images)}",
        f"static const uint8_t vector_images[VECTORS][{images[0].size}] = {{",
        *(f"{{{_wrapped(image)}}}," for image in images),
        "};",
        f"static const int32_t vector_logits[VECTORS][{logits.shape[1]}] = {{",
        *(f"{{{_wrapped(row)}}}," for row in logits),
        "};",
        "#ifndef MNIST_EDGE_LOGITS",
        f"static const uint8_t vector_digits[VECTORS] = {{{_wrapped(np.array(digits))}}};",
        "#endif",
    ]
    return {"vectors.h": "\n".join(lines) + "\n"}


def scratch_bytes(graph: IntegerGraph) -> int:
    """Bytes that a prediction works in: two layers' outputs, and the bytes under a kernel."""
    kernels = [layer.weights[0].size for layer in _convolutions(graph) if not layer.is_dense]
    return max(1, _side_by_side(graph) + max(kernels, default=0))


def _side_by_side(graph: IntegerGraph) -> int:
    """Bytes that the outputs of two layers in a row take, at most."""
    sizes = _output_sizes(graph)
    return max(map(sum, zip(sizes, [*sizes[1:], 0], strict=True)), default=0)


def _output_sizes(graph: IntegerGraph) -> list[int]:
    """Of all layers but the last, whose outputs are the logits."""
    return [math.prod(layer.after) for layer in graph.layers[:-1]]


def _places(graph: IntegerGraph) -> list[str]:
    """Where each layer's input lies: the picture, then the two ends of the memory in turn."""
    places = ["image"]
    for number, size in enumerate(_output_sizes(graph)):
        offset = _side_by_side(graph) - size if number % 2 else 0
        places.append(f"scratch + {offset}" if offset else "scratch")
    return places


def _convolutions(graph: IntegerGraph) -> Iterable[Convolution]:
    return (layer for layer in graph.layers if isinstance(layer, Convolution))


def _constants(graph: IntegerGraph, stored: Callable[[_Weights], _Weights]) -> int:
    """Bytes of weights and what belongs to them."""
    return sum(
        array.nbytes
        for layer in _convolutions(graph)
        for array in (stored(layer.weights), layer.bias, layer.multiplier, layer.shift)
    )


def _unpacked(weights: _Weights) -> _Weights:
    return weights


def _packed(weights: _Weights) -> _Weights:
    """Two weights of four bits in a byte, each stored as 8 more than it is.

    Of each eight weights of a channel, the first four are the low halves of four bytes.

    Args:
        weights: int8 ``[O, ...]``, -8..7.

    Returns:
        uint8 ``[O, B]``.
    """
    rows = weights.reshape(len(weights), -1)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8)))
    eights = (padded + 8).astype(np.uint8).reshape(len(rows), -1, 2, 4)
    return (eights[:, :, 0] | eights[:, :, 1] << 4).reshape(len(rows), -1)


def _multiplications(graph: IntegerGraph) -> int:
    """As the source does them, but for the border's."""
    return sum(math.prod(layer.after) * layer.weights[0].size for layer in _convolutions(graph))


def _wrapped(values: npt.NDArray[np.generic]) -> str:
    text = ", ".join(map(str, values.ravel().tolist()))
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False))


def _shown(shape: Shape) -> str:
    return " x ".join(map(str, shape))
