"""fp32 ONNX -> int8 ONNX: static quantize-dequantize, weights per channel.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (2017), as onnxruntime implements it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from mnist_edge.errors import ExportError
from mnist_edge_trainer.export.graph_passes import (
    clean,
    compact,
    fuse_input_scaling,
    narrow_weights,
    quantized_operators,
)
from mnist_edge_trainer.training.qat import LEVELS

__all__ = ["CALIBRATION_IMAGES", "quantize", "quantize_on", "scheme"]

CALIBRATION_IMAGES = 1_000
_SCHEME = (
    "static QDQ; weights int8 per channel, {} bits used; activations uint8 per tensor; MinMax over "
)


def scheme(samples: str, weight_bits: int = 8) -> str:
    """How a file is quantized, for its metadata.

    Args:
        samples: what its ranges were measured on.
        weight_bits: of the recipe.
    """
    return _SCHEME.format(min(weight_bits, 7)) + samples


_BATCH = 100
_OPERATORS = [
    "Conv",
    "Relu",
    "Gemm",
    "MatMul",
    "Add",
    "AveragePool",
    "GlobalAveragePool",
    "ReduceMean",
    "MaxPool",
    "Resize",
    "Reshape",
    "Transpose",
    "Flatten",
]


class _CalibrationImages(CalibrationDataReader):  # type: ignore[misc]  # has no types
    """Feeds calibration images to onnxruntime's quantizer, batch by batch."""

    def __init__(self, name: str, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
        self._batches, self._name = iter(batches), name

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantize(
    model: ModelProto, calibration: npt.NDArray[np.uint8], weight_bits: int = 8
) -> ModelProto:
    """Quantizes every convolution and linear layer, as `quantize_on`.

    Args:
        model: as there.
        calibration: training images uint8 ``[N, 1, 28, 28]``.
        weight_bits: of the grid that the weights lie on, one of `qat.LEVELS`.
    """
    batches = np.split(calibration, range(_BATCH, len(calibration), _BATCH))
    quantized = quantize_on(model, batches)
    if weight_bits == 8:
        return quantized
    return narrow_weights(quantized, LEVELS[weight_bits], LEVELS[8])


def quantize_on(
    model: ModelProto, calibration: Iterable[npt.NDArray[np.uint8]], fp32_layers: Sequence[str] = ()
) -> ModelProto:
    """Quantizes every convolution and linear layer, but for those named.

    Args:
        model: fp32 graph that begins with the scaling of a uint8 image.
        calibration: batches of training images uint8 ``[N, 1, H, W]``, to measure the ranges of
            activations on.
        fp32_layers: names of nodes that stay as they are.

    Returns:
        the int8 graph, cleaned, without metadata.

    Raises:
        ExportError: some layer was not quantized.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, result = (Path(folder) / name for name in ("fp32", "prepared", "int8"))
        onnx.save(model, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        # onnxruntime logs each of its defaults on the root logger.
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                prepared,
                result,
                _CalibrationImages(model.graph.input[0].name, calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Activations follow a ReLU: uint8 has all its 256 levels above zero, and lets the
                # uint8 image itself be the first operand.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                # x86 without VNNI adds two uint8 x int8 products in 16 bits, which saturates;
                # weights in 7 bits cannot. The file must give the same predictions on every CPU.
                reduce_range=True,
                calibrate_method=CalibrationMethod.MinMax,
                op_types_to_quantize=_OPERATORS,
                nodes_to_exclude=list(fp32_layers),
                # Logits stay fp32: quantized, they would allow only 256 different confidences.
                extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
            )
        finally:
            logging.disable(logging.NOTSET)
        quantized = fuse_input_scaling(clean(onnx.load(result)))
    done, total = quantized_operators(quantized)
    if done != total - len(fp32_layers):
        raise ExportError(f"only {done} of {total} layers were quantized")
    return compact(quantized)
