"""Copies or links pictures into a folder for each class; rejected ones into ``unsure``."""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_edge.errors import OutputError
from mnist_edge.inputs.sources import STDIN, Item
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.types import DIGITS

__all__ = ["REJECTED", "folder_names", "sort_by_class"]

REJECTED = "unsure"
"""Folder of pictures without a prediction: rejected ones, and those without a digit in them."""

_UNSAFE = re.compile(r'[/\\<>:"|?*]|^\.+|[. ]+$')
"""Characters that a folder's name may not have, here or on Windows, or that would hide it."""


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
        OutputError: it cannot be written.
    """
    if item.error is not None or (item.content is None and not os.path.isfile(item.name)):
        return
    place = folder / (REJECTED if digit is None else folder_names(labels)[digit])
    make_folder(place)
    for target in _names(place, item):
        if os.path.lexists(target):
            if _is_there(target, item):
                return
            continue
        _put(item, target, link)
        return


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


def _is_there(target: Path, item: Item) -> bool:
    if item.content is None:
        if os.path.samefile(target, item.name) if target.exists() else False:
            return True
        content = Path(item.name).read_bytes()
    elif isinstance(item.content, bytes):
        content = item.content
    else:
        with Image.open(target) as image:
            return np.array_equal(np.asarray(image), item.content)
    return target.is_file() and target.read_bytes() == content


def _put(item: Item, target: Path, link: bool) -> None:
    if link and item.content is None:
        try:
            target.symlink_to(os.path.abspath(item.name))
        except OSError as error:
            raise OutputError(f"{target}: cannot be linked ({error.strerror})") from error
        return
    with atomic_write(target) as partial:
        if item.content is None:
            shutil.copyfile(item.name, partial)
        elif isinstance(item.content, bytes):
            partial.write_bytes(item.content)
        else:
            Image.fromarray(np.asarray(item.content)).save(partial, "PNG")
