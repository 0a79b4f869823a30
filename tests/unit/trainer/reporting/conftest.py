"""Shared by the tests of the report: a run's folder, with the true scores of the bundled models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix, log_loss

from mnist_edge.model import Model
from tests.conftest import Digits

CONFIG: dict[str, Any] = {
    "arch": "small",
    "dataset": "mnist",
    "epochs": 3,
    "batch_size": 128,
    "lr": 0.004,
    "augment": True,
    "photos": 100,
    "val_split": 5000,
    "patience": 25,
    "seed": 0,
}
HISTORY = """\
epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy,val_photo_accuracy,seconds
1,0.0005,0.6469,0.8324,0.0784,0.9796,0.8866,17.3
2,0.0014,0.3083,0.9402,0.0430,0.9886,0.8970,17.6
3,0.0001,0.2908,0.9466,0.0337,0.9901,0.8991,15.6
"""
PICTURES = {
    "curves": (120, 48),
    "confusion-test": (72, 72),
    "mistakes-test": (90, 72),
    "predictions-test": (96, 72),
    "reliability-test": (60, 72),
    "saliency-test": (90, 86),
    "filters": (96, 30),
}
"""Width and height of each picture, a tenth of the real ones, pixels."""


@pytest.fixture(scope="session")
def probabilities(test_digits: Digits) -> dict[str, npt.NDArray[np.float32]]:
    """Predictions of the bundled models for MNIST's test images, by precision."""
    return {
        precision: Model.load(f"mnist-edge-{precision}").run(test_digits[0])
        for precision in ("fp32", "int8")
    }


@pytest.fixture(scope="session")
def evaluation(
    probabilities: dict[str, npt.NDArray[np.float32]], test_digits: Digits
) -> dict[str, Any]:
    """``evaluation-test.json`` of the bundled models, as 0.7.0 wrote it; computed with sklearn."""
    labels = test_digits[1]
    predicted, confidence = probabilities["fp32"].argmax(axis=1), probabilities["fp32"].max(axis=1)
    fp32, classes = _scores(probabilities["fp32"], labels)
    int8, _ = _scores(probabilities["int8"], labels)
    wrong = sorted(np.flatnonzero(predicted != labels), key=lambda index: -confidence[index])
    return {
        "model": "runs/first",
        "split": "test",
        "dataset": "mnist",
        "images": len(labels),
        **fp32,
        "classes": [{"label": str(k), **_class_scores(classes[str(k)])} for k in range(10)],
        "mistakes": [
            {
                "index": int(index),
                "true": str(labels[index]),
                "predicted": str(predicted[index]),
                "confidence": float(confidence[index]),
            }
            for index in wrong
        ],
        "int8": {"file": "mnist-edge-int8.onnx", "bytes": 67_101, **int8},
    }


def _scores(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What fp32 and int8 both have, and scikit-learn's report."""
    predicted = probabilities.argmax(axis=1)
    correct = int((predicted == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(method="wilson")
    report = classification_report(labels, predicted, output_dict=True)
    return {
        "accuracy": correct / len(labels),
        "accuracy_interval": [interval.low, interval.high],
        "loss": float(log_loss(labels, probabilities)),
        "ece": 0.0027,
        "macro": _class_scores(report["macro avg"]),
        "confusion": confusion_matrix(labels, predicted).tolist(),
    }, report


def _class_scores(entry: dict[str, float]) -> dict[str, float]:
    return {
        "precision": entry["precision"],
        "recall": entry["recall"],
        "f1": entry["f1-score"],
        "support": int(entry["support"]),
    }


def make_run(folder: Path, evaluation: dict[str, Any], **options: Any) -> Path:
    """Writes a run's folder, with other options than `CONFIG` where they are given."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | options))
    (folder / "history.csv").write_text(HISTORY)
    (folder / "evaluation-test.json").write_text(json.dumps(evaluation))
    for name, size in PICTURES.items():
        Image.new("L", size, 128).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def run(tmp_path: Path, evaluation: dict[str, Any]) -> Path:
    """The folder of an evaluated run."""
    return make_run(tmp_path / "runs" / "first", evaluation)
