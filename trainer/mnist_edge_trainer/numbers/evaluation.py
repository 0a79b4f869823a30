"""Evaluation of a number reader on the test sets, and the files that it writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.reader import NumberReader
from mnist_edge_trainer.evaluation.metrics import ConfidenceBin, calibration_error
from mnist_edge_trainer.evaluation.plots import draw_reliability_of
from mnist_edge_trainer.numbers.mistake_grid import draw_mistakes
from mnist_edge_trainer.numbers.scoring import (
    Answer,
    NumberScores,
    ReadFunction,
    Result,
    digits_of,
    read_all,
    reliability,
    score,
)
from mnist_edge_trainer.numbers.test_sets.records import Hand, NumberPicture
from mnist_edge_trainer.numbers.test_sets.sets import ALL_SETS, TEST_SETS, pictures
from mnist_edge_trainer.numbers.test_sets.typefaces import missing_typefaces

__all__ = [
    "Mistake",
    "NumbersEvaluation",
    "available_sets",
    "evaluate_numbers",
    "known_sets",
    "our_reader",
    "table",
    "written_files",
]

_MOST_MISTAKES = 40
"""Mistakes that are drawn."""


@dataclass(frozen=True, eq=False)
class Mistake:
    """A picture that was read wrongly.

    Attributes:
        set: name of its test set.
        index: its place in the set, from 0.
        picture: the picture and the number in it.
        result: what was read.
    """

    set: str
    index: int
    picture: NumberPicture
    result: Result

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, for JSON."""
        return {
            "index": self.index,
            "true": self.result.text,
            "read": self.result.digits,
            "confidence": self.result.confidence,
        }


