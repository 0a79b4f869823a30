"""A person's own pictures: a folder with one folder for each class -> arrays.

Every picture goes through the digit front end, as it will when it is predicted. What cannot be read
is told and left out. Without torch, whose import would hold up every process that shares the work.
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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from mnist_edge.batch.worker_pool import WorkerPool
from mnist_edge.errors import DatasetError, ImageError, one_line
from mnist_edge.inputs.walk import FolderWalk
from mnist_edge.preprocess.preprocessor import preprocess_one

__all__ = ["LEAST", "ClassFolders", "has_pictures", "load_folder"]

Grey = npt.NDArray[np.uint8]
Tell = Callable[[str], None]

LEAST = 5
"""Different pictures that each class must have."""

_HELD_OUT = int(0.15 * 2**256).to_bytes(32, "big")
"""A picture whose SHA-256 is smaller is for testing: 15 % of them."""

_BATCH, _FEW = 25, 100
"""Pictures that a process is given at a time, and how many are not worth starting any for."""


@dataclass(frozen=True)
class ClassFolders:
    """What was read.

    Attributes:
        labels: names of the classes, in the order of their numbers.
        images: uint8 ``[N, 28, 28]``, 0 = background, 255 = ink.
        classes: int64 ``[N]``, from 0.
        in_test: bool ``[N]``: held out for testing.
    """

    labels: tuple[str, ...]
    images: Grey
    classes: npt.NDArray[np.int64]
    in_test: npt.NDArray[np.bool_]


class _File(NamedTuple):
    path: str
    label: int
    in_test: bool


class _Picture(NamedTuple):
    file: _File
    digest: bytes
    image: Grey


def has_pictures(directory: Path) -> bool:
    """Whether a folder is one of a person's own pictures, by names alone.

    It is if it, or a folder in it, has a file named as a picture; and if there is nothing in it but
    empty folders, waiting for some.
    """
    if not os.path.isdir(directory):
        return False
    if next(FolderWalk(recursive=True).pictures_in(str(directory)), None) is not None:
        return True
    folders = _folders_in(directory)
    return bool(folders) and not any([*(directory / name).iterdir()] for name in folders)


def load_folder(directory: Path, tell: Tell) -> ClassFolders:
    """Reads a folder that has a folder of pictures for each class, named as it is.

    If it has ``train`` and ``test`` with such folders in them, they are the split. Otherwise 15 %
    of each class, and one picture at least, are held out for testing. The SHA-256 of a picture's
    file decides, so that a picture stays where it is when others are added. Of pictures with the
    same content one is kept, and none if their classes differ.

    Args:
        directory: of the classes.
        tell: what to call with a line about each picture that is left out.

    Raises:
        DatasetError: there are no pictures, or one class alone; a class has no pictures, too few
            that can be read, or a name that cannot be written into a model.
    """
    roots = _roots(directory, tell)
    labels = _labels(roots)
    files = _files(roots, labels, tell)
    pictures = _all_different(_readable(files, tell), tell)
    if not pictures:
        raise DatasetError(f"{directory}: none of its {len(files):,} pictures can be read")
    if len(roots) == 1:
        pictures = _split(directory, pictures, labels)
    else:
        for root, in_test, least in zip(roots, (True, False), (1, LEAST), strict=True):
            _check_counts(root, [p for p in pictures if p.file.in_test == in_test], labels, least)
    return ClassFolders(
        labels,
        np.array([picture.image for picture in pictures], np.uint8),
        np.array([picture.file.label for picture in pictures], np.int64),
        np.array([picture.file.in_test for picture in pictures], np.bool_),
    )


def _roots(directory: Path, tell: Tell) -> list[Path]:
    """The folder that the classes are in; both of them, test first, if they are split."""
    folders = _folders_in(directory)
    stray = sum(1 for _ in FolderWalk(recursive=False).pictures_in(str(directory)))
    if not folders:
        raise DatasetError(
            f"{directory}: its pictures are in no folders; make a folder for each class, named as "
            "it is, and put them in there"
        )
    if stray:
        tell(f"{directory}: pictures beside the folders, of no class, left out: {stray:,}")
    if "train" not in folders or not _folders_in(directory / "train"):
        return [directory]
    if "test" not in folders or not _folders_in(directory / "test"):
        raise DatasetError(
            f"{directory}: train has the folders of classes, and there is no test that has; add "
            f"it, or put the folders of the classes into {directory}"
        )
    for name in folders:
        if name not in ("train", "test"):
            tell(one_line(f"{directory / name}: beside train and test, left out"))
    return [directory / "test", directory / "train"]


def _labels(roots: Sequence[Path]) -> tuple[str, ...]:
    labels, *others = (_folders_in(root) for root in roots)
    for other in others:
        for name in set(labels) ^ set(other):
            where, missing = roots if name in labels else reversed(roots)
            raise DatasetError(one_line(f"{where / name}: there is no such class in {missing}"))
    if len(labels) < 2:
        raise DatasetError(
            one_line(f"{roots[0] / labels[0]}: is the only class; it takes two to tell apart")
        )
    for name in labels:
        if "," in name or not name.isprintable():
            raise DatasetError(
                one_line(f"{roots[0] / name}: no name for a class, which has no comma in it and ")
                + "can be printed; rename the folder"
            )
    return tuple(labels)


def _folders_in(directory: Path) -> list[str]:
    """Names of the folders that are not hidden, 10 after 9."""
    try:
        found = [entry for entry in directory.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{directory}: cannot be read ({error.strerror or error})") from error
    return sorted((entry.name for entry in found if os.path.isdir(entry)), key=_natural)


def _natural(name: str) -> tuple[list[str | int], str]:
    """To sort by; text and numbers take turns, so that like is compared with like."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _files(roots: Sequence[Path], labels: Sequence[str], tell: Tell) -> list[_File]:
    listing = FolderWalk(recursive=True)
    files: list[_File] = []
    for root in roots:
        in_test = len(roots) > 1 and root is roots[0]
        for label, name in enumerate(labels):
            found = [
                _File(path, label, in_test)
                for path in listing.pictures_in(os.path.join(root, name))
            ]
            if not found:
                raise DatasetError(
                    one_line(f"{root / name}: empty, no pictures in it; add some, or remove it")
                )
            files += found
    if listing.skipped:
        left_out = listing.skipped
        tell(f"files that are hidden or no pictures by their names, left out: {left_out:,}")
    return files


