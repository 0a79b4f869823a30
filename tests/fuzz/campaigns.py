"""Mutated pictures and containers, and the roads they go."""

from __future__ import annotations

import functools
import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fuzz.containers import CONTAINER_SUFFIXES, container_seeds, damaged
from tests.fuzz.engine import Campaign
from tests.fuzz.findings import Broken, Report
from tests.fuzz.guards import Guard
from tests.fuzz.pictures import picture_seeds
from tests.fuzz.roads import GOOD, Answer, classifier, predict_all, try_one
from tests.fuzz.seeds import Case, chance_of, mutated

__all__ = ["Containers", "Pictures"]

_RARELY = 16
"""Of so many units, one is sorted into folders, and one has its previews saved."""


class Pictures(Campaign):
    """Pictures: each through the API, and all of a unit through `predict`, in a folder or archive.

    Args:
        seed: of the campaign.
    """

    name = "pictures"
    at_once = 64

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seeds = picture_seeds()

    def case(self, number: int) -> Case:
        return mutated(self._seeds, number, chance_of(self.name, self._seed, number))

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        answers = []
        for case in cases:
            predict = functools.partial(classifier().predict, case.content)
            answers.append(try_one(case.number, predict, guard, report))
        paths, names = _laid_out(cases, work)
        rows = predict_all(paths, work / "rows.jsonl", **_extras(cases, work))
        if [row["path"] for row in rows] != names:
            raise Broken(f"rows lost: {len(rows)} of {len(names)}")
        for case, row, answer in zip(cases, rows, answers, strict=True):
            if answer is not None and not _agree(answer, row):
                report.problem("roads differ", f"{answer} by the API, {row}", case.number)
        guard.noise()  # has been reported where it was first heard


def _extras(cases: Sequence[Case], work: Path) -> dict[str, Any]:
    """Options that one unit of some has."""
    unit = cases[0].number // Pictures.at_once % _RARELY
    return _extras_of(unit, work)


def _laid_out(cases: Sequence[Case], work: Path) -> tuple[list[Path], list[str]]:
    """Writes the pictures: what to predict, and the names of its rows."""
    kind = cases[0].number // Pictures.at_once % 4
    files = {f"{case.number:09}{case.suffix}": case.content for case in cases}
    # What is not searched for by its suffix must be named.
    folder = work / "pictures"
    if kind == 1:
        return [_tar(files, work / "pictures.tar")], [
            f"{work / 'pictures.tar'}/{name}" for name in files
        ]
    if kind == 2:
        return [_zip(files, work / "pictures.zip")], [
            f"{work / 'pictures.zip'}/{name}" for name in files
        ]
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    paths = [folder / name for name in files]
    return ([folder] if kind == 0 else paths), [*map(str, paths)]


def _tar(files: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def _zip(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _agree(answer: Answer, row: dict[str, Any]) -> bool:
    """Whether both roads gave a picture the same answer."""
    confidence, digit = answer
    if confidence is None or row["confidence"] is None:
        return confidence is row["confidence"] is None
    # A batch may be computed in another order; at the threshold that decides.
    return abs(confidence - row["confidence"]) < 1e-3 and (
        digit == row["digit"] or None in (digit, row["digit"])
    )


class Containers(Campaign):
    """Archives and arrays through `predict`, a good picture behind each.

    Args:
        seed: of the campaign.
    """

    name = "containers"
    at_once = 32

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seeds = container_seeds()

    def case(self, number: int) -> Case:
        chance = chance_of(self.name, self._seed, number)
        if chance.random() < 0.1:
            return damaged(number, chance)
        return mutated(self._seeds, number, chance, CONTAINER_SUFFIXES)

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        good = work / "good.png"
        good.write_bytes(GOOD.read_bytes())
        paths = {work / f"{case.number:09}{case.suffix}": case for case in cases}
        for path, case in paths.items():
            path.write_bytes(case.content)
        named = [name for path in paths for name in (path, good)]
        rows = predict_all(named, work / "rows.jsonl", **_container_extras(cases, work))
        _count(paths, good, rows, report)
        if noise := guard.noise():
            raise Broken(f"noise: {noise}")


def _container_extras(cases: Sequence[Case], work: Path) -> dict[str, Any]:
    unit = cases[0].number // Containers.at_once % _RARELY
    return {"workers": 2} if unit == 2 else _extras_of(unit, work)


def _extras_of(unit: int, work: Path) -> dict[str, Any]:
    if unit == 0:
        return {"sort_into": work / "sorted"}
    return {"save_preprocessed": work / "seen"} if unit == 1 else {}


def _count(cases: dict[Path, Case], good: Path, rows: list[dict[str, Any]], report: Report) -> None:
    """Counts how each container ended; raises where a row is missing, or the good picture's is."""
    position = 0
    for path, case in cases.items():
        errors = pictures = 0
        while position < len(rows) and rows[position]["path"].startswith(str(path)):
            failed = rows[position]["probabilities"] is None
            errors, pictures = errors + failed, pictures + 1
            position += 1
        if pictures == 0:
            raise Broken(f"no row: of {path.name}")
        if position == len(rows) or rows[position]["path"] != str(good):
            raise Broken(f"good picture lost: after {path.name}")
        if rows[position]["digit"] != 7:
            raise Broken(f"good picture read wrong: after {path.name}")
        if case.is_damaged and not errors:
            raise Broken(f"damage passed over: {case.seed}")
        position += 1
        report.outcomes[
            "whole" if not errors else "some errors" if errors < pictures else "errors alone"
        ] += 1
    if position < len(rows):
        raise Broken(f"rows of nothing: {rows[position]['path']}")
