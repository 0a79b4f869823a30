"""The two networks of the number reader: checked files, and sessions to run them."""

from __future__ import annotations

import math
import os
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from mnist_edge.bundled import is_released, read_model
from mnist_edge.errors import ModelError, one_line
from mnist_edge.model import stated_threshold
from mnist_edge.numbers.alphabet import CLASSES, NAMES
from mnist_edge.numbers.text_line import LINE_HEIGHT
from mnist_edge.onnx_file import check_structure
from mnist_edge.runtime import call_within, create_session, onnxruntime
from mnist_edge.types import GrayImage

__all__ = ["FINDER", "READER", "FinderModel", "LineMaps", "LineModel", "LineOutput", "padded_width"]

READER, FINDER = "line-reader-int8", "line-finder-int8"
"""Names of the bundled files."""

_SECONDS = 10
"""That a model which is not ours may take for one line."""

_STEP, _MARGIN = 32, 8
"""Lines are padded to multiples of the first, by the second at least, pixels."""

_TOLERANCE = 1e-3
_BATCH_COLUMNS = 8_192
"""Pixels of width that are read at once, over all lines of a batch."""


def padded_width(width: int) -> int:
    """Width that a line is padded to, pixels: the same whatever it is read together with."""
    return -(-(width + _MARGIN) // _STEP) * _STEP


class LineOutput(NamedTuple):
    """What the network says of a line.

    Attributes:
        probabilities: float32 ``[T, 17]``, of the classes in `mnist_edge.numbers.alphabet`, for
            each column of 2 pixels; each row sums to 1.
        boxes: float32 ``[T, 4]``, of 32 pixels: how far the box of the symbol there reaches to the
            left of the column's middle, its top from the line's top, how far it reaches to the
            right, its bottom.
    """

    probabilities: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]


