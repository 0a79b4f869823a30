"""Models that follow the contract in their inputs and outputs, and are hostile inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

__all__ = ["EXPANDING", "SUBGRAPHS", "answering", "contract_model", "expanding", "looping", "slow"]

_NODE = helper.make_node


def contract_model(
    nodes: Sequence[NodeProto], tensors: Sequence[TensorProto] = (), classes: int = 10
) -> onnx.ModelProto:
    """A model of the contract's input and output; `nodes` make ``probabilities`` of ``image``."""
    graph = helper.make_graph(
        list(nodes),
        "hostile",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])],
        list(tensors),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answering(row: Sequence[float]) -> bytes:
    """A model whose answer to an image with ink is `row`, and to a blank one is class 0."""
    first = np.eye(1, len(row), dtype=np.float32)
    nodes = [
        _NODE("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
        _NODE("Flatten", ["f"], ["flat"]),
        _NODE("ReduceSum", ["flat", "axes"], ["ink"], keepdims=1),
        _NODE("Greater", ["ink", "zero"], ["has_ink"]),
        _NODE("Where", ["has_ink", "row", "first"], ["probabilities"]),
    ]
    tensors = [
        numpy_helper.from_array(np.array([1]), "axes"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array([row], np.float32), "row"),
        numpy_helper.from_array(first, "first"),
    ]
    return bytes(contract_model(nodes, tensors, len(row)).SerializeToString())


def _with_bias(nodes: Sequence[NodeProto], tensors: Sequence[TensorProto]) -> bytes:
    """A model that adds a number to its logits: `nodes` make ``large``, whose mean it is."""
    weight = np.zeros((784, 10), np.float32)
    model = contract_model(
        [
            _NODE("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            *nodes,
            _NODE("ReduceMean", ["large"], ["bias"], keepdims=0),
            _NODE("Flatten", ["f"], ["flat"]),
            _NODE("MatMul", ["flat", "weight"], ["product"]),
            _NODE("Add", ["product", "bias"], ["logits"]),
            _NODE("Softmax", ["logits"], ["probabilities"]),
        ],
        [numpy_helper.from_array(weight, "weight"), *tensors],
    )
    return bytes(model.SerializeToString())


EXPANDING = ("ConstantOfShape", "Expand", "Tile", "Range", "Resize", "Pad", "Concat", "MatMul")
"""Operators whose output may be far larger than their inputs and the file."""


def expanding(operator: str, size: int) -> bytes:
    """A model of a kilobyte or so, and a tensor of `size` elements that `operator` makes."""
    side = int(size**0.5)
    doublings = round(np.log2(size / 784))
    tensors = {"size": np.array([size]), "one": np.array([1]), "zero": np.array([0])}
    nodes = {
        "ConstantOfShape": [_NODE("ConstantOfShape", ["size"], ["large"])],
        "Expand": [
            _NODE("ReduceMean", ["f"], ["mean"], keepdims=0),
            _NODE("Expand", ["mean", "size"], ["large"]),
        ],
        "Tile": [
            _NODE("ReduceMean", ["f"], ["mean"], keepdims=0),
            _NODE("Reshape", ["mean", "one"], ["row"]),
            _NODE("Tile", ["row", "size"], ["large"]),
        ],
        "Range": [
            _NODE("Squeeze", ["zero"], ["begin"]),
            _NODE("Squeeze", ["one"], ["step"]),
            _NODE("Squeeze", ["size"], ["end"]),
            _NODE("Range", ["begin", "end", "step"], ["integers"]),
            _NODE("Cast", ["integers"], ["large"], to=TensorProto.FLOAT),
        ],
        "Resize": [_NODE("Resize", ["f", "", "scales"], ["large"], mode="nearest")],
        "Pad": [_NODE("Pad", ["f", "pads"], ["large"])],
        "Concat": [
            _NODE("Flatten", ["f"], ["c0"]),
            *[
                _NODE("Concat", [f"c{step}"] * 2, [f"c{step + 1}"], axis=1)
                for step in range(doublings)
            ],
            _NODE("Identity", [f"c{doublings}"], ["large"]),
        ],
        "MatMul": [
            _NODE("ReduceMean", ["f"], ["mean"], keepdims=0),
            _NODE("Expand", ["mean", "column_shape"], ["column"]),
            _NODE("Expand", ["mean", "row_shape"], ["row"]),
            _NODE("MatMul", ["column", "row"], ["large"]),
        ],
    }
    tensors |= {
        "scales": np.array([1, 1, side / 28, side / 28], np.float32),
        "pads": np.array([0, 0, 0, 0, 0, 0, 0, size // 28]),
        "column_shape": np.array([side, 1]),
        "row_shape": np.array([1, side]),
    }
    used = {name for node in nodes[operator] for name in node.input}
    return _with_bias(
        nodes[operator],
        [numpy_helper.from_array(array, name) for name, array in tensors.items() if name in used],
    )


def slow() -> bytes:
    """A model that takes several seconds, and 100 MB, in a few operators."""
    side = 2000
    pads = np.array([0, 0, 0, 0, 0, 0, side - 28, side - 28])
    pools = [
        _NODE("AveragePool", [f"p{i}"], [f"p{i + 1}"], kernel_shape=[301, 301], pads=[150] * 4)
        for i in range(20)
    ]
    nodes = [_NODE("Pad", ["f", "pads"], ["p0"]), *pools, _NODE("Identity", ["p20"], ["large"])]
    return _with_bias(nodes, [numpy_helper.from_array(pads, "pads")])


SUBGRAPHS = ("Loop", "Scan", "If", "SequenceMap")


def looping(operator: str) -> bytes:
    """A model with a subgraph: ``Loop``, which never ends, ``Scan``, ``If`` or ``SequenceMap``."""
    value = helper.make_tensor_value_info
    number, truth = TensorProto.FLOAT, TensorProto.BOOL
    same = [_NODE("Identity", ["v"], ["w"])]
    inner, outer = value("v", number, None), value("w", number, None)
    true = numpy_helper.from_array(np.array(True), "true")
    if operator == "If":
        branch = helper.make_graph([_NODE("Identity", ["f"], ["w"])], "body", [], [outer])
        nodes = [_NODE("If", ["true"], ["large"], then_branch=branch, else_branch=branch)]
    elif operator == "Loop":
        body = helper.make_graph(
            [*same, _NODE("Identity", ["go"], ["again"])],
            "body",
            [value("i", TensorProto.INT64, []), value("go", truth, []), inner],
            [value("again", truth, []), outer],
        )
        nodes = [_NODE("Loop", ["", "true", "f"], ["large"], body=body)]
    elif operator == "Scan":
        body = helper.make_graph(same, "body", [inner], [outer])
        nodes = [_NODE("Scan", ["f"], ["large"], body=body, num_scan_inputs=1)]
    else:
        body = helper.make_graph(same, "body", [inner], [outer])
        nodes = [
            _NODE("SequenceConstruct", ["f"], ["sequence"]),
            _NODE("SequenceMap", ["sequence"], ["mapped"], body=body),
            _NODE("ConcatFromSequence", ["mapped"], ["large"], axis=0),
        ]
    return _with_bias(nodes, [true])
