"""What the network saw, beside the picture: in the terminal, and as PNG."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_edge.classifier import Prediction
from mnist_edge.errors import ImageError, UsageError, one_line
from mnist_edge.inputs.decode import open_picture
from mnist_edge.inputs.sources import STDIN, Item
from mnist_edge.outputs.atomic import FileId, atomic_write, file_id, make_folder
from mnist_edge.outputs.formats import percent
from mnist_edge.types import GrayImage, Pixels

__all__ = [
    "PreviewNames",
    "Previews",
    "characters",
    "fill_transparent",
    "half_blocks",
    "side_by_side",
    "terminal_lines",
    "wants_colour",
]

_PANEL, _MARGIN, _TEXT = 280, 10, 14
"""Pixels of a preview: a panel's side, what is left around it, the caption's height."""

_CELLS = 28
"""Columns of a panel in the terminal, and twice its rows: a cell is twice as high as wide."""

_GROUND, _BEHIND, _WHITE = 64, 128, 255
"""Greys: around the panels, behind what is transparent, and the paper of a plain-text drawing."""

_LONGEST_STEM = 220
"""Bytes of a picture's name that are kept in a preview's, which has room for a number behind it."""

_RAMP = np.array(list(" .:-=+*#%@"))


class Previews:
    """Draws and saves what the network saw, for each picture as it is predicted.

    Args:
        terminal: to draw on; None = nowhere.
        folder: for ``NAME.png``, which is `Prediction.image`, and ``NAME-preview.png``, for every
            picture that the network saw; made where it is missing; None = nothing is saved.
        inputs: files in the folder that are pictures themselves, and must stay.
        is_ink: what the network sees is light ink on black, which plain ASCII draws dense.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self,
        *,
        terminal: TextIO | None,
        folder: Path | None,
        inputs: AbstractSet[FileId] = frozenset(),
        is_ink: bool = True,
    ) -> None:
        if folder is not None:
            make_folder(folder)
        self._name = PreviewNames()
        self._terminal, self._folder, self._is_ink = terminal, folder, is_ink
        self._inputs = inputs

    def __call__(self, item: Item, prediction: Prediction) -> None:
        """Previews the next picture.

        Raises:
            OutputError: a file cannot be written.
            UsageError: a picture would be overwritten.
        """
        # A picture that could not be opened for the network is not opened a second time.
        picture = None if isinstance(item.source, ImageError) else open_picture(item.source)
        if self._terminal is not None:
            lines = terminal_lines(
                picture,
                prediction.image,
                colour=wants_colour(self._terminal),
                is_ink=self._is_ink,
            )
            if lines:
                self._terminal.write("\n".join([_caption(prediction), *lines, ""]))
                self._terminal.flush()
        if self._folder is not None:
            self._save(self._folder, self._name(item.name), picture, prediction)

    def _save(
        self, folder: Path, name: str, picture: Image.Image | None, prediction: Prediction
    ) -> None:
        if prediction.image is None:
            return
        targets = folder / f"{name}.png", folder / f"{name}-preview.png"
        for target in targets if self._inputs else ():
            if file_id(target) in self._inputs:
                raise UsageError(
                    f"--save-preprocessed {folder}: would overwrite {target}, which is an input; "
                    "choose another folder"
                )
        preview = side_by_side(picture, prediction.image, _caption(prediction))
        _save(Image.fromarray(prediction.image), targets[0])
        _save(preview, targets[1])


class PreviewNames:
    """Names each picture: its own without folder and suffix, numbered where that is taken.

    No two differ by case alone, and none is another's with ``-preview`` behind it. The name of
    stdin is ``stdin``.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._used: Counter[str] = Counter()

    def __call__(self, picture: str) -> str:
        """The name of the next picture, which may be named like an earlier one."""
        stem = "stdin" if picture == STDIN else _file_stem(picture)
        while True:
            self._used[stem] += 1
            count = self._used[stem]
            name = stem if count == 1 else f"{stem}-{count}"
            wanted = {name.casefold(), f"{name}-preview".casefold()}
            if not wanted & self._taken:
                self._taken |= wanted
                return name


def _file_stem(picture: str) -> str:
    """A picture's name without folder and suffix; that of an archive's member may be no file's."""
    stem = Path(picture).stem.replace("\0", "_")
    while len(os.fsencode(stem)) > _LONGEST_STEM:
        stem = stem[:-1]
    return stem


def _save(image: Image.Image, path: Path) -> None:
    with atomic_write(path) as partial:
        image.save(partial, format="PNG")


