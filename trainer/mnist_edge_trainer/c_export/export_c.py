"""A quantized file -> a folder of C, through the C gate."""

from __future__ import annotations

from pathlib import Path

import onnx

from mnist_edge.errors import ModelError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.c_export.c_gate import (
    SANITIZERS,
    CGate,
    can_sanitize,
    compare,
    compiler,
    run_compiled,
    wanted_logits,
)
from mnist_edge_trainer.c_export.integer_graph import read_graph
from mnist_edge_trainer.c_export.source import sources, vectors
from mnist_edge_trainer.data.splits import Digits

__all__ = ["FILES", "VECTORS", "export_c"]

FILES = ("mnist_edge.h", "mnist_edge.c", "mnist_edge_fit.c", "main.c", "vectors.h")

VECTORS = 100
"""Test images that the folder holds."""

_SANITIZED = 500
"""Images that are run under the sanitizers, which take ten times as long."""


def export_c(content: bytes, name: str, test: Digits, folder: Path) -> CGate | None:
    """Writes the sources of a network, and test vectors.

    Args:
        content: the quantized ONNX file.
        name: what errors and the sources call it.
        test: test images.
        folder: to write to.

    Returns:
        the comparison with onnxruntime; None where there is no C compiler.

    Raises:
        UsageError: the file is not quantized, or has a layer that there is no C for.
        ModelError: it is no ONNX file.
        GateError: the source does not give what onnxruntime gives; nothing was written.
    """
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's error is of a module that is not public
        raise ModelError(f"{name}: not an ONNX model") from error
    graph = read_graph(model, name)
    files = sources(graph, f"{Path(name).stem}: 28 x 28 images to {graph.classes} classes.")
    images, labels = test.images[:, 0].numpy(), test.labels.numpy()
    logits, probabilities = wanted_logits(model, graph, images)
    gate = None
    command = compiler()
    if command is not None:
        if can_sanitize(command):
            run_compiled(files, images[:_SANITIZED], command, ["-O1", *SANITIZERS])
        gate = compare(run_compiled(files, images, command), logits, probabilities, labels)
        gate.require()
    digits = probabilities[:VECTORS].argmax(axis=1).tolist()
    files |= vectors(images[:VECTORS], logits[:VECTORS], digits)
    make_folder(folder)
    for file in FILES:
        with atomic_write(folder / file) as partial:
            partial.write_text(files[file], encoding="utf-8")
    return gate
