"""The export gate: an exported file must tell the same digits as the network it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import GateError

__all__ = ["FP32_TOLERANCE", "INT8_TOLERANCE", "GateRow", "compare", "require"]

FP32_TOLERANCE = 1e-4
"""Largest difference of a probability between torch and fp32 ONNX; no answer may change."""

INT8_TOLERANCE = 0.0005
"""Largest loss of top-1 between torch and int8 ONNX: 0.05 percentage points, or one image where
that is more, as in a small test set of one's own."""

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GateRow:
    """One file against torch, over the same images.

    Attributes:
        name: ``torch``, ``fp32`` or ``int8``.
        accuracy: top-1, fraction.
        largest_difference: of any probability of any image.
        changed: answers that differ.
        failure: what bound was passed; None where the row is within all.
    """

    name: str
    accuracy: float
    largest_difference: float
    changed: int
    failure: str | None


def compare(
    name: str, probabilities: Probabilities, reference: Probabilities, labels: Labels
) -> GateRow:
    """Measures one file against torch and holds it to its bounds.

    Args:
        name: ``torch`` (held to equality), ``fp32`` or ``int8``.
        probabilities, reference: float32 ``[N, C]``; the file's, and torch's.
        labels: int64 ``[N]``.
    """
    answers, expected = probabilities.argmax(axis=1), reference.argmax(axis=1)
    accuracy = float((answers == labels).mean())
    lost = float((expected == labels).mean()) - accuracy
    difference = float(np.abs(probabilities - reference).max())
    changed = int((answers != expected).sum())
    failures = []
    if not np.isfinite(probabilities).all():
        failures.append("probabilities that are not finite")
    elif float(np.abs(probabilities.sum(axis=1) - 1).max()) > 1e-5:
        failures.append("probabilities that do not sum to 1")
    if name != "int8":
        if not difference <= FP32_TOLERANCE:
            failures.append(f"a probability moved by {difference:.1e}, over {FP32_TOLERANCE:.0e}")
        if changed:
            failures.append(f"{changed} answers changed")
    elif lost > (allowed := max(INT8_TOLERANCE, 1 / len(labels))) + 1e-9:
        failures.append(f"{lost:.2%} of top-1 lost, over {allowed:.2%}")
    return GateRow(name, accuracy, difference, changed, "; ".join(failures) or None)


def require(rows: list[GateRow]) -> None:
    """Raises GateError, naming every bound that was passed."""
    failures = [f"{row.name}: {row.failure}" for row in rows if row.failure]
    if failures:
        raise GateError(
            f"the export gate failed, nothing was written ({'; '.join(failures)}); "
            "--force writes the files all the same"
        )
