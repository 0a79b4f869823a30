"""Checks a wheel with the Python that it was installed into: it must be light and complete.

python tests/integration/check_wheel.py dist/mnist_edge-*.whl
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import zipfile
from pathlib import Path, PurePosixPath

HOOKS = "mnist_edge._pyinstaller"
TRAINING = {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "scikit-learn", "scipy"}
REQUIRED = {
    "mnist_edge/py.typed",
    "mnist_edge/_pyinstaller/hook-mnist_edge.py",
    "mnist_edge/models/mnist-edge-int8.onnx",
    "mnist_edge/models/mnist-edge-fp32.onnx",
    "mnist_edge/models/mnist-edge-nano-int8.onnx",
    "mnist_edge/models/mnist-edge-pico-int8.onnx",
    "mnist_edge/models/SHA256SUMS",
    "mnist_edge/models/README.md",
    "mnist_edge/models/numbers/line-finder-int8.onnx",
    "mnist_edge/models/numbers/line-reader-int8.onnx",
    "mnist_edge/models/numbers/SHA256SUMS",
    "mnist_edge/preprocess/proposal_weights.json",
    "mnist_edge_trainer/py.typed",
    "mnist_edge_trainer/teachers/SHA256SUMS",
}


def check_installed() -> set[str]:
    """Returns the names of the installed packages, of which none is for training."""
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    heavy = installed & TRAINING
    assert not heavy, f"the base install brings {heavy}"
    return installed


def check_files(wheel: zipfile.ZipFile) -> None:
    """Looks for every file that must be there, models with their checksums, and for no other."""
    names = set(wheel.namelist())
    assert names >= REQUIRED, f"not in the wheel: {REQUIRED - names}"
    unwanted = {
        name for name in names if name.endswith(".gz") or "samples" in name or "tests" in name
    }
    assert not unwanted, f"in the wheel: {unwanted}"

    listed = set()
    for sums in (name for name in names if name.endswith("/SHA256SUMS")):
        for line in wheel.read(sums).decode().splitlines():
            checksum, _, file = line.partition("  ")
            name = str(PurePosixPath(sums).with_name(file))
            assert name in names, f"not in the wheel: {name}"
            assert hashlib.sha256(wheel.read(name)).hexdigest() == checksum, f"{name}: damaged"
            listed.add(name)
    folders = ("models", "numbers", "teachers")
    models = {
        name
        for name in names
        if name.endswith(".onnx") and PurePosixPath(name).parent.name in folders
    }
    assert models == listed, f"without a checksum: {models - listed}"


def check_hook() -> None:
    """Finds the hook of PyInstaller as PyInstaller does, by the entry point."""
    (entry,) = importlib.metadata.entry_points(group="pyinstaller40").select(module=HOOKS)
    (folder,) = entry.load()()
    assert (Path(folder) / "hook-mnist_edge.py").is_file()


def main(path: str) -> None:
    """Checks the wheel at `path`, and what it was installed with."""
    installed = check_installed()
    check_hook()
    with zipfile.ZipFile(path) as wheel:
        check_files(wheel)
        count = len(wheel.namelist())
    print(f"{path.rsplit('/', 1)[-1]}: {count} files; installed: {', '.join(sorted(installed))}")


if __name__ == "__main__":
    main(sys.argv[1])
