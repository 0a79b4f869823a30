"""Every option of `mnist-edge predict`, once: its name, type, default, range and help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.batch.shared_options import (
    InputOptions,
    OutputOptions,
    SpeedOptions,
    check_options,
    has_previews,
    set_output_of_shard,
)
from mnist_edge.errors import UsageError
from mnist_edge.options import option

__all__ = ["PredictOptions"]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class _PredictionOptions:
    """Which model, and what it lists."""

    model: str | None = option(
        None,
        "An .onnx file, or the name of a bundled model.",
        metavar="MODEL",
        shown_default="mnist-edge-int8",
        panel="Prediction",
    )
    min_confidence: float | None = option(
        None,
        "Reject predictions below this confidence.",
        metavar="FLOAT",
        minimum=0,
        maximum=1,
        shown_default="the model's threshold",
        parse=float,
        panel="Prediction",
    )
    top_k: int = option(
        1,
        "Classes to list for each image.",
        metavar="N",
        minimum=1,
        parse=int,
        panel="Prediction",
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class _PictureOptions:
    """What is done with each picture."""

    sort_into: Path | None = option(
        None,
        "Copy each image into DIR/CLASS, or DIR/unsure.",
        metavar="DIR",
        parse=Path,
        panel="Output",
    )
    link: bool = option(
        False, "With --sort-into: link instead of copying.", "--link", panel="Output"
    )
    show: bool = option(
        False, "Draw what the network sees beside each image.", "--show", panel="Output"
    )
    save_preprocessed: Path | None = option(
        None,
        "Save what the network sees, and a preview, as PNG.",
        metavar="DIR",
        parse=Path,
        panel="Output",
    )


@dataclass(frozen=True)
class PredictOptions(
    SpeedOptions, _PictureOptions, OutputOptions, _PredictionOptions, InputOptions
):
    """Options of `predict`; each field's `Option` says what it means.

    Raises:
        UsageError: the options contradict one another.
    """

    def __post_init__(self) -> None:
        if self.link and self.sort_into is None:
            raise UsageError("--link: needs --sort-into DIR")
        set_output_of_shard(self)
        check_options(self)

    @property
    def has_previews(self) -> bool:
        """Whether what the network sees is shown or saved."""
        return has_previews(self)

    @property
    def other_inputs(self) -> Sequence[str]:
        """Files that are read beside the pictures: the model."""
        return () if self.model is None else (self.model,)
