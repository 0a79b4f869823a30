"""Options that every command about pictures has, in groups; and what a run asks of all of them.

A command's options inherit from the groups: `dataclasses` puts the fields of the last base first.
Groups have fields alone: the methods that a dataclass gets besides are compiled at every start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mnist_edge.errors import UsageError
from mnist_edge.inputs.shard import PLACEHOLDER, Shard
from mnist_edge.inputs.sources import STDIN, is_table
from mnist_edge.options import option

__all__ = [
    "InputOptions",
    "OutputOptions",
    "RunOptions",
    "SpeedOptions",
    "check_options",
    "has_previews",
    "set_output_of_shard",
]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class InputOptions:
    """Which pictures."""

    paths: list[str] | None = option(
        None,
        "Images, folders, globs, zip or tar archives, IDX or .npy arrays, Parquet, URLs; - for one "
        "image on stdin.",
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
        None,
        "Read image names from a list, .csv or .parquet; - for stdin.",
        metavar="FILE",
        panel="Input",
    )
    column: str | None = option(
        None,
        "Column of a .csv or .parquet with the pictures or names.",
        metavar="NAME",
        panel="Input",
    )
    null: bool = option(
        False, "Names are separated by NUL bytes, not lines.", "--null", "-0", panel="Input"
    )
    shard: str | None = option(
        None,
        "One part of many, such as 0/4 to 3/4: by the pictures' names.",
        metavar="K/N",
        panel="Input",
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class OutputOptions:
    """Where the rows go, and in which format."""

    format: str = option(
        "table", "table, json, jsonl, csv or parquet.", metavar="FORMAT", panel="Output"
    )
    output: Path | None = option(
        None,
        "Write to this file; it appears when it is complete. {shard} in its name is that part.",
        metavar="FILE",
        parse=Path,
        panel="Output",
    )
    resume: bool = option(
        False, "Continue an interrupted --output (jsonl, csv, parquet).", "--resume", panel="Output"
    )
    summary: bool = option(False, "Print a summary to stderr.", "--summary", panel="Output")


@dataclass(frozen=True, init=False, repr=False, eq=False)
class SpeedOptions:
    """How much of the machine."""

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


_RESUMABLE = ("jsonl", "csv", "parquet")


class RunOptions(Protocol):
    """What a run over pictures asks of the options of its command."""

    @property
    def paths(self) -> list[str] | None: ...  # noqa: D102 - fields of the groups above
    @property
    def recursive(self) -> bool: ...  # noqa: D102
    @property
    def files_from(self) -> str | None: ...  # noqa: D102
    @property
    def column(self) -> str | None: ...  # noqa: D102
    @property
    def null(self) -> bool: ...  # noqa: D102
    @property
    def shard(self) -> str | None: ...  # noqa: D102
    @property
    def format(self) -> str: ...  # noqa: D102
    @property
    def output(self) -> Path | None: ...  # noqa: D102
    @property
    def resume(self) -> bool: ...  # noqa: D102
    @property
    def summary(self) -> bool: ...  # noqa: D102
    @property
    def show(self) -> bool: ...  # noqa: D102
    @property
    def save_preprocessed(self) -> Path | None: ...  # noqa: D102
    @property
    def workers(self) -> int | None: ...  # noqa: D102

    @property
    def other_inputs(self) -> Sequence[str]:
        """Files that are read beside the pictures: models, lists."""


def has_previews(options: RunOptions) -> bool:
    """Whether pictures are shown or saved with what was found on them."""
    return options.show or options.save_preprocessed is not None


def set_output_of_shard(options: RunOptions) -> None:
    """Puts the shard into the output's name where it has a place for it.

    Raises:
        UsageError: there is no such shard; or there is a place, and no shard.
    """
    shard = None if options.shard is None else Shard.parse(options.shard)
    if options.output is None or PLACEHOLDER not in str(options.output):
        return
    if shard is None:
        raise UsageError(f"--output {options.output}: {PLACEHOLDER} needs --shard K/N")
    named = Path(str(options.output).replace(PLACEHOLDER, str(shard)))
    object.__setattr__(options, "output", named)


def check_options(options: RunOptions) -> None:
    """Raises UsageError where options contradict one another."""
    if options.resume and (options.output is None or options.format not in _RESUMABLE):
        raise UsageError("--resume: needs --output FILE and --format jsonl, csv or parquet")
    if options.format == "parquet" and options.output is None:
        raise UsageError("--format parquet: needs --output FILE")
    # A path has lost one of the slashes; `C:/` is a drive.
    if options.output is not None and ":/" in options.output.as_posix()[2:]:
        raise UsageError(f"--output {options.output}: must be a file here; copy it there after")
    if options.resume and has_previews(options):
        raise UsageError("--resume: cannot be combined with --show or --save-preprocessed")
    if options.output is not None and options.output.is_dir():
        raise UsageError(f"--output {options.output}: is a folder; give the name of a file in it")
    has_table = options.files_from is not None and is_table(options.files_from)
    has_pictures = any(path.lower().endswith(".parquet") for path in options.paths or ())
    if options.column is not None and not (has_table or has_pictures):
        raise UsageError("--column: needs a .parquet file, or --files-from with .csv or .parquet")
    if options.null and has_table:
        raise UsageError(f"--null: {options.files_from} is a table, not a list")
    if options.files_from == STDIN and STDIN in (options.paths or ()):
        raise UsageError("--files-from -: stdin cannot be both a list of names and a picture")
