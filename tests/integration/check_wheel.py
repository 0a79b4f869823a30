"""Run with the Python that a wheel was installed into: is this the light install it claims to be?

python tests/integration/check_wheel.py dist/mnist_edge-*.whl
"""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile

TRAINING = {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "scikit-learn", "scipy"}
WANTED = {
    "mnist_edge/py.typed",
    "mnist_edge/models/mnist-edge-int8.onnx",
    "mnist_edge/models/mnist-edge-fp32.onnx",
    "mnist_edge/models/mnist-edge-nano-int8.onnx",
    "mnist_edge/models/mnist-edge-large-int8.onnx",
    "mnist_edge/models/mnist-edge-committee-int8.onnx",
    "mnist_edge/models/SHA256SUMS",
    "mnist_edge/models/README.md",
    "mnist_edge_trainer/py.typed",
}


def main(wheel: str) -> None:
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    heavy = installed & TRAINING
    assert not heavy, f"the base install brings {heavy}"

    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= WANTED, f"not in the wheel: {WANTED - names}"
    unwanted = {
        name for name in names if name.endswith(".gz") or "samples" in name or "tests" in name
    }
    assert not unwanted, f"in the wheel: {unwanted}"
    print(
        f"{wheel.rsplit('/', 1)[-1]}: {len(names)} files; installed: {', '.join(sorted(installed))}"
    )


if __name__ == "__main__":
    main(sys.argv[1])
