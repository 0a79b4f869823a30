"""A quantized ONNX file -> the integers that a program without floating point computes with.

Every layer becomes a convolution over uint8 with channels last: a dense layer is one whose kernel
is as large as its input. onnxruntime multiplies a sum by a float32 and rounds the product to the
nearest even integer; a multiplier of 24 bits and a shift do the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from mnist_edge.errors import UsageError
from mnist_edge.model import INPUT, OUTPUT
from mnist_edge.types import SIDE

__all__ = ["Convolution", "IntegerGraph", "MaxPool", "read_graph"]

_EXACT = 1 << 24
"""Sums below become float32 without rounding."""

_PLACES = range(17, 63)
"""Places that a product may be shifted by: less and the sum is far too large, more and all is 0."""

_QUANTIZED = "give an int8 file that `mnist-edge export --quantize` wrote"

Shape = tuple[int, int, int]
"""Rows, columns and channels."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution over uint8, channels last, and the way back to uint8.

    A sum times `multiplier` / 2 ** `shift` is the output: uint8, or in the last layer the logit.

    Attributes:
        name: of the node.
        weights: int8 ``[O, KH, KW, I]``.
        bias: int32 ``[O]``.
        multiplier: uint32 ``[O]``, from 2 ** 23 to 2 ** 24.
        shift: uint8 ``[O]``.
        stride: of rows and columns.
        pads: rows above and columns to the left that are 0.
        before, after: shapes of input and output.
        has_large_sums: a sum may have more than the 24 bits of a float32.
    """

    name: str
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.uint32]
    shift: npt.NDArray[np.uint8]
    stride: tuple[int, int]
    pads: tuple[int, int]
    before: Shape
    after: Shape
    has_large_sums: bool

    @property
    def is_dense(self) -> bool:
        """The kernel is as large as the input."""
        return self.weights.shape[1:3] == self.before[:2]

    @property
    def has_four_bits(self) -> bool:
        """All weights lie in -8..7."""
        return bool(self.weights.min() >= -8 and self.weights.max() <= 7)


@dataclass(frozen=True)
class MaxPool:
    """The largest value under a window, by channel.

    Attributes:
        name: of the node.
        kernel, stride: rows and columns.
        before, after: shapes of input and output.
    """

    name: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: Shape
    after: Shape


@dataclass(frozen=True)
class IntegerGraph:
    """A network from the picture's 784 bytes to its logits.

    Attributes:
        layers: in order; the last is a convolution, whose outputs are the logits.
        metadata: of the file.
    """

    layers: tuple[Convolution | MaxPool, ...]
    metadata: Mapping[str, str]

    @property
    def classes(self) -> int:
        """How many logits there are."""
        return self.layers[-1].after[2]


def read_graph(model: ModelProto, name: str) -> IntegerGraph:
    """Reads a file that this toolkit quantized.

    Args:
        model: the file.
        name: what errors call it.

    Raises:
        UsageError: it is not quantized, or has a layer that there is no C for; the message names
            the layer.
    """
    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise UsageError(f"{name}: is not quantized; {_QUANTIZED}")
    reader = _Reader(model, name)
    while reader.tensor != OUTPUT:
        reader.step()
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return IntegerGraph(tuple(reader.layers), metadata)


class _Reader:
    """Follows the picture through the graph, one node after the other."""

    def __init__(self, model: ModelProto, name: str) -> None:
        graph = model.graph
        self._name = name
        self._arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._makers = {output: node for node in graph.node for output in node.output}
        self._users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for source in node.input:
                self._users.setdefault(source, []).append(node)
        self.layers: list[Convolution | MaxPool] = []
        self.tensor = INPUT
        self._scale = np.float32(0)
        # Which byte of the picture stands where, until the first layer; then only a shape.
        self._order: npt.NDArray[np.int64] | None = np.arange(SIDE * SIDE).reshape(1, 1, SIDE, SIDE)
        self._shape: Shape = (SIDE, SIDE, 1)

    def step(self) -> None:
        """Takes the next node, and those that belong to it."""
        users = self._users.get(self.tensor, [])
        if len(users) != 1:
            raise self._refused(users[0] if users else None, "its input goes to several layers")
        node = users[0]
        steps = {
            "Reshape": self._rearrange,
            "Flatten": self._rearrange,
            "Transpose": self._rearrange,
            "DequantizeLinear": self._dequantize,
            "QuantizeLinear": self._quantize,
            "Conv": self._convolve,
            "Gemm": self._multiply,
            "MaxPool": self._pool,
            "Softmax": self._end,
        }
        if node.op_type not in steps:
            raise self._refused(node, "there is no C for it")
        steps[node.op_type](node)

    def _rearrange(self, node: NodeProto) -> None:
        # Behind the first layer a reshape can only flatten: a dense layer's kernel takes its shape.
        if self._order is not None:
            if node.op_type == "Transpose":
                self._order = self._order.transpose(_attributes(node)["perm"])
            else:
                wanted = [int(side) for side in self._arrays[node.input[1]]]
                self._order = self._order.reshape([1, *wanted[1:]])
        self.tensor = node.output[0]

    def _dequantize(self, node: NodeProto) -> None:
        scale = self._scale_of(node)
        if self._order is not None:
            if self._order.ndim == 2:  # a network that starts with a dense layer
                self._order = self._order.reshape(1, 1, SIDE, SIDE)
            _, channels, rows, columns = self._order.shape
            last = self._order[0].transpose(1, 2, 0)
            if (last.ravel() != np.arange(SIDE * SIDE)).any():
                raise self._refused(node, "the picture's pixels are not in their order")
            self._shape, self._order, self._scale = (rows, columns, channels), None, scale
        elif scale != self._scale:
            raise self._refused(node, "its scale is another than that of its input")
        self.tensor = node.output[0]

    def _quantize(self, node: NodeProto) -> None:
        # A layer takes its own QuantizeLinear; what is left changes nothing.
        if self._scale_of(node) != self._scale:
            raise self._refused(node, "its scale is another than that of its input")
        self.tensor = node.output[0]

    def _convolve(self, node: NodeProto) -> None:
        attributes = _attributes(node)
        if attributes.get("group", 1) != 1 or set(attributes.get("dilations", [1])) != {1}:
            raise self._refused(node, "it has groups or dilations")
        pads = attributes.get("pads", [0, 0, 0, 0])
        stride = tuple(attributes.get("strides", [1, 1]))
        weights = self._weights(node).transpose(0, 2, 3, 1)
        rows, columns, _ = self._shape
        kernel = weights.shape[1:3]
        after = (
            (rows + pads[0] + pads[2] - kernel[0]) // stride[0] + 1,
            (columns + pads[1] + pads[3] - kernel[1]) // stride[1] + 1,
            len(weights),
        )
        self._add(node, weights, stride, (pads[0], pads[1]), after)

    def _multiply(self, node: NodeProto) -> None:
        attributes = _attributes(node)
        if (attributes.get("alpha", 1.0), attributes.get("beta", 1.0)) != (1.0, 1.0):
            raise self._refused(node, "it has a factor")
        weights = self._weights(node)
        if not attributes.get("transB", 0):
            weights = weights.T
        rows, columns, channels = self._shape
        weights = weights.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1)
        self._add(node, weights, (1, 1), (0, 0), (1, 1, len(weights)))

    def _add(
        self,
        node: NodeProto,
        weights: npt.NDArray[np.int8],
        stride: tuple[int, int],
        pads: tuple[int, int],
        after: Shape,
    ) -> None:
        """Adds a layer; its QuantizeLinear, where there is one, is taken with it."""
        bias = self._bias(node, len(weights))
        largest = 255 * np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3)) + np.abs(bias)
        if largest.max() >= 1 << 31:
            raise self._refused(node, "its sums may exceed 32 bits")
        scales = self._scale * np.asarray(
            self._arrays[self._makers[node.input[1]].input[1]], np.float32
        )
        user, output = self._only_user(node), node.output[0]
        if user.op_type == "Relu":  # uint8 has nothing below 0
            user = self._only_user(user)
        if user.op_type == "QuantizeLinear":
            # The order of operations is onnxruntime's: every step rounds to float32.
            self._scale = self._scale_of(user)
            scales, output = scales / self._scale, user.output[0]
        elif user.op_type != "Softmax" or user.input[0] != output:
            raise self._refused(user, "there is no C for it")
        multiplier, shift = _fixed_point(np.broadcast_to(scales, len(weights)))
        if not set(shift.tolist()) <= set(_PLACES):
            raise self._refused(node, "its scales are out of range")
        layer = Convolution(
            node.name,
            np.ascontiguousarray(weights),
            bias,
            multiplier,
            shift,
            stride,
            pads,
            self._shape,
            after,
            has_large_sums=bool(largest.max() >= _EXACT),
        )
        self.layers.append(layer)
        self._shape, self.tensor = after, output

    def _pool(self, node: NodeProto) -> None:
        attributes = _attributes(node)
        kernel, stride = tuple(attributes["kernel_shape"]), tuple(attributes["strides"])
        if any(attributes.get("pads", [0])) or attributes.get("ceil_mode", 0):
            raise self._refused(node, "it pads its input")
        rows, columns, channels = self._shape
        after = ((rows - kernel[0]) // stride[0] + 1, (columns - kernel[1]) // stride[1] + 1)
        pool = MaxPool(node.name, kernel, stride, self._shape, (*after, channels))
        self.layers.append(pool)
        self._shape, self.tensor = pool.after, node.output[0]

    def _end(self, node: NodeProto) -> None:
        if not self.layers or self.layers[-1].after[:2] != (1, 1):
            raise self._refused(node, "no dense layer comes before it")
        self.tensor = node.output[0]

    def _scale_of(self, node: NodeProto) -> np.float32:
        """The scale of a node that quantizes or dequantizes; its zero point must be 0."""
        if any(np.any(self._arrays[name]) for name in node.input[2:]):
            raise self._refused(node, "its zero point is not 0")
        return np.float32(self._arrays[node.input[1]])

    def _only_user(self, node: NodeProto) -> NodeProto:
        users = self._users.get(node.output[0], [])
        if len(users) != 1:
            raise self._refused(node, "its output goes to several layers")
        return users[0]

    def _bias(self, node: NodeProto, count: int) -> npt.NDArray[np.int32]:
        if len(node.input) < 3:
            return np.zeros(count, np.int32)
        return np.asarray(self._arrays[self._makers[node.input[2]].input[0]], np.int32)

    def _weights(self, node: NodeProto) -> npt.NDArray[np.int8]:
        maker = self._makers.get(node.input[1])
        if maker is None or maker.op_type != "DequantizeLinear":
            raise UsageError(f"{self._name}: layer {node.name} is not quantized; {_QUANTIZED}")
        if any(np.any(self._arrays[name]) for name in maker.input[2:]):
            raise self._refused(node, "its weights have a zero point")
        return np.asarray(self._arrays[maker.input[0]], np.int8)

    def _refused(self, node: NodeProto | None, why: str) -> UsageError:
        layer = "the picture" if node is None else f"layer {node.name} ({node.op_type})"
        return UsageError(f"{self._name}: cannot be exported to C: {layer}: {why}")


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def _fixed_point(
    scales: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Each scale as a whole number of 24 bits and a shift, without rounding."""
    parts = [math.frexp(float(scale)) for scale in scales]
    multiplier = np.array([int(mantissa * _EXACT) for mantissa, _ in parts], np.uint32)
    return multiplier, np.array([24 - exponent for _, exponent in parts], np.uint8)
