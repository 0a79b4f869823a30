"""`mnist-edge evaluate`: metrics and pictures, robustness, rejection."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge_trainer.cli.common import examples, print_line, training_packages
from mnist_edge_trainer.cli.evaluate_numbers import measure_numbers
from mnist_edge_trainer.cli.evaluate_options import PICTURES, EvaluateOptions

if TYPE_CHECKING:
    from mnist_edge_trainer.evaluation.assessment import Assessment
    from mnist_edge_trainer.evaluation.records import DetailedScores, Scores
    from mnist_edge_trainer.evaluation.rejection import RejectionPoint
    from mnist_edge_trainer.evaluation.robustness import CorruptionAccuracy
    from mnist_edge_trainer.evaluation.target import EvaluationTarget

__all__ = ["EXAMPLES", "EvaluateOptions", "evaluate"]

EXAMPLES = examples(
    "mnist-edge evaluate",
    "mnist-edge evaluate runs/mine --split validation",
    "mnist-edge evaluate mnist-edge-int8",
    "mnist-edge evaluate mnist-edge-int8 --robustness",
    "mnist-edge evaluate mnist-edge-int8 --rejection --output .",
    "mnist-edge evaluate --numbers --writers qmnist-test-labels.tsv.gz",
)

_WIDEST_MATRIX = 80
"""Characters; a wider one would not fit a terminal."""

_MOST_CONFUSED = 20


def evaluate(options: EvaluateOptions) -> None:
    """Score a network: top-1, precision, recall, F1, calibration, confusion matrix.

    For a run, or with --output, the scores are written to evaluation-SPLIT.json, with pictures:
    the confusion matrix, the most confident mistakes, predictions beside the truth, the reliability
    diagram, the first layer's filters, and saliency maps.

    With --numbers: whole numbers right, wrong digits, located digits and calibration of the number
    reader, on test sets of handwritten, printed and seven-segment numbers.
    """
    if options.numbers:
        measure_numbers(options)
        return
    with training_packages():
        from mnist_edge_trainer.evaluation.target import load_target
        from mnist_edge_trainer.training.device import limit_threads

    limit_threads()
    target = load_target(options.target, options.split, options.data, log)
    if options.robustness:
        _measure_robustness(_check_digits(target, "--robustness"), options)
    elif options.rejection:
        _measure_rejection(_check_digits(target, "--rejection"), options)
    else:
        _measure_accuracy(target, options)


def _check_digits(target: EvaluationTarget, flag: str) -> EvaluationTarget:
    from mnist_edge.types import DIGITS

    if target.labels != DIGITS:
        raise UsageError(
            f"{flag}: only digits are photographed, and {target.name} predicts "
            f"{', '.join(target.labels)}"
        )
    return target


def _measure_accuracy(target: EvaluationTarget, options: EvaluateOptions) -> None:
    with training_packages():
        from mnist_edge_trainer.evaluation.assessment import assess, refuse_overwriting

    folder = options.output or target.folder
    if folder is not None:
        refuse_overwriting(target, folder)
    assessment = assess(target)
    if options.as_json:
        print(json.dumps(assessment.evaluation.to_dict(), indent=2))
    else:
        _print_assessment(assessment)
    if folder is not None:
        for path in assessment.write(folder, svg=options.svg):
            log(f"wrote {path}")


def _measure_robustness(target: EvaluationTarget, options: EvaluateOptions) -> None:
    with training_packages():
        from mnist_edge_trainer.evaluation.robustness import mean_accuracy, measure_robustness
        from mnist_edge_trainer.synthetic.scenes import SEVERITIES

    digits = target.digits[: options.pictures or PICTURES]
    log(
        f"{target.name}: {len(digits):,} digits of the {options.split} split, photographed in "
        "each cell"
    )
    corruptions = measure_robustness(
        target.predict, digits, on_corruption=lambda row: log(f"  {row.corruption}: done")
    )
    rows = [*corruptions, mean_accuracy(corruptions)]
    if options.as_json:
        values = {"model": target.name, "split": options.split, "pictures": len(digits)}
        cells = {row.corruption: [asdict(cell) for cell in row.by_severity] for row in rows}
        print(json.dumps(values | cells, indent=2))
    else:
        _print_robustness(rows, SEVERITIES)


def _print_robustness(rows: Sequence[CorruptionAccuracy], severities: Sequence[str]) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    print_table(
        ["corruption", *(column for name in severities for column in (name, "naive"))],
        [
            [
                row.corruption,
                *(
                    f"{value:.1%}"
                    for cell in row.by_severity
                    for value in (cell.front_end, cell.naive)
                ),
            ]
            for row in rows
        ],
    )


def _measure_rejection(target: EvaluationTarget, options: EvaluateOptions) -> None:
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.evaluation.plots import draw_rejection
        from mnist_edge_trainer.evaluation.rejection import rejection_curve
        from mnist_edge_trainer.synthetic.dataset import held_out_negatives, held_out_photos

    folder = options.output or target.folder
    if folder is not None:
        refuse_if_input(folder / "rejection.png", target.files(), "--output")
    photographs = held_out_photos(target.digits)
    curve = rejection_curve(
        target.predict(photographs.images[:, 0].numpy()),
        photographs.labels.numpy(),
        target.predict(held_out_negatives(target.digits).images[:, 0].numpy()),
    )
    if options.as_json:
        print(json.dumps([point.to_dict() for point in curve], indent=2))
    else:
        _print_rejection(curve)
    if folder is not None:
        draw_rejection(curve, folder / "rejection.png")
        log(f"wrote {folder / 'rejection.png'}")


def _print_rejection(curve: Sequence[RejectionPoint]) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    print_table(
        ["threshold", "photographs right", "wrong", "non-digits accepted"],
        [
            [f"{p.threshold:.2f}", f"{p.correct:.1%}", f"{p.wrong:.1%}", f"{p.negatives:.1%}"]
            for p in curve
        ],
    )


def _print_assessment(assessment: Assessment) -> None:
    from mnist_edge.outputs.terminal_table import print_table

    target, scores = assessment.target, assessment.evaluation
    low, high = scores.accuracy_interval
    print_line(
        f"{target.name}: top-1 {scores.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}) "
        f"on {scores.macro.support:,} {target.split} images ({len(scores.mistakes):,} wrong), "
        f"cross-entropy {scores.loss:.4f}, calibration error (ECE) {scores.ece:.2%}"
    )
    print()
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
    from mnist_edge.outputs.terminal_table import print_table

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
    """Prints the confusion matrix; where it is too wide, the classes most often confused."""
    from mnist_edge.outputs.terminal_table import print_table

    labels = scores.labels
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
