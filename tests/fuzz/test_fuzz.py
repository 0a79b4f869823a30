"""The driver finds what is planted, and a short run of every campaign finds nothing."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.fuzz.campaigns import Containers, Pictures
from tests.fuzz.engine import Campaign, Engine, Limits, Unit
from tests.fuzz.findings import Findings, Report
from tests.fuzz.guards import Guard
from tests.fuzz.kills import Kills
from tests.fuzz.pictures import picture_seeds, png
from tests.fuzz.repairs import repair
from tests.fuzz.seeds import Case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked")


class Planted(Campaign):
    """Cases of which some do what none may; each says at which number."""

    name = "planted"
    at_once = 4
    died, hung, raised, swelled, started, printed, wrote = range(5, 40, 5)

    def case(self, number: int) -> Case:
        return Case(number, "planted", ".png", b"")

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        for case in cases:
            self._try(case.number, work)
            report.outcomes["predicted"] += 1
        if noise := guard.noise():
            report.problem("noise", noise)

    def _try(self, number: int, work: Path) -> None:
        if number == self.died:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif number == self.hung:
            while True:
                pass
        elif number == self.raised:
            raise KeyError(number)
        elif number == self.swelled:
            bytearray(b"x") * (120 << 20)
        elif number == self.started:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run([str(work / "missing")], check=False)
        elif number == self.printed:
            print("a line of a library's own")
        elif number == self.wrote:
            with contextlib.suppress(OSError):
                Path("/dev/outside").open("w").close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_each_planted_fault_is_found_at_its_own_number(tmp_path: Path) -> None:
    campaign, findings = Planted(), Findings("planted", 0, tmp_path)

    def on_report(report: Report) -> None:
        findings.add(report)
        for problem in report.problems:
            assert problem.number is not None
            findings.add_problem(problem, campaign.case(problem.number))

    units = (Unit(start, start + 4) for start in range(0, 48, 4))
    limits = Limits(seconds=1, memory=Guard.peak() + (80 << 20))
    Engine(campaign, 2, limits).run(units, on_report)
    found = {kind.split(" in ")[0]: numbers for kind, numbers in findings.numbers.items()}
    # In a large process the allocation fails before its peak is seen.
    swelled = found.pop("MemoryError", None) or found.pop("memory")
    assert swelled == [Planted.swelled]
    assert found == {
        "died: SIGSEGV": [Planted.died],
        "hang": [Planted.hung],
        "KeyError": [Planted.raised],
        "forbidden: subprocess.Popen": [Planted.started],
        "noise": [Planted.printed],
        "forbidden: writes": [Planted.wrote],
    }
    assert findings.cases == 48
    assert len([*tmp_path.glob("planted-0-*.png")]) == 7


@pytest.mark.parametrize("kind", [Pictures, Containers])
def test_number_makes_the_same_case_again(kind: type[Pictures | Containers]) -> None:
    one, other, another = kind(1), kind(1), kind(2)
    assert [one.case(number) for number in range(50)] == [*map(other.case, range(50))]
    assert [one.case(number) for number in range(50)] != [*map(another.case, range(50))]


def test_seeds_have_every_format_that_is_promised() -> None:
    formats = set()
    for seed in picture_seeds():
        with contextlib.suppress(OSError, ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            formats.add(Image.open(io.BytesIO(seed.content)).format)
    assert formats >= {"PNG", "JPEG", "TIFF", "GIF", "BMP", "DIB", "WEBP", "ICO", "PCX", "TGA"}
    assert formats >= {"PPM", "XBM", "JPEG2000", "AVIF", "MPO"}


def test_repaired_checksums_are_right() -> None:
    picture = bytearray(png(0, 8))
    struct.pack_into(">I", picture, 16, 27)
    with Image.open(io.BytesIO(repair(bytes(picture)))) as image:
        image.verify()
        assert image.width == 27

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a", b"content")
    with zipfile.ZipFile(io.BytesIO(repair(memory.getvalue().replace(b"con", b"CON")))) as archive:
        assert archive.read("a") == b"CONtent"

    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("name"))
    changed = repair(memory.getvalue().replace(b"name", b"NAME"))
    with tarfile.open(fileobj=io.BytesIO(changed)) as tar:
        assert tar.getnames() == ["NAME"]


@pytest.mark.parametrize(
    ("campaigns", "cases"),
    [
        (["pictures", "containers", "arrays", "models", "resume"], 64),
        pytest.param(["bombs"], 109, marks=pytest.mark.slow),
    ],
)
def test_short_run_finds_nothing(tmp_path: Path, campaigns: list[str], cases: int) -> None:
    options = ["--cases", str(cases), "--findings", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/fuzz/run.py", *campaigns, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f": {cases} cases") == len(campaigns)
    assert [*tmp_path.iterdir()] == []


def test_few_random_kills_leave_nothing_and_lose_nothing(tmp_path: Path) -> None:
    kills = Kills(tmp_path, random.Random(1), pictures=200)
    kills.run(3)
    assert kills.counts.total() >= 3
    assert kills.problems == []
