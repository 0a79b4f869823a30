"""Layout of an image folder: where the classes are, what they are called, how they are split."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from mnist_edge.errors import DatasetError, one_line
from mnist_edge.inputs.walk import FolderWalk

__all__ = ["OnSkip", "Split", "class_labels", "class_roots", "folders_in"]

OnSkip: TypeAlias = Callable[[str], None]
"""Called with a line about each picture that is skipped."""

Split: TypeAlias = Literal["test", "validation", "training", "all"]
"""What pictures are for; ``all``: the user did not split them."""

_TRAIN = "train"

_HELD_OUT_FOLDERS: Mapping[str, Literal["test", "validation"]] = {
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
"""Folders beside ``train``, and what is in them."""


def class_roots(directory: Path, on_skip: OnSkip) -> dict[Split, Path]:
    """The folders that the classes are in, by split.

    Those for testing come first: of a picture that is in several splits, the first is kept.
    """
    folders = folders_in(directory)
    stray = sum(1 for _ in FolderWalk(recursive=False).pictures_in(str(directory)))
    if not folders:
        raise DatasetError(
            f"{directory}: its pictures are in no folders; make a folder for each class, named as "
            "it is, and put them in there"
        )
    if stray:
        on_skip(f"{directory}: pictures outside the class folders, skipped: {stray:,}")
    if _TRAIN not in folders or not folders_in(directory / _TRAIN):
        return {"all": directory}
    held_out = [
        name for name in folders if name in _HELD_OUT_FOLDERS and _has_classes(directory / name)
    ]
    for name in folders:
        if name not in (_TRAIN, *held_out):
            on_skip(one_line(f"{directory / name}: not train, val or test with pictures, skipped"))
    roots: dict[Split, Path] = {}
    for name in sorted(held_out, key=[*_HELD_OUT_FOLDERS].index):
        other = roots.setdefault(_HELD_OUT_FOLDERS[name], directory / name)
        if other.name != name:
            raise DatasetError(f"{directory}: has both {other.name} and {name}; keep one of them")
    if not roots:
        raise DatasetError(
            f"{directory}: train has the folders of classes, and there is no test and no val that "
            f"has; add one, or put the folders of the classes into {directory}"
        )
    if "test" not in roots:
        on_skip(f"{directory}: has no test; {roots['validation'].name} is used for testing too")
    return {**roots, "training": directory / _TRAIN}


def _has_classes(directory: Path) -> bool:
    """Whether there are folders in it; for validation, with a picture in one of them."""
    if not folders_in(directory):
        return False
    pictures = FolderWalk(recursive=True).pictures_in(str(directory))
    return _HELD_OUT_FOLDERS[directory.name] == "test" or next(pictures, None) is not None


def class_labels(roots: Mapping[Split, Path]) -> tuple[str, ...]:
    """The classes: those to train on, which those of the other splits must be."""
    *others, root = roots.items()
    labels = folders_in(root[1])
    for split, other in others:
        for name in set(labels) ^ set(folders_in(other)):
            if split == "validation" and name in labels:
                continue  # a warning names it, when the pictures are read
            where, missing = (root[1], other) if name in labels else (other, root[1])
            raise DatasetError(one_line(f"{where / name}: there is no such class in {missing}"))
    if len(labels) < 2:
        raise DatasetError(
            one_line(f"{root[1] / labels[0]}: is the only class; a classifier needs two or more")
        )
    for name in labels:
        if "," in name or not name.isprintable():
            raise DatasetError(
                one_line(f"{root[1] / name}: the name of a class cannot have a comma or a ")
                + "control character in it; rename the folder"
            )
    return tuple(labels)


def folders_in(directory: Path) -> list[str]:
    """Names of the folders that are not hidden, 10 after 9."""
    try:
        found = [entry for entry in directory.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{directory}: cannot be read ({error.strerror or error})") from error
    return sorted((entry.name for entry in found if os.path.isdir(entry)), key=_natural_order)


def _natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key for natural order: text and numbers alternate, each compared with its kind."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
