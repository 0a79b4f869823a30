"""Exported model files -> the same networks as a present export writes their graphs.

`python -m mnist_edge_trainer.export.rewrite FILE.onnx...` replaces the files. Weights, metadata
and probabilities stay the same, bit for bit. Files that version 0.7 or an earlier one exported need
it to give right predictions in OpenCV 4.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from mnist_edge.errors import ExportError, MnistEdgeError, ModelError
from mnist_edge.model import Model
from mnist_edge.outputs.atomic import atomic_write
from mnist_edge_trainer.export.graph_passes import check, compact, name_nodes

__all__ = ["main", "rewrite"]

_IMAGES = 1_000
"""Random images that are compared; a changed graph would show on the first of them."""


def rewrite(content: bytes, name: str) -> bytes:
    """Applies the passes that do not change what a graph computes.

    Args:
        content: of a file that mnist-edge exported.
        name: stands for the file in error messages.

    Returns:
        the new file's content; that of a new file is returned as it is.

    Raises:
        ModelError: not a model of mnist-edge.
        ExportError: exported by another program, or some probability would change.
    """
    before = Model.from_bytes(content, name)
    graph = onnx.load_from_string(content)
    if graph.producer_name != "mnist-edge":
        raise ExportError(f"{name}: not exported by mnist-edge; only its own files are rewritten")
    is_quantized = any(node.op_type == "DequantizeLinear" for node in graph.graph.node)
    graph = check(compact(graph) if is_quantized else name_nodes(graph))
    rewritten: bytes = graph.SerializeToString()
    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, 28, 28), np.uint8)
    if not np.array_equal(Model.from_bytes(rewritten, name).run(images), before.run(images)):
        raise ExportError(f"{name}: its probabilities would change; nothing was written")
    return rewritten


def main(arguments: Sequence[str] | None = None) -> None:
    """Replaces the files that the command line names, or none of them if one cannot be."""
    parser = argparse.ArgumentParser(prog="python -m mnist_edge_trainer.export.rewrite")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.onnx")
    contents = {path: _read(path) for path in parser.parse_args(arguments).files}
    rewritten = {path: rewrite(content, str(path)) for path, content in contents.items()}
    for path, content in rewritten.items():
        with atomic_write(path) as partial:
            partial.write_bytes(content)
        print(f"{path}: {len(contents[path]):,} -> {len(content):,} bytes")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error


if __name__ == "__main__":
    try:
        main()
    except MnistEdgeError as error:
        sys.exit(f"error: {error}")
