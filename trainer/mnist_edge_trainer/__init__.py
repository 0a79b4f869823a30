"""The workstation side of mnist-edge: training, evaluation, export. Needs the `train` extra."""

import mnist_edge  # noqa: F401 - before onnxruntime, whose telemetry it turns off
