"""Kills `mnist-edge predict` at random moments: `python tests/fuzz/kills.py --kills 200`.

JSON Lines and CSV are resumed until they are whole, and must then be, byte for byte, what an
undisturbed run writes. JSON and tables must be whole or not there. Nothing may be left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]

__all__ = ["Kills"]

_RESUMABLE = ("jsonl", "csv")
_FORMATS = (*_RESUMABLE, *_RESUMABLE, "json", "table")
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_CODES = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}
"""How a process may end that got the signal: by its own exit code, or, early on, by the signal."""

_LONGEST = 120
"""Seconds after which a run hangs, on however busy a machine."""


@dataclass
class Kills:
    """Kills programs that predict one folder, and checks what they leave.

    Attributes:
        folder: to work in.
        chance: decides formats, workers, signals and moments.
        pictures: in the folder that is predicted.
        counts: kills by format, workers and signal.
        problems: a line for each.
    """

    folder: Path
    chance: random.Random
    pictures: int = 1500
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        _make_pictures(self.folder / "pictures", self.pictures)
        self._whole: dict[str, bytes] = {}
        self._seconds = 0.0
        for kind in sorted(set(_FORMATS)):
            started = time.monotonic()
            self._end(self._start(kind, 1))
            self._seconds = time.monotonic() - started
            self._whole[kind] = self._output(kind).read_bytes()
            self._clear()

    def run(self, kills: int) -> None:
        """Kills and resumes until there were so many kills."""
        while self.counts.total() < kills:
            kind = self.chance.choice(_FORMATS)
            for name in self._until_whole(kind):
                self.counts[name] += 1
            self._check(kind)
            self._clear()

    def _until_whole(self, kind: str) -> Iterator[str]:
        """Starts a run again and again, and kills it; what killed it, each time."""
        resumes = kind in _RESUMABLE
        for _ in range(self.chance.randint(1, 6)):
            workers = self.chance.choice((1, 2))
            number = self.chance.choice(_SIGNALS)
            process = self._start(kind, workers)
            self._await_moment(process, number)
            process.send_signal(number)
            errors = self._end(process)
            if process.returncode not in (0, 1):
                yield f"{kind}, workers {workers}, {number.name}"
                if process.returncode not in _CODES[number]:
                    self._problem(kind, f"exit code {process.returncode} after {number.name}")
            if "Traceback" in errors:
                self._problem(kind, f"traceback after {number.name}: {errors.splitlines()[-1]}")
            if self._output(kind).exists():
                if process.returncode not in (0, 1) and not resumes:
                    self._check(kind)
                return
        process = self._start(kind, self.chance.choice((1, 2)))
        errors = self._end(process)
        if process.returncode != 1:
            self._problem(kind, f"exit code {process.returncode} when resumed: {errors[-200:]}")

    def _await_moment(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        """Waits for a random moment: any for a hard kill, else once the program has begun."""
        begun = time.monotonic()
        if number != signal.SIGKILL or self.chance.random() < 0.7:
            while process.poll() is None and not _handles_signals(process.pid):
                if time.monotonic() - begun > _LONGEST:
                    return
                time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.chance.random() * self._seconds)

    def _start(self, kind: str, workers: int) -> subprocess.Popen[str]:
        output = self._output(kind)
        output.parent.mkdir(exist_ok=True)
        arguments = ["--format", kind, "--output", str(output), "--workers", str(workers)]
        arguments += ["--resume"] if kind in _RESUMABLE else []
        return subprocess.Popen(
            [sys.executable, "-m", "mnist_edge", "predict", "pictures", *arguments],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _end(self, process: subprocess.Popen[str]) -> str:
        """Waits for the end of a process; what it wrote on stderr."""
        try:
            return process.communicate(timeout=_LONGEST)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            self.problems.append("hang: a run did not end")
            return process.communicate()[1]

    def _output(self, kind: str) -> Path:
        return self.folder / "out" / f"rows.{kind}"

    def _check(self, kind: str) -> None:
        """What is under the name must be whole, and nothing else may be there."""
        output = self._output(kind)
        if not output.exists():
            self._problem(kind, "no output")
        elif output.read_bytes() != self._whole[kind]:
            self._problem(kind, "output differs from that of an undisturbed run")
        left = sorted(path.name for path in output.parent.iterdir() if path != output)
        if left:
            self._problem(kind, f"left behind: {', '.join(left)}")

    def _problem(self, kind: str, what: str) -> None:
        self.problems.append(f"{kind}: {what} (after {self.counts.total()} kills)")

    def _clear(self) -> None:
        shutil.rmtree(self.folder / "out", ignore_errors=True)


def _handles_signals(process: int) -> bool:
    """Whether a Python program has come to the line that says what SIGTERM does."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
        return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))
    return False


def _environment() -> dict[str, str]:
    paths = [str(_ROOT / "infer"), str(_ROOT / "trainer"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _make_pictures(folder: Path, count: int) -> None:
    """Small pictures mostly, a few that take a hundred times as long, and some that are none."""
    folder.mkdir()
    samples = _ROOT / "samples"
    small, large = sorted(samples.glob("*-mnist.png")), sorted(samples.glob("*-pen.png"))
    for number in range(count):
        target = folder / f"{number:05}.png"
        if number % 40 == 0:
            target.write_bytes(b"damaged")
        elif number % 50 == 1:
            target.write_bytes(large[number // 50 % len(large)].read_bytes())
        else:
            target.write_bytes(small[number % len(small)].read_bytes())


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=1500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mnist-edge-kills-") as folder:
        kills = Kills(Path(folder), random.Random(options.seed), options.pictures)
        kills.run(options.kills)
    for name, count in sorted(kills.counts.items()):
        print(f"{count:>6}  {name}")
    print(f"{kills.counts.total():>6}  kills, {len(kills.problems)} findings")
    for line in kills.problems:
        print(f"        {line}")
    return int(bool(kills.problems))


if __name__ == "__main__":
    sys.exit(main())
