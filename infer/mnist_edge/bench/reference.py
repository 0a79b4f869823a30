"""The two graphs that the instrument measures itself with, in every round.

``minimal`` does nothing: its time is that of onnxruntime and its binding, a part of every other.
``calibration`` always does the same: by its time, runs on a machine that is faster today than it
was yesterday are brought together (see `mnist_edge.bench.compare`). `make_references.py`, among the
benchmarks in the repository, made both.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.resources import files

import numpy as np

from mnist_edge.bench.timing import Call
from mnist_edge.model import create_session

__all__ = ["REFERENCES", "calibration_sum", "reference_call"]

REFERENCES = ("minimal", "calibration")


def reference_call(name: str) -> Call:
    """One call of a reference graph, on one thread."""
    session = create_session(_content(name))
    (node,) = session.get_inputs()
    return partial(session.run, None, {node.name: np.full(node.shape, 0.5, dtype=np.float32)})


def calibration_sum() -> str:
    """SHA-256 of the graph that runs are compared by."""
    return hashlib.sha256(_content("calibration")).hexdigest()


def _content(name: str) -> bytes:
    return files("mnist_edge.bench").joinpath(f"{name}.onnx").read_bytes()
