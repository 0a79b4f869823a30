"""What `predict` and `read` do differently; `mnist_edge.batch.runner` does the rest for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from mnist_edge.batch.shared_options import RunOptions
    from mnist_edge.errors import ImageError
    from mnist_edge.inputs.sources import Item
    from mnist_edge.outputs.atomic import FileId
    from mnist_edge.outputs.formats import Answer, Document
    from mnist_edge.outputs.resumable import Settings
    from mnist_edge.outputs.summary import Summary
    from mnist_edge.types import ImageSource

__all__ = ["PictureSorter", "Result", "Task"]


class Result(Protocol):
    """What is said of one picture: a `Prediction`, a `Reading`."""

    @property
    def confidence(self) -> float | None:
        """Probability that it is right; None where the picture was not read."""

    @property
    def error(self) -> str | None:
        """One line; None where there is an answer."""


class PictureSorter(Protocol):
    """Sorts pictures by their answer.

    Attributes:
        failed: pictures that could not be sorted.
    """

    failed: int

    def __call__(self, items: Sequence[Item], answers: Sequence[Any], /) -> None:
        """Sorts some pictures."""


R = TypeVar("R", bound=Result)


class Task(Protocol[R]):
    """A command over pictures: its models, its rows, and what else it makes of a result.

    It can be sent to a process by `for_worker`, before or after its models are loaded.

    Attributes:
        verb: the command's name.
        missing: what a picture without an answer lacks.
    """

    verb: str
    missing: str

    @property
    def options(self) -> RunOptions:
        """Options of the command."""

    def load(self) -> None:
        """Loads the models, once; raises ModelError where they cannot be used."""

    def for_worker(self) -> Self:
        """The same task without its sessions, which cannot be sent to another process."""

    def run(
        self, sources: Sequence[ImageSource | ImageError], names: Sequence[str | None]
    ) -> list[R]:
        """Results of several pictures; one that could not be opened is its error."""

    def answer(self, result: R) -> Answer:
        """What is counted, and compared when a run is resumed; None = an error."""

    def document(self, *, for_terminal: bool) -> Document[R]:
        """How rows are written."""

    def settings(self) -> Settings:
        """What the rows depend on: those of a resumed run must be of the same."""

    def summary(self) -> Summary:
        """Counts what is written."""

    def previews(self, inputs: AbstractSet[FileId]) -> Callable[[Item, Any], None] | None:
        """Shows each result in turn; None where that is not asked for."""

    def sorter(self, log: Callable[[str], None]) -> PictureSorter | None:
        """Sorts pictures by their answer; None where that is not asked for."""
