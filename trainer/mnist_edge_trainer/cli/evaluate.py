"""`mnist-edge evaluate`: metrics and pictures, robustness, rejection."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.outputs.tables import print_table
from mnist_edge.types import DIGITS
from mnist_edge_trainer.cli.subject import Subject, load_subject
from mnist_edge_trainer.evaluation import metrics as scoring
from mnist_edge_trainer.evaluation import plots as figures
from mnist_edge_trainer.evaluation.rejection import rejection_curve
from mnist_edge_trainer.evaluation.robustness import CorruptionScores, Scores, measure_robustness
from mnist_edge_trainer.evaluation.saliency import occlusion
from mnist_edge_trainer.synthetic.dataset import held_out_negatives, held_out_photos
from mnist_edge_trainer.synthetic.scenes import SEVERITIES

__all__ = ["Assessment", "evaluate", "rejection", "robustness"]

_LOOKED_AT = 20
"""Pictures in which is shown where the network looked."""

_WIDEST_MATRIX = 80
"""Characters; a wider one would not fit a terminal."""

_MOST_CONFUSED = 20


@dataclass(frozen=True)
class Assessment:
    """What is found out about a subject, ready to be printed, written and drawn.

    Attributes:
        subject: what was scored.
        probabilities: float32 ``[N, C]``, its answers.
        scores: of them.
        int8: scores of the quantized file that was exported from it, on the same pictures.
    """

    subject: Subject
    probabilities: npt.NDArray[np.float32]
    scores: scoring.Evaluation
    int8: scoring.Evaluation | None

    @classmethod
    def of(cls, subject: Subject) -> Assessment:
        """Runs the network, and its int8 file where there is one, over the subject's digits."""
        images = subject.digits.images[:, 0].numpy()
        score = functools.partial(scoring.evaluate, digits=subject.digits, labels=subject.labels)
        probabilities = subject.network(images)
        int8 = score(subject.int8.run(images)) if subject.int8 else None
        return cls(subject, probabilities, score(probabilities), int8)

    def values(self) -> dict[str, Any]:
        """What ``--json`` prints and ``evaluation-SPLIT.json`` holds; fractions, no percent.

        The int8 file is named without its folder, which is the run's.
        """
        int8 = None
        if self.int8 and self.subject.int8:
            values = self.int8.values()
            kept = ("accuracy", "accuracy_interval", "loss", "ece", "macro", "confusion")
            int8 = {
                "file": Path(self.subject.int8.name).name,
                "bytes": len(self.subject.int8.content),
            } | {name: values[name] for name in kept}
        return {
            "model": self.subject.name,
            "split": self.subject.split,
            "dataset": self.subject.dataset,
            "images": len(self.subject.digits),
            **self.scores.values(),
            "int8": int8,
        }

    def write(self, folder: Path, *, svg: bool = False) -> list[Path]:
        """Writes the JSON and every picture, named after the split, and returns their paths.

        Args:
            folder: is made where it is missing.
            svg: write each picture as SVG as well as PNG.

        Raises:
            OutputError: one cannot be written.
        """
        make_folder(folder)
        path = folder / f"evaluation-{self.subject.split}.json"
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(self.values(), indent=2) + "\n", encoding="utf-8")
        paths = [path]
        for name, draw in self._pictures().items():
            for suffix in ("png", "svg") if svg else ("png",):
                picture = folder / f"{name}.{suffix}"
                draw(picture)
                paths.append(picture)
        return paths

    def _pictures(self) -> dict[str, Callable[[Path], None]]:
        """How to draw each picture, by its name; what takes long is done once."""
        names, split, filters = self.subject.labels, self.subject.split, self.subject.filters
        images = self.subject.digits.images[:, 0].numpy()
        truth = self.subject.digits.labels.numpy()
        some = figures.first_of_each(truth, _LOOKED_AT)
        maps = occlusion(self.subject.network, images[some], truth[some], stride=1)
        answers = (images, truth, self.probabilities, names)
        pictures: dict[str, Callable[[Path], None]] = {
            f"confusion-{split}": lambda path: figures.draw_confusion_matrix(
                self.scores.confusion, names, path
            ),
            f"mistakes-{split}": lambda path: figures.draw_mistakes(*answers, path),
            f"predictions-{split}": lambda path: figures.draw_predictions(*answers, path),
            f"reliability-{split}": lambda path: figures.draw_reliability(
                self.probabilities, truth, path
            ),
            f"attention-{split}": lambda path: figures.draw_saliency(
                images[some], maps, truth[some], names, path
            ),
        }
        if filters is not None:
            pictures["filters"] = lambda path: figures.draw_filters(filters, path)
        return pictures


def evaluate(
    target: str | None,
    *,
    split: str,
    data: Path | None,
    out: Path | None,
    as_json: bool,
    svg: bool = False,
) -> None:
    """Scores a run's best checkpoint or an exported model; prints, and draws what it found.

    Args:
        target: a run's folder, a model file or a bundled model's name; None = the latest run.
        split: ``test`` or ``validation``.
        data: the dataset's folder; None = wherever it is by default.
        out: folder for the JSON and the pictures; None = the run's, and none for a model file.
        as_json: print JSON instead of tables.
        svg: draw every picture as SVG as well as PNG.
    """
    assessment = Assessment.of(load_subject(target, split, data))
    if as_json:
        print(json.dumps(assessment.values(), indent=2))
    else:
        _print_assessment(assessment)
    folder = out or assessment.subject.folder
    if folder is not None:
        for path in assessment.write(folder, svg=svg):
            log(f"wrote {path}")


