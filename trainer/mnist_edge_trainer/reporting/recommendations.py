"""What to try next, from a run's own figures: rules, each of which has something to log or not.

A rule speaks only where a figure gives it reason to, and its sentences name that figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mnist_edge.model import Model
from mnist_edge_trainer.reporting.runs import Epoch, Evaluation, Run

__all__ = ["Facts", "advise"]

_CALIBRATED = 0.01
"""Below this ECE a confidence can be read as it stands: it is off by less than a point."""

_INT8_LOSS = 0.0005
"""What the export gate lets int8 lose of top-1."""

_DIGITS = ("mnist", "emnist-digits")


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Attributes:
        run: the recipe, and at least one epoch.
        evaluation: of the network, to learn from: on the validation split where there is one,
            so that nothing is chosen by the test images.
        test: the same on the test images, to state.
        parameters: trainable ones of the network; None = not known.
        seeds: that this recipe was trained with, this run's included.
    """

    run: Run
    evaluation: Evaluation
    test: Evaluation
    parameters: int | None
    seeds: list[int]


def advise(facts: Facts) -> list[str]:
    """The sentences of all rules that have one, the most telling first; may be empty."""
    return [sentence for rule in _RULES if (sentence := rule(facts)) is not None]


def _resume(facts: Facts) -> str | None:
    run, last, best = facts.run, _last(facts), _best(facts)
    if run.finished:
        return None
    return (
        f"The run ended at epoch {last.epoch} of {run.epochs}, with the best at {best.epoch} and "
        "the learning rate still high: go on with it (train --resume)."
    )


