"""What is done to an ONNX graph between the exporter, the quantizer and the file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from mnist_edge import __version__
from mnist_edge.errors import ExportError

__all__ = ["check", "clean", "fuse_input_scaling", "quantized_operators", "set_metadata"]


def clean(model: ModelProto) -> ModelProto:
    """Removes what exporter and quantizer leave behind.

    Stack traces, documentation, value types, node names, operator sets that no node is of.
    """
    model.producer_name, model.producer_version = "mnist-edge", __version__
    model.doc_string = ""
    for described in (
        model.graph,
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        described.doc_string = ""
        del described.metadata_props[:]
    for node in model.graph.node:
        node.name = ""
    del model.graph.value_info[:]
    used = {node.domain for node in model.graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)
    del model.metadata_props[:]
    return model


def set_metadata(model: ModelProto, values: Mapping[str, str]) -> ModelProto:
    onnx.helper.set_model_props(model, dict(values))
    return model


def check(model: ModelProto) -> ModelProto:
    """Raises ExportError where the model is not valid ONNX or not all in one file."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    outside = [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    if outside:
        raise ExportError(f"weights lie outside the file: {', '.join(outside)}")
    return model


def fuse_input_scaling(model: ModelProto) -> ModelProto:
    """Reads the uint8 picture as the first int8 operand itself.

    The quantizer turns ``image -> Cast -> Mul(1/255) -> QuantizeLinear -> DequantizeLinear`` into
    five steps that end with the very bytes they began with. One DequantizeLinear of scale 1/255
    and zero point 0 says the same exactly, and onnxruntime fuses it into the first convolution. A
    network without any begins with a Reshape, which the bytes go through as well.

    Raises:
        ExportError: the graph does not begin like that.
    """
    graph = model.graph
    image = graph.input[0].name
    try:
        cast = _consumer(graph.node, image, "Cast")
        scale = _consumer(graph.node, cast.output[0], "Mul")
        reshapes = [node for node in graph.node if node.input[0] == scale.output[0]]
        scaled = scale.output[0]
        if [node.op_type for node in reshapes] == ["Reshape"]:
            reshapes[0].input[0] = image
            image = scaled = reshapes[0].output[0]
        quantize = _consumer(graph.node, scaled, "QuantizeLinear")
        dequantize = _consumer(graph.node, quantize.output[0], "DequantizeLinear")
    except ValueError as error:
        raise ExportError(f"the quantized graph does not begin with scaling: {error}") from error
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants[dequantize.input[1]].CopyFrom(
        numpy_helper.from_array(np.array(1 / 255, dtype=np.float32), dequantize.input[1])
    )
    constants[dequantize.input[2]].CopyFrom(
        numpy_helper.from_array(np.array(0, dtype=np.uint8), dequantize.input[2])
    )
    dequantize.input[0] = image
    for node in (cast, scale, quantize):
        graph.node.remove(node)
    return _drop_unused_constants(model)


def _consumer(nodes: list[NodeProto], tensor: str, operator: str) -> NodeProto:
    found = [node for node in nodes if tensor in node.input and node.op_type == operator]
    if len(found) != 1:
        raise ValueError(f"{tensor} feeds {len(found)} {operator} nodes")
    return found[0]


def _drop_unused_constants(model: ModelProto) -> ModelProto:
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model


def quantized_operators(model: ModelProto) -> tuple[int, int]:
    """How many convolutions and linear layers compute on int8, and how many there are."""
    dequantized = {
        output
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for output in node.output
    }
    heavy = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    return sum(all(name in dequantized for name in node.input[:2]) for node in heavy), len(heavy)
