"""Passes over an ONNX graph: clean it, fuse its input scaling, make it compact, check it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from mnist_edge import __version__
from mnist_edge.errors import ExportError

__all__ = ["check", "clean", "compact", "fuse_input_scaling", "quantized_operators", "set_metadata"]

_SCALING = ("Cast", "Mul", "QuantizeLinear", "DequantizeLinear")
_REARRANGING = ("Reshape", "Transpose")
_HEAVY = ("Conv", "Gemm", "MatMul")


def clean(model: ModelProto) -> ModelProto:
    """Removes the debris of exporter and quantizer, in place.

    Stack traces, documentation, value types, node names, metadata, operator sets without a node.

    Returns:
        `model` itself.
    """
    model.producer_name, model.producer_version = "mnist-edge", __version__
    model.doc_string = ""
    for part in (
        model.graph,
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        part.doc_string = ""
        del part.metadata_props[:]
    for node in model.graph.node:
        node.name = ""
    del model.graph.value_info[:]
    used = {node.domain for node in model.graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)
    del model.metadata_props[:]
    return model


def set_metadata(model: ModelProto, values: Mapping[str, str]) -> ModelProto:
    """Sets the file's ``metadata_props``, in place; returns `model` itself."""
    onnx.helper.set_model_props(model, dict(values))
    return model


def check(model: ModelProto) -> ModelProto:
    """Checks that a model is valid ONNX and complete in one file.

    Returns:
        `model` itself.

    Raises:
        ExportError: it is not.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    outside = [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    if outside:
        raise ExportError(f"weights lie outside the file: {', '.join(outside)}")
    return model


def fuse_input_scaling(model: ModelProto) -> ModelProto:
    """Makes the uint8 image itself the first int8 operand, in place.

    The quantizer writes ``image -> Cast -> Mul(1/255) -> QuantizeLinear -> DequantizeLinear``,
    whose third step gives the very bytes of the image. One DequantizeLinear with scale 1/255 and
    zero point 0 is exactly equivalent, and onnxruntime fuses it into the first layer. Nodes in
    between that only rearrange pixels work on the bytes. An ensemble has several such branches.

    Returns:
        `model` itself.

    Raises:
        ExportError: the graph does not begin like that.
    """
    graph = model.graph
    image = graph.input[0].name
    # The image scaled, and perhaps rearranged -> the same as bytes -> the bytes dequantized.
    bytes_of = {image: image}
    scaled: dict[str, str] = {}
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


def _drop_unused_constants(model: ModelProto) -> ModelProto:
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model


def compact(model: ModelProto) -> ModelProto:
    """Makes a quantized file small, in place: short names, no defaults spelled out.

    In a network of ten thousand weights, the quantizer's additions are a third of the file.

    Returns:
        `model` itself.
    """
    _drop_zero_points(model)
    _drop_defaults(model)
    _rename(model, _short_names(model))
    return _drop_unused_constants(model)


def _drop_zero_points(model: ModelProto) -> None:
    """Drops zero points of weights and biases, except those of Gemm, which onnxruntime needs."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    gemm_weights = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    for node in model.graph.node:
        if (
            node.op_type == "DequantizeLinear"
            and node.input[0] in constants
            and node.output[0] not in gemm_weights
            and not numpy_helper.to_array(constants[node.input[2]]).any()
        ):
            del node.input[2:]


def _drop_defaults(model: ModelProto) -> None:
    (opset,) = model.opset_import
    for node in model.graph.node:
        defaults = onnx.defs.get_schema(node.op_type, opset.version).attributes
        for attribute in list(node.attribute):
            default = defaults[attribute.name].default_value
            is_default = default.name == attribute.name and default == attribute
            if is_default or (attribute.name == "dilations" and set(attribute.ints) == {1}):
                node.attribute.remove(attribute)


def _short_names(model: ModelProto) -> dict[str, str]:
    """New names of all tensors: by layer, else numbered.

    ``conv1`` is a layer's output; ``conv1.w`` are its weights, dequantized from ``conv1.wq`` with
    the scale ``conv1.ws``.
    """
    made_by = {output: node for node in model.graph.node for output in node.output}
    interface = {value.name for value in (*model.graph.input, *model.graph.output)}
    names = {name: name for name in ("", *interface)}  # an omitted input has an empty name
    layers = 0
    for node in model.graph.node:
        if node.op_type in _HEAVY:
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
    """Counts the convolutions and linear layers that compute in int8, and all of them."""
    dequantized = {
        output
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for output in node.output
    }
    heavy = [node for node in model.graph.node if node.op_type in _HEAVY]
    return sum(all(name in dequantized for name in node.input[:2]) for node in heavy), len(heavy)
