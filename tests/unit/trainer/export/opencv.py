"""How OpenCV 4 reads a quantized file, for tests that have no OpenCV."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

__all__ = ["with_uint8_constants_as_int8"]


def with_uint8_constants_as_int8(model: ModelProto) -> ModelProto:
    """Makes uint8 constants int8, 128 lower, in place; returns `model` itself.

    Bytes that the graph itself quantizes are then 128 lower too, and nothing else changes. A zero
    point of the uint8 image is of another type than the image, which onnxruntime refuses, and with
    which OpenCV 4 gives wrong probabilities.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.UINT8:
            shifted = (numpy_helper.to_array(tensor).astype(int) - 128).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(shifted, tensor.name))
    return model
