"""A trained network -> one complete ONNX file, and its int8 version, through the export gate.

`export_run` shows the whole way: calibrate, convert, quantize, compare, write.
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
from mnist_edge_trainer.export.calibration_images import HeldOutImages, quantizer_images
from mnist_edge_trainer.export.gate import GateRow, compare, require
from mnist_edge_trainer.export.graph_passes import check, clean, name_nodes, set_metadata
from mnist_edge_trainer.export.quantize import CALIBRATION_IMAGES, quantize, scheme
from mnist_edge_trainer.export.temperature import with_temperature
from mnist_edge_trainer.training.checkpoint import Checkpoint
from mnist_edge_trainer.training.trainer import predict_logits

__all__ = ["OPSET", "ExportResult", "export_run", "output_paths", "to_onnx"]

OPSET = 18


@dataclass(frozen=True)
class ExportResult:
    """The outcome of an export.

    Attributes:
        files: written, fp32 first.
        forced: the gate failed, and the files were written because of `force`.
    """

    files: list[Path]
    forced: bool


def output_paths(output: Path, with_int8: bool) -> dict[str, Path]:
    """Paths of the files, by precision.

    Args:
        output: a folder; or a path ending in ``.onnx`` for fp32, and int8 goes beside it.
        with_int8: there is an int8 file.
    """
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
    """Exports a checkpoint: calibrate, convert, quantize, compare, write.

    Args:
        checkpoint: the network, its confidences not calibrated.
        training: all training images, of which the recipe held the validation split out.
        test: images that the gate compares on.
        output: a folder, or a path ending in ``.onnx``.
        with_int8: write the quantized file too.
        force: write the files even though the gate failed.
        on_rows: called with the gate's comparison before it decides.

    Raises:
        ExportError: a file is not valid ONNX, or some layer was not quantized.
        GateError: a file does not give the same predictions; nothing was written.
        OutputError: a file cannot be written.
    """
    config = checkpoint.config
    fitting, validation = split_training(training, config.val_split)
    held_out = HeldOutImages.of(config, validation)

    network = checkpoint.network()
    temperature = held_out.fit_temperature(network)
    with_temperature(network, temperature)

    graphs = {"fp32": to_onnx(network)}
    if with_int8:
        images = quantizer_images(config, fitting).images
        graphs["int8"] = quantize(graphs["fp32"], images.numpy(), config.weight_bits)

    reference = torch.softmax(predict_logits(network, test.images), dim=1).numpy()
    rows = [compare("torch", reference, reference, test.labels.numpy())]
    paths = output_paths(output, with_int8)
    int8_scheme = scheme(f"{CALIBRATION_IMAGES} training pictures", config.weight_bits)
    contents: dict[Path, bytes] = {}
    for precision, graph in graphs.items():
        model = Model.from_bytes(graph.SerializeToString(), f"the {precision} file")
        row = compare(precision, model.run(_pixels(test)), reference, test.labels.numpy())
        rows.append(row)
        metadata = {
            "name": paths[precision].stem,
            "parameters": str(count_parameters(network)),
            "calibration_temperature": f"{temperature:.6f}",
            "quantization": int8_scheme if precision == "int8" else "none",
            "validation_accuracy": f"{_accuracy(model, validation):.4f}",
            "test_accuracy": f"{row.accuracy:.4f}",
            "min_confidence": f"{held_out.rejection_threshold(model):.2f}",
        }
        set_metadata(graph, metadata | _provenance(checkpoint))
        contents[paths[precision]] = check(graph).SerializeToString()
    on_rows(rows)
    if not force:
        require(rows)
    _write_all(contents)
    return ExportResult(list(contents), forced=any(row.failure for row in rows))


class _WithScalingAndSoftmax(nn.Module):
    """The network with input scaling and softmax, so that no caller has to write them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.network(image.float() * (1 / 255)), dim=1)


def to_onnx(network: nn.Module) -> ModelProto:
    """Converts a network to fp32 ONNX: uint8 images in, probabilities out, any batch size."""
    example = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # The exporter reports each of its passes, and its own deprecations, to the user.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _WithScalingAndSoftmax(network).eval(),
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
    return check(name_nodes(clean(program.model_proto)))


def _provenance(checkpoint: Checkpoint) -> dict[str, str]:
    data = checkpoint.data
    return {
        "version": __version__,
        "architecture": checkpoint.config.arch,
        "training_recipe": json.dumps(checkpoint.config.summary()),
        "seed": str(checkpoint.config.seed),
        "epoch": str(checkpoint.epoch),
        "dataset": data.credit or data.name,
        "dataset_sha256": data.sha256,
        "labels": ",".join(data.labels),
        "preprocessing": data.preprocessing,
        "opset": str(OPSET),
        # Weights trained on a user's own pictures are the user's to license.
        **({"license": "MIT"} if data.credit else {}),
    }


def _pixels(digits: Digits) -> npt.NDArray[np.uint8]:
    """uint8 ``[N, 28, 28]``, as `Model.run` takes them."""
    pixels: npt.NDArray[np.uint8] = digits.images[:, 0].numpy()
    return pixels


def _accuracy(model: Model, digits: Digits) -> float:
    predictions = model.run(_pixels(digits)).argmax(axis=1)
    return float((predictions == digits.labels.numpy()).mean())


def _write_all(contents: dict[Path, bytes]) -> None:
    """Writes every file atomically, or none of them."""
    with contextlib.ExitStack() as stack:
        for path, content in contents.items():
            make_folder(path.parent)
            stack.enter_context(atomic_write(path)).write_bytes(content)