def robustness(
    target: str | None, *, split: str, data: Path | None, pictures: int, as_json: bool
) -> None:
    """Scores photographs of digits by what is wrong with them, beside the naive way."""
    subject = _of_digits(load_subject(target, split, data), "--robustness")
    digits = subject.digits[:pictures]
    log(f"{subject.name}: {len(digits):,} digits of the {split} split, photographed in each cell")
    axes = measure_robustness(
        subject.network,
        digits,
        on_axis=lambda axis: log(f"  {axis.axis}: done"),
    )
    means = [
        Scores(
            *(
                sum(getattr(axis.by_severity[s], way) for axis in axes) / len(axes)
                for way in ("front_end", "naive")
            )
        )
        for s in range(len(SEVERITIES))
    ]
    rows = [*axes, CorruptionScores("mean", tuple(means))]
    if as_json:
        print(
            json.dumps(
                {"model": subject.name, "split": split, "pictures": len(digits)}
                | {
                    row.axis: [dataclasses.asdict(scores) for scores in row.by_severity]
                    for row in rows
                },
                indent=2,
            )
        )
        return
    print_table(
        ["axis", *(column for name in SEVERITIES for column in (name, "naive"))],
        [
            [
                row.axis,
                *(
                    f"{value:.1%}"
                    for scores in row.by_severity
                    for value in (scores.front_end, scores.naive)
                ),
            ]
            for row in rows
        ],
    )


def rejection(
    target: str | None, *, split: str, data: Path | None, out: Path | None, as_json: bool
) -> None:
    """What a least confidence keeps back, of photographs of a split and of what is no digit."""
    subject = _of_digits(load_subject(target, split, data), "--rejection")
    photographs = held_out_photos(subject.digits)
    curve = rejection_curve(
        subject.network(photographs.images[:, 0].numpy()),
        photographs.labels.numpy(),
        subject.network(held_out_negatives(subject.digits).images[:, 0].numpy()),
    )
    if as_json:
        print(json.dumps([dataclasses.asdict(point) for point in curve], indent=2))
    else:
        print_table(
            [
                "least confidence",
                "photographs told right",
                "told wrong",
                "no digit, told to be one",
            ],
            [
                [
                    f"{p.threshold:.2f}",
                    f"{p.right:.1%}",
                    f"{p.wrong:.1%}",
                    f"{p.no_digit:.1%}",
                ]
                for p in curve
            ],
        )
    out = out or subject.folder
    if out is not None:
        figures.draw_rejection(curve, out / "rejection.png")
        log(f"wrote {out / 'rejection.png'}")


def _print_assessment(assessment: Assessment) -> None:
    subject, scores = assessment.subject, assessment.scores
    low, high = scores.accuracy_interval
    print(
        f"{subject.name}: top-1 {scores.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}) "
        f"on {scores.macro.support:,} {subject.split} images ({len(scores.mistakes):,} wrong), "
        f"cross-entropy {scores.loss:.4f}, calibration error (ECE) {scores.ece:.2%}\n"
    )
    if assessment.int8:
        _print_precisions(scores, assessment.int8)
    print_table(
        ["class", "precision", "recall", "F1", "images"],
        [
            [label, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}"]
            for label, s in [
                *zip(scores.labels, scores.classes, strict=True),
                ("macro", scores.macro),
            ]
        ],
    )
    _print_confusions(scores)


def _print_precisions(trained: scoring.Evaluation, int8: scoring.Evaluation) -> None:
    print_table(
        ["precision", "top-1", "95 % interval", "macro F1", "cross-entropy", "ECE"],
        [
            [
                name,
                f"{scores.accuracy:.2%}",
                "{:.2%} to {:.2%}".format(*scores.accuracy_interval),
                f"{scores.macro.f1:.4f}",
                f"{scores.loss:.4f}",
                f"{scores.ece:.2%}",
            ]
            for name, scores in (("fp32, as trained", trained), ("int8, exported", int8))
        ],
    )
    print("(export calibrates the confidences too, so that cross-entropy and ECE change)\n")


def _print_confusions(scores: scoring.Evaluation) -> None:
    """The whole matrix, or where it is too wide for that, what was most often confused."""
    labels = scores.labels
    counts = [[str(count) if count else "." for count in row] for row in scores.confusion.tolist()]
    columns = zip(labels, *counts, strict=True)
    if sum(2 + max(map(len, column)) for column in columns) <= _WIDEST_MATRIX:
        print("\nconfusion matrix: true class by row, predicted by column")
        rows = zip(labels, counts, strict=True)
        print_table(["", *labels], [[label, *row] for label, row in rows])
        return
    pairs = Counter((mistake.true, mistake.predicted) for mistake in scores.mistakes)
    print("\nmost often confused (--json has the whole matrix)")
    print_table(
        ["true", "predicted", "images"],
        [[*pair, str(count)] for pair, count in pairs.most_common(_MOST_CONFUSED)],
    )


def _of_digits(subject: Subject, option: str) -> Subject:
    if subject.labels != DIGITS:
        raise UsageError(
            f"{option}: only digits are photographed, and {subject.name} tells "
            f"{', '.join(subject.labels)}"
        )
    return subject
