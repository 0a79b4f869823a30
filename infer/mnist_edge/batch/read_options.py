"""Every option of `mnist-edge read`, once: its name, type, default, range and help."""

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
from mnist_edge.options import option

__all__ = ["ReadOptions"]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class _ReadingOptions:
    """Which models, and which numbers are possible."""

    length: str | None = option(
        None, "Digits of a number: 5, or 2-8.", metavar="N", panel="Reading"
    )
    pattern: str | None = option(
        None,
        "Regular expression of a number: '\\d{5}', '0[1-9]\\d*'.",
        metavar="REGEX",
        panel="Reading",
    )
    choices: Path | None = option(
        None,
        "File of all possible numbers, one a line.",
        metavar="FILE",
        parse=Path,
        panel="Reading",
    )
    alternatives: int = option(
        3,
        "Further readings to list for each number (json, jsonl).",
        metavar="N",
        minimum=0,
        maximum=20,
        parse=int,
        panel="Reading",
    )
    min_confidence: float | None = option(
        None,
        "Write ? for digits below this confidence.",
        metavar="FLOAT",
        minimum=0,
        maximum=1,
        shown_default="0.5",
        parse=float,
        panel="Reading",
    )
    model: str | None = option(
        None,
        "An .onnx file that reads lines.",
        metavar="MODEL",
        shown_default="line-reader-int8",
        panel="Reading",
    )
    finder: str | None = option(
        None,
        "An .onnx file that finds lines.",
        metavar="MODEL",
        shown_default="line-finder-int8",
        panel="Reading",
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class _PictureOptions:
    """What is done with each picture."""

    show: bool = option(
        False, "Draw each image with the boxes of its digits.", "--show", panel="Output"
    )
    save_preprocessed: Path | None = option(
        None,
        "Save each image with boxes and digits, as PNG.",
        metavar="DIR",
        parse=Path,
        panel="Output",
    )


@dataclass(frozen=True)
class ReadOptions(SpeedOptions, _PictureOptions, OutputOptions, _ReadingOptions, InputOptions):
    """Options of `read`; each field's `Option` says what it means.

    Raises:
        UsageError: the options contradict one another.
    """

    def __post_init__(self) -> None:
        set_output_of_shard(self)
        check_options(self)

    @property
    def has_previews(self) -> bool:
        """Whether pictures are shown or saved with their boxes."""
        return has_previews(self)

    @property
    def other_inputs(self) -> Sequence[str]:
        """Files that are read beside the pictures: the models, the choices."""
        files = (self.model, self.finder, None if self.choices is None else str(self.choices))
        return tuple(file for file in files if file is not None)
