"""A linear classifier of digits, exported to ONNX in the forms that other people use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from tests.conftest import Digits

__all__ = ["LinearDigits"]


@dataclass(frozen=True)
class LinearDigits:
    """Softmax regression on images in 0..1, fitted by scikit-learn."""

    fitted: LogisticRegression

    @classmethod
    def train(cls, digits: Digits) -> LinearDigits:
        """Fits it to images and labels."""
        images, labels = digits
        return cls(LogisticRegression(C=0.05).fit(images.reshape(-1, 784) / 255, labels))

    def scores(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Probabilities ``[N, 10]`` of uint8 ``[N, 28, 28]``, computed by scikit-learn."""
        scores: npt.NDArray[np.float64] = self.fitted.predict_proba(images.reshape(-1, 784) / 255)
        return scores

    def onnx(
        self,
        *,
        black: float = 0,
        white: float = 1,
        kind: int = TensorProto.FLOAT,
        shape: Sequence[int | str | None] = ("batch", 1, 28, 28),
        probabilities: bool = False,
        extra_outputs: bool = False,
    ) -> bytes:
        """Returns an ONNX model of the same classifier.

        Args:
            black: level of the background in its input.
            white: level of the ink.
            kind: type of its input, of `onnx.TensorProto`.
            shape: of its input.
            probabilities: it names its output so, not ``logits``.
            extra_outputs: two more outputs, which are not scores, come first.
        """
        weight = self.fitted.coef_.T / (white - black)
        bias = self.fitted.intercept_ - black * weight.sum(axis=0)
        nodes = [
            helper.make_node("Cast", ["picture"], ["wide"], to=TensorProto.DOUBLE),
            helper.make_node("Flatten", ["wide"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["logits"], to=TensorProto.FLOAT),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
            helper.make_node("ArgMax", ["logits"], ["class"], axis=1),
        ]
        outputs = [
            helper.make_tensor_value_info(
                "probabilities" if probabilities else "logits", TensorProto.FLOAT, None
            )
        ]
        if extra_outputs:
            # An integer for each picture, and their pixels.
            outputs = [
                helper.make_tensor_value_info("class", TensorProto.INT64, None),
                helper.make_tensor_value_info("wide", TensorProto.DOUBLE, None),
                *outputs,
            ]
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("picture", kind, shape)],
            outputs,
            [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        return bytes(model.SerializeToString())
