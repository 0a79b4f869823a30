"""Makes the two reference graphs that every benchmark measures besides its targets.

`python tests/benchmarks/make_references.py infer/mnist_edge/bench`

- ``minimal.onnx``: Identity of one float. Its time is that of onnxruntime and its binding.
- ``reference.onnx``: a small network with constant weights, which always does the same work, of the
  kind that the targets do. Its time relates two runs on a machine that is faster today. It must
  never change: earlier runs could not be compared with new ones any more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
from onnx import TensorProto, helper

FLOAT = TensorProto.FLOAT


def constant(name: str, shape: list[int]) -> list[onnx.NodeProto]:
    """Nodes for a tensor of 0.01; onnxruntime folds them when it loads the graph."""
    value = helper.make_tensor(f"{name}_value", FLOAT, [1], [0.01])
    size = helper.make_tensor(f"{name}_shape", TensorProto.INT64, [len(shape)], shape)
    return [
        helper.make_node("Constant", [], [f"{name}_size"], value=size),
        helper.make_node("ConstantOfShape", [f"{name}_size"], [name], value=value),
    ]


def model(
    name: str, nodes: list[onnx.NodeProto], shape_in: list[int], shape_out: list[int]
) -> bytes:
    """A checked model file with one input and one output of floats."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", FLOAT, shape_in)],
        [helper.make_tensor_value_info("y", FLOAT, shape_out)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def minimal() -> bytes:
    """The graph that does nothing."""
    return model("minimal", [helper.make_node("Identity", ["x"], ["y"])], [1], [1])


def reference() -> bytes:
    """The graph of constant work; it was once called calibration, and its bytes say so."""

    def conv(source: str, weight: str, result: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node(
                "Conv", [source, weight], [f"{result}_sum"], strides=[2, 2], pads=[1, 1, 1, 1]
            ),
            helper.make_node("Relu", [f"{result}_sum"], [result]),
        ]

    nodes = [
        *constant("w1", [16, 1, 3, 3]),
        *constant("w2", [32, 16, 3, 3]),
        *constant("w3", [64, 32, 3, 3]),
        *constant("w4", [64 * 4 * 4, 10]),
        *conv("x", "w1", "a"),
        *conv("a", "w2", "b"),
        *conv("b", "w3", "c"),
        helper.make_node("Flatten", ["c"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w4"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=1),
    ]
    return model("calibration", nodes, [1, 1, 28, 28], [1, 10])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "minimal.onnx").write_bytes(minimal())
    (folder / "reference.onnx").write_bytes(reference())


if __name__ == "__main__":
    main()