def _caption(prediction: Prediction) -> str:
    confidence = "-" if prediction.confidence is None else percent(prediction.confidence)
    return one_line(f"{prediction.label or '-'}  {confidence}  {prediction.path or '-'}")


def side_by_side(picture: Image.Image | None, image: GrayImage | None, caption: str) -> Image.Image:
    """The picture on the left, what the network saw of it on the right, the caption below.

    Args:
        picture: as `open_picture` gives it; None leaves its panel empty.
        image: uint8 ``[28, 28]``, what the network saw; None leaves its panel empty.
        caption: one line; what does not fit is cut off.

    Returns:
        RGB, 590 x 324.
    """
    size = (2 * _PANEL + 3 * _MARGIN, _PANEL + 3 * _MARGIN + _TEXT)
    sheet = Image.new("RGB", size, _grey(_GROUND))
    sheet.paste(_panel(picture, _PANEL, _GROUND), (_MARGIN, _MARGIN))
    seen = None if image is None else Image.fromarray(image)
    sheet.paste(_panel(seen, _PANEL, _GROUND), (_PANEL + 2 * _MARGIN, _MARGIN))
    ImageDraw.Draw(sheet).text(
        (_MARGIN, size[1] - _MARGIN),
        # The font that comes with Pillow has no other letters: it draws boxes for them.
        caption.encode("ascii", "backslashreplace").decode("ascii"),
        font=ImageFont.load_default(_TEXT),
        anchor="ls",
    )
    return sheet


def terminal_lines(
    picture: Image.Image | None, image: GrayImage | None, *, colour: bool, is_ink: bool = True
) -> list[str]:
    """The picture on the left and what the network saw of it on the right, in characters.

    Args:
        picture: as `open_picture` gives it; None leaves its panel empty.
        image: uint8 ``[28, 28]``, what the network saw; None leaves its panel empty.
        colour: with half blocks in 24-bit colours; otherwise in plain ASCII, dark = dense.
        is_ink: `image` is light ink on black, which plain ASCII draws dense.

    Returns:
        14 lines without line ends, less than 60 columns wide; none where there is nothing to show.
    """
    if picture is None and image is None:
        return []
    seen = (
        None if image is None else Image.fromarray(255 - image if is_ink and not colour else image)
    )
    ground = _GROUND if colour else _WHITE
    left, right = (np.asarray(_panel(panel, _CELLS, ground)) for panel in (picture, seen))
    draw, between = (half_blocks, "  ") if colour else (characters, " | ")
    return [between.join(row) for row in zip(draw(left), draw(right), strict=True)]


def wants_colour(terminal: TextIO) -> bool:
    """Whether this is a terminal that can show colours, and they are not switched off."""
    return (
        terminal.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and terminal.encoding.lower().startswith("utf")
    )


def half_blocks(pixels: Pixels) -> list[str]:
    """uint8 ``[H, W, 3]`` -> H / 2 lines; each cell has a pixel above another."""
    return [
        "".join(
            "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*above, *below)
            for above, below in zip(*pair, strict=True)
        )
        + "\x1b[0m"
        for pair in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True)
    ]


def characters(pixels: Pixels) -> list[str]:
    """uint8 ``[H, W, 3]`` -> H / 2 lines; dark = dense."""
    darkness = 255 - pixels.astype(np.uint16).mean(axis=2)
    cells = (darkness[::2] + darkness[1::2]) / 2
    return ["".join(row) for row in _RAMP[(cells * len(_RAMP) / 256).astype(np.intp)]]


def _panel(picture: Image.Image | None, side: int, ground: int) -> Image.Image:
    """A picture fitted into the middle of a square; RGB ``side x side``."""
    panel = Image.new("RGB", (side, side), _grey(ground))
    if picture is None:
        return panel
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    # What is enlarged keeps its pixels visible, since they are all that there is.
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    fitted = fill_transparent(picture.resize(size, method, reducing_gap=3.0))
    panel.paste(fitted, ((side - size[0]) // 2, (side - size[1]) // 2))
    return panel


def fill_transparent(picture: Image.Image) -> Image.Image:
    """A picture, RGB or RGBA, as RGB: grey shows where it is transparent."""
    if picture.mode == "RGBA":
        behind = Image.new("RGBA", picture.size, _grey(_BEHIND))
        picture = Image.alpha_composite(behind, picture)
    return picture.convert("RGB")


def _grey(level: int) -> tuple[int, int, int]:
    return level, level, level
