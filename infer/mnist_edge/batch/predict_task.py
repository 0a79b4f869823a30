"""What `mnist-edge predict` makes of a picture: the task that its runner works on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mnist_edge.classifier import DigitClassifier, Prediction
from mnist_edge.outputs.formats import Format, Formatter, parse_format
from mnist_edge.outputs.summary import DigitSummary
from mnist_edge.preprocess.preprocessor import PREPROCESSING_REVISION
from mnist_edge.types import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from mnist_edge.batch.predict_options import PredictOptions
    from mnist_edge.errors import ImageError
    from mnist_edge.outputs.arrow_rows import PredictionRows
    from mnist_edge.outputs.atomic import FileId
    from mnist_edge.outputs.preview import Previews
    from mnist_edge.outputs.resumable import Settings
    from mnist_edge.outputs.sort_by_class import Sorter
    from mnist_edge.types import ImageSource

__all__ = ["PredictTask"]


class PredictTask:
    """Predicts one digit of each picture (see `mnist_edge.batch.task`).

    Args:
        options: the model, its threads, the rejection threshold.
    """

    verb, missing = "predict", "prediction"

    def __init__(self, options: PredictOptions) -> None:
        self.options = options
        self._classifier: DigitClassifier | None = None

    def load(self) -> None:
        """As in `Task`."""
        self._loaded()

    def _loaded(self) -> DigitClassifier:
        if self._classifier is None:
            options = self.options
            self._classifier = DigitClassifier(
                options.model, threads=options.threads, min_confidence=options.min_confidence
            )
        return self._classifier

    def for_worker(self) -> PredictTask:
        """As in `Task`."""
        return PredictTask(self.options)

    def run(
        self, sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
    ) -> list[Prediction]:
        """As in `Task`."""
        return self._loaded().predict_batch(sources, names)

    def answer(self, result: Prediction) -> int | None:
        """The digit, or the index of the class."""
        return result.digit

    def document(self, *, for_terminal: bool) -> Formatter | PredictionRows:
        """As in `Task`."""
        labels, top_k = self._loaded().model.labels, self.options.top_k
        kind = parse_format(self.options.format)
        if kind is Format.PARQUET:
            from mnist_edge.outputs.arrow_rows import PredictionRows

            return PredictionRows(top_k, labels)
        return Formatter(kind, top_k, labels, for_terminal)

    def settings(self) -> Settings:
        """As in `Task`."""
        classifier = self._loaded()
        return {
            "--format": self.options.format,
            "--model": classifier.model.sha256,
            "--min-confidence": classifier.min_confidence,
            "--top-k": self.options.top_k,
            "preprocessing": PREPROCESSING_REVISION,
        }

    def summary(self) -> DigitSummary:
        """As in `Task`."""
        return DigitSummary(self._loaded().model.labels)

    def previews(self, inputs: AbstractSet[FileId]) -> Previews | None:
        """What the network sees, beside each picture."""
        if not self.options.has_previews:
            return None
        from mnist_edge.outputs.preview import Previews

        return Previews(
            terminal=sys.stderr if self.options.show else None,
            folder=self.options.save_preprocessed,
            inputs=inputs,
            is_ink=self._loaded().model.preprocessing is Preprocessing.DIGIT,
        )

    def sorter(self, log: Callable[[str], None]) -> Sorter | None:
        """As in `Task`."""
        if self.options.sort_into is None:
            return None
        from mnist_edge.outputs.sort_by_class import Sorter

        labels = self._loaded().model.labels
        return Sorter(self.options.sort_into, labels, log, link=self.options.link)
