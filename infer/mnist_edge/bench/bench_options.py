"""Every option of `mnist-edge bench`, once: its name, type, default, range and help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.options import option

__all__ = ["BenchOptions"]

_TARGETS = "What is measured"
_METHOD = "How it is measured"
_CHECKS = "Checks: exit with 1 if one fails"
_OUTPUT = "Output"


@dataclass(frozen=True)
class BenchOptions:
    """Options of `bench`; each field's `Option` says what it means.

    Raises:
        UsageError: the options contradict one another.
    """

    model: list[str] | None = option(
        None,
        "A classifier of 28 x 28 pictures; repeat it for more. The others are compared with the "
        "first.",
        metavar="MODEL",
        shown_default="the bundled models",
        panel=_TARGETS,
    )
    threads: list[str] | None = option(
        None,
        "CPU threads: 1, or 1,2,4; auto tries several and says which to use.",
        metavar="N",
        shown_default="1",
        panel=_TARGETS,
    )
    providers: list[str] | None = option(
        None,
        "An execution provider of onnxruntime; repeat it for more.",
        metavar="NAME",
        shown_default="CPUExecutionProvider",
        panel=_TARGETS,
    )
    scenario: list[str] | None = option(
        None,
        "single-stream, multi-stream, offline, end-to-end or start; repeat it for more.",
        metavar="NAME",
        shown_default="all",
        panel=_TARGETS,
    )
    batch_size: list[int] | None = option(
        None,
        "Pictures per query in offline; repeat it for more.",
        metavar="N",
        minimum=1,
        maximum=65_536,
        shown_default="1, 32, 256",
        panel=_TARGETS,
    )
    streams: int = option(
        8,
        "Pictures per query in multi-stream.",
        metavar="N",
        minimum=2,
        maximum=65_536,
        panel=_TARGETS,
    )
    data: Path | None = option(
        None,
        "Folder with MNIST's test files.",
        metavar="DIR",
        shown_default="./samples, if it exists",
        panel=_TARGETS,
    )
    image: Path | None = option(
        None,
        "Picture for end-to-end and start.",
        metavar="FILE",
        shown_default="an MNIST test image, as PNG",
        panel=_TARGETS,
    )
    processes: int = option(
        5,
        "Worker processes, one after the other.",
        hidden_flags=("--sittings",),
        metavar="N",
        minimum=1,
        maximum=1000,
        panel=_METHOD,
    )
    rounds: int = option(
        30, "Rounds per process.", metavar="N", minimum=2, maximum=100_000, panel=_METHOD
    )
    seed: int = option(
        0, "Seed of the order within a round.", metavar="N", minimum=0, panel=_METHOD
    )
    watts: float | None = option(
        None, "Measured device power, watts.", metavar="WATTS", minimum=0, panel=_METHOD
    )
    baseline: Path | None = option(
        None,
        "Compare with an earlier run's --output; fails if something is slower.",
        metavar="FILE",
        panel=_CHECKS,
    )
    margin: float = option(
        0.05,
        "Smallest change that counts as slower or faster.",
        metavar="FRACTION",
        minimum=0,
        maximum=10,
        panel=_CHECKS,
    )
    min_accuracy: float | None = option(
        None,
        "Fails if a model's top-1 accuracy is below this.",
        metavar="FRACTION",
        minimum=0,
        maximum=1,
        panel=_CHECKS,
    )
    as_json: bool = option(False, "Print JSON.", "--json", panel=_OUTPUT)
    as_markdown: bool = option(False, "Print Markdown.", "--markdown", panel=_OUTPUT)
    output: Path | None = option(
        None, "Write the JSON to this file too.", metavar="FILE", panel=_OUTPUT
    )
    plot: Path | None = option(
        None,
        "Plot accuracy against latency and size; .svg or .png.",
        hidden_flags=("--picture",),
        metavar="FILE",
        panel=_OUTPUT,
    )
    profile: bool = option(
        False, "Show the time of each node of the network instead.", "--profile", panel=_OUTPUT
    )

    def __post_init__(self) -> None:
        if self.as_json and self.as_markdown:
            raise UsageError("--json and --markdown: choose one; --output writes the JSON besides")
        if self.output is not None and self.output.is_dir():
            raise UsageError(f"--output {self.output}: is a folder; give the name of a file in it")
