"""The number reader's networks -> int8 ONNX files, through a gate of their own."""

from __future__ import annotations

import contextlib
import io
import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx import ModelProto
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from mnist_edge import __version__
from mnist_edge.errors import GateError
from mnist_edge.numbers.alphabet import DIGIT_CLASSES, NAMES
from mnist_edge.numbers.ctc import decode
from mnist_edge.numbers.line_model import FinderModel, LineModel, padded_width
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge_trainer.architectures.registry import count_parameters
from mnist_edge_trainer.export.export import OPSET
from mnist_edge_trainer.export.gate import FP32_TOLERANCE
from mnist_edge_trainer.export.graph_passes import check, clean, name_nodes, set_metadata
from mnist_edge_trainer.export.quantize import quantize_on, scheme
from mnist_edge_trainer.numbers.line_finder_net import REFERENCE_HEIGHT, LineFinderNet
from mnist_edge_trainer.numbers.line_images import LineSample
from mnist_edge_trainer.numbers.line_reader import LineReaderNet
from mnist_edge_trainer.numbers.reader_batches import collate
from mnist_edge_trainer.numbers.sample_source import Recipe
from mnist_edge_trainer.numbers.train_finder import load_finder, page_source
from mnist_edge_trainer.numbers.train_reader import line_source, load_reader

__all__ = ["export_finder", "export_reader"]

_LOST = 0.003
"""Whole lines that int8 may lose against torch, of all."""

_OVERLAP_LOST = 0.005
"""What int8 may lose of the overlap of the found cores with the true ones, 0..1."""

_CALIBRATION_LINES, _CALIBRATION_PAGES = 1_500, 150


