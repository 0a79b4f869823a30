"""The command `mnist-edge info`: a model file, the operators that it runs, and this device."""

from __future__ import annotations

import json

from mnist_edge.bench.machine import device_facts
from mnist_edge.bench.node_profile import executed_nodes
from mnist_edge.errors import one_line
from mnist_edge.model import Model

__all__ = ["model_facts", "run"]


def run(model: str | None, *, as_json: bool = False) -> None:
    """Prints the facts of a model and of this device.

    Args:
        model: path of an ``.onnx`` file or name of a bundled model; None = the default one.
        as_json: print JSON in place of text.

    Raises:
        ModelError: the model cannot be loaded.
    """
    facts = {**model_facts(Model.load(model)), "device": device_facts()}
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for section, entries in facts.items():
        print(section)
        for name, value in sorted(entries.items()):
            print(f"  {one_line(name):<24} {one_line(value)}")


def model_facts(model: Model) -> dict[str, dict[str, str]]:
    """Facts of a model: ``model``, the metadata in its file, and ``file``, the file itself."""
    nodes = [f"{operator} x {count}" for operator, count in executed_nodes(model).items()]
    return {
        "model": model.metadata,
        "file": {
            "path": model.name,
            "bytes": str(len(model.content)),
            "sha256": model.sha256,
            "input": "image: uint8 [batch, 1, 28, 28]",
            "output": f"probabilities: float32 [batch, {len(model.labels)}]",
            "executed": ", ".join(nodes),
        },
    }
