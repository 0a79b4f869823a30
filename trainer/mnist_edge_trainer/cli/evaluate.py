"""`mnist-edge evaluate`: metrics and pictures, robustness, rejection."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge.outputs.tables import print_table
from mnist_edge.types import DIGITS
from mnist_edge_trainer.evaluation.assessment import Assessment, assess
from mnist_edge_trainer.evaluation.plots import draw_rejection
from mnist_edge_trainer.evaluation.records import DetailedScores, Scores
from mnist_edge_trainer.evaluation.rejection import rejection_curve
from mnist_edge_trainer.evaluation.robustness import mean_accuracy, measure_robustness
from mnist_edge_trainer.evaluation.target import EvaluationTarget, load_target
from mnist_edge_trainer.synthetic.photo_sets import held_out_negatives, held_out_photos
from mnist_edge_trainer.synthetic.render import SEVERITIES

__all__ = ["evaluate", "rejection", "robustness"]

_WIDEST_MATRIX = 80
"""Characters; a wider one would not fit a terminal."""

_MOST_CONFUSED = 20


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
    assessment = assess(load_target(target, split, data, log))
    if as_json:
        print(json.dumps(assessment.evaluation.to_dict(), indent=2))
    else:
        _print_assessment(assessment)
    folder = out or assessment.target.folder
    if folder is not None:
        for path in assessment.write(folder, svg=svg):
            log(f"wrote {path}")


def robustness(
    target: str | None, *, split: str, data: Path | None, pictures: int, as_json: bool
) -> None:
    """Scores photographs of digits by what is wrong with them, beside the naive way."""
    subject = _of_digits(load_target(target, split, data, log), "--robustness")
    digits = subject.digits[:pictures]
    log(f"{subject.name}: {len(digits):,} digits of the {split} split, photographed in each cell")
    corruptions = measure_robustness(
        subject.predict,
        digits,
        on_corruption=lambda row: log(f"  {row.corruption}: done"),
    )
    rows = [*corruptions, mean_accuracy(corruptions)]
    if as_json:
        print(
            json.dumps(
                {"model": subject.name, "split": split, "pictures": len(digits)}
                | {
                    row.corruption: [dataclasses.asdict(scores) for scores in row.by_severity]
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
                row.corruption,
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
    subject = _of_digits(load_target(target, split, data, log), "--rejection")
    photographs = held_out_photos(subject.digits)
    curve = rejection_curve(
        subject.predict(photographs.images[:, 0].numpy()),
        photographs.labels.numpy(),
        subject.predict(held_out_negatives(subject.digits).images[:, 0].numpy()),
    )
    if as_json:
        print(json.dumps([point.to_dict() for point in curve], indent=2))
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
                    f"{p.correct:.1%}",
                    f"{p.wrong:.1%}",
                    f"{p.negatives:.1%}",
                ]
                for p in curve
            ],
        )
    out = out or subject.folder
    if out is not None:
        draw_rejection(curve, out / "rejection.png")
        log(f"wrote {out / 'rejection.png'}")


def _print_assessment(assessment: Assessment) -> None:
    subject, scores = assessment.target, assessment.evaluation
    low, high = scores.accuracy_interval
    print(
        f"{subject.name}: top-1 {scores.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}) "
        f"on {scores.macro.support:,} {subject.split} images ({len(scores.mistakes):,} wrong), "
        f"cross-entropy {scores.loss:.4f}, calibration error (ECE) {scores.ece:.2%}\n"
    )
    if scores.int8:
        _print_precisions(scores, scores.int8)
    print_table(
        ["class", "precision", "recall", "F1", "images"],
        [
            [s.label, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}"]
            for s in [*scores.classes, scores.macro]
        ],
    )
    _print_confusions(scores)


def _print_precisions(trained: Scores, int8: Scores) -> None:
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


def _print_confusions(scores: DetailedScores) -> None:
    """The whole matrix, or where it is too wide for that, what was most often confused."""
    labels = [entry.label for entry in scores.classes]
    counts = [[str(count) if count else "." for count in row] for row in scores.confusion]
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


def _of_digits(subject: EvaluationTarget, option: str) -> EvaluationTarget:
    if subject.labels != DIGITS:
        raise UsageError(
            f"{option}: only digits are photographed, and {subject.name} tells "
            f"{', '.join(subject.labels)}"
        )
    return subject
