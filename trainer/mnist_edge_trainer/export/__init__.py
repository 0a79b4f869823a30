"""A trained network -> ONNX, int8, and the export gate."""

import mnist_edge.runtime  # noqa: F401 - before onnxruntime's quantizer, without telemetry
