"""`mnist-edge evaluate`: metrics, robustness, rejection."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mnist_edge.tables import print_table
from mnist_edge_trainer import evaluate as scoring
from mnist_edge_trainer.commands.say import say
from mnist_edge_trainer.commands.subject import load_subject
from mnist_edge_trainer.figures import draw_confusion_matrix, draw_rejection
from mnist_edge_trainer.photo_sets import held_out_photos, held_out_strangers
from mnist_edge_trainer.photos import SEVERITIES
from mnist_edge_trainer.rejection import rejection_curve
from mnist_edge_trainer.robustness import AxisScores, Scores, measure_robustness

__all__ = ["evaluate", "rejection", "robustness"]


def evaluate(
    target: str | None, *, split: str, data: Path | None, out: Path | None, as_json: bool
) -> None:
    """Scores a run's best checkpoint or an exported model, and draws its confusion matrix."""
    subject = load_subject(target, split, data)
    result = scoring.evaluate(subject.network(subject.digits.images[:, 0].numpy()), subject.digits)
    if as_json:
        values = dataclasses.asdict(result) | {"confusion": result.confusion.tolist()}
        print(json.dumps({"model": subject.name, "split": split} | values, indent=2))
    else:
        _print_evaluation(subject.name, split, result)
    out = out or subject.folder
    if out is not None:
        picture = out / f"confusion-{split}.png"
        draw_confusion_matrix(result.confusion, picture)
        say(f"wrote {picture}")


def robustness(
    target: str | None, *, split: str, data: Path | None, pictures: int, as_json: bool
) -> None:
    """Scores photographs of digits by what is wrong with them, beside the naive way."""
    subject = load_subject(target, split, data)
    digits = subject.digits[:pictures]
    say(f"{subject.name}: {len(digits):,} digits of the {split} split, photographed in each cell")
    axes = measure_robustness(
        subject.network,
        digits,
        on_axis=lambda axis: say(f"  {axis.axis}: done"),
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
    rows = [*axes, AxisScores("mean", tuple(means))]
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
    subject = load_subject(target, split, data)
    photographs = held_out_photos(subject.digits)
    curve = rejection_curve(
        subject.network(photographs.images[:, 0].numpy()),
        photographs.labels.numpy(),
        subject.network(held_out_strangers(subject.digits).images[:, 0].numpy()),
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
                [f"{p.threshold:.2f}", f"{p.right:.1%}", f"{p.wrong:.1%}", f"{p.no_digit:.1%}"]
                for p in curve
            ],
        )
    out = out or subject.folder
    if out is not None:
        draw_rejection(curve, out / "rejection.png")
        say(f"wrote {out / 'rejection.png'}")


def _print_evaluation(name: str, split: str, result: scoring.Evaluation) -> None:
    wrong = result.macro.support - int(result.confusion.trace())
    print(
        f"{name}: top-1 {result.accuracy:.2%} on {result.macro.support:,} {split} images "
        f"({wrong} wrong), cross-entropy {result.loss:.4f}\n"
    )
    named = [(str(digit), scores) for digit, scores in enumerate(result.classes)]
    print_table(
        ["digit", "precision", "recall", "F1", "images"],
        [
            [label, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}"]
            for label, s in [*named, ("macro", result.macro)]
        ],
    )
    print("\nconfusion matrix: true digit by row, predicted by column")
    print_table(
        ["", *(str(digit) for digit in range(10))],
        [
            [str(digit), *(str(count) if count else "." for count in row)]
            for digit, row in enumerate(result.confusion.tolist())
        ],
    )
