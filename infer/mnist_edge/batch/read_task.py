"""What `mnist-edge read` makes of a picture: the task that its runner works on."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mnist_edge.outputs.formats import Format, parse_format
from mnist_edge.outputs.reading_formats import ReadingFormatter
from mnist_edge.outputs.summary import NumberSummary
from mnist_edge.preprocess.preprocessor import PREPROCESSING_REVISION
from mnist_edge.reader import NumberReader, Reading

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from mnist_edge.batch.read_options import ReadOptions
    from mnist_edge.errors import ImageError
    from mnist_edge.outputs.arrow_rows import ReadingRows
    from mnist_edge.outputs.atomic import FileId
    from mnist_edge.outputs.reading_preview import ReadingPreviews
    from mnist_edge.outputs.resumable import Settings
    from mnist_edge.types import ImageSource

__all__ = ["ReadTask"]


class ReadTask:
    """Reads the numbers of each picture (see `mnist_edge.batch.task`).

    Args:
        options: the models, their threads, the constraints, the rejection threshold.
    """

    verb, missing = "read", "number"

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self._reader: NumberReader | None = None

    def load(self) -> None:
        """As in `Task`."""
        self._loaded()

    def _loaded(self) -> NumberReader:
        if self._reader is None:
            options = self.options
            self._reader = NumberReader(
                options.model,
                finder=options.finder,
                threads=options.threads,
                min_confidence=options.min_confidence,
                length=options.length,
                pattern=options.pattern,
                choices=options.choices,
                alternatives=options.alternatives,
            )
        return self._reader

    def for_worker(self) -> ReadTask:
        """As in `Task`."""
        return ReadTask(self.options)

    def run(
        self, sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
    ) -> list[Reading]:
        """As in `Task`."""
        return self._loaded().read_batch(sources, names)

    def answer(self, result: Reading) -> str | None:
        """The text of the numbers."""
        return result.text

    def document(self, *, for_terminal: bool) -> ReadingFormatter | ReadingRows:
        """As in `Task`."""
        kind = parse_format(self.options.format)
        if kind is Format.PARQUET:
            from mnist_edge.outputs.arrow_rows import ReadingRows

            return ReadingRows()
        return ReadingFormatter(kind, for_terminal)

    def settings(self) -> Settings:
        """As in `Task`."""
        options, reader = self.options, self._loaded()
        return {
            "--format": options.format,
            "--model": _sha256(reader.model.content),
            "--finder": _sha256(reader.finder.model.content),
            "--min-confidence": reader.min_confidence,
            "--length": options.length or "",
            "--pattern": options.pattern or "",
            "--choices": "" if options.choices is None else _sha256(options.choices.read_bytes()),
            "--alternatives": options.alternatives,
            "preprocessing": PREPROCESSING_REVISION,
        }

    def summary(self) -> NumberSummary:
        """As in `Task`."""
        return NumberSummary()

    def previews(self, inputs: AbstractSet[FileId]) -> ReadingPreviews | None:
        """Boxes and digits, drawn over each picture."""
        if not self.options.has_previews:
            return None
        from mnist_edge.outputs.reading_preview import ReadingPreviews

        return ReadingPreviews(
            terminal=sys.stderr if self.options.show else None,
            folder=self.options.save_preprocessed,
            inputs=inputs,
        )

    def sorter(self, log: Callable[[str], None]) -> None:  # noqa: ARG002 - as in `Task`
        """Numbers are no classes."""
        return


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
