"""Energy by the processor's own counters (RAPL), where the system lets them be read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.bench.timing import Call

__all__ = ["Counter", "counters", "joules", "millijoules_per_call"]

_CLASS = Path("/sys/class/powercap")
_SECONDS = 0.5


@dataclass(frozen=True)
class Counter:
    """A package's energy counter.

    Attributes:
        file: microjoules since some moment.
        wraps_at: microjoules at which it begins anew.
    """

    file: Path
    wraps_at: int

    def read(self) -> int:
        return int(self.file.read_text(encoding="ascii"))


def counters(folder: Path = _CLASS) -> list[Counter]:
    """Those of whole packages, which hold the cores; none where none can be read."""
    found = []
    for package in sorted(folder.glob("intel-rapl:*")):
        if package.name.count(":") > 1:  # a part of a package, which is in it already
            continue
        try:
            wraps_at = int((package / "max_energy_range_uj").read_text(encoding="ascii"))
            counter = Counter(package / "energy_uj", wraps_at)
            counter.read()
        except (OSError, ValueError):  # since 2020, most systems let only root read them
            continue
        found.append(counter)
    return found


def joules(before: Mapping[Counter, int], after: Mapping[Counter, int]) -> float:
    """Between two readings of the same counters, less than one wrap apart."""
    return sum((after[counter] - before[counter]) % counter.wraps_at for counter in before) / 1e6


def millijoules_per_call(call: Call, read: list[Counter]) -> float:
    """What one call takes, of the packages as a whole, while it is called for half a second.

    That is with all that the machine takes when idle, as a meter at the plug would show it.
    """
    calls = 0
    before = {counter: counter.read() for counter in read}
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        call()
        calls += 1
    after = {counter: counter.read() for counter in read}
    return joules(before, after) / calls * 1e3
