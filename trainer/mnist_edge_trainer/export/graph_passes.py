"""What is done to an ONNX graph between the exporter, the quantizer and the file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from mnist_edge import __version__
from mnist_edge.errors import ExportError

__all__ = ["check", "clean", "compact", "fuse_input_scaling", "quantized_operators", "set_metadata"]


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
    and zero point 0 says the same exactly, and onnxruntime fuses it into the first layer. What only
    rearranges pixels in between is done to the bytes. A committee does so on several ways at once.

    Raises:
        ExportError: the graph does not begin like that.
    """
    graph = model.graph
    picture = graph.input[0].name
    bytes_of = {picture: picture}  # of what is the picture, scaled and perhaps rearranged
    scaled: dict[str, str] = {}  # the bytes, once dequantized
    parameters: list[str] = []
    for node in list(graph.node):
        source = bytes_of.get(node.input[0]) if node.input else None
        if source is None:
            continue
        if node.op_type in _SCALING:
            bytes_of[node.output[0]] = source
            graph.node.remove(node)
            if node.op_type == "DequantizeLinear":
                parameters = list(node.input[1:])
        elif node.op_type in _REARRANGING:
            node.input[0] = source
            bytes_of[node.output[0]] = node.output[0] = f"{node.output[0]}_bytes"
        else:
            if not parameters:
                raise ExportError("the quantized graph does not begin with scaling")
            if source not in scaled:
                scaled[source] = f"{source}_scaled"
                dequantize = onnx.helper.make_node(
                    "DequantizeLinear", [source, *parameters], [scaled[source]]
                )
                graph.node.insert(list(graph.node).index(node), dequantize)
            node.input[0] = scaled[source]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for name, value in zip(parameters, (np.float32(1 / 255), np.uint8(0)), strict=True):
        constants[name].CopyFrom(numpy_helper.from_array(np.array(value), name))
    return _drop_unused_constants(model)


_SCALING = ("Cast", "Mul", "QuantizeLinear", "DequantizeLinear")
_REARRANGING = ("Reshape", "Transpose")


def _drop_unused_constants(model: ModelProto) -> ModelProto:
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model


def compact(model: ModelProto) -> ModelProto:
    """Makes a quantized file small: short names, nothing said that goes without saying.

    In a network of ten thousand weights, what the quantizer adds is a third of the file.
    """
    _drop_zero_points(model)
    _drop_defaults(model)
    _rename(model, _short_names(model))
    return _drop_unused_constants(model)


def _drop_zero_points(model: ModelProto) -> None:
    """Of weights and biases; but of Gemm's weights onnxruntime wants it, or does not fuse them."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    of_gemm = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    for node in model.graph.node:
        if (
            node.op_type == "DequantizeLinear"
            and node.input[0] in constants
            and node.output[0] not in of_gemm
            and not numpy_helper.to_array(constants[node.input[2]]).any()
        ):
            del node.input[2:]


def _drop_defaults(model: ModelProto) -> None:
    (opset,) = model.opset_import
    for node in model.graph.node:
        defaults = onnx.defs.get_schema(node.op_type, opset.version).attributes
        for own in list(node.attribute):
            default = defaults[own.name].default_value
            is_default = default.name == own.name and default == own
            if is_default or (own.name == "dilations" and set(own.ints) == {1}):
                node.attribute.remove(own)


def _short_names(model: ModelProto) -> dict[str, str]:
    """``conv1`` for what a layer gives; ``conv1.w``, its weights, of ``conv1.wq`` and ``conv1.ws``.

    What is between layers is numbered.
    """
    made_by = {output: node for node in model.graph.node for output in node.output}
    outside = {value.name for value in (*model.graph.input, *model.graph.output)}
    names = {name: name for name in ("", *outside)}  # an input that is left out has no name
    layers = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            layers += 1
            layer = f"{node.op_type.lower()}{layers}"
            names.setdefault(node.output[0], layer)
            for operand, letter in zip(node.input[1:], "wb", strict=False):
                names[operand] = f"{layer}.{letter}"
                stored = made_by[operand].input if operand in made_by else ()
                for part, kind in zip(stored, "qsz", strict=False):
                    names[part] = f"{layer}.{letter}{kind}"
    for node in model.graph.node:
        for name in (*node.input, *node.output):
            names.setdefault(name, f"t{len(names)}")
    return names


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    for node in model.graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


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
