"""The state of the machine during a run: frequency, temperature, throttling, load and energy.

Everything is read from files that Linux keeps, as in `mnist_edge.bench.machine`.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.bench.machine import ROOT, read_text
from mnist_edge.bench.timing import Call

__all__ = [
    "EnergyCounter",
    "Sensors",
    "energy_counters",
    "joules",
    "machine_warnings",
    "millijoules_per_call",
    "missing_sensors",
    "read_sensors",
]

_HOTTER = 10.0
"""Kelvins between start and end that are worth a warning."""

_OTHER_FREQUENCY = 0.1
"""Change of the highest frequency that is worth a warning, as a fraction."""

_STOLEN = 0.01
"""Fraction of the machine's time that another guest of the host may take without a warning."""

_THROTTLING = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
"""Bits of the Raspberry Pi's ``get_throttled``; the same, 16 higher, for "since it was started"."""

_POWERCAP = ROOT / "sys/class/powercap"

_ENERGY_SECONDS = 0.5
"""How long a call is repeated to measure its energy."""


@dataclass(frozen=True)
class Sensors:
    """What the machine reports at one moment.

    Attributes:
        governors: frequency governor by core.
        mhz: frequency by core.
        celsius: temperature by sensor.
        throttled: the Raspberry Pi's flags; None where there are none.
        throttle_count: how often cores throttled since the machine was started (x86); None where
            that is not counted.
        load: mean number of processes that wanted a core in the last minute; None where that is
            not reported.
        stolen: time that other guests of the host took, and all time, since the machine was
            started, in ticks; None where that is not reported.
    """

    governors: dict[str, str]
    mhz: dict[str, float]
    celsius: dict[str, float]
    throttled: int | None
    throttle_count: int | None
    load: float | None
    stolen: tuple[int, int] | None


def read_sensors(root: Path = ROOT) -> Sensors:
    """Reads all sensors that there are."""
    cpus = sorted(
        (root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda cpu: int(cpu.name[3:])
    )
    governors = {cpu.name: read_text(cpu / "cpufreq/scaling_governor") for cpu in cpus}
    kilohertz = {cpu.name: _number(cpu / "cpufreq/scaling_cur_freq") for cpu in cpus}
    counts = [_number(cpu / "thermal_throttle/core_throttle_count") for cpu in cpus]
    known_counts = [int(count) for count in counts if count is not None]
    return Sensors(
        governors={name: governor for name, governor in governors.items() if governor},
        mhz={name: value / 1e3 for name, value in kilohertz.items() if value is not None},
        celsius=_temperatures(root),
        throttled=_throttled(root),
        throttle_count=sum(known_counts) if known_counts else None,
        load=_load(root),
        stolen=_stolen(root),
    )


def missing_sensors(sensors: Sensors) -> list[str]:
    """Names of the sensors that this machine does not have."""
    present = {
        "frequency": sensors.mhz,
        "governor": sensors.governors,
        "temperature": sensors.celsius,
        "throttling": sensors.throttled is not None or sensors.throttle_count is not None,
    }
    return [name for name, value in present.items() if not value]


def machine_warnings(before: Sensors, after: Sensors, cores: int) -> list[str]:
    """Warnings that figures measured between two readings may be unreliable, a line each.

    Args:
        before: the sensors at the start of the run.
        after: the sensors at its end.
        cores: number of cores that the run could use.
    """
    warnings = []
    if before.load is not None and before.load > cores:
        warnings.append(
            f"load average {before.load:.1f} on {cores} cores at the start: other processes were "
            "running; measure again on an idle machine"
        )
    if before.governors != after.governors:
        warnings.append(
            f"the frequency governor changed: {_listed(before.governors.values())} before, "
            f"{_listed(after.governors.values())} after"
        )
    if (fastest := max(before.mhz.values(), default=0.0)) and after.mhz:
        now = max(after.mhz.values())
        if abs(now / fastest - 1) > _OTHER_FREQUENCY:
            warnings.append(
                f"the frequency changed: {fastest:.0f} MHz before, {now:.0f} MHz after; the "
                "governor `performance` keeps it"
            )
    for name in sorted(before.celsius.keys() & after.celsius.keys()):
        cold, warm = before.celsius[name], after.celsius[name]
        if abs(warm - cold) > _HOTTER:
            warnings.append(f"temperature of {name}: {cold:.0f} °C before, {warm:.0f} °C after")
    warnings += _throttling_warnings(before, after)
    if (share := _stolen_share(before, after)) > _STOLEN:
        warnings.append(f"other guests of this host took {share:.0%} of the machine's time")
    return warnings


def _throttling_warnings(before: Sensors, after: Sensors) -> list[str]:
    warnings = []
    if after.throttled is not None and (
        flags := _raised_flags(before.throttled or 0, after.throttled)
    ):
        warnings.append(f"throttling: {', '.join(flags)}")
    if before.throttle_count is not None and after.throttle_count is not None:
        often = after.throttle_count - before.throttle_count
        if often > 0:
            warnings.append(f"cores throttled {often} times for their temperature")
    return warnings


def _raised_flags(before: int, after: int) -> list[str]:
    """Flags that are set now, or were raised during the run; not those raised earlier."""
    raised = after & ~before
    return [
        name for bit, name in _THROTTLING.items() if after >> bit & 1 or raised >> (bit + 16) & 1
    ]


def _stolen_share(before: Sensors, after: Sensors) -> float:
    if before.stolen is None or after.stolen is None:
        return 0.0
    stolen, total = (late - early for late, early in zip(after.stolen, before.stolen, strict=True))
    return stolen / total if total > 0 else 0.0


def _temperatures(root: Path) -> dict[str, float]:
    files = {
        f"{zone.name} {read_text(zone / 'type')}".strip(): zone / "temp"
        for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    }
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        for file in sorted(chip.glob("temp*_input")):
            label = read_text(file.with_name(file.name.replace("_input", "_label")))
            name = label or file.name.removesuffix("_input")
            files[f"{read_text(chip / 'name') or chip.name} {name}"] = file
    readings = {name: _number(file) for name, file in files.items()}
    return {name: value / 1e3 for name, value in readings.items() if value is not None}


def _throttled(root: Path) -> int | None:
    """The flags of the Raspberry Pi's firmware, from the kernel or from its own tool."""
    flags = read_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    program = shutil.which("vcgencmd") if root == ROOT else None
    if not flags and program:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [program, "get_throttled"], capture_output=True, text=True, check=True, timeout=5
            )
            flags = done.stdout.strip().removeprefix("throttled=")
    try:
        return int(flags, 16)
    except ValueError:
        return None


