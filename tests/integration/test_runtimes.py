"""The released files give onnxruntime's predictions in other runtimes, where these are installed.

Folders with further versions, and npm's packages, are found through MNIST_EDGE_RUNTIMES, as
`tests/benchmarks/runtimes.py --help` describes them, separated like those of PATH.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.benchmarks.runtimes import (
    RUNTIMES,
    Comparison,
    Runtime,
    expected_probabilities,
    installations,
    load_images,
    released_models,
)

FOLDERS = [
    Path(name) for name in os.environ.get("MNIST_EDGE_RUNTIMES", "").split(os.pathsep) if name
]


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.uint8]:
    return load_images()


@pytest.mark.slow
@pytest.mark.parametrize("model", released_models(), ids=lambda model: model.stem)
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_predictions_are_those_of_onnxruntime(
    runtime: Runtime, model: Path, images: npt.NDArray[np.uint8]
) -> None:
    installed = installations(runtime, FOLDERS)
    if not installed:
        pytest.skip(f"{runtime.name} is not installed, here or in MNIST_EDGE_RUNTIMES")
    expected = expected_probabilities(model, images)
    for installation in installed:
        version, probabilities = installation.run(model, images)
        comparison = Comparison.of(probabilities, expected, model)
        assert comparison.is_same, f"{runtime.name} {version}: {comparison}"
