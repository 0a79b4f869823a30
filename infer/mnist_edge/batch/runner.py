"""The main path of `mnist-edge predict` and `read`: sources -> results -> output, in one loop.

`Job` decodes, preprocesses, predicts and formats a batch: the first ones in this process, and where
that takes a while, the others in worker processes. A `Task` is what the two commands do
differently.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from mnist_edge.batch.batching import AdaptiveBatchSize, BatchResult, Job, PackedBatch, pack
from mnist_edge.batch.overwriting import InputGuard
from mnist_edge.batch.shared_options import RunOptions
from mnist_edge.batch.task import PictureSorter, R, Task
from mnist_edge.batch.worker_pool import WorkerPool, available_cores
from mnist_edge.errors import UsageError
from mnist_edge.inputs import prefetch
from mnist_edge.inputs.shard import Shard
from mnist_edge.inputs.sources import Item, Tables, count, is_table, names_in_list, read_batches
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.outputs.formats import Document, Format, parse_format
from mnist_edge.outputs.resumable import completed_rows, is_complete, open_output
from mnist_edge.outputs.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.batch.predict_options import PredictOptions
    from mnist_edge.batch.read_options import ReadOptions
    from mnist_edge.outputs.completed_rows import CompletedRow

__all__ = ["predict", "read", "run"]

Batches = Iterator[list[Item]]

_ALONE = 0.03
"""Seconds after which workers are worth their own start."""


def predict(options: PredictOptions, log: Callable[[str], None]) -> Summary:
    """Predicts every picture that the options name, and writes a row for each (see `run`)."""
    from mnist_edge.batch.predict_task import PredictTask

    return run(PredictTask(options), log)


def read(options: ReadOptions, log: Callable[[str], None]) -> Summary:
    """Reads every picture that the options name, and writes a row for each (see `run`)."""
    from mnist_edge.batch.read_task import ReadTask

    return run(ReadTask(options), log)


def run(task: Task[R], log: Callable[[str], None]) -> Summary:
    """Works on every picture that a task's options name, and writes a row for each.

    Args:
        task: which pictures, with which model, to where.
        log: called with one line for each picture that has no answer.

    Returns:
        what it came to; `Summary.errors` counts the pictures without an answer.

    Raises:
        MnistEdgeError: the command cannot be carried out.
    """
    options = task.options
    parse_format(options.format)  # an unknown one is an error before anything is read
    walk = FolderWalk(options.recursive)
    if options.resume and options.output is not None and is_complete(options.output):
        return _completed(task, options.output, log)
    guard = InputGuard(options)
    batches = _sources(options, walk, guard)
    # A command line that names no picture fails before anything is loaded, or written.
    # (`chain` holds what it is given, an iterator that has ended holds nothing.)
    batch = next(batches)
    columns = next((item.row.batch.schema for item in batch if item.row), None)
    batches = itertools.chain(iter([batch]), batches)
    del batch
    prefetch.finish()
    task.load()
    document, summary = _document(task), task.summary()
    job = Job(task, document, task.previews(guard.inputs))
    sort = task.sorter(log)
    with (
        open_output(
            options.output,
            document,
            settings=task.settings(),
            resume=options.resume,
            columns=columns,
        ) as output,
        _progress(task) as advance,
    ):
        batches = _skip_completed(task, document, output.completed, batches, summary, sort)
        for batch, result in _results(batches, job, options.workers or available_cores()):
            output.write(result.rows, batch)
            summary.add(result.answers, result.confidences)
            for error in filter(None, result.errors):
                log(error)
            if sort is not None:
                sort(batch, result.answers)
            advance(len(batch), summary.errors)
            del batch  # the next pictures are read once these are gone
    summary.skipped = walk.skipped
    summary.unsorted = 0 if sort is None else sort.failed
    return summary


def _sources(options: RunOptions, walk: FolderWalk, guard: InputGuard) -> Batches:
    """The pictures that the options name."""
    batches: Batches = iter(())
    has_list = options.files_from is not None and is_table(options.files_from)
    tables = Tables(
        None if has_list else options.column, with_others=options.format == Format.PARQUET
    )
    if options.paths:
        batches = read_batches([options.paths], walk, tables=tables)
    if options.files_from is not None:
        names = guard.checked(_names(options.files_from, options))
        listed = read_batches(names, walk, globs=False, tables=tables)
        batches = itertools.chain(batches, listed)
    return batches if options.shard is None else Shard.parse(options.shard).of(batches)


def _names(file: str, options: RunOptions) -> Iterator[list[str]]:
    """The names in a list or a table."""
    if is_table(file):
        from mnist_edge.inputs.manifest import names_in_table

        return names_in_table(file, options.column)
    return names_in_list(file, b"\0" if options.null else b"\n")


def _document(task: Task[R]) -> Document[R]:
    path = task.options.output
    # A device is a terminal, or takes anything.
    return task.document(
        for_terminal=sys.stdout.isatty() if path is None else path.is_char_device()
    )


def _completed(task: Task[R], path: Path, log: Callable[[str], None]) -> Summary:
    """Counts the rows of an output that is complete."""
    prefetch.finish()
    task.load()
    document, summary = _document(task), task.summary()
    for row in completed_rows(path, document, task.settings()):
        summary.add([row.answer], [row.confidence])
        summary.resumed += 1
    log(f"{path}: is complete; there is nothing to resume")
    return summary


def _results(
    batches: Batches, job: Job[R], workers: int
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
        del batch  # as in `run`
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
            del batch  # as in `run`

    # A process that has connections to an object store must not be forked.
    urls = sys.modules.get("mnist_edge.inputs.urls")
    start_method: Literal["fork", "spawn"] = "spawn" if urls and urls.are_in_use() else "fork"
    with WorkerPool(job.for_worker(), workers, start_method=start_method) as pool:
        for result in pool.map(packed()):
            size.update(result.seconds)
            yield waiting.popleft(), result


def _skip_completed(
    task: Task[R],
    document: Document[R],
    rows: Iterator[CompletedRow],
    batches: Batches,
    summary: Summary,
    sort: PictureSorter | None,
) -> Batches:
    """Drops the pictures whose rows are in the partial file, and counts these."""
    batch: list[Item] = []
    for row in rows:
        while not batch and (following := next(batches, None)) is not None:
            batch = following
        if not batch or document.path_text(batch[0].name) != row.path:
            found = batch[0].name if batch else "nothing"
            raise UsageError(
                f"--resume: {task.options.output} was started with other pictures "
                f"({row.path}, where there is {found} now); leave out --resume to start again"
            )
        summary.add([row.answer], [row.confidence])
        summary.resumed += 1
        if sort is not None:
            # The row was written, but does not say whether the picture was sorted too.
            sort(batch[:1], [row.answer])
        batch = batch[1:]
    return itertools.chain(iter([batch]), batches)


def _progress(task: Task[R]) -> AbstractContextManager[Callable[[int, int], None]]:
    """A progress bar on stderr, if that is a terminal and nothing else is printed there."""
    options = task.options
    rows_to_terminal = options.output is None and sys.stdout.isatty()
    if options.show or rows_to_terminal or sys.stderr is None or not sys.stderr.isatty():
        return nullcontext(lambda *_: None)
    from mnist_edge.outputs.progress import progress_bar

    listed = options.files_from is None and options.shard is None
    total = count(options.paths or (), recursive=options.recursive) if listed else None
    return progress_bar(total, task.verb, task.missing)