class _ReaderGraph(nn.Module):
    """The reader with scaling and softmax; its last layer is linear, and stays fp32."""

    def __init__(self, network: LineReaderNet) -> None:
        super().__init__()
        self.features, self.head, self.classes = network.features, network.head, network.classes

    def forward(self, line: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(line.float() * (1 / 255))  # [N, C, 1, W / 4]
        rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        scores = nn.functional.linear(rows, self.head.weight.flatten(1), self.head.bias)
        scores = scores.reshape(features.shape[0], -1, self.classes + 4)
        logits, boxes = scores.split((self.classes, 4), dim=2)
        return torch.softmax(logits, dim=2), boxes


class _FinderGraph(nn.Module):
    """The finder with scaling, and with maps that need no further computation."""

    def __init__(self, network: LineFinderNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        features = self.network.features(picture.float() * (1 / 255))  # [1, C, H / 4, W / 4]
        rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        head = self.network.head
        scores = nn.functional.linear(rows, head.weight.flatten(1), head.bias)
        core, height, slant, dark = scores.split(1, dim=1)
        maps = torch.cat(
            [torch.sigmoid(core), torch.exp(height) * REFERENCE_HEIGHT, slant, torch.sigmoid(dark)],
            dim=1,
        )
        return maps.reshape(1, features.shape[2], features.shape[3], 4).permute(0, 3, 1, 2)


def _to_onnx(
    graph: nn.Module, example: Tensor, name: str, outputs: list[str], shapes: dict[int, Any]
) -> ModelProto:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            graph.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[name],
            output_names=outputs,
            dynamic_shapes=(shapes,),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    _ask_features_for_sizes(program)
    return check(name_nodes(clean(program.model_proto)))


def _ask_features_for_sizes(program: torch.onnx.ONNXProgram) -> None:
    """Lets the last features say the sizes of a batch, not the picture or another layer.

    A layer whose output is asked for anything cannot be fused with what follows it, and the
    picture's scaling is replaced by one node, which nothing may pass by.
    """
    graph = program.model.graph
    features = next(node for node in graph if node.op_type == "Transpose").inputs[0]
    for node in graph:
        if node.op_type == "Shape":
            node.replace_input_with(0, features)
    graph.sort()


def export_reader(run: Path, output: Path, validation: int = 2_000) -> dict[str, float]:
    """Exports a trained line reader to int8.

    Args:
        run: folder of the training.
        output: the file to write.
        validation: lines of held-out writers to compare and to calibrate on.

    Returns:
        share of whole lines right in torch (``fp32``) and in the file (``int8``), and the
        calibration ``a`` and ``b``.

    Raises:
        TrainingError: there is no such run.
        GateError: the file does not read as torch does; nothing was written.
    """
    config, network, steps = load_reader(run)
    lines = line_source(config).validation(validation)
    graph = _to_onnx(
        _ReaderGraph(network),
        torch.zeros(2, 1, 32, 64, dtype=torch.uint8),
        "line",
        ["probabilities", "boxes"],
        {0: torch.export.Dim("batch"), 3: 4 * torch.export.Dim("positions", min=2, max=4_096)},
    )
    drawn = line_source(config).calibration(_CALIBRATION_LINES)
    # Quantized, the last layer would lose a twelfth of the boxes; it is 3 % of the time.
    last = [node.name for node in graph.graph.node if node.op_type == "Gemm"]
    quantized = quantize_on(graph, _line_batches(drawn), last)
    metadata = _metadata(network, config, steps) | {
        "task": "line-reader",
        "name": output.stem,
        "quantization": scheme(f"{_CALIBRATION_LINES} drawn lines") + "; last layer fp32",
        "labels": ",".join(NAMES),
        "column_width": "2",
    }
    images = [line.image for line in lines]
    reference = _torch_columns(network, images)
    models = {
        kind: LineModel.from_bytes(
            set_metadata(part, metadata).SerializeToString(), f"the {kind} file"
        )
        for kind, part in (("fp32", graph), ("int8", quantized))
    }
    columns = {
        kind: [out.probabilities for out in model.run(images)] for kind, model in models.items()
    }
    moved = max(
        float(np.abs(a - b[: len(a)]).max())
        for a, b in zip(columns["fp32"], reference, strict=True)
    )
    if moved > FP32_TOLERANCE:
        raise GateError(f"fp32: a probability moved by {moved:.1e}, over {FP32_TOLERANCE:.0e}")
    right = {kind: np.array(_right(columns[kind], lines)) for kind in columns}
    shares = {kind: float(values[:, 0].mean()) for kind, values in right.items()}
    if shares["fp32"] - shares["int8"] > max(_LOST, 1 / len(lines)) + 1e-9:
        raise GateError(
            f"int8: {shares['fp32'] - shares['int8']:.2%} of whole lines lost, over {_LOST:.1%}"
        )
    a, b = _calibration(right["int8"][:, 1], right["int8"][:, 0])
    set_metadata(
        quantized,
        metadata
        | {
            "calibration": f"{a:.4f},{b:.4f}",
            "validation_lines": f"{shares['int8']:.4f}",
            "min_confidence": "0.5",
        },
    )
    _write(quantized, output)
    return {**shares, "a": a, "b": b}


def _line_batches(lines: Sequence[LineSample]) -> Iterable[npt.NDArray[np.uint8]]:
    order = sorted(lines, key=lambda line: line.image.shape[1])
    for start in range(0, len(order), 32):
        yield collate(order[start : start + 32]).images.numpy()


@torch.inference_mode()
def _torch_columns(
    network: LineReaderNet, images: Sequence[npt.NDArray[np.uint8]]
) -> list[npt.NDArray[np.float32]]:
    """Probabilities of each line alone, padded as `LineModel` pads a batch of one."""
    network.eval()
    result = []
    for image in images:
        line = torch.zeros(1, 1, image.shape[0], padded_width(image.shape[1]))
        line[0, 0, :, : image.shape[1]] = torch.from_numpy(image) / 255
        result.append(network(line).logits.softmax(dim=2)[0].numpy())
    return result


def _right(
    columns: Sequence[npt.NDArray[np.float32]], lines: Sequence[LineSample]
) -> list[tuple[bool, float]]:
    """Whether the digits of each line's best reading are right, and its probability."""
    found = []
    for probabilities, line in zip(columns, lines, strict=True):
        best = decode(probabilities, None, 1).hypotheses[0]
        wanted = "".join(NAMES[s.label] for s in line.symbols if s.label in DIGIT_CLASSES)
        found.append((best.text == wanted, best.probability))
    return found


def _calibration(
    probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Platt's a and b (Platt 1999): the sigmoid of the log-odds that fits what was right."""
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    if len(set(right.tolist())) < 2:
        return 1.0, 0.0
    fit = LogisticRegression(C=1e6).fit(np.log(p / (1 - p))[:, None], right > 0.5)
    a, b = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    return (a, b) if a > 0 and math.isfinite(b) else (1.0, 0.0)


def export_finder(run: Path, output: Path, validation: int = 200) -> dict[str, float]:
    """Exports a trained line finder to int8.

    Args:
        run: folder of the training.
        output: the file to write.
        validation: pages with digits of held-out writers to compare on.

    Returns:
        overlap of the cores that torch (``fp32``) and the file (``int8``) find with the true ones.

    Raises:
        TrainingError: there is no such run.
        GateError: the file does not find what torch finds; nothing was written.
    """
    config, network, steps = load_finder(run)
    pages = page_source(config).validation(validation)
    graph = _to_onnx(
        _FinderGraph(network),
        torch.zeros(1, 1, 64, 96, dtype=torch.uint8),
        "picture",
        ["maps"],
        {
            2: 32 * torch.export.Dim("rows", min=1, max=64),
            3: 32 * torch.export.Dim("columns", min=1, max=64),
        },
    )
    drawn = page_source(config).calibration(_CALIBRATION_PAGES)
    quantized = quantize_on(graph, (page.image[None, None] for page in drawn))
    metadata = _metadata(network, config, steps) | {
        "task": "line-finder",
        "name": output.stem,
        "quantization": scheme(f"{_CALIBRATION_PAGES} drawn pages"),
    }
    models = {
        kind: FinderModel.from_bytes(
            set_metadata(part, metadata).SerializeToString(), f"the {kind} file"
        )
        for kind, part in (("fp32", graph), ("int8", quantized))
    }
    found = {kind: [model.run(page.image).core for page in pages] for kind, model in models.items()}
    with torch.inference_mode():
        for core, page in zip(found["fp32"], pages, strict=True):
            maps = network(torch.from_numpy(page.image)[None, None].float() / 255)
            moved = float(np.abs(core - torch.sigmoid(maps.core[0]).numpy()).max())
            if moved > FP32_TOLERANCE:
                raise GateError(
                    f"fp32: a probability moved by {moved:.1e}, over {FP32_TOLERANCE:.0e}"
                )
    overlaps = {}
    for kind, cores in found.items():
        both = either = 0
        for core, page in zip(cores, pages, strict=True):
            counted, wanted = page.target[1] > 0, page.target[0] > 0
            both += int(((core > 0.5) & wanted & counted).sum())
            either += int((((core > 0.5) | wanted) & counted).sum())
        overlaps[kind] = both / max(1, either)
    if overlaps["fp32"] - overlaps["int8"] > _OVERLAP_LOST:
        raise GateError(
            f"int8: the overlap fell from {overlaps['fp32']:.3f} to {overlaps['int8']:.3f}, "
            f"by more than {_OVERLAP_LOST}"
        )
    set_metadata(quantized, metadata | {"validation_overlap": f"{overlaps['int8']:.4f}"})
    _write(quantized, output)
    return overlaps


def _metadata(network: nn.Module, recipe: Recipe, steps: int) -> dict[str, str]:
    stated = asdict(recipe)
    # Folders are those of the machine that it was trained on.
    for folder in ("data", "writers", "fonts"):
        del stated[folder]
    stated["init_from"] = "another run" if recipe.init_from else ""
    return {
        "version": __version__,
        "architecture": type(network).__name__,
        "parameters": str(count_parameters(network)),
        "training_recipe": json.dumps(stated),
        "seed": str(recipe.seed),
        "steps": str(steps),
        "dataset": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0; drawn lines",
        "opset": str(OPSET),
        "license": "MIT",
    }


def _write(graph: ModelProto, output: Path) -> None:
    content = check(graph).SerializeToString()
    make_folder(output.parent)
    with atomic_write(output) as partial:
        partial.write_bytes(content)