class LineMaps(NamedTuple):
    """What the finder says of each cell of 4 x 4 pixels: float32 ``[H / 4, W / 4]``.

    Attributes:
        core: probability that the middle of a line of digits lies there.
        height: of the digits, pixels.
        slant: sine of the line's angle, downwards to the right.
        dark: probability that the ink is darker than its paper.
    """

    core: npt.NDArray[np.float32]
    height: npt.NDArray[np.float32]
    slant: npt.NDArray[np.float32]
    dark: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _NumberModel:
    """A model file of the number reader, ready to run; it can be pickled and used after a fork.

    Attributes:
        name: the path, or the name of the bundled model, that it was loaded by.
        content: the file's bytes.
        threads: that the session uses within one operator.
    """

    name: str
    content: bytes
    threads: int

    _TASK: ClassVar[str] = ""

    @classmethod
    def load(cls, source: str | Path | None = None, threads: int = 1) -> Self:
        """Opens a model and checks that it is one of ours.

        Args:
            source: path of an ``.onnx`` file; None = the bundled one.
            threads: within one operator.

        Raises:
            ModelError: missing, not ONNX, truncated, not of the contract's inputs and outputs,
                made for another task, needs too much memory or time, or, for a bundled model, not
                the released bytes.
        """
        name = str(source) if source is not None else cls._bundled()
        return cls.from_bytes(read_model(name), name, threads)

    @classmethod
    def from_bytes(cls, content: bytes, name: str, threads: int = 1) -> Self:
        """Like `load`, from a file's bytes; `name` stands for the file in error messages."""
        model = cls(name, content, threads)
        if is_released(content):
            model.open()
            return model
        check_structure(content, name)
        try:
            call_within(_SECONDS, model._try)
        except TimeoutError as error:
            raise ModelError(f"{name}: takes more than {_SECONDS} seconds for one line") from error
        return model

    @classmethod
    def _bundled(cls) -> str:
        raise NotImplementedError

    def _try(self, options: onnxruntime.RunOptions) -> None:
        """Runs it once; raises ModelError where it is not what it should be."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        _models.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.content, self.name, self.threads)

    def open(self) -> None:
        """Opens the session, unless it is open; raises ModelError where it is of another task."""
        _ = self.session

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """Opened when it is first used, also in a forked child."""
        try:
            session = create_session(
                self.content,
                self.threads,
                bounded=not is_released(self.content),
                sizes_vary=True,
            )
            task = session.get_modelmeta().custom_metadata_map.get("task")
        except Exception as error:  # onnxruntime's errors derive from Exception directly
            raise ModelError(
                f"{self.name}: not an ONNX model that onnxruntime can load; export it again with "
                "`mnist-edge export`"
            ) from error
        if task != self._TASK:
            raise ModelError(
                f"{self.name}: not a {self._TASK.replace('-', ' ')} (its task is {task!r}); give "
                "one that `mnist-edge export` wrote"
            )
        return session

    @cached_property
    def metadata(self) -> dict[str, str]:
        """``metadata_props`` of the file."""
        return dict(self.session.get_modelmeta().custom_metadata_map)

    def _run(
        self,
        outputs: list[str],
        inputs: dict[str, GrayImage],
        options: onnxruntime.RunOptions | None = None,
    ) -> list[Any]:
        try:
            return self.session.run(outputs, inputs, options)  # type: ignore[no-any-return]
        except ModelError:
            raise
        except Exception as error:
            reason = one_line(str(error).partition("\n")[0]) or type(error).__name__
            raise ModelError(f"{self.name}: onnxruntime failed ({reason})") from error

    def _wrong(self, what: str) -> ModelError:
        return ModelError(f"{self.name}: not an mnist-edge {self._TASK.replace('-', ' ')}; {what}")


class LineModel(_NumberModel):
    """Reads lines: uint8 ``[32, W]``, 0 = background, 255 = ink."""

    _TASK = "line-reader"

    @classmethod
    def _bundled(cls) -> str:
        return READER

    def _try(self, options: onnxruntime.RunOptions) -> None:
        self._batch([np.zeros((LINE_HEIGHT, 32), np.uint8)], options)
        if self.metadata.get("labels") != ",".join(NAMES):
            raise self._wrong("its labels are others")

    @cached_property
    def calibration(self) -> tuple[float, float]:
        """A and b: a number's confidence is sigmoid(a * logit(p) + b), p its probability.

        Raises:
            ModelError: the file's values are not such numbers.
        """
        stated = self.metadata.get("calibration", "1,0")
        try:
            a, b = map(float, stated.split(","))
        except ValueError:
            a = b = math.nan
        if not (a > 0 and math.isfinite(a) and math.isfinite(b)):
            raise self._wrong(f"its calibration is {stated!r}")
        return a, b

    @property
    def min_confidence(self) -> float:
        """A less certain digit is rejected; 0.5 where the file states no other threshold.

        Raises:
            ModelError: the file's value is not such a number.
        """
        return stated_threshold(self.metadata, self.name, "0.5")

    def run(self, lines: list[GrayImage]) -> list[LineOutput]:
        """Reads any number of lines, those of similar width at once.

        Args:
            lines: uint8 ``[32, W]`` each, of any width.

        Raises:
            ModelError: onnxruntime failed, or the results are not probabilities.
        """
        groups: dict[int, list[int]] = {}
        for number, line in enumerate(lines):
            groups.setdefault(padded_width(line.shape[1]), []).append(number)
        results: dict[int, LineOutput] = {}
        for width, group in groups.items():
            size = max(1, _BATCH_COLUMNS // width)
            for start in range(0, len(group), size):
                batch = group[start : start + size]
                results |= zip(batch, self._batch([lines[i] for i in batch]), strict=True)
        return [results[number] for number in range(len(lines))]

    def _batch(
        self, lines: list[GrayImage], options: onnxruntime.RunOptions | None = None
    ) -> list[LineOutput]:
        widths = [line.shape[1] for line in lines]
        width = padded_width(max(widths))
        images = np.zeros((len(lines), 1, LINE_HEIGHT, width), np.uint8)
        for image, line in zip(images, lines, strict=True):
            image[0, :, : line.shape[1]] = line
        probabilities, boxes = self._run(["probabilities", "boxes"], {"line": images}, options)
        columns = (len(lines), width // 2)
        if probabilities.shape != (*columns, CLASSES) or boxes.shape != (*columns, 4):
            raise self._wrong(
                f"its outputs for {len(lines)} lines {width} wide are {list(probabilities.shape)} "
                f"and {list(boxes.shape)}"
            )
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(probabilities.sum(axis=2) - 1).max(initial=0)
            is_finite = np.isfinite(boxes).all()
        if not (probabilities.min(initial=0) >= 0 and error <= _TOLERANCE and is_finite):
            raise self._wrong("its outputs are not probabilities and boxes")
        return [
            LineOutput(p[: -(-w // 2)], b[: -(-w // 2)])
            for p, b, w in zip(probabilities, boxes, widths, strict=True)
        ]


class FinderModel(_NumberModel):
    """Finds lines in an overview: uint8 ``[H, W]``, multiples of 32."""

    _TASK = "line-finder"

    @classmethod
    def _bundled(cls) -> str:
        return FINDER

    def _try(self, options: onnxruntime.RunOptions) -> None:
        self.run(np.zeros((64, 64), np.uint8), options)

    def run(self, overview: GrayImage, options: onnxruntime.RunOptions | None = None) -> LineMaps:
        """Says of each cell of 4 x 4 pixels whether a line of digits lies there.

        Raises:
            ModelError: onnxruntime failed, or the results are not such maps.
        """
        (maps,) = self._run(["maps"], {"picture": overview[np.newaxis, np.newaxis]}, options)
        rows, columns = overview.shape
        if maps.shape != (1, 4, rows // 4, columns // 4) or maps.dtype != np.float32:
            raise self._wrong(f"its output for {rows} x {columns} pixels is {list(maps.shape)}")
        if not np.isfinite(maps).all():
            raise self._wrong("its output is not finite")
        core, height, slant, dark = maps[0]
        return LineMaps(core, np.clip(height, 1, 4_096), np.clip(slant, -0.95, 0.95), dark)


_models: weakref.WeakSet[_NumberModel] = weakref.WeakSet()


def _reopen_sessions() -> None:
    """In a forked child, the parent's sessions lack their threads: they are opened again."""
    for model in _models:
        vars(model).pop("session", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_sessions)