def _readable(files: Sequence[_File], tell: Tell) -> list[_Picture]:
    pictures = []
    for file, outcome in zip(files, _prepared(files), strict=True):
        if isinstance(outcome, str):
            tell(one_line(outcome))
        else:
            pictures.append(_Picture(file, *outcome))
    if left_out := len(files) - len(pictures):
        tell(f"pictures that cannot be used, left out: {left_out:,} of {len(files):,}")
    return pictures


def _prepared(files: Sequence[_File]) -> list[tuple[bytes, Grey] | str]:
    """For each file, the SHA-256 of its content and its picture, or what is wrong with it."""
    batches = [
        [file.path for file in files[start : start + _BATCH]]
        for start in range(0, len(files), _BATCH)
    ]
    with contextlib.ExitStack() as stack:
        made = track(
            map(_prepare_batch, batches)
            if len(files) <= _FEW
            else stack.enter_context(WorkerPool(_prepare_batch)).map(batches),
            "read pictures",
            total=len(batches),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        return [outcome for batch in made for outcome in batch]


_Batch = Sequence[str]
_Outcomes = list[tuple[bytes, Grey] | str]


def _prepare_batch(paths: _Batch) -> _Outcomes:
    return [_prepare(path) for path in paths]


def _prepare(path: str) -> tuple[bytes, Grey] | str:
    try:
        # Read once: the picture is then that of the checksum.
        content = Path(path).read_bytes()
        return hashlib.sha256(content).digest(), preprocess_one(content, path)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror or error})"
    except ImageError as error:
        return str(error)


def _all_different(pictures: Sequence[_Picture], tell: Tell) -> list[_Picture]:
    """One of each content; none where it is in several classes, since one of them is wrong."""
    first: dict[bytes, _Picture] = {}
    contradicted: set[bytes] = set()
    copies = 0
    for picture in pictures:
        known = first.setdefault(picture.digest, picture)
        if known.file.label != picture.file.label:
            contradicted.add(picture.digest)
            tell(
                one_line(
                    f"{picture.file.path}: the same picture as {known.file.path}, "
                    "which is of another class; both were left out"
                )
            )
        elif known is not picture:
            copies += 1
    if copies:
        tell(f"copies of other pictures of their class, left out: {copies:,}")
    return [picture for digest, picture in first.items() if digest not in contradicted]


def _split(directory: Path, pictures: Sequence[_Picture], labels: Sequence[str]) -> list[_Picture]:
    """Holds some of each class out for testing."""
    _check_counts(directory, pictures, labels, LEAST)
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
    root: Path, pictures: Sequence[_Picture], labels: Sequence[str], least: int
) -> None:
    counts = Counter(picture.file.label for picture in pictures)
    few = [f"{name} ({counts[n]})" for n, name in enumerate(labels) if counts[n] < least]
    if few:
        raise DatasetError(
            f"{root}: fewer than {least} different pictures that can be read of: "
            f"{', '.join(few)}; add some, or remove the folder"
        )
