"""Image folders: a folder of pictures for each class -> arrays.

Every picture is preprocessed as a digit, as it will be when it is predicted. One that cannot be
read is reported and skipped.

Every worker process imports this module: it must not import torch, which takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from mnist_edge.errors import DatasetError, ImageError, one_line
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge.types import GrayImage
from mnist_edge_trainer.data.folder_layout import (
    OnSkip,
    Split,
    class_labels,
    class_roots,
    folders_in,
)
from mnist_edge_trainer.workers import map_in_workers

__all__ = ["MIN_PER_CLASS", "ImageFolder", "has_pictures", "load_image_folder"]

MIN_PER_CLASS = 5
"""Different pictures that each class must have."""

_HELD_OUT = int(0.15 * 2**256).to_bytes(32, "big")
"""A picture whose SHA-256 is smaller is for testing: 15 % of them."""

_BATCH = 25
"""Pictures that a worker is given at a time."""

_FEW = 100
"""Pictures that are not worth starting workers for."""


@dataclass(frozen=True)
class ImageFolder:
    """The pictures of an image folder.

    Attributes:
        labels: names of the classes, in the order of their numbers.
        images: uint8 ``[N, 28, 28]``, 0 = background, 255 = ink.
        classes: int64 ``[N]``, from 0.
        in_test: bool ``[N]``: for testing.
        in_validation: bool ``[N]``: for validation, as the user gave it; none = no such folder.
        splits: names of the folders that the user split the pictures into; empty = none.
    """

    labels: tuple[str, ...]
    images: GrayImage
    classes: npt.NDArray[np.int64]
    in_test: npt.NDArray[np.bool_]
    in_validation: npt.NDArray[np.bool_]
    splits: tuple[str, ...] = ()


class _File(NamedTuple):
    path: str
    label: int
    split: Split


class _Picture(NamedTuple):
    file: _File
    digest: bytes
    image: GrayImage


_Outcome: TypeAlias = tuple[bytes, GrayImage] | str
"""SHA-256 of a file and its picture, preprocessed; or what is wrong with it."""


def has_pictures(directory: Path) -> bool:
    """Whether a folder is an image folder, by names alone.

    It is if it, or a folder in it, has a file named as a picture; and if there is nothing in it but
    empty folders, waiting for pictures.
    """
    if not os.path.isdir(directory):
        return False
    if next(FolderWalk(recursive=True).pictures_in(str(directory)), None) is not None:
        return True
    folders = folders_in(directory)
    return bool(folders) and not any([*(directory / name).iterdir()] for name in folders)


def load_image_folder(directory: Path, on_skip: OnSkip) -> ImageFolder:
    """Reads a folder that has a folder of pictures for each class, with the class's name.

    If it has ``train``, and ``val`` or ``test`` or both, with such folders in them, they are the
    splits. Without ``val``, nothing is for validation; without ``test``, the pictures for
    validation are for testing too.

    Otherwise 15 % of each class, and one picture at least, are held out for testing. The SHA-256 of
    a picture's file decides, so that a picture stays in its split when others are added. Of
    pictures with the same content one is kept; none is if their classes differ.

    Args:
        directory: of the classes, or of the splits.
        on_skip: called with a line about each picture that is skipped.

    Raises:
        DatasetError: there are no pictures, or one class alone; a class has no pictures, too few
            that can be read, or a name that cannot be written into a model.
    """
    roots = class_roots(directory, on_skip)
    labels = class_labels(roots)
    files = _files(roots, labels, on_skip)
    pictures = _without_copies(_readable(files, on_skip), on_skip)
    if not pictures:
        raise DatasetError(f"{directory}: none of its {len(files):,} pictures can be read")
    if "all" in roots:
        pictures = _split(directory, pictures, labels)
    else:
        _check_splits(roots, pictures, labels, on_skip)
    splits = np.array([picture.file.split for picture in pictures])
    in_validation = splits == "validation"
    return ImageFolder(
        labels,
        np.array([picture.image for picture in pictures], np.uint8),
        np.array([picture.file.label for picture in pictures], np.int64),
        in_test=splits == "test" if {"all", "test"} & set(roots) else in_validation,
        in_validation=in_validation,
        splits=() if "all" in roots else tuple(sorted(root.name for root in roots.values())),
    )


def _files(roots: Mapping[Split, Path], labels: Sequence[str], on_skip: OnSkip) -> list[_File]:
    walk = FolderWalk(recursive=True)
    files: list[_File] = []
    for split, root in roots.items():
        for label, name in enumerate(labels):
            folder = os.path.join(root, name)
            found = [_File(path, label, split) for path in walk.pictures_in(folder)]
            if not found and split != "validation":
                raise DatasetError(
                    one_line(f"{root / name}: has no pictures; add some, or remove it")
                )
            files += found
    if walk.skipped:
        on_skip(f"hidden files and unknown extensions, skipped: {walk.skipped:,}")
    return files


def _readable(files: Sequence[_File], on_skip: OnSkip) -> list[_Picture]:
    pictures = []
    for file, outcome in zip(files, _preprocessed(files), strict=True):
        if isinstance(outcome, str):
            on_skip(one_line(outcome))
        else:
            pictures.append(_Picture(file, *outcome))
    if skipped := len(files) - len(pictures):
        on_skip(f"pictures that cannot be used, skipped: {skipped:,} of {len(files):,}")
    return pictures


def _preprocessed(files: Sequence[_File]) -> list[_Outcome]:
    """Each file's SHA-256 and picture, or what is wrong with it."""
    batches = [
        [file.path for file in files[start : start + _BATCH]]
        for start in range(0, len(files), _BATCH)
    ]
    spread = map if len(files) <= _FEW else map_in_workers
    results = track(
        spread(_preprocess_batch, batches),
        "read pictures",
        total=len(batches),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    return [outcome for batch in results for outcome in batch]


def _preprocess_batch(paths: Sequence[str]) -> list[_Outcome]:
    return [_preprocess(path) for path in paths]


def _preprocess(path: str) -> _Outcome:
    try:
        # Read once, so that the checksum is the picture's.
        content = Path(path).read_bytes()
        return hashlib.sha256(content).digest(), preprocess_one(content, path)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror or error})"
    except ImageError as error:
        return str(error)


