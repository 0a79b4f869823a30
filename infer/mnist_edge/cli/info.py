"""The command `mnist-edge info`: a model file, the operators that it runs, and this device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mnist_edge.bench.machine import device_facts
from mnist_edge.bench.node_profile import executed_nodes
from mnist_edge.bundled import bundled_models, bundled_number_models, is_released
from mnist_edge.errors import ModelError, one_line
from mnist_edge.model import Model
from mnist_edge.numbers.line_model import FinderModel, LineModel
from mnist_edge.runtime import create_session, onnxruntime

__all__ = ["model_facts", "number_model_facts", "run"]

Facts = dict[str, dict[str, str]]

_INPUTS: dict[type[Any], tuple[str, tuple[int, ...], str, str]] = {
    LineModel: (
        "line",
        (1, 1, 32, 208),
        "line: uint8 [batch, 1, 32, width]",
        "probabilities: float32 [batch, width / 2, 17], boxes: float32 [batch, width / 2, 4]",
    ),
    FinderModel: (
        "picture",
        (1, 1, 256, 320),
        "picture: uint8 [1, 1, height, width]",
        "maps: float32 [1, 4, height / 4, width / 4]",
    ),
}
"""Input of each network of numbers, a shape to run it with, and both sides in words."""


def run(model: str | None, *, as_json: bool = False) -> None:
    """Prints the facts of a model and of this device.

    Args:
        model: path of an ``.onnx`` file or name of a bundled model; None = the default one.
        as_json: print JSON in place of text.

    Raises:
        ModelError: the model cannot be loaded.
    """
    bundled = ", ".join((*bundled_models(), *bundled_number_models()))
    facts: Facts = {**_facts(model), "device": {**device_facts(), "bundled models": bundled}}
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for section, entries in facts.items():
        print(section)
        for name, value in sorted(entries.items()):
            print(f"  {one_line(name):<24} {one_line(value)}")


def _facts(model: str | None) -> Facts:
    """Facts of a model of any kind; the error is the classifier's where it is none of them."""
    try:
        return model_facts(Model.load(model))
    except ModelError as error:
        for kind in (LineModel, FinderModel):
            try:
                return number_model_facts(kind.load(model))
            except ModelError:
                continue
        raise error from None


def model_facts(model: Model) -> Facts:
    """Facts of a model: ``model``, the metadata in its file, and ``file``, the file itself."""
    return {
        "model": model.metadata,
        "file": {
            "path": model.name,
            "bytes": str(len(model.content)),
            "sha256": model.sha256,
            "input": "image: uint8 [batch, 1, 28, 28]",
            "output": f"probabilities: float32 [batch, {len(model.labels)}]",
            "executed": _executed(executed_nodes(model)),
        },
    }


def number_model_facts(model: LineModel | FinderModel) -> Facts:
    """`model_facts` of a network that finds or reads lines."""
    name, shape, wanted, given = _INPUTS[type(model)]
    return {
        "model": model.metadata,
        "file": {
            "path": model.name,
            "bytes": str(len(model.content)),
            "sha256": hashlib.sha256(model.content).hexdigest(),
            "input": wanted,
            "output": given,
            "executed": _executed(executed_nodes(_Profiled(model), name, shape)),
        },
    }


@dataclass(frozen=True)
class _Profiled:
    """Opens sessions of a network of numbers for the profiler."""

    model: LineModel | FinderModel

    def open_session(self, profile: str | None = None) -> onnxruntime.InferenceSession:
        content = self.model.content
        bounded = not is_released(content)
        return create_session(content, self.model.threads, profile=profile, bounded=bounded)


def _executed(nodes: dict[str, int]) -> str:
    return ", ".join(f"{operator} x {count}" for operator, count in nodes.items())
