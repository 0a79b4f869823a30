"""Every option of `mnist-edge predict`, once: its name, type, default, range and help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.inputs.sources import STDIN
from mnist_edge.options import option

__all__ = ["PredictOptions"]


@dataclass(frozen=True)
class PredictOptions:
    """Options of `predict`; each field's `Option` says what it means.

    Raises:
        UsageError: the options contradict one another.
    """

    paths: list[str] | None = option(
        None,
        "Images, folders, globs, zip or tar archives, IDX or .npy arrays; - for one image on "
        "stdin.",
        metavar="PATH...",
        is_argument=True,
    )
    recursive: bool = option(
        False,
        "Search folders inside folders.",
        "--recursive/--no-recursive",
        panel="Input",
    )
    files_from: str | None = option(
        None, "Read image names from a file; - for stdin.", metavar="FILE", panel="Input"
    )
    null: bool = option(
        False, "Names are separated by NUL bytes, not lines.", "--null", "-0", panel="Input"
    )
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
    format: str = option("table", "table, json, jsonl or csv.", metavar="FORMAT", panel="Output")
    output: Path | None = option(
        None,
        "Write to this file; it appears when it is complete.",
        metavar="FILE",
        parse=Path,
        panel="Output",
    )
    resume: bool = option(
        False, "Continue an interrupted --output (jsonl, csv).", "--resume", panel="Output"
    )
    summary: bool = option(False, "Print a summary to stderr.", "--summary", panel="Output")
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
    workers: int | None = option(
        None,
        "Processes that share the work.",
        metavar="N",
        minimum=1,
        maximum=256,
        shown_default="one per core",
        parse=int,
        panel="Speed",
    )
    threads: int = option(
        1,
        "CPU threads for the network, in each process.",
        metavar="N",
        minimum=1,
        maximum=256,
        parse=int,
        panel="Speed",
    )

    def __post_init__(self) -> None:
        if self.resume and (self.output is None or self.format not in ("jsonl", "csv")):
            raise UsageError("--resume: needs --output FILE and --format jsonl or csv")
        if self.link and self.sort_into is None:
            raise UsageError("--link: needs --sort-into DIR")
        if self.resume and self.has_previews:
            raise UsageError("--resume: cannot be combined with --show or --save-preprocessed")
        if self.output is not None and self.output.is_dir():
            raise UsageError(f"--output {self.output}: is a folder; give the name of a file in it")
        if self.files_from == STDIN and STDIN in (self.paths or ()):
            raise UsageError("--files-from -: stdin cannot be both a list of names and a picture")

    @property
    def has_previews(self) -> bool:
        """Whether what the network sees is shown or saved."""
        return self.show or self.save_preprocessed is not None
