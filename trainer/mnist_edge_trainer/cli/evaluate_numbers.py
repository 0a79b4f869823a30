"""`mnist-edge evaluate --numbers`: the number reader on its test sets."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_edge.cli.console import log
from mnist_edge.errors import UsageError
from mnist_edge_trainer.cli.common import print_line, training_packages
from mnist_edge_trainer.cli.evaluate_options import SAMPLES, EvaluateOptions
from mnist_edge_trainer.numbers.test_sets import TEST_SEED

if TYPE_CHECKING:
    from mnist_edge_trainer.numbers.evaluation import NumbersEvaluation

__all__ = ["measure_numbers"]


def measure_numbers(options: EvaluateOptions) -> None:
    """Evaluates the number reader, and prints and writes its scores.

    Raises:
        MnistEdgeError: a file is missing or damaged; a split or a set is unknown.
    """
    with training_packages():
        from mnist_edge.outputs.atomic import refuse_if_input
        from mnist_edge_trainer.evaluation.target import SPLITS
        from mnist_edge_trainer.numbers import evaluation as numbers
        from mnist_edge_trainer.numbers.test_sets.hands import load_hands

    options = _with_files(options)
    model, split, output = options.target, options.split, options.output
    if split not in SPLITS:
        raise UsageError(f"--split {split}: unknown; choose {' or '.join(SPLITS)}")
    sets = options.sets.split(",") if options.sets else None
    names = numbers.known_sets(sets) if sets else numbers.available_sets(log)
    if output is not None:
        named = (model, options.finder, options.writers)
        inputs = [Path(path) for path in named if path is not None]
        for path in numbers.written_files(output, split):
            refuse_if_input(path, inputs, "--output")
    evaluation = numbers.evaluate_numbers(
        numbers.our_reader(model, options.finder),
        load_hands(split, options.data, options.writers, log),
        names,
        model=model or "bundled",
        split=split,
        samples=options.samples or SAMPLES,
        seed=TEST_SEED if options.seed is None else options.seed,
        on_set=lambda name, scores: log(f"  {name}: {scores.accuracy:.1%}"),
    )
    if options.as_json:
        print(json.dumps(evaluation.to_dict(), indent=2))
    else:
        _print_evaluation(evaluation)
    if output is not None:
        for path in evaluation.write(output, svg=options.svg):
            log(f"wrote {path}")


def _with_files(options: EvaluateOptions) -> EvaluateOptions:
    """The files of both networks, where a folder is named that they were exported to."""
    if options.target is None or not os.path.isdir(options.target):
        return options
    reader, finder = (
        Path(options.target) / f"line-{name}-int8.onnx" for name in ("reader", "finder")
    )
    if not reader.is_file():
        raise UsageError(
            f"{options.target}: no {reader.name} in it; run mnist-edge export on it first"
        )
    own = str(finder) if options.finder is None and finder.is_file() else options.finder
    return dataclasses.replace(options, target=str(reader), finder=own)


def _print_evaluation(evaluation: NumbersEvaluation) -> None:
    from mnist_edge.outputs.terminal_table import print_table
    from mnist_edge_trainer.numbers.evaluation import table

    print_table(*table(evaluation))
    print()
    print_line(f"calibration error (ECE) over all numbers: {evaluation.ece:.1%}")
