"""Options of `mnist-edge evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mnist_edge.errors import UsageError
from mnist_edge.options import option
from mnist_edge_trainer.cli.common import DATA, JSON_FLAGS, NEGATED
from mnist_edge_trainer.numbers.test_sets import TEST_SEED

__all__ = ["PICTURES", "SAMPLES", "EvaluateOptions"]

PICTURES = 500
"""Digits in each cell of the table of robustness, by default."""

SAMPLES = 1000
"""Pictures of each test set of numbers, by default."""

_NUMBERS_PANEL = "With --numbers"


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `mnist-edge evaluate`.

    Raises:
        UsageError: the options contradict one another.
    """

    target: str | None = option(
        None,
        "A run's folder, an .onnx file, or a bundled model's name.",
        metavar="RUN|MODEL",
        shown_default="the latest run",
        is_argument=True,
    )
    split: str = option(
        "test", "test, or validation (the images that a run held out).", metavar="NAME"
    )
    data: Path | None = option(None, **DATA)
    output: Path | None = option(
        None,
        "Folder for the JSON and the pictures.",
        metavar="FOLDER",
        shown_default="the run's folder",
        hidden_flags=("--out",),
    )
    svg: bool = option(False, "Draw every picture as SVG too.", "--svg")
    robustness: bool = option(
        False,
        "Evaluate on corrupted images instead: simulated photographs.",
        "--robustness",
        hidden_flags=(NEGATED.format("robustness"),),
    )
    pictures: int | None = option(
        None,
        "With --robustness: digits in each cell of the table.",
        metavar="N",
        minimum=1,
        maximum=10_000,
        shown_default=str(PICTURES),
    )
    rejection: bool = option(
        False,
        "Show accuracy against rejection threshold instead.",
        "--rejection",
        hidden_flags=(NEGATED.format("rejection"),),
    )
    numbers: bool = option(
        False,
        "Evaluate the number reader instead: pictures of whole numbers.",
        "--numbers",
    )
    samples: int | None = option(
        None,
        "Pictures of each test set.",
        metavar="N",
        minimum=1,
        maximum=100_000,
        shown_default=str(SAMPLES),
        panel=_NUMBERS_PANEL,
    )
    sets: str | None = option(
        None,
        "Test sets, separated by commas.",
        metavar="NAMES",
        shown_default="all",
        panel=_NUMBERS_PANEL,
    )
    finder: str | None = option(
        None,
        "The line finder's .onnx file.",
        metavar="MODEL",
        shown_default="the bundled one",
        panel=_NUMBERS_PANEL,
    )
    writers: Path | None = option(
        None,
        "QMNIST's file with the writer of every image of MNIST.",
        metavar="FILE",
        shown_default="in the dataset's folder",
        panel=_NUMBERS_PANEL,
    )
    seed: int | None = option(
        None,
        "Seed of the test sets.",
        metavar="N",
        minimum=0,
        shown_default=str(TEST_SEED),
        panel=_NUMBERS_PANEL,
    )
    as_json: bool = option(False, *JSON_FLAGS)

    def __post_init__(self) -> None:
        tasks = {
            "--robustness": self.robustness,
            "--rejection": self.rejection,
            "--numbers": self.numbers,
        }
        chosen = [flag for flag, is_chosen in tasks.items() if is_chosen]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)}: choose one")
        of_numbers = {
            "--samples": self.samples,
            "--sets": self.sets,
            "--finder": self.finder,
            "--writers": self.writers,
            "--seed": self.seed,
        }
        for flag, value in of_numbers.items():
            if value is not None and not self.numbers:
                raise UsageError(f"{flag}: needs --numbers")
        if self.pictures is not None and not self.robustness:
            raise UsageError("--pictures: needs --robustness")
        if self.robustness and self.output is not None:
            raise UsageError(
                "--output: --robustness draws no picture; redirect its table or its --json"
            )
