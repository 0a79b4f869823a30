"""Pictures with the boxes and digits that were read on them: in the terminal, and as PNG."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge.errors import ImageError, UsageError, one_line
from mnist_edge.inputs.decode import open_picture
from mnist_edge.inputs.sources import Item
from mnist_edge.outputs.atomic import FileId, atomic_write, file_id, make_folder
from mnist_edge.outputs.formats import percent
from mnist_edge.outputs.preview import (
    PreviewNames,
    characters,
    fill_transparent,
    half_blocks,
    wants_colour,
)
from mnist_edge.reader import Reading

__all__ = ["ReadingPreviews", "draw_reading"]

_COLUMNS, _LINES = 76, 24
"""Of a drawing in the terminal, at most."""

_LEAST_SIDE, _MOST_SIDE = 640, 1_600
"""Longer side of a drawing, pixels: smaller pictures are enlarged, larger ones reduced."""

_CERTAIN, _UNCERTAIN, _SEPARATOR = (0, 150, 60), (220, 30, 30), (30, 100, 220)
"""Colours of the boxes of digits, of those that are ``?``, and of separators."""

_ASPECT = 12
"""A strip that is longer than so many times its height is reduced no further."""


class ReadingPreviews:
    """Draws and saves what was read, for each picture in its turn.

    Args:
        terminal: to draw on; None = nowhere.
        folder: for ``NAME.png``, the picture with its boxes and digits, for every picture that
            could be opened; made where it is missing; None = nothing is saved.
        inputs: files in the folder that are pictures themselves, and must stay.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self,
        *,
        terminal: TextIO | None,
        folder: Path | None,
        inputs: AbstractSet[FileId] = frozenset(),
    ) -> None:
        if folder is not None:
            make_folder(folder)
        self._name = PreviewNames()
        self._terminal, self._folder, self._inputs = terminal, folder, inputs

    def __call__(self, item: Item, reading: Reading) -> None:
        """Previews the next picture.

        Raises:
            OutputError: a file cannot be written.
            UsageError: a picture would be overwritten.
        """
        name = self._name(item.name)
        if isinstance(item.source, ImageError) or reading.size is None:
            return
        picture = open_picture(item.source)
        if picture is None:
            return
        drawing = draw_reading(picture, reading)
        if self._terminal is not None:
            lines = _terminal_lines(drawing, colour=wants_colour(self._terminal))
            self._terminal.write("\n".join([_caption(reading), *lines, ""]))
            self._terminal.flush()
        if self._folder is not None:
            target = self._folder / f"{name}.png"
            if self._inputs and file_id(target) in self._inputs:
                raise UsageError(
                    f"--save-preprocessed {self._folder}: would overwrite {target}, which is an "
                    "input; choose another folder"
                )
            with atomic_write(target) as partial:
                drawing.save(partial, format="PNG")


def draw_reading(picture: Image.Image, reading: Reading) -> Image.Image:
    """Draws boxes, and the digit above each, over a picture.

    Args:
        picture: as `open_picture` gives it.
        reading: of this picture, with its size.

    Returns:
        RGB, 640 to 1,600 pixels along the longer side, strips apart.
    """
    assert reading.size is not None
    longer = max(picture.size)
    side = min(max(longer, _LEAST_SIDE), max(_MOST_SIDE, _ASPECT * min(picture.size)))
    zoom = side / longer
    size = (max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom)))
    method = Image.Resampling.NEAREST if zoom >= 1 else Image.Resampling.LANCZOS
    drawing = fill_transparent(picture.resize(size, method))
    draw = ImageDraw.Draw(drawing)
    across, down = size[0] / reading.size[0], size[1] / reading.size[1]
    for number in reading.numbers:
        for digit in number.digits:
            colour = _UNCERTAIN if digit.digit is None else _CERTAIN
            label = "?" if digit.digit is None else str(digit.digit)
            _draw_box(draw, digit.box, (across, down), colour, label)
        for separator in number.separators:
            _draw_box(draw, separator.box, (across, down), _SEPARATOR, separator.text)
    return drawing


def _draw_box(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    scale: tuple[float, float],
    colour: tuple[int, int, int],
    label: str,
) -> None:
    left, top, right, bottom = (edge * scale[i % 2] for i, edge in enumerate(box))
    height = bottom - top
    line = max(1, round(height / 40))
    draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), None, colour, line)
    size = min(max(12.0, 0.5 * height), 48.0)
    # Above the box where there is room, inside it otherwise.
    y, anchor = (top - 2, "ls") if top > size else (top + 2, "lt")
    font = ImageFont.load_default(size)
    draw.text(
        (left + 1, y),
        label,
        colour,
        font=font,
        anchor=anchor,
        stroke_width=1,
        stroke_fill=(255, 255, 255),
    )


def _terminal_lines(drawing: Image.Image, *, colour: bool) -> list[str]:
    scale = min(_COLUMNS / drawing.width, 2 * _LINES / drawing.height)
    columns = max(1, round(drawing.width * scale))
    rows = 2 * max(1, round(drawing.height * scale / 2))
    pixels = np.asarray(drawing.resize((columns, rows), Image.Resampling.LANCZOS))
    return half_blocks(pixels) if colour else characters(pixels)


def _caption(reading: Reading) -> str:
    confidence = "-" if reading.confidence is None else percent(reading.confidence)
    text = "-" if reading.text is None else reading.text.replace("\n", " / ")
    return one_line(f"{text}  {confidence}  {reading.path or '-'}")