def _more_epochs(facts: Facts) -> str | None:
    history, last, best = facts.run.history, _last(facts), _best(facts)
    if last.epoch < facts.run.epochs:
        return None
    if len(history) == 1:
        return (
            f"After its one epoch the validation loss was {last.val_loss:.4f}: a second and a third"
            " tell whether that is all there is (--epochs 10)."
        )
    recent = max(1, len(history) // 10)
    before = min(epoch.val_loss for epoch in history[:-recent])
    fall = 1 - last.val_loss / before
    if best is not last or fall < 0.02:
        return None
    return (
        f"The validation loss was still falling when the run ended, by {fall:.1%} to "
        f"{last.val_loss:.4f} over the last {_count(recent, 'epoch')}: train for longer "
        f"(--epochs {2 * facts.run.epochs})."
    )


def _fewer_epochs(facts: Facts) -> str | None:
    run, last, best = facts.run, _last(facts), _best(facts)
    if not run.finished or run.epochs < 4 or best.epoch > 0.7 * run.epochs:
        return None
    end = (
        f"and it stopped at {last.epoch}, before the learning rate had come down"
        if run.stopped_early
        else f"and the {last.epoch - best.epoch} after it only made the validation loss worse"
    )
    return (
        f"The best epoch was {best.epoch} of {run.epochs}, {end}: fewer epochs "
        f"(--epochs {best.epoch + max(1, best.epoch // 5)}) or a lower --lr."
    )


def _augment(facts: Facts) -> str | None:
    if facts.run.config.get("augment") is not False:
        return None
    gap = _gap(facts)
    reason = "" if gap is None else f", and {gap}"
    return f"The images were shown without distortions{reason}: try --augment."


def _regularize(facts: Facts) -> str | None:
    gap = _gap(facts)
    if gap is None or facts.run.config.get("augment") is False:
        return None  # distortions come first
    return (
        f"Although the images were distorted, {gap}: more --weight-decay, or an architecture "
        "with dropout."
    )


def _gap(facts: Facts) -> str | None:
    """That the network knows its training images by heart, if it does."""
    best = _best(facts)
    if best.train_loss > best.val_loss / 2:
        return None
    return (
        f"the training loss of the best epoch, {best.train_loss:.4f}, is far below its validation "
        f"loss, {best.val_loss:.4f}"
    )


def _learn_harder(facts: Facts) -> str | None:
    best = _best(facts)
    if facts.run.config.get("augment") is not False or best.train_accuracy >= best.val_accuracy:
        return None
    return (
        f"Without any distortion {best.train_accuracy:.2%} of the training images are told right, "
        f"no more than of the validation images ({best.val_accuracy:.2%}): the network is too "
        "small, or was trained too shortly to learn them."
    )


def _confused(facts: Facts) -> str | None:
    evaluation = facts.evaluation
    matrix, labels = evaluation.confusion, [scores.label for scores in evaluation.classes]
    wrong = _wrong(evaluation)
    pairs = sorted(
        (
            (matrix[a][b] + matrix[b][a], a, b)
            for a in range(len(labels))
            for b in range(a + 1, len(labels))
        ),
        key=lambda pair: -pair[0],
    )
    worst = [pair for pair in pairs[:2] if pair[0] >= max(3, 0.1 * wrong)]
    if not worst or len(labels) < 3:
        return None
    named = " and ".join(
        f"{count} mix up {labels[a]} and {labels[b]} ({labels[a]} told to be {labels[b]}: "
        f"{matrix[a][b]}, the other way round: {matrix[b][a]})"
        for count, a, b in worst
    )
    return (
        f"Of the {wrong} mistakes, {named}: look at these first; more, or more varied, training "
        "pictures of them would help most."
    )


def _least_recall(facts: Facts) -> str | None:
    evaluation = facts.evaluation
    least = min(evaluation.classes, key=lambda scores: scores.recall)
    missed = round((1 - least.recall) * least.support)
    if missed < 3 or 1 - least.recall < 1.5 * (1 - evaluation.macro.recall):
        return None
    return (
        f"{least.label} is missed most often: {missed} of its {least.support:,}, a recall of "
        f"{least.recall:.2%} beside {evaluation.macro.recall:.2%} on the average of all classes."
    )


def _uneven(facts: Facts) -> str | None:
    classes = facts.evaluation.classes
    fewest = min(classes, key=lambda scores: scores.support)
    most = max(classes, key=lambda scores: scores.support)
    if most.support < 3 * fewest.support:
        return None
    return (
        f"The classes are uneven: {most.support:,} pictures of {most.label}, "
        f"{fewest.support:,} of {fewest.label}: collect more of the rare ones."
    )


def _few_images(facts: Facts) -> str | None:
    low, high = facts.evaluation.accuracy_interval
    if high - low < 0.02:
        return None
    return (
        f"On {facts.evaluation.images:,} images the accuracy is known only to lie between "
        f"{low:.1%} and {high:.1%}: more {facts.evaluation.split} pictures would tell small "
        "improvements from luck."
    )


def _calibrate(facts: Facts) -> str | None:
    ece, int8 = facts.evaluation.ece, facts.evaluation.int8
    if int8 is None and ece >= _CALIBRATED:
        return (
            f"Confidences are off by {ece:.2%} on the average (ECE): mnist-edge export divides the "
            "logits by a temperature that mends this."
        )
    if int8 is not None and int8.ece >= _CALIBRATED:
        return (
            f"Confidences of the exported file are still off by {int8.ece:.2%} on the average "
            "(ECE), with the temperature that was fitted: a larger --val-split fits it better."
        )
    return None


def _export(facts: Facts) -> str | None:
    if facts.evaluation.int8 is not None:
        return None
    return (
        f"No int8 file was evaluated beside the {facts.evaluation.accuracy:.2%} of the network: "
        "mnist-edge export --quantize makes one for the device."
    )


def _int8_loss(facts: Facts) -> str | None:
    evaluation, int8 = facts.evaluation, facts.evaluation.int8
    if int8 is None or evaluation.accuracy - int8.accuracy <= _INT8_LOSS:
        return None
    lost = [
        before[k] - after[k]
        for k, (before, after) in enumerate(zip(evaluation.confusion, int8.confusion, strict=True))
    ]
    worst = lost.index(max(lost))
    return (
        f"int8 lost {100 * (evaluation.accuracy - int8.accuracy):.2f} percentage points, most of "
        f"them in {evaluation.classes[worst].label} ({lost[worst]} more missed): keep the fp32 "
        "file where that matters, or train with more --weight-decay, which narrows the ranges "
        "that are quantized."
    )


def _photographs(facts: Facts) -> str | None:
    best, photos = _best(facts), facts.run.config.get("photos")
    if best.val_photo_accuracy is None or best.val_accuracy - best.val_photo_accuracy < 0.02:
        return None
    return (
        f"Of simulated photographs {best.val_photo_accuracy:.1%} are told right, of the scanned "
        f"images {best.val_accuracy:.1%}: where it is to read photographs, more of them "
        f"(--photos{f', now {photos:,}' if isinstance(photos, int) else ''}) or a larger network."
    )


def _no_photographs(facts: Facts) -> str | None:
    if facts.run.config.get("photos") != 0 or facts.run.dataset not in _DIGITS:
        return None
    return (
        "The network has seen 0 photographs: if it is to read them and not only scanned digits, "
        "train with --photos 27500."
    )


def _validation(facts: Facts) -> str | None:
    best, (_, high) = _best(facts), facts.test.accuracy_interval
    if best.val_accuracy <= high:
        return None
    return (
        f"The validation accuracy, {best.val_accuracy:.2%}, lies above the whole interval of the "
        f"test's, which ends at {high:.2%}: the validation images are easier, or too few to choose "
        "by (--val-split)."
    )


def _seeds(facts: Facts) -> str | None:
    if len(facts.seeds) > 1:
        return None
    return (
        f"Only seed {facts.seeds[0]} was trained: what one seed reaches is partly luck; train "
        "--seed of two others and report mean and deviation."
    )


def _smaller(facts: Facts) -> str | None:
    low, _ = facts.test.accuracy_interval
    if facts.parameters is None or facts.run.dataset != "mnist":
        return None
    released = Model.load(None).metadata
    name, parameters = released["architecture"], int(released["parameters"])
    accuracy = float(released["test_accuracy"])
    if facts.parameters < 2 * parameters or low > accuracy:
        return None
    return (
        f"{facts.parameters:,} parameters are {facts.parameters / parameters:.0f} times those of "
        f"the released {name}, without being measurably better than its {accuracy:.2%} "
        f"(this: {facts.test.accuracy:.2%}): try the smaller network (--arch {name})."
    )


_RULES: tuple[Callable[[Facts], str | None], ...] = (
    _resume,
    _more_epochs,
    _fewer_epochs,
    _augment,
    _regularize,
    _learn_harder,
    _smaller,
    _confused,
    _least_recall,
    _uneven,
    _photographs,
    _no_photographs,
    _int8_loss,
    _calibrate,
    _validation,
    _few_images,
    _export,
    _seeds,
)


def _last(facts: Facts) -> Epoch:
    return facts.run.history[-1]


def _best(facts: Facts) -> Epoch:
    best = facts.run.best
    assert best is not None, "advice is for runs that got somewhere"
    return best


def _wrong(evaluation: Evaluation) -> int:
    right = sum(row[k] for k, row in enumerate(evaluation.confusion))
    return sum(map(sum, evaluation.confusion)) - right


def _count(number: int, what: str) -> str:
    return f"{number} {what}s" if number > 1 else what
