"""`mnist-edge hub`: writes a folder as model hubs expect it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import examples, print_line, training_packages

__all__ = ["EXAMPLES", "HubOptions", "hub"]

EXAMPLES = examples(
    "mnist-edge hub to-upload",
    "mnist-edge hub to-upload --model runs/small-1/model.onnx "
    "--quantized runs/small-1/model-int8.onnx",
)


@dataclass(frozen=True)
class HubOptions:
    """Options of `mnist-edge hub`."""

    folder: Path | None = option(
        None, "The folder; empty, or new.", metavar="DIR", is_argument=True
    )
    model: str = option(
        "mnist-edge-fp32", "The fp32 file, or a bundled one's name.", metavar="MODEL"
    )
    quantized: str = option(
        "mnist-edge-int8", "The int8 file of the same network.", metavar="MODEL"
    )


def hub(options: HubOptions) -> None:
    """Write a model as a hub expects it: card, config, files, checksums.

    Hugging Face's layout, with the files in onnx/ as transformers.js names them. The card's front
    matter and figures come from the files' metadata. Nothing is uploaded.
    """
    with training_packages():
        from mnist_edge.model import Model
        from mnist_edge_trainer.export.hub import HubModels, write_hub_folder

    if options.folder is None:
        raise UsageError("no folder given; try `mnist-edge hub to-upload`")
    models = HubModels(Model.load(options.model), Model.load(options.quantized))
    for path in write_hub_folder(options.folder, models):
        print_line(f"wrote {path}")
