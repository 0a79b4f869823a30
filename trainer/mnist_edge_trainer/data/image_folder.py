"""Image folders: a folder of pictures for each class -> arrays.

Every picture is preprocessed as a digit, as it will be when it is predicted. One that cannot be
read is reported and skipped.

Every worker process imports this module: it must not import torch, which takes seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import DatasetError, ImageError, one_line
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.preprocess.preprocessor import preprocess_one
from mnist_edge.types import GrayImage

__all__ = ["MIN_PER_CLASS", "ImageFolder", "has_pictures", "load_image_folder"]

OnSkip: TypeAlias = Callable[[str], None]
"""Called with a line about each picture that is skipped."""

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
        in_test: bool ``[N]``: held out for testing.
    """

    labels: tuple[str, ...]
    images: GrayImage
    classes: npt.NDArray[np.int64]
    in_test: npt.NDArray[np.bool_]


class _File(NamedTuple):
    path: str
    label: int
    in_test: bool


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
    folders = _folders_in(directory)
    return bool(folders) and not any([*(directory / name).iterdir()] for name in folders)


def load_image_folder(directory: Path, on_skip: OnSkip) -> ImageFolder:
    """Reads a folder that has a folder of pictures for each class, with the class's name.

    If it has ``train`` and ``test`` with such folders in them, they are the split. Otherwise 15 %
    of each class, and one picture at least, are held out for testing. The SHA-256 of a picture's
    file decides, so that a picture stays in its split when others are added. Of pictures with the
    same content one is kept; none is if their classes differ.

    Args:
        directory: of the classes.
        on_skip: called with a line about each picture that is skipped.

    Raises:
        DatasetError: there are no pictures, or one class alone; a class has no pictures, too few
            that can be read, or a name that cannot be written into a model.
    """
    roots = _roots(directory, on_skip)
    labels = _labels(roots)
    files = _files(roots, labels, on_skip)
    pictures = _without_copies(_readable(files, on_skip), on_skip)
    if not pictures:
        raise DatasetError(f"{directory}: none of its {len(files):,} pictures can be read")
    if len(roots) == 1:
        pictures = _split(directory, pictures, labels)
    else:
        for root, in_test, minimum in zip(roots, (True, False), (1, MIN_PER_CLASS), strict=True):
            _check_counts(root, [p for p in pictures if p.file.in_test == in_test], labels, minimum)
    return ImageFolder(
        labels,
        np.array([picture.image for picture in pictures], np.uint8),
        np.array([picture.file.label for picture in pictures], np.int64),
        np.array([picture.file.in_test for picture in pictures], np.bool_),
    )


def _roots(directory: Path, on_skip: OnSkip) -> list[Path]:
    """The folder that the classes are in; two, the test split first, if they are split."""
    folders = _folders_in(directory)
    stray = sum(1 for _ in FolderWalk(recursive=False).pictures_in(str(directory)))
    if not folders:
        raise DatasetError(
            f"{directory}: its pictures are in no folders; make a folder for each class, named as "
            "it is, and put them in there"
        )
    if stray:
        on_skip(f"{directory}: pictures outside the class folders, skipped: {stray:,}")
    if "train" not in folders or not _folders_in(directory / "train"):
        return [directory]
    if "test" not in folders or not _folders_in(directory / "test"):
        raise DatasetError(
            f"{directory}: train has the folders of classes, and there is no test that has; add "
            f"it, or put the folders of the classes into {directory}"
        )
    for name in folders:
        if name not in ("train", "test"):
            on_skip(one_line(f"{directory / name}: not train or test, skipped"))
    return [directory / "test", directory / "train"]


def _labels(roots: Sequence[Path]) -> tuple[str, ...]:
    labels, *others = (_folders_in(root) for root in roots)
    for other in others:
        for name in set(labels) ^ set(other):
            where, missing = roots if name in labels else reversed(roots)
            raise DatasetError(one_line(f"{where / name}: there is no such class in {missing}"))
    if len(labels) < 2:
        raise DatasetError(
            one_line(f"{roots[0] / labels[0]}: is the only class; a classifier needs two or more")
        )
    for name in labels:
        if "," in name or not name.isprintable():
            raise DatasetError(
                one_line(f"{roots[0] / name}: the name of a class cannot have a comma or a ")
                + "control character in it; rename the folder"
            )
    return tuple(labels)


def _folders_in(directory: Path) -> list[str]:
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


def _files(roots: Sequence[Path], labels: Sequence[str], on_skip: OnSkip) -> list[_File]:
    walk = FolderWalk(recursive=True)
    files: list[_File] = []
    for root in roots:
        in_test = len(roots) > 1 and root is roots[0]
        for label, name in enumerate(labels):
            found = [
                _File(path, label, in_test) for path in walk.pictures_in(os.path.join(root, name))
            ]
            if not found:
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
    with contextlib.ExitStack() as stack:
        results = track(
            map(_preprocess_batch, batches)
            if len(files) <= _FEW
            else stack.enter_context(WorkerPool(_preprocess_batch)).map(batches),
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
        picture._replace(file=picture.file._replace(in_test=picture.digest in held_out))
        for picture in pictures
    ]


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