def _without_copies(pictures: Sequence[_Picture], on_skip: OnSkip) -> list[_Picture]:
    """Drops copies; and pictures that are in several classes, since one of them is wrong."""
    first: dict[bytes, _Picture] = {}
    contradictory: set[bytes] = set()
    copies = 0
    for picture in pictures:
        known = first.setdefault(picture.digest, picture)
        if known.file.label != picture.file.label:
            contradictory.add(picture.digest)
            on_skip(
                one_line(
                    f"{picture.file.path}: the same picture as {known.file.path}, "
                    "which is of another class; both are skipped"
                )
            )
        elif known is not picture:
            copies += 1
    if copies:
        on_skip(f"copies of other pictures of their class, skipped: {copies:,}")
    return [picture for digest, picture in first.items() if digest not in contradictory]


def _split(directory: Path, pictures: Sequence[_Picture], labels: Sequence[str]) -> list[_Picture]:
    """Holds some pictures of each class out for testing."""
    _check_counts(directory, pictures, labels, MIN_PER_CLASS)
    held_out: set[bytes] = set()
    for label in range(len(labels)):
        digests = sorted(picture.digest for picture in pictures if picture.file.label == label)
        # One at least, and not all.
        held_out |= {digests[0], *(digest for digest in digests[:-1] if digest < _HELD_OUT)}
    return [
        picture._replace(
            file=picture.file._replace(split="test" if picture.digest in held_out else "training")
        )
        for picture in pictures
    ]


def _check_splits(
    roots: Mapping[Split, Path],
    pictures: Sequence[_Picture],
    labels: Sequence[str],
    on_skip: OnSkip,
) -> None:
    """Checks the counts of splits that the user gave; a class may be missing from validation."""
    for split, root in roots.items():
        part = [picture for picture in pictures if picture.file.split == split]
        if split != "validation":
            _check_counts(root, part, labels, MIN_PER_CLASS if split == "training" else 1)
            continue
        if not part:
            raise DatasetError(f"{root}: has no pictures that can be read; add some, or remove it")
        present = {picture.file.label for picture in part}
        missing = [name for label, name in enumerate(labels) if label not in present]
        if missing:
            on_skip(one_line(f"{root}: has no pictures of: {', '.join(missing)}"))


def _check_counts(
    root: Path, pictures: Sequence[_Picture], labels: Sequence[str], minimum: int
) -> None:
    counts = Counter(picture.file.label for picture in pictures)
    few = [f"{name} ({counts[n]})" for n, name in enumerate(labels) if counts[n] < minimum]
    if few:
        raise DatasetError(
            f"{root}: fewer than {minimum} different pictures that can be read of: "
            f"{', '.join(few)}; add some, or remove the folder"
        )
