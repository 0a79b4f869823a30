"""Recommendations for the next run, from the figures of this one.

A rule applies where a figure is past a bound. Its text names the figure, then what to try.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mnist_edge.model import Model
from mnist_edge_trainer.evaluation.records import Epoch, Evaluation
from mnist_edge_trainer.reporting.runs import Run

__all__ = ["Facts", "recommend"]

_STILL_FALLING = 0.02
"""Relative fall of the validation loss over the last tenth of the epochs."""

_BEST_EPOCH = 0.7
"""Part of the epochs after which the best one comes where their number is right."""

_PHOTO_GAP = 0.02
"""Accuracy that photographs may lack, against scanned images."""

_CALIBRATED = 0.01
"""Expected calibration error of confidences that can be read as they are."""

_INT8_LOSS = 0.0005
"""Accuracy that the export gate lets int8 lose."""

_WIDE_INTERVAL = 0.02
"""Width of the accuracy's interval that is too wide to compare runs by."""

_FEWEST_MISTAKES = 3
"""Mistakes of one kind that may be more than chance."""

_DIGIT_DATASETS = ("mnist", "emnist-digits")


@dataclass(frozen=True)
class Facts:
    """Facts that the rules are applied to.

    Attributes:
        run: the recipe, and at least one epoch.
        evaluation: on the validation split, so that nothing is chosen by the test images; on the
            test split where there is no other.
        test: on the test split.
        parameters: number of trainable parameters; None = unknown.
        seeds: the seeds that the recipe was trained with.
    """

    run: Run
    evaluation: Evaluation
    test: Evaluation
    parameters: int | None
    seeds: list[int]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        best = self.run.best
        assert best is not None, "a run without an epoch has no report"
        return best


def recommend(facts: Facts) -> list[str]:
    """Returns the texts of the rules that apply, the most important first; may be empty."""
    groups = (
        _training_length,
        _overfitting,
        _network_size,
        _classes,
        _photographs,
        _int8,
        _evidence,
    )
    return [text for rules in groups for text in rules(facts)]


