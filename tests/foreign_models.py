"""Models of other classes than the ten digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mnist_edge.model import Model

__all__ = ["brightness", "relabelled"]

_SHARPNESS = 60


def brightness(labels: Sequence[str], preprocessing: str = "plain-1") -> bytes:
    """Returns an ONNX model of average brightness: its first class is black, its last white."""
    levels = np.linspace(0, 1, len(labels))
    # The nearest level is where 2 m l - l² is largest, for a mean of m.
    weight = np.tile(2 * _SHARPNESS * levels / (784 * 255), (784, 1)).astype(np.float32)
    bias = (-_SHARPNESS * levels**2).astype(np.float32)
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
                helper.make_node("Flatten", ["levels"], ["flat"]),
                helper.make_node("MatMul", ["flat", "weight"], ["likeness"]),
                helper.make_node("Add", ["likeness", "bias"], ["logits"]),
                helper.make_node("Softmax", ["logits"], ["probabilities"]),
            ],
            "brightness",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])],
            [
                helper.make_tensor_value_info(
                    "probabilities", TensorProto.FLOAT, ["batch", len(labels)]
                )
            ],
            [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    helper.set_model_props(model, {"labels": ",".join(labels), "preprocessing": preprocessing})
    return bytes(model.SerializeToString())


def relabelled(labels: Sequence[str]) -> bytes:
    """Returns the bundled ONNX model with other names for the ten digits."""
    bundled = Model.load()
    model = onnx.load_from_string(bundled.content)
    del model.metadata_props[:]
    helper.set_model_props(model, {**bundled.metadata, "labels": ",".join(labels)})
    return bytes(model.SerializeToString())
