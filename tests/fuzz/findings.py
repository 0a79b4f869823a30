"""What was found: problems of cases, their files, and the table at the end."""

from __future__ import annotations

import json
import re
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.seeds import Case

__all__ = ["Broken", "Findings", "Problem", "Report", "place"]

_SAVED = 20
"""Files of one kind that are kept."""


@dataclass(frozen=True)
class Problem:
    """What should not have happened.

    Attributes:
        kind: by which it is counted.
        detail: a line, or a traceback.
        number: of the case; None = one of those that were tried at once.
    """

    kind: str
    detail: str
    number: int | None = None


@dataclass
class Report:
    """What came of some cases.

    Attributes:
        outcomes: how many ended how: with a prediction, or a typed error of some class.
        problems: the others.
        peak: bytes of memory at most that the process has had.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    peak: int = 0

    def problem(self, kind: str, detail: str, number: int | None = None) -> None:
        """Adds a problem."""
        self.problems.append(Problem(kind, detail, number))


class Broken(Exception):  # noqa: N818 - what the program did, not an error in this one
    """The program went on, and what it gave is wrong; what is before the colon is the kind."""


def place(error: BaseException) -> str:
    """The error's class, and the last function of ours that it passed: the kind of a finding."""
    if isinstance(error, Broken):
        return str(error).partition(":")[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/mnist_edge/" in frame.filename] or frames[-1:]
    where = f" in {Path(ours[-1].filename).name}:{ours[-1].name}" if ours else ""
    return f"{type(error).__name__}{where}"


class Findings:
    """Counts all findings of a campaign, and keeps some of their files.

    Args:
        campaign: its name.
        seed: of the campaign.
        folder: for the files; made for the first one; None = none is kept.
    """

    def __init__(self, campaign: str, seed: int, folder: Path | None) -> None:
        self._campaign, self._seed, self._folder = campaign, seed, folder
        self.outcomes: Counter[str] = Counter()
        self.numbers: defaultdict[str, list[int]] = defaultdict(list)
        self.peak = 0

    @property
    def cases(self) -> int:
        """How many were tried."""
        return self.outcomes.total()

    @property
    def count(self) -> int:
        """How many findings there are."""
        return sum(map(len, self.numbers.values()))

    def add(self, report: Report) -> None:
        """Adds the outcomes of a report; its problems are added one by one."""
        self.outcomes += report.outcomes
        self.peak = max(self.peak, report.peak)

    def add_problem(self, problem: Problem, case: Case) -> None:
        """Adds a finding, and keeps its file."""
        numbers = self.numbers[problem.kind]
        numbers.append(case.number)
        if self._folder is None or len(numbers) > _SAVED:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        kind = re.sub(r"[^A-Za-z0-9_.]+", "-", problem.kind)[:60].strip("-.")
        name = f"{self._campaign}-{self._seed}-{case.number}-{kind}{case.suffix}"
        (self._folder / name).write_bytes(case.content)
        record = {
            "campaign": self._campaign,
            "seed": self._seed,
            "number": case.number,
            "kind": problem.kind,
            "from": case.seed,
            "file": name,
            "detail": problem.detail,
        }
        with (self._folder / "findings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def table(self) -> str:
        """All of it, for people."""
        lines = [f"{self._campaign}: {self.cases} cases, {self.peak >> 20} MiB at most"]
        lines += _rows((count, outcome, "") for outcome, count in self.outcomes.most_common())
        found = sorted(self.numbers.items(), key=lambda item: -len(item[1]))
        lines.append(f"findings: {self.count}")
        lines += _rows(
            (len(numbers), kind, f"  --reproduce {min(numbers)}") for kind, numbers in found
        )
        return "\n".join(lines)


def _rows(rows: Iterable[tuple[int, str, str]]) -> list[str]:
    return [f"{count:>10}  {name}{rest}" for count, name, rest in rows]
