"""The command `mnist-edge predict`: sources -> pipeline -> output, summary, folders."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnist_edge.batch.batching import Answered, Task, answer_all, available_cores
from mnist_edge.classifier import DigitClassifier
from mnist_edge.cli.console import ExitCode, complain
from mnist_edge.errors import UsageError
from mnist_edge.inputs.sources import STDIN, Item, count, named_in_list, read_all
from mnist_edge.inputs.walk import Listing
from mnist_edge.outputs.formats import Writer, parse_format
from mnist_edge.outputs.resumable import open_journal, rows_done
from mnist_edge.outputs.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path

    from mnist_edge.inputs.prefetch import ReadAhead

__all__ = ["Request", "predict", "run"]


@dataclass(frozen=True)
class Request:
    """What `predict` is asked for.

    Attributes:
        paths: of pictures (see `read_all`).
        files_from: a file with more of them, or ``-``; None = no such file.
        separator: between the names in it.
        recursive: look into folders inside folders.
        task: the model, and what answers look like.
        workers: processes that may answer at the same time.
        output: file to write to; None = stdout.
        resume: go on where an earlier run of the same command was interrupted.
        summary: tell in the end what it came to.
        sort_into: folder to sort the pictures into; None = leave them where they are.
        link: sort links, not copies.
        show: draw what the network saw.
        save_preprocessed: folder to save what it saw in; None = nowhere.
        ahead: reads some of the pictures by now; None = nobody does.
    """

    paths: list[str]
    files_from: str | None
    separator: bytes
    recursive: bool
    task: Task
    workers: int
    output: Path | None
    resume: bool
    summary: bool
    sort_into: Path | None
    link: bool
    show: bool
    save_preprocessed: Path | None
    ahead: ReadAhead | None

    @property
    def writer(self) -> Writer:
        return self.task.writer

    def check(self) -> None:
        """Raises UsageError where the request contradicts itself."""
        if self.resume and (self.output is None or not self.writer.kind.is_resumable):
            raise UsageError("--resume: goes with --output FILE and --format jsonl or csv")
        if self.link and self.sort_into is None:
            raise UsageError("--link: goes with --sort-into DIR")
        if self.resume and (self.show or self.save_preprocessed):
            raise UsageError("--resume: does not go with --show or --save-preprocessed")
        if self.output is not None and self.output.is_dir():
            raise UsageError(f"--output {self.output}: is a folder; name a file in it")
        if self.files_from == STDIN and STDIN in self.paths:
            raise UsageError("--files-from -: stdin cannot be a list of names and a picture both")

    def told_by(self, labels: tuple[str, ...]) -> Request:
        """The request as it is answered by a model of these classes.

        Raises:
            UsageError: the model has not as many as are to be named.
        """
        if self.writer.top_k > len(labels):
            raise UsageError(
                f"--top-k {self.writer.top_k}: the model has {len(labels)} classes; name no more"
            )
        writer = dataclasses.replace(self.writer, labels=labels)
        return dataclasses.replace(self, task=dataclasses.replace(self.task, writer=writer))

    def items(self, listing: Listing) -> Iterator[Item | None]:
        """The pictures, as `read_all` gives them.

        Raises:
            UsageError: there are none, or one of them would be overwritten.
        """
        items: Iterator[Item | None] = iter(())
        if self.paths or self.files_from is None:
            items = read_all(self.paths, listing)
        if self.files_from is not None:
            named = named_in_list(self.files_from, self.separator)
            items = itertools.chain(items, read_all(named, listing, globs=False))
        if self.output is None:
            return items
        return _other_than(self.output, items)


def run(
    *,
    paths: list[str] | None,
    model: str | None = None,
    format: str = "table",  # noqa: A002 - the option's name
    output: str | None = None,
    resume: bool = False,
    recursive: bool = False,
    files_from: str | None = None,
    null: bool = False,
    top_k: int = 1,
    min_confidence: float | None = None,
    summary: bool = False,
    sort_into: str | None = None,
    link: bool = False,
    workers: int | None = None,
    threads: int = 1,
    show: bool = False,
    save_preprocessed: str | None = None,
    ahead: ReadAhead | None = None,
) -> int:
    """The command itself, of its options (see `mnist_edge.cli.app`); returns the exit code.

    Raises:
        MnistEdgeError: what was asked for cannot be done.
    """
    if not paths and files_from is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no image named; try `mnist-edge predict photo.jpg`")
        paths = [STDIN]
    request = Request(
        paths=paths or [],
        files_from=files_from,
        separator=b"\0" if null else b"\n",
        recursive=recursive,
        task=Task(model, threads, min_confidence, Writer(parse_format(format), top_k)),
        workers=workers or available_cores(),
        output=_path(output),
        resume=resume,
        summary=summary,
        sort_into=_path(sort_into),
        link=link,
        show=show,
        save_preprocessed=_path(save_preprocessed),
        ahead=ahead,
    )
    signal.signal(signal.SIGTERM, _terminate)
    return ExitCode.SOME_FAILED if predict(request) else 0


def _path(name: str | None) -> Path | None:
    if name is None:
        return None
    from pathlib import Path

    return Path(name)


def _terminate(number: int, _: object) -> None:
    """Ends as Ctrl-C does, with what was written left whole."""
    sys.exit(128 + number)


def predict(request: Request) -> int:
    """Answers all pictures of a request; every one that has no answer is named on stderr.

    Returns:
        how many have none.

    Raises:
        MnistEdgeError: what was asked for cannot be done.
    """
    request.check()
    listing = Listing(request.recursive)
    if request.resume and request.output is not None and os.path.exists(request.output):
        complain(f"{request.output}: is whole; there is nothing to resume")
        return 0
    items = request.items(listing)
    # A command line that names nothing fails before anything is loaded, or written to.
    items = itertools.chain([next(items)], items)
    classifier = request.task.classifier()
    request = request.told_by(classifier.model.labels)
    summary = Summary(classifier.model.labels)
    previewed = None
    if request.show or request.save_preprocessed is not None:
        previewed = _with_previews(request, items, classifier)
    try:
        _write_answers(request, items, classifier, previewed, summary)
    except (KeyboardInterrupt, SystemExit):
        if request.output is not None and request.writer.kind.is_resumable:
            complain("interrupted; go on with the same command and --resume")
        raise
    if request.summary:
        print("\n".join(summary.lines(listing.passed_over)), file=sys.stderr)
    elif listing.passed_over:
        complain(f"{listing.passed_over:,} files passed over: hidden, or no picture by their name")
    return summary.errors


def _other_than(output: Path, items: Iterator[Item | None]) -> Iterator[Item | None]:
    name, written = output.name, os.path.realpath(output)
    for item in items:
        # Most names differ in their last part, which is told without asking the disk.
        if item is not None and item.name.endswith(name) and os.path.realpath(item.name) == written:
            raise UsageError(f"--output {output}: is one of the images; choose another file")
        yield item


def _write_answers(
    request: Request,
    items: Iterator[Item | None],
    classifier: DigitClassifier,
    previewed: Iterator[Answered] | None,
    summary: Summary,
) -> None:
    with (
        open_journal(request.output, request.writer, resume=request.resume) as file,
        _progress(request) as advance,
    ):
        items = _skip_done(request, items, summary)
        answers = previewed or answer_all(
            items, request.task, classifier, request.workers, request.ahead
        )
        for answered in answers:
            file.write(answered.text)
            file.flush()
            summary.add(answered.digits, answered.confidences)
            for error in filter(None, answered.errors):
                complain(error)
            if request.sort_into is not None:
                _sort(request, request.sort_into, answered.items, answered.digits)
            advance(len(answered.items), summary.errors)


def _with_previews(
    request: Request, items: Iterator[Item | None], classifier: DigitClassifier
) -> Iterator[Answered]:
    from mnist_edge.outputs.preview import stream_with_previews

    pictures = [item for item in items if item is not None]
    predictions = stream_with_previews(
        classifier,
        pictures,
        terminal=sys.stderr if request.show else None,
        folder=request.save_preprocessed,
    )
    return (
        Answered.of([item], [prediction], request.writer.rows([prediction], first=index == 0))
        for index, (item, prediction) in enumerate(zip(pictures, predictions, strict=True))
    )


def _skip_done(
    request: Request, items: Iterator[Item | None], summary: Summary
) -> Iterator[Item | None]:
    """Passes over what a partial file has the answers to."""
    if not request.resume or request.output is None:
        return items
    for path, digit, confidence, _ in rows_done(request.output, request.writer):
        item = next((item for item in items if item is not None), None)
        if item is None or item.name != path:
            found = "nothing" if item is None else item.name
            raise UsageError(
                f"--resume: {request.output} was begun with other pictures ({path}, where there "
                f"is {found} now); leave out --resume to start again"
            )
        summary.add([digit], [confidence])
        summary.resumed += 1
        if request.sort_into is not None:
            # The row was written; whether it came to this, it does not tell.
            _sort(request, request.sort_into, [item], [digit])
    return items


def _sort(request: Request, folder: Path, items: list[Item], digits: list[int | None]) -> None:
    from mnist_edge.outputs.sort_by_class import sort_into

    for item, digit in zip(items, digits, strict=True):
        sort_into(folder, item, digit, labels=request.writer.labels, link=request.link)


@contextlib.contextmanager
def _progress(request: Request) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal that nothing else goes to."""
    to_terminal = request.output is None and sys.stdout.isatty()
    if request.show or to_terminal or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from mnist_edge.outputs.progress import shown

    listed = request.files_from is None
    with shown(count(request.paths, recursive=request.recursive) if listed else None) as advance:
        yield advance
