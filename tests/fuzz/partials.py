"""Mutated partial files, which `--resume` goes on with, or refuses."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.batch import runner
from mnist_edge.batch.predict_options import PredictOptions
from mnist_edge.errors import MnistEdgeError
from mnist_edge.outputs.summary import Summary
from tests.fuzz.engine import Campaign
from tests.fuzz.findings import Broken, Report, place
from tests.fuzz.guards import Guard
from tests.fuzz.mutations import mutate
from tests.fuzz.roads import GOOD, outcome
from tests.fuzz.seeds import Case, chance_of

__all__ = ["Partials"]

_NAMES = [
    "a.png",
    "b.png",
    "c,d.png",
    "damaged1.png",
    'e"f.png',
    "g\nh.png",
    "damaged2.png",
    "é.png",
]
_NAMES += ["i.png", "damaged3.png", "j.png", "k\udcff.png"]


@dataclass(frozen=True)
class _Interrupted:
    """An output that was interrupted: its files, and what it comes to when it is resumed."""

    kind: str
    after: int
    files: dict[str, bytes]
    whole: bytes


class Partials(Campaign):
    """Partial outputs in a folder with the same twelve pictures, resumed.

    Args:
        seed: of the campaign.
    """

    name = "resume"
    at_once = 16

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def case(self, number: int) -> Case:
        return self._make(number)[2]

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        _make_pictures(work / "pictures")
        for case in cases:
            start, name, _ = self._make(case.number)
            folder = work / str(case.number)
            folder.mkdir()
            for file, content in {**start.files, name: case.content}.items():
                (folder / file).write_bytes(content)
            with contextlib.chdir(folder):
                _resume(case, start, name, report)
            if noise := guard.noise():
                report.problem("noise", noise, case.number)

    def _make(self, number: int) -> tuple[_Interrupted, str, Case]:
        """What was interrupted, the file of it that is mutated, and the case."""
        chance = chance_of(self.name, self._seed, number)
        start = chance.choice(_interrupted())
        partial = f"rows.{start.kind}.partial"
        name = partial if chance.random() < 0.8 else chance.choice(sorted(start.files))
        others = [other.files[f"rows.{other.kind}.partial"] for other in _interrupted()]
        content = mutate(start.files[name], chance, lambda: chance.choice(others))
        seed = f"{name} interrupted after {start.after} errors"
        return start, name, Case(number, seed, f".{start.kind}.partial", content)


def _resume(case: Case, start: _Interrupted, name: str, report: Report) -> None:
    try:
        summary = _predict(start.kind, resume=True)
    except MnistEdgeError as error:
        report.outcomes[outcome(error)] += 1
        return
    except Exception as error:  # what is looked for
        report.outcomes["failed"] += 1
        report.problem(place(error), repr(error), case.number)
        return
    report.outcomes["resumed"] += 1
    content = Path(f"rows.{start.kind}").read_bytes()
    if case.content == start.files[name] and content != start.whole:
        report.problem("resumed to something else", repr(content), case.number)
    try:
        rows = [*_rows(start.kind, content)]
        if [path for path, _ in rows] != _paths():
            raise Broken(f"rows differ: {[path for path, _ in rows]}")
        if sum(failed for _, failed in rows) != summary.errors:
            raise Broken(f"errors differ: {summary.errors} counted")
    except (ValueError, KeyError, IndexError, TypeError, Broken) as error:
        kind = place(error) if isinstance(error, Broken) else "resumed output is damaged"
        report.problem(kind, f"{error!r}: {content!r}", case.number)


def _rows(kind: str, content: bytes) -> Iterator[tuple[str, bool]]:
    """Path of each row, and whether it has an error."""
    text = content.decode("utf-8", "surrogateescape")
    if kind == "csv":
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        yield from ((row[header.index("path")], row[header.index("error")] != "") for row in rows)
    else:
        for line in text.split("\n")[:-1]:
            row = json.loads(line)
            yield row["path"], row["error"] is not None


@functools.cache
def _interrupted() -> list[_Interrupted]:
    """Outputs interrupted after the first, second and third error, beside an older whole one."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        _make_pictures(Path(folder) / "pictures")
        for kind in ("jsonl", "csv"):
            for after in (1, 2, 3):
                for has_older in (False, True):
                    case = Path(folder) / f"{kind}{after}{has_older}"
                    case.mkdir()
                    with contextlib.chdir(case):
                        made.append(_interrupt(kind, after, has_older))
    return made


def _interrupt(kind: str, after: int, has_older: bool) -> _Interrupted:
    _predict(kind)
    whole = Path(f"rows.{kind}").read_bytes()
    if not has_older:
        Path(f"rows.{kind}").unlink()
    left = after

    def log(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        runner.predict(_options(kind), log)
    files = {path.name: path.read_bytes() for path in Path().iterdir()}
    return _Interrupted(kind, after, files, whole)


def _predict(kind: str, *, resume: bool = False) -> Summary:
    return runner.predict(_options(kind, resume=resume), lambda _: None)


def _options(kind: str, *, resume: bool = False) -> PredictOptions:
    return PredictOptions(
        ["../pictures"], format=kind, output=Path(f"rows.{kind}"), resume=resume, workers=1
    )


def _make_pictures(folder: Path) -> None:
    folder.mkdir()
    for name in _NAMES:
        content = b"damaged" if name.startswith("damaged") else GOOD.read_bytes()
        (folder / name).write_bytes(content)


def _paths() -> list[str]:
    return [f"../pictures/{name}" for name in sorted(_NAMES, key=os.fsencode)]
