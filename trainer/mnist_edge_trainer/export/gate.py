"""The export gate: an exported file must give the same predictions as its network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import GateError

__all__ = ["FP32_TOLERANCE", "INT8_TOLERANCE", "GateRow", "compare", "require"]

FP32_TOLERANCE = 1e-4
"""Largest difference of a probability between torch and fp32 ONNX; no prediction may change."""

INT8_TOLERANCE = 0.0005
"""Largest loss of top-1 between torch and int8 ONNX: 0.05 percentage points, or one image where
that is more, as in a user's small test set."""

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GateRow:
    """Comparison of one file with torch, over the same images.

    Attributes:
        name: ``torch``, ``fp32`` or ``int8``.
        accuracy: top-1, fraction.
        largest_difference: of any probability of any image.
        changed: number of predictions that differ.
        failure: bounds that were exceeded; None = none.
    """

    name: str
    accuracy: float
    largest_difference: float
    changed: int
    failure: str | None


def compare(
    name: str, probabilities: Probabilities, reference: Probabilities, labels: Labels
) -> GateRow:
    """Compares the predictions of one file with torch's, and checks them against the bounds.

    Args:
        name: ``torch``, ``fp32`` or ``int8``, which have bounds of their own.
        probabilities: float32 ``[N, C]``, the file's.
        reference: float32 ``[N, C]``, torch's.
        labels: int64 ``[N]``.
    """
    predicted, expected = probabilities.argmax(axis=1), reference.argmax(axis=1)
    accuracy = float((predicted == labels).mean())
    lost = float((expected == labels).mean()) - accuracy
    difference = float(np.abs(probabilities - reference).max())
    changed = int((predicted != expected).sum())
    failures = []
    if not np.isfinite(probabilities).all():
        failures.append("probabilities that are not finite")
    elif float(np.abs(probabilities.sum(axis=1) - 1).max()) > 1e-5:
        failures.append("probabilities that do not sum to 1")
    if name != "int8":
        if not difference <= FP32_TOLERANCE:
            failures.append(f"a probability moved by {difference:.1e}, over {FP32_TOLERANCE:.0e}")
        if changed:
            failures.append(f"{changed} predictions changed")
    elif lost > (allowed := max(INT8_TOLERANCE, 1 / len(labels))) + 1e-9:
        failures.append(f"{lost:.2%} of top-1 lost, over {allowed:.2%}")
    return GateRow(name, accuracy, difference, changed, "; ".join(failures) or None)


def require(rows: list[GateRow]) -> None:
    """Checks that every file is within its bounds.

    Raises:
        GateError: one is not; the message names every bound that was exceeded.
    """
    failures = [f"{row.name}: {row.failure}" for row in rows if row.failure]
    if failures:
        raise GateError(
            f"the export gate failed, nothing was written ({'; '.join(failures)}); "
            "--force writes the files all the same"
        )
