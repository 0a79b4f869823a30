"""Passes over an ONNX graph: clean it, fuse its scaling, make it compact, name nodes, check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from mnist_edge import __version__
from mnist_edge.errors import ExportError

__all__ = [
    "check",
    "clean",
    "compact",
    "fuse_input_scaling",
    "name_nodes",
    "narrow_weights",
    "quantized_operators",
    "set_metadata",
]

_SCALING = ("Cast", "Mul", "QuantizeLinear", "DequantizeLinear")
_REARRANGING = ("Reshape", "Transpose")
_HEAVY = ("Conv", "Gemm", "MatMul")
_QUANTIZERS = {"QuantizeLinear": ".q", "DequantizeLinear": ".dq"}


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


def narrow_weights(model: ModelProto, levels: int, used: int) -> ModelProto:
    """Stores weights that lie on a coarser grid as that grid's whole numbers, in place.

    The quantizer gives the largest weight of a channel the number `used`; a weight that is one of
    `levels` steps on each side of zero lies between its numbers, and is rounded.

    Args:
        model: a quantized graph.
        levels: steps on each side of zero that the weights have.
        used: steps on each side of zero that the quantizer used.

    Returns:
        `model` itself.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type in _HEAVY:
            for operand in node.input[1:]:
                stored, scale = (constants[name] for name in made_by[operand].input[:2])
                numbers, step = numpy_helper.to_array(stored), numpy_helper.to_array(scale)
                narrowed = np.rint(numbers * (levels / used)).astype(numbers.dtype)
                stored.CopyFrom(numpy_helper.from_array(narrowed, stored.name))
                wider = np.asarray(step * np.float32(used / levels), np.float32)
                scale.CopyFrom(numpy_helper.from_array(wider, scale.name))
    return model


def compact(model: ModelProto) -> ModelProto:
    """Makes a quantized graph small, in place: short names, no defaults spelled out.

    In a network of ten thousand weights, the quantizer's additions are a third of the file. A
    compact graph stays as it is.

    Returns:
        `model` itself.
    """
    _drop_zero_points(model)
    _drop_unused_constants(model)
    _drop_defaults(model)
    _rename(model, _short_names(model))
    return name_nodes(model)


def _drop_zero_points(model: ModelProto) -> None:
    """Drops zero points of weights, biases and the image, except those that onnxruntime needs.

    It needs those of Gemm, and of activations, which a QuantizeLinear writes. The image's must go:
    OpenCV 4 reads the file's uint8 constants as int8, 128 lower. Where bytes are both written and
    read with a zero point, this makes no difference; but the image's bytes come from outside.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    gemm_weights = {node.input[1] for node in model.graph.node if node.op_type == "Gemm"}
    quantized = _quantized_tensors(model)
    for node in model.graph.node:
        if (
            node.op_type == "DequantizeLinear"
            and len(node.input) > 2
            and node.input[0] not in quantized
            and node.output[0] not in gemm_weights
            and not numpy_helper.to_array(constants[node.input[2]]).any()
        ):
            del node.input[2:]


def _quantized_tensors(model: ModelProto) -> set[str]:
    """Names of the bytes that a QuantizeLinear writes, rearranged or not."""
    names: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" or (
            node.op_type in _REARRANGING and node.input[0] in names
        ):
            names.add(node.output[0])
    return names


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
    for layer, node in _layers(model).items():
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


def _layers(model: ModelProto) -> dict[str, NodeProto]:
    """Convolutions and linear layers, numbered in one row: ``conv1``, ..., ``gemm6``."""
    heavy = (node for node in model.graph.node if node.op_type in _HEAVY)
    return {f"{node.op_type.lower()}{i}": node for i, node in enumerate(heavy, 1)}


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    for node in model.graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)


def name_nodes(model: ModelProto) -> ModelProto:
    """Names every node, in place, so that profiles and error messages say which one they mean.

    A layer is ``conv1``, its weights' DequantizeLinear ``conv1.w``; the quantizer after it is
    ``conv1.q`` and ``conv1.dq``. Others are numbered by operator: ``reshape2``. The names are
    short: those of a released file take 1 % of it.

    Returns:
        `model` itself.
    """
    layers = _layers(model)
    names = {node.output[0]: layer for layer, node in layers.items()}  # by the node's output
    for layer, node in layers.items():
        for operand, letter in zip(node.input[1:], "wb", strict=False):
            names[operand] = f"{layer}.{letter}"
    counts: Counter[str] = Counter()
    for node in model.graph.node:
        if node.output[0] not in names:
            suffix = _QUANTIZERS.get(node.op_type)
            source = names.get(node.input[0], node.input[0]).removesuffix(".q")
            name = f"{source}{suffix}" if suffix else node.op_type.lower()
            counts[name] += 1
            is_numbered = not suffix or counts[name] > 1
            names[node.output[0]] = f"{name}{counts[name]}" if is_numbered else name
        node.name = names[node.output[0]]
    return model


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