def _training_length(facts: Facts) -> Iterator[str]:
    run, best, last = facts.run, facts.best, facts.run.history[-1]
    if not run.finished:
        yield (
            f"The run was interrupted after epoch {last.epoch} of {run.epochs}. Continue it with "
            "train --resume."
        )
        return
    if len(run.history) == 1:
        yield f"After one epoch the validation loss is {last.val_loss:.4f}. Try --epochs 10."
        return
    recent = max(1, len(run.history) // 10)
    fall = 1 - last.val_loss / min(epoch.val_loss for epoch in run.history[:-recent])
    if best is last and fall >= _STILL_FALLING and not run.stopped_early:
        yield (
            f"The validation loss was still falling at the end: by {fall:.1%}, to "
            f"{last.val_loss:.4f}. Train for longer (--epochs {2 * run.epochs})."
        )
    if run.epochs >= 4 and best.epoch <= _BEST_EPOCH * run.epochs:
        fewer = best.epoch + max(1, best.epoch // 5)
        yield (
            f"The best epoch was {best.epoch} of {run.epochs}; the validation loss was higher after"
            f" it, up to epoch {last.epoch}. Try fewer epochs (--epochs {fewer}) or a lower --lr."
        )


def _overfitting(facts: Facts) -> Iterator[str]:
    best = facts.best
    overfits = best.train_loss <= best.val_loss / 2
    losses = f"training loss {best.train_loss:.4f}, validation loss {best.val_loss:.4f}"
    if facts.run.config.get("augment") is False:
        reason = f" and the network overfits ({losses})" if overfits else ""
        yield f"The training images were not augmented{reason}. Try --augment."
    elif overfits:
        yield (
            f"The network overfits although its training images are augmented ({losses}). Try a "
            "higher --weight-decay, or an architecture with dropout."
        )


def _network_size(facts: Facts) -> Iterator[str]:
    if facts.parameters is None or facts.run.dataset != "mnist":
        return
    released = Model.load(None).metadata
    arch, parameters = released["architecture"], int(released["parameters"])
    accuracy = float(released["test_accuracy"])
    if facts.parameters >= 2 * parameters and facts.test.accuracy_interval[0] <= accuracy:
        yield (
            f"The network has {facts.parameters:,} parameters, "
            f"{facts.parameters / parameters:.0f} times as many as the released {arch}, but is not "
            f"measurably better: {facts.test.accuracy:.2%}, {arch} {accuracy:.2%}. "
            f"Try --arch {arch}."
        )


def _classes(facts: Facts) -> Iterator[str]:
    classes, macro = facts.evaluation.classes, facts.evaluation.macro
    confusion = np.array(facts.evaluation.confusion)
    pairs = np.triu(confusion + confusion.T, k=1)
    fewest = max(_FEWEST_MISTAKES, 0.1 * pairs.sum())
    order = np.argsort(-pairs, axis=None, kind="stable")
    worst = [
        f"{pairs[a, b]} confuse {classes[a].label} and {classes[b].label}"
        for a, b in zip(*np.unravel_index(order[:2], pairs.shape), strict=True)
        if pairs[a, b] >= fewest
    ]
    if worst and len(classes) > 2:
        yield (
            f"Of {pairs.sum()} mistakes, {' and '.join(worst)}. Look at these first: more varied "
            "training images of these classes help most."
        )
    least = min(classes, key=lambda scores: scores.recall)
    missed = round((1 - least.recall) * least.support)
    if missed >= _FEWEST_MISTAKES and 1 - least.recall >= 1.5 * (1 - macro.recall):
        yield (
            f"{least.label} is missed most often: {missed} of {least.support:,} images, a recall "
            f"of {least.recall:.2%} against {macro.recall:.2%} on average."
        )
    rarest = min(classes, key=lambda scores: scores.support)
    largest = max(classes, key=lambda scores: scores.support)
    if largest.support >= 3 * rarest.support:
        is_weighted = facts.run.config.get("class_weights") == "balanced"
        weights = "" if is_weighted else ", or try --class-weights balanced"
        yield (
            f"The classes are unbalanced: {largest.support:,} images of {largest.label}, "
            f"{rarest.support:,} of {rarest.label}. Collect more of the rare ones{weights}."
        )


def _photographs(facts: Facts) -> Iterator[str]:
    photos, best = facts.run.config.get("photos"), facts.best
    if photos == 0 and facts.run.dataset in _DIGIT_DATASETS:
        yield (
            "The network was trained without photographs. To predict photographs, try "
            "--photos 27500."
        )
        return
    accuracy, photo_accuracy = best.val_accuracy, best.val_photo_accuracy
    if photo_accuracy is not None and accuracy - photo_accuracy >= _PHOTO_GAP:
        now = f", now {photos:,}" if isinstance(photos, int) else ""
        yield (
            f"The accuracy on photographs is {photo_accuracy:.1%}, on scanned images "
            f"{accuracy:.1%}. Try more photographs (--photos{now}) or a larger network."
        )


def _int8(facts: Facts) -> Iterator[str]:
    evaluation, int8 = facts.evaluation, facts.evaluation.int8
    if int8 is None:
        reason = ""
        if evaluation.ece >= _CALIBRATED:
            reason = f"; it also calibrates the confidences, which are off by {evaluation.ece:.2%}"
        yield f"There is no int8 file. Make one with mnist-edge export --quantize{reason}."
        return
    loss = evaluation.accuracy - int8.accuracy
    if loss > _INT8_LOSS:
        missed = np.diag(evaluation.confusion) - np.diag(int8.confusion)
        worst = int(missed.argmax())
        yield (
            f"int8 loses {100 * loss:.2f} percentage points, most of them in "
            f"{evaluation.classes[worst].label} ({missed[worst]} more missed). Use the fp32 file, "
            "or train with a higher --weight-decay, which narrows the ranges to quantize."
        )
    if int8.ece >= _CALIBRATED:
        yield (
            f"The confidences of the int8 file are off by {int8.ece:.2%} (ECE). A larger "
            "--val-split calibrates them better."
        )


def _evidence(facts: Facts) -> Iterator[str]:
    evaluation, (low, high) = facts.evaluation, facts.evaluation.accuracy_interval
    if high - low >= _WIDE_INTERVAL:
        yield (
            f"On {evaluation.images:,} images the accuracy is only known to be between {low:.1%} "
            f"and {high:.1%}. More {evaluation.split} images show smaller improvements."
        )
    if len(facts.seeds) == 1:
        yield (
            f"Only seed {facts.seeds[0]} was trained. Train two other values of --seed, and report "
            "mean and standard deviation."
        )
