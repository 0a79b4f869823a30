"""The main path of `mnist-edge predict`: sources -> predictions -> output, in one loop.

`PredictJob` decodes, preprocesses, predicts and formats a batch: the first ones in this process,
and where that takes a while, the others in worker processes.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mnist_edge.batch.batching import AdaptiveBatchSize, BatchResult, PackedBatch, PredictJob, pack
from mnist_edge.batch.worker_pool import WorkerPool, available_cores
from mnist_edge.classifier import DigitClassifier
from mnist_edge.errors import UsageError
from mnist_edge.inputs import prefetch
from mnist_edge.inputs.sources import Item, count, names_in_list, read_batches
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.outputs.formats import Formatter, parse_format
from mnist_edge.outputs.resumable import completed_rows, open_output
from mnist_edge.outputs.summary import Summary
from mnist_edge.types import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.batch.predict_options import PredictOptions
    from mnist_edge.outputs.preview import Previews

__all__ = ["predict"]

Batches = Iterator[list[Item]]

_ALONE = 0.03
"""Seconds after which workers are worth their own start."""


def predict(options: PredictOptions, log: Callable[[str], None]) -> Summary:
    """Predicts every picture that the options name, and writes a row for each.

    Args:
        options: which pictures, with which model, to where.
        log: called with one line for each picture that has no prediction.

    Returns:
        what it came to; `Summary.errors` counts the pictures without a prediction.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    kind, walk = parse_format(options.format), FolderWalk(options.recursive)
    batches = _sources(options, walk)
    # A command line that names no picture fails before anything is loaded, or written.
    # (`chain` holds what it is given, an iterator that has ended holds nothing.)
    batches = itertools.chain(iter([next(batches)]), batches)
    prefetch.finish()
    classifier = DigitClassifier(
        options.model, threads=options.threads, min_confidence=options.min_confidence
    )
    formatter = Formatter(kind, options.top_k, classifier.model.labels)
    summary = Summary(classifier.model.labels)
    previews = None
    if options.has_previews:
        previews, batches = _previews(options, batches, classifier.model.preprocessing)
    job = PredictJob(options, formatter, classifier, previews)
    with (
        open_output(options.output, formatter, resume=options.resume) as output,
        _progress(options) as advance,
    ):
        if options.resume:
            batches = _skip_completed(options, formatter, batches, summary)
        for batch, result in _results(batches, job, options.workers or available_cores()):
            output.write(result.text)
            summary.add(result.digits, result.confidences)
            for error in filter(None, result.errors):
                log(error)
            if options.sort_into is not None:
                _sort(options, batch, result.digits, formatter.labels)
            advance(len(batch), summary.errors)
            del batch  # the next pictures are read once these are gone
    summary.skipped = walk.skipped
    return summary


def _sources(options: PredictOptions, walk: FolderWalk) -> Batches:
    """The pictures that the options name; raises UsageError where one would be overwritten."""
    batches: Batches = iter(())
    if options.paths:
        batches = read_batches([options.paths], walk)
    if options.files_from is not None:
        names = names_in_list(options.files_from, b"\0" if options.null else b"\n")
        batches = itertools.chain(batches, read_batches(names, walk, globs=False))
    return batches if options.output is None else _other_than(options.output, batches)


def _other_than(output: Path, batches: Batches) -> Batches:
    name, written = output.name, os.path.realpath(output)
    for batch in batches:
        for item in batch:
            # Most names differ in their last part, which needs no access to the disk.
            if item.name.endswith(name) and os.path.realpath(item.name) == written:
                raise UsageError(f"--output {output}: is one of the images; choose another file")
        yield batch


def _results(
    batches: Batches, job: PredictJob, workers: int
) -> Iterator[tuple[list[Item], BatchResult]]:
    """Batches cut to size, with their results, in order; memory does not grow with their number."""
    size = AdaptiveBatchSize(largest=job.largest_batch)
    batches = size.split(batches)
    started = time.perf_counter()
    for batch in filter(None, batches):
        takes_long = time.perf_counter() - started > _ALONE
        result = job(batch)
        size.update(result.seconds)
        yield batch, result
        del batch  # as in `predict`
        if takes_long and workers > 1 and job.can_be_shared:
            break
    else:
        return
    waiting: deque[list[Item]] = deque()

    def packed() -> Iterator[PackedBatch | None]:
        for batch in batches:
            if batch:
                waiting.append(batch)
            yield pack(batch) if batch else None
            del batch  # as in `predict`

    with WorkerPool(job.for_worker(), workers, start_method="fork") as pool:
        for result in pool.map(packed()):
            size.update(result.seconds)
            yield waiting.popleft(), result


def _previews(
    options: PredictOptions, batches: Batches, preprocessing: Preprocessing
) -> tuple[Previews, Batches]:
    """The preview writer and the pictures; to name preview files, all pictures must be known."""
    from mnist_edge.outputs.preview import Previews

    items = [item for batch in batches for item in batch]
    previews = Previews(
        [item.name for item in items],
        terminal=sys.stderr if options.show else None,
        folder=options.save_preprocessed,
        is_ink=preprocessing is Preprocessing.DIGIT,
    )
    return previews, iter([items])


def _skip_completed(
    options: PredictOptions, formatter: Formatter, batches: Batches, summary: Summary
) -> Batches:
    """Drops the pictures whose rows are in the partial file, and counts these."""
    assert options.output is not None
    batch: list[Item] = []
    for row in completed_rows(options.output, formatter):
        while not batch and (following := next(batches, None)) is not None:
            batch = following
        if not batch or batch[0].name != row.path:
            found = batch[0].name if batch else "nothing"
            raise UsageError(
                f"--resume: {options.output} was started with other pictures ({row.path}, where "
                f"there is {found} now); leave out --resume to start again"
            )
        summary.add([row.digit], [row.confidence])
        summary.resumed += 1
        if options.sort_into is not None:
            # The row was written, but does not say whether the picture was sorted too.
            _sort(options, batch[:1], [row.digit], formatter.labels)
        batch = batch[1:]
    return itertools.chain(iter([batch]), batches)


def _sort(
    options: PredictOptions, items: list[Item], digits: list[int | None], labels: tuple[str, ...]
) -> None:
    from mnist_edge.outputs.sort_by_class import sort_by_class

    assert options.sort_into is not None
    for item, digit in zip(items, digits, strict=True):
        sort_by_class(options.sort_into, item, digit, labels=labels, link=options.link)


def _progress(options: PredictOptions) -> AbstractContextManager[Callable[[int, int], None]]:
    """A progress bar on stderr, if that is a terminal and nothing else is printed there."""
    rows_to_terminal = options.output is None and sys.stdout.isatty()
    if options.show or rows_to_terminal or not sys.stderr.isatty():
        return nullcontext(lambda *_: None)
    from mnist_edge.outputs.progress import progress_bar

    listed = options.files_from is None
    total = count(options.paths or (), recursive=options.recursive) if listed else None
    return progress_bar(total)
