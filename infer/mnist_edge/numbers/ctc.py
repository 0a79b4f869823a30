"""From the probabilities of each column to the most probable readings: CTC's prefix beam search.

Connectionist temporal classification (Graves et al. 2006): a reading is what is left of a path, one
class for each column, when repetitions and blanks are taken out; its probability is the sum over
its paths. The search keeps the most probable beginnings (Hannun et al., arXiv:1408.2873). A
constraint on the digits acts inside it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnist_edge.numbers.alphabet import BLANK, DIGIT_CLASSES
from mnist_edge.numbers.constraints import Constraint

__all__ = ["Decoded", "Run", "align", "best_path", "search"]

_SURE = 0.9995
"""A blank of this probability ends what came before, and nothing begins there."""

_BEAMS, _CONSTRAINED_BEAMS = 16, 64
_LEAST_CLASS, _LEAST_CONSTRAINED = 2e-3, 1e-5
"""Less probable classes of a column are not tried."""

_LEAST_BEAM = 1e-5
"""Beams of less than this part of the best one's probability are dropped."""


class Run(NamedTuple):
    """A symbol on a path.

    Attributes:
        label: its class.
        first, last: its columns, the last one not included.
        probability: of the class, where it is highest.
    """

    label: int
    first: int
    last: int
    probability: float


class Decoded(NamedTuple):
    """A reading.

    Attributes:
        labels: classes, without blanks.
        probability: the sum over all its paths that were followed, 0..1.
    """

    labels: tuple[int, ...]
    probability: float


def best_path(probabilities: npt.NDArray[np.float32]) -> list[Run]:
    """The symbols of the most probable path.

    Args:
        probabilities: float32 ``[T, C]``, each row sums to 1.
    """
    best = probabilities.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    ends = [*starts[1:].tolist(), len(best)]
    return [
        Run(label, first, last, float(probabilities[first:last, label].max()))
        for label, first, last in zip(best[starts].tolist(), starts.tolist(), ends, strict=True)
        if label != BLANK
    ]


def search(
    probabilities: npt.NDArray[np.float32],
    constraint: Constraint | None = None,
    most: int = 5,
) -> list[Decoded]:
    """Searches for the most probable readings.

    Args:
        probabilities: float32 ``[T, C]``, each row sums to 1.
        constraint: on the digits of a reading; None = none. Other symbols do not count.
        most: readings to return.

    Returns:
        readings, the most probable first; none where no number fits.
    """
    beams = _CONSTRAINED_BEAMS if constraint is not None else _BEAMS
    least = _LEAST_CONSTRAINED if constraint is not None else _LEAST_CLASS
    start: Hashable = None if constraint is None else constraint.start
    # Of each beginning: the probability of its paths that end in a blank, and of the others.
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    states: dict[tuple[int, ...], Hashable] = {(): start}
    blanks: list[float] = probabilities[:, BLANK].tolist()
    for column, blank in zip(probabilities, blanks, strict=True):
        if blank > _SURE:
            kept = {labels: ((ends + goes) * blank, 0.0) for labels, (ends, goes) in kept.items()}
            continue
        chosen = [int(label) for label in np.flatnonzero(column > least) if label != BLANK]
        levels = [(label, float(column[label])) for label in chosen]
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for labels, (ends, goes) in kept.items():
            total = ends + goes
            last = labels[-1] if labels else BLANK
            own_ends, own_goes = grown.get(labels, (0.0, 0.0))
            grown[labels] = (
                own_ends + total * blank,
                own_goes + (goes * float(column[last]) if labels else 0.0),
            )
            for label, level in levels:
                longer = (*labels, label)
                if longer not in states:
                    state = _next_state(constraint, states[labels], label)
                    if state is _DEAD:
                        continue
                    states[longer] = state
                other_ends, other_goes = grown.get(longer, (0.0, 0.0))
                part = ends if label == last else total
                grown[longer] = (other_ends, other_goes + part * level)
        kept = _most_probable(grown, beams)
    found = [
        Decoded(labels, ends + goes)
        for labels, (ends, goes) in kept.items()
        if constraint is None or constraint.accepts(states[labels])
    ]
    return sorted(found, key=lambda reading: -reading.probability)[:most]


_DEAD = object()


def _next_state(constraint: Constraint | None, state: Hashable, label: int) -> Hashable:
    if constraint is None or label not in DIGIT_CLASSES:
        return state
    following = constraint.step(state, label - DIGIT_CLASSES.start)
    return _DEAD if following is None else following


def _most_probable(
    beams: dict[tuple[int, ...], tuple[float, float]], most: int
) -> dict[tuple[int, ...], tuple[float, float]]:
    if len(beams) == 1:
        return beams
    totals = {labels: ends + goes for labels, (ends, goes) in beams.items()}
    least = _LEAST_BEAM * max(totals.values())
    order = sorted((labels for labels in beams if totals[labels] >= least), key=totals.__getitem__)
    return {labels: beams[labels] for labels in order[-most:]}


def align(probabilities: npt.NDArray[np.float32], labels: tuple[int, ...]) -> list[Run]:
    """Finds the columns of each symbol of a reading, on the most probable of its paths.

    Viterbi's algorithm over the labels with blanks between them (Graves et al. 2006).

    Args:
        probabilities: float32 ``[T, C]``.
        labels: of the reading; a path of T columns must have room for them.
    """
    if not labels:
        return []
    runs = best_path(probabilities)
    if [run.label for run in runs] == list(labels):
        return runs
    places = [BLANK]
    for label in labels:
        places += [label, BLANK]
    path = np.array(places)
    levels = np.log(np.maximum(probabilities[:, path], 1e-30))
    columns, count = levels.shape
    may_skip = np.zeros(count, bool)
    may_skip[3::2] = path[3::2] != path[1:-2:2]
    score = np.full(count, -np.inf)
    score[:2] = levels[0, :2]
    came = np.zeros((columns, count), np.int64)
    for column in range(1, columns):
        step = np.concatenate([[-np.inf], score[:-1]])
        skip = np.where(may_skip, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        options = np.stack([score, step, skip])
        came[column] = options.argmax(axis=0)
        score = options.max(axis=0) + levels[column]
    place = count - 1 if score[-1] >= score[-2] else count - 2
    visited = np.zeros(columns, np.int64)
    for column in range(columns - 1, -1, -1):
        visited[column] = place
        place -= int(came[column, place])
    found = []
    for number, label in enumerate(labels):
        where = np.flatnonzero(visited == 2 * number + 1)
        if len(where):
            first, last = int(where[0]), int(where[-1]) + 1
            found.append(Run(label, first, last, float(probabilities[first:last, label].max())))
    return found
