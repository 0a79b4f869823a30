"""A trained network -> one complete ONNX file, and its int8 twin, through the export gate.

`export_run` reads as the whole story: load, calibrate, convert, quantize, compare, write.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from onnx import ModelProto
from torch import Tensor, nn

from mnist_edge import __version__
from mnist_edge.model import INPUT, OUTPUT, Model
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.architectures.registry import count_parameters
from mnist_edge_trainer.data.splits import Digits, split_training
from mnist_edge_trainer.evaluation.rejection import choose_threshold, rejection_curve
from mnist_edge_trainer.export.gate import GateRow, compare, require
from mnist_edge_trainer.export.graph_passes import check, clean, set_metadata
from mnist_edge_trainer.export.quantize import CALIBRATION_IMAGES, SCHEME, quantize
from mnist_edge_trainer.export.temperature import fit_temperature, with_temperature
from mnist_edge_trainer.synthetic.dataset import (
    held_out_negatives,
    held_out_photos,
    training_photos,
)
from mnist_edge_trainer.training.checkpoint import Checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import predict_logits

__all__ = ["OPSET", "ExportResult", "export_run", "output_paths", "to_onnx"]

OPSET = 18


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        files: written, fp32 first.
        forced: the gate failed and the files were written all the same.
    """

    files: list[Path]
    forced: bool


def output_paths(output: Path, with_int8: bool) -> dict[str, Path]:
    """Where each precision goes: into a folder, or to a path ending in ``.onnx`` and beside it."""
    if output.suffix == ".onnx":
        fp32, int8 = output, output.with_name(f"{output.stem}-int8.onnx")
    else:
        fp32, int8 = output / "mnist-edge-fp32.onnx", output / "mnist-edge-int8.onnx"
    return {"fp32": fp32} | ({"int8": int8} if with_int8 else {})


def export_run(
    checkpoint: Checkpoint,
    training: Digits,
    test: Digits,
    output: Path,
    *,
    with_int8: bool,
    force: bool = False,
    on_rows: Callable[[list[GateRow]], None] = lambda _: None,
) -> ExportResult:
    """Exports a checkpoint and proves that the files tell the same digits.

    Args:
        checkpoint: the network, uncalibrated.
        training: all training images; the checkpoint's own validation split calibrates confidences,
            the rest the activations of int8.
        test: the images that the gate compares on.
        output: a folder, or a path ending in ``.onnx``.
        with_int8: make the quantized file too.
        force: write the files even though the gate failed.
        on_rows: is given the gate's comparison before it decides.

    Raises:
        ExportError: a file is not valid ONNX, or was not quantized whole.
        GateError: a file does not tell the same digits; nothing was written.
        OutputError: a file cannot be written.
    """
    fitting, validation = split_training(training, checkpoint.config.val_split)
    network = checkpoint.network()
    calibration = Calibration.of(checkpoint.config, fitting, validation)
    held_out = calibration.held_out
    temperature = fit_temperature(predict_logits(network, held_out.images), held_out.labels)
    with_temperature(network, temperature)

    paths = output_paths(output, with_int8)
    models = {"fp32": to_onnx(network)}
    if with_int8:
        models["int8"] = quantize(models["fp32"], calibration.activations.images.numpy())

    reference = torch.softmax(predict_logits(network, test.images), dim=1).numpy()
    labels = test.labels.numpy()
    rows = [compare("torch", reference, reference, labels)]
    contents: dict[str, bytes] = {}
    for precision, model in models.items():
        runtime = Model.from_bytes(model.SerializeToString(), f"the {precision} file")
        row = compare(precision, runtime.run(test.images[:, 0].numpy()), reference, labels)
        validation_accuracy = _accuracy(runtime.run(validation.images[:, 0].numpy()), validation)
        facts = {
            "name": paths[precision].stem,
            "parameters": str(count_parameters(network)),
            "calibration_temperature": f"{temperature:.6f}",
            "quantization": SCHEME if precision == "int8" else "none",
            "validation_accuracy": f"{validation_accuracy:.4f}",
            "test_accuracy": f"{row.accuracy:.4f}",
            "min_confidence": f"{calibration.least_confidence(runtime):.2f}",
        }
        set_metadata(model, facts | _provenance(checkpoint))
        contents[precision] = check(model).SerializeToString()
        rows.append(row)
    on_rows(rows)
    if not force:
        require(rows)
    _write_all({paths[precision]: content for precision, content in contents.items()})
    return ExportResult(list(paths.values()), forced=any(row.failure for row in rows))


@dataclass(frozen=True)
class Calibration:
    """Pictures that no weight was trained on but `activations`: what confidences are fitted to.

    Attributes:
        activations: 1,000 training images, half of them photographs where a run had those.
        held_out: the validation split, and photographs of it where a run had those.
        photographs: of held-out digits; None where a run had none.
        no_digits: photographs of no digit; None where a run had none.
    """

    activations: Digits
    held_out: Digits
    photographs: Digits | None = None
    no_digits: Digits | None = None

    @classmethod
    def of(cls, config: TrainConfig, fitting: Digits, validation: Digits) -> Calibration:
        """As the run's recipe says, from its training and its validation images."""
        if config.photos == 0:
            return cls(fitting[:CALIBRATION_IMAGES], validation)
        half = CALIBRATION_IMAGES // 2
        chunk = training_photos(fitting).chunk(0)
        photographs = held_out_photos(validation)
        return cls(
            Digits.join([fitting[:half], Digits.of(chunk.images[:half], chunk.labels[:half])]),
            Digits.join([validation, photographs]),
            photographs,
            held_out_negatives(validation),
        )

    def least_confidence(self, model: Model) -> float:
        """Below which `model` had better not answer (see `rejection.choose_threshold`)."""
        if not self.photographs or not self.no_digits:
            return 0.0  # none, or none in which the front end found anything
        curve = rejection_curve(
            model.run(self.photographs.images[:, 0].numpy()),
            self.photographs.labels.numpy(),
            model.run(self.no_digits.images[:, 0].numpy()),
        )
        return choose_threshold(curve)


class _Complete(nn.Module):
    """The network with everything that a caller in another language would have to do by hand."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.network(image.float() * (1 / 255)), dim=1)


def to_onnx(network: nn.Module) -> ModelProto:
    """Converts a network to fp32 ONNX: uint8 picture in, probabilities out, any batch size."""
    example = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # The exporter reports each of its passes, and its own deprecations, to the user.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Complete(network).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return check(clean(program.model_proto))


def _provenance(checkpoint: Checkpoint) -> dict[str, str]:
    data = checkpoint.data
    return {
        "version": __version__,
        "architecture": checkpoint.config.arch,
        "training_recipe": json.dumps(checkpoint.config.described()),
        "seed": str(checkpoint.config.seed),
        "epoch": str(checkpoint.epoch),
        "dataset": data.credit or data.name,
        "dataset_sha256": data.sha256,
        "labels": ",".join(data.labels),
        "preprocessing": data.preprocessing,
        "opset": str(OPSET),
        # Of pictures that are somebody's own, the weights are theirs to license.
        **({"license": "MIT"} if data.credit else {}),
    }


def _accuracy(probabilities: npt.NDArray[np.float32], digits: Digits) -> float:
    return float((probabilities.argmax(axis=1) == digits.labels.numpy()).mean())


def _write_all(contents: dict[Path, bytes]) -> None:
    """Writes every file whole; none where one cannot be written."""
    with contextlib.ExitStack() as stack:
        for path, content in contents.items():
            make_folder(path.parent)
            stack.enter_context(atomic_write(path)).write_bytes(content)