@dataclass(frozen=True, kw_only=True)
class NumbersEvaluation:
    """Scores of a reader on every test set.

    Attributes:
        model: name of the reader.
        split: ``test`` or ``validation``, whose digits the handwritten numbers are made of.
        seed: of the test sets.
        scores: by name of the set.
        mistakes: all, in order of sets and pictures.
        bins: every number of all sets, by confidence.
    """

    model: str
    split: str
    seed: int
    scores: dict[str, NumberScores]
    mistakes: Sequence[Mistake]
    bins: Sequence[ConfidenceBin]

    @property
    def ece(self) -> float:
        """Expected calibration error over all numbers (see `Scores.ece`)."""
        return calibration_error(self.bins)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, for JSON."""
        sets = {
            name: {
                "description": ALL_SETS[name].description,
                **scores.to_dict(),
                "mistakes": [m.to_dict() for m in self.mistakes if m.set == name],
            }
            for name, scores in self.scores.items()
        }
        return {
            "model": self.model,
            "split": self.split,
            "seed": self.seed,
            "ece": self.ece,
            "sets": sets,
        }

    def write(self, folder: Path, *, svg: bool = False) -> list[Path]:
        """Writes the scores as JSON and as a table in Markdown, and draws plots.

        The plots are the reliability diagram, and the most confident mistakes if there are any.

        Args:
            folder: is made where it is missing.
            svg: write each plot as SVG as well as PNG.

        Returns:
            The paths that were written.

        Raises:
            OutputError: a file cannot be written.
        """
        make_folder(folder)
        scores, markdown, *plots = written_files(folder, self.split)
        _write(scores, json.dumps(self.to_dict(), indent=2) + "\n")
        _write(markdown, _markdown(*table(self)))
        paths = [scores, markdown]
        for path in plots:
            if path.suffix == ".svg" and not svg:
                continue
            if path.stem.startswith("reliability"):
                draw_reliability_of(self.bins, "numbers", path)
            elif self.mistakes:
                chosen = sorted(self.mistakes, key=lambda mistake: -mistake.result.confidence)
                draw_mistakes(
                    [(mistake.picture, mistake.result) for mistake in chosen[:_MOST_MISTAKES]], path
                )
            else:
                continue
            paths.append(path)
        return paths


def written_files(folder: Path, split: str) -> list[Path]:
    """Paths that `NumbersEvaluation.write` may write: scores, table, and plots."""
    names = [f"evaluation-numbers-{split}.json", f"evaluation-numbers-{split}.md"]
    for plot in ("reliability", "mistakes"):
        names += [f"{plot}-numbers-{split}.{suffix}" for suffix in ("png", "svg")]
    return [folder / name for name in names]


def our_reader(model: str | Path | None = None, finder: str | Path | None = None) -> ReadFunction:
    """Loads the number reader, for one thread.

    Args:
        model: the line reader's file; None = the bundled one.
        finder: the line finder's file; None = the bundled one.

    Raises:
        ModelError: a file is missing, damaged, or another network's.
    """
    reader = NumberReader(model, finder=finder)

    def read(picture: NumberPicture) -> Answer:
        reading = reader.read(picture.content)
        boxes = (digit.box for number in reading.numbers for digit in number.digits)
        return Answer(
            digits_of(reading.text or ""),
            reading.confidence or 0.0,
            tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in boxes),
        )

    return read


def available_sets(log: Callable[[str], None]) -> list[str]:
    """Names of `TEST_SETS` whose pictures can be made; `log` gets the reason where one cannot."""
    missing = missing_typefaces()
    if missing:
        log(
            f"printed numbers are left out: {', '.join(missing)} not installed; "
            "install with: pip install 'mnist-edge[typefaces]'"
        )
    return [name for name in TEST_SETS if name != "printed" or not missing]


def known_sets(names: Sequence[str]) -> list[str]:
    """Checks the names of test sets.

    Raises:
        UsageError: there is no such set, or its pictures cannot be made.
    """
    for name in names:
        if name not in ALL_SETS:
            raise UsageError(f"--sets {name}: unknown; choose of {', '.join(ALL_SETS)}")
    problems: list[str] = []
    if "printed" in names and "printed" not in available_sets(problems.append):
        raise UsageError(problems[0])
    return list(names)


def evaluate_numbers(
    read: ReadFunction,
    hands: Sequence[Hand],
    names: Sequence[str],
    *,
    model: str,
    split: str,
    samples: int,
    seed: int,
    on_set: Callable[[str, NumberScores], None] = lambda *_: None,
) -> NumbersEvaluation:
    """Reads the pictures of test sets, and scores what is read.

    Args:
        read: the reader.
        hands: that wrote the digits.
        names: of the sets.
        model: name of the reader.
        split: that the hands are of.
        samples: pictures of each set.
        seed: of the sets.
        on_set: called with the name and the scores of each set when it has been read.
    """
    scores: dict[str, NumberScores] = {}
    mistakes: list[Mistake] = []
    results: list[Result] = []
    for name in names:
        read_here: list[Result] = []
        for index, picture in enumerate(pictures(name, hands, samples, seed)):
            read_here += read_all(read, [picture])
            if not read_here[-1].is_correct:
                mistakes.append(Mistake(name, index, picture, read_here[-1]))
        scores[name] = score(read_here)
        results += read_here
        on_set(name, scores[name])
    return NumbersEvaluation(
        model=model,
        split=split,
        seed=seed,
        scores=scores,
        mistakes=mistakes,
        bins=reliability(results),
    )


def table(evaluation: NumbersEvaluation) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of the table of an evaluation."""
    columns = ["set", "pictures", "whole numbers right", "95 % interval", "digits wrong"]
    columns += ["wrong over 0.9", "digits located", "ECE", "ms a picture"]
    rows = [
        [
            ALL_SETS[name].description,
            f"{scores.pictures:,}",
            f"{scores.accuracy:.1%}",
            "{:.1%} to {:.1%}".format(*scores.correct_interval),
            f"{scores.digit_error_rate:.2%}",
            f"{scores.confidently_wrong:.1%}",
            f"{scores.located:.1%}",
            f"{scores.ece:.1%}",
            f"{scores.milliseconds:.2f}",
        ]
        for name, scores in evaluation.scores.items()
    ]
    return columns, rows


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["--:"] * (len(columns) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (columns, rule, *rows))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