def _load(root: Path) -> float | None:
    first, _, _ = read_text(root / "proc/loadavg").partition(" ")
    return float(first) if first else None


def _stolen(root: Path) -> tuple[int, int] | None:
    """Stolen and total ticks of all cores, from the eight fields user to steal."""
    match = re.match(r"cpu +((?:\d+ ){7}\d+)", read_text(root / "proc/stat"))
    if not match:
        return None
    ticks = [int(field) for field in match[1].split()]
    return ticks[-1], sum(ticks)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _number(path: Path) -> float | None:
    text = read_text(path)
    return float(text) if re.fullmatch(r"-?\d+", text) else None


@dataclass(frozen=True)
class EnergyCounter:
    """Energy counter of a processor package (RAPL).

    Attributes:
        file: holds microjoules since some moment.
        wraps_at: microjoules at which the counter starts again at 0.
    """

    file: Path
    wraps_at: int

    def read(self) -> int:
        """The counter now, microjoules."""
        return int(self.file.read_text(encoding="ascii"))


def energy_counters(folder: Path = _POWERCAP) -> list[EnergyCounter]:
    """Counters of whole packages, which contain the cores; empty where none can be read."""
    counters = []
    for package in sorted(folder.glob("intel-rapl:*")):
        if package.name.count(":") > 1:  # a part of a package, which is in it already
            continue
        try:
            wraps_at = int((package / "max_energy_range_uj").read_text(encoding="ascii"))
            counter = EnergyCounter(package / "energy_uj", wraps_at)
            counter.read()
        except (OSError, ValueError):  # since 2020, most systems let only root read them
            continue
        counters.append(counter)
    return counters


def joules(before: Mapping[EnergyCounter, int], after: Mapping[EnergyCounter, int]) -> float:
    """Energy between two readings of the same counters, less than one wrap apart."""
    return sum((after[counter] - before[counter]) % counter.wraps_at for counter in before) / 1e6


def millijoules_per_call(call: Call, counters: list[EnergyCounter]) -> float:
    """Energy of one call, of whole packages, measured over half a second of calls.

    It includes the power that the machine takes when idle, as a meter at the plug would.
    """
    calls = 0
    before = {counter: counter.read() for counter in counters}
    end = time.perf_counter() + _ENERGY_SECONDS
    while time.perf_counter() < end:
        call()
        calls += 1
    after = {counter: counter.read() for counter in counters}
    return joules(before, after) / calls * 1e3
