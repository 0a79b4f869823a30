"""Pictures sorted into a folder for each class, those without an answer apart."""

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

__all__ = ["UNANSWERED", "folder_names", "sort_by_class"]

UNANSWERED = "unsure"
"""The folder of pictures that were not answered: unsure ones, and those without a digit in them."""

_UNSAFE = re.compile(r'[/\\<>:"|?*]|^\.+|[. ]+$')
"""What no folder's name may have in it, here or on Windows, or would hide it."""


def sort_by_class(
    folder: Path, item: Item, digit: int | None, *, labels: tuple[str, ...] = DIGITS, link: bool
) -> None:
    """Puts a picture into ``FOLDER/CLASS``, or ``FOLDER/unsure``, under its own name.

    A name that is taken by another picture gets a number; one that is there already, from an
    earlier run, stays as it is. What cannot be read is left where it is.

    Args:
        folder: made where it is missing.
        item: the picture.
        digit: the answer; None = there is none.
        labels: names of the classes, which `folder_names` makes folders of.
        link: make a symbolic link to a file rather than copy it.

    Raises:
        OutputError: it cannot be written.
    """
    if item.error is not None or (item.content is None and not os.path.isfile(item.name)):
        return
    place = folder / (UNANSWERED if digit is None else folder_names(labels)[digit])
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
    """A folder's name for each class: its own, ``_`` for what may not be in one.

    One that is taken, by another class or by what was not answered, gets a number; so does one
    that differs by case alone.
    """
    taken = {UNANSWERED}
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
