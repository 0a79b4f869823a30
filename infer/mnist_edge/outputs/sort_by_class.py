"""Copies or links pictures into a folder for each class; rejected ones into ``unsure``."""

from __future__ import annotations

import errno
import filecmp
import functools
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_edge.errors import OutputError
from mnist_edge.inputs.decode import open_picture
from mnist_edge.inputs.sources import STDIN, Item
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.types import DIGITS

__all__ = ["REJECTED", "Sorter", "folder_names", "sort_by_class"]

REJECTED = "unsure"
"""Folder of pictures without a prediction: rejected ones, and those without a digit in them."""

_UNSAFE = re.compile(r'[/\\<>:"|?*]|^\.+|[. ]+$')
"""Characters that a folder's name may not have, here or on Windows, or that would hide it."""


_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""Errors that the next picture would meet too."""


class Sorter:
    """Sorts pictures, batch by batch; one that cannot be sorted costs a line.

    Args:
        folder: made where it is missing.
        labels: names of the classes (see `folder_names`).
        log: called with one line for each picture that cannot be sorted.
        link: make symbolic links instead of copies.

    Attributes:
        failed: pictures that could not be sorted.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, labels: tuple[str, ...], log: Callable[[str], None], *, link: bool
    ) -> None:
        make_folder(folder)
        self._folder, self._labels, self._log, self._link = folder, labels, log, link
        self.failed = 0

    def __call__(self, items: Sequence[Item], digits: Sequence[int | None]) -> None:
        """Sorts some pictures.

        Raises:
            OutputError: the disk is full.
        """
        for item, digit in zip(items, digits, strict=True):
            try:
                sort_by_class(self._folder, item, digit, labels=self._labels, link=self._link)
            except OutputError as error:
                if getattr(error.__cause__, "errno", None) in _FULL:
                    raise
                self._log(str(error))
                self.failed += 1


def sort_by_class(
    folder: Path, item: Item, digit: int | None, *, labels: tuple[str, ...] = DIGITS, link: bool
) -> None:
    """Puts a picture into ``FOLDER/CLASS``, or ``FOLDER/unsure``, under its own name.

    A name that is taken by another picture gets a number; a picture that is there already, from an
    earlier run, stays as it is. A picture that cannot be read is not copied.

    Args:
        folder: made where it is missing.
        item: the picture.
        digit: the predicted class; None = there is none.
        labels: names of the classes (see `folder_names`).
        link: make a symbolic link instead of a copy.

    Raises:
        OutputError: it cannot be read, or not be written.
    """
    if item.error is not None or (item.content is None and not os.path.isfile(item.name)):
        return
    picture = _picture(item)
    if picture is None and not isinstance(item.content, bytes | None):
        return
    place = folder / (REJECTED if digit is None else folder_names(labels)[digit])
    make_folder(place)
    try:
        for target in _names(place, item):
            if not os.path.lexists(target):
                _put(item, picture, target, link)
                return
            if _is_there(target, item, picture):
                return
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{item.name}: cannot be sorted into {place} ({reason})") from error


@functools.cache
def folder_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Folder name for each class: its label, with ``_`` for characters that may not be in one.

    A name that is taken, by another class or by `REJECTED`, gets a number; so does one that
    differs from another by case alone.
    """
    taken = {REJECTED}
    names = []
    for label in labels:
        safe = _UNSAFE.sub(lambda found: "_" * len(found[0]), label)
        numbered = itertools.chain([safe], (f"{safe}-{number}" for number in itertools.count(2)))
        names.append(next(name for name in numbered if name.casefold() not in taken))
        taken.add(names[-1].casefold())
    return tuple(names)


def _names(place: Path, item: Item) -> Iterator[Path]:
    name = "stdin" if item.name == STDIN else Path(item.name).name
    if not isinstance(item.content, bytes | None):
        name = f"{name}.png"
    stem, suffix = os.path.splitext(name)
    yield place / name
    for number in itertools.count(2):
        yield place / f"{stem}-{number}{suffix}"


def _picture(item: Item) -> Image.Image | None:
    """The picture of an array; None where it is an encoded file, or no array of a picture."""
    array = item.content
    if not isinstance(array, np.ndarray) or array.size == 0:
        return None
    if array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2:] in ((3,), (4,))):
        return Image.fromarray(array)
    # Of another type: as the network was shown it, in eight bits.
    picture = open_picture(array)
    return picture.convert("L") if picture is not None and array.ndim == 2 else picture


def _is_there(target: Path, item: Item, picture: Image.Image | None) -> bool:
    """Whether `target`, which may be anything, is the picture already."""
    if not target.is_file():
        return False
    if picture is not None:
        found = open_picture(target)
        wanted = picture.convert("RGBA" if picture.mode == "RGBA" else "RGB")
        return found is not None and np.array_equal(np.asarray(found), np.asarray(wanted))
    if isinstance(item.content, bytes):
        size = target.stat().st_size
        return size == len(item.content) and target.read_bytes() == item.content
    return filecmp.cmp(target, item.name, shallow=False)


def _put(item: Item, picture: Image.Image | None, target: Path, link: bool) -> None:
    if link and item.content is None:
        target.symlink_to(os.path.abspath(item.name))
        return
    if item.content is None:
        with open(item.name, "rb"):  # an error of reading is not one of writing
            pass
    with atomic_write(target) as partial:
        if picture is not None:
            picture.save(partial, "PNG")
        elif isinstance(item.content, bytes):
            partial.write_bytes(item.content)
        else:
            shutil.copyfile(item.name, partial)
