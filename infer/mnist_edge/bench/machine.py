"""The machine that a figure was measured on: what it is, and what it did meanwhile.

Everything is read from files that Linux keeps; what is not there is left out. `root` is where they
are looked for, ``/`` but in tests.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

__all__ = [
    "Sensors",
    "available_cores",
    "device_facts",
    "missing_sensors",
    "read_sensors",
    "what_happened",
]

_ROOT = Path("/")

_TELLING_FLAGS = (
    *("avx", "avx2", "f16c", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni"),
    *("avx512_bf16", "amx_int8", "asimd", "neon", "asimdhp", "asimddp", "i8mm", "bf16", "sve"),
)
"""What decides which of a library's kernels run, int8 ones above all."""

_HOTTER = 10.0
"""Kelvins between start and end that are worth a warning."""
_OTHER_FREQUENCY = 0.1
_STOLEN = 0.01
"""Fraction of the machine's time that another guest of the same host may take unmentioned."""

_THROTTLING = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
"""Bits of the Raspberry Pi's ``get_throttled``; the same, 16 higher, for "since it was started"."""


def device_facts(root: Path = _ROOT) -> dict[str, str]:
    """The machine and the libraries that a figure was measured with; what is not known is absent.

    ``processor``, ``machine`` (of a board that names itself), ``cores``, ``flags`` (those that
    matter to int8 and float kernels), ``memory``, ``limits`` (of a container), ``system``,
    ``python``, ``numpy``, ``onnxruntime``, ``execution_providers``.
    """
    facts = {
        "processor": _processor(root),
        "machine": _board(root),
        "cores": _cores(),
        "flags": " ".join(_flags(root)),
        "memory": _memory(root),
        "limits": ", ".join(_limits(root)),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "execution_providers": ", ".join(onnxruntime.get_available_providers()),
    }
    return {name: fact for name, fact in facts.items() if fact}


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Sensors:
    """What the machine said of itself at one moment.

    Attributes:
        governors: of frequency, by core.
        mhz: frequency by core.
        celsius: temperature by sensor.
        throttled: the Raspberry Pi's flags; None where there are none.
        throttle_count: how often cores throttled since the machine was started (x86); None where
            that is not counted.
        load: average number of processes that wanted a core in the last minute; None where that is
            not told.
        stolen: time that other guests of the host took, and all time, since the machine was
            started, in ticks; None where that is not told.
    """

    governors: dict[str, str]
    mhz: dict[str, float]
    celsius: dict[str, float]
    throttled: int | None
    throttle_count: int | None
    load: float | None
    stolen: tuple[int, int] | None


def read_sensors(root: Path = _ROOT) -> Sensors:
    """All that can be read now."""
    cpus = sorted(
        (root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda cpu: int(cpu.name[3:])
    )
    governors = {cpu.name: _text(cpu / "cpufreq/scaling_governor") for cpu in cpus}
    kilohertz = {cpu.name: _number(cpu / "cpufreq/scaling_cur_freq") for cpu in cpus}
    counts = [_number(cpu / "thermal_throttle/core_throttle_count") for cpu in cpus]
    counted = [int(count) for count in counts if count is not None]
    return Sensors(
        governors={name: governor for name, governor in governors.items() if governor},
        mhz={name: value / 1e3 for name, value in kilohertz.items() if value is not None},
        celsius=_temperatures(root),
        throttled=_throttled(root),
        throttle_count=sum(counted) if counted else None,
        load=_load(root),
        stolen=_stolen(root),
    )


def missing_sensors(sensors: Sensors) -> list[str]:
    """Names of what this machine does not tell."""
    told = {
        "frequency": sensors.mhz,
        "governor": sensors.governors,
        "temperature": sensors.celsius,
        "throttling": sensors.throttled is not None or sensors.throttle_count is not None,
    }
    return [name for name, value in told.items() if not value]


def what_happened(before: Sensors, after: Sensors, cores: int) -> list[str]:
    """What makes figures that were measured in between doubtful, a line each."""
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
    if after.throttled is not None and (
        flags := _new_flags(before.throttled or 0, after.throttled)
    ):
        warnings.append(f"throttling: {', '.join(flags)}")
    if before.throttle_count is not None and after.throttle_count is not None:
        often = after.throttle_count - before.throttle_count
        if often > 0:
            warnings.append(f"cores throttled {often} times for their temperature")
    if (share := _stolen_share(before, after)) > _STOLEN:
        warnings.append(f"other guests of this host took {share:.0%} of the machine's time")
    return warnings


def _new_flags(before: int, after: int) -> list[str]:
    """Flags that are set now, or were raised since; not what has been since the start."""
    raised = after & ~before
    return [
        name for bit, name in _THROTTLING.items() if after >> bit & 1 or raised >> (bit + 16) & 1
    ]


def _stolen_share(before: Sensors, after: Sensors) -> float:
    if before.stolen is None or after.stolen is None:
        return 0.0
    stolen, total = (late - early for late, early in zip(after.stolen, before.stolen, strict=True))
    return stolen / total if total > 0 else 0.0


def _processor(root: Path) -> str:
    found = _cpuinfo(root, "model name") or _cpuinfo(root, "Hardware")
    return found or platform.processor() or platform.machine()


def _board(root: Path) -> str:
    return _text(root / "proc/device-tree/model").rstrip("\0") or _cpuinfo(root, "Model")


def _cores() -> str:
    every, ours = os.cpu_count() or 1, available_cores()
    return str(every) if ours == every else f"{ours} of {every}"


def _flags(root: Path) -> list[str]:
    stated = set((_cpuinfo(root, "flags") or _cpuinfo(root, "Features")).split())
    return [flag for flag in _TELLING_FLAGS if flag in stated]


def _memory(root: Path) -> str:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return f"{int(found[1]) / 1024:.0f} MiB" if found else ""


def _limits(root: Path) -> list[str]:
    """What a container may use, by cgroups of version 2 or 1."""
    groups = root / "sys/fs/cgroup"
    own = re.findall(r"^\d+:([^:]*):/?(.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    paths = {kind: path for kinds, path in own for kind in kinds.split(",")}

    def read(kind: str, name: str) -> str:
        folder = groups / kind if kind else groups
        return _text(folder / paths.get(kind, "") / name) or _text(folder / name)

    quota, _, period = read("", "cpu.max").partition(" ")
    quota = quota or read("cpu", "cpu.cfs_quota_us")
    period = period or read("cpu", "cpu.cfs_period_us")
    memory = read("", "memory.max") or read("memory", "memory.limit_in_bytes")
    limits = []
    if quota.isdecimal() and period.isdecimal():
        limits.append(f"{int(quota) / int(period):g} cores")
    # Without a limit, version 1 states the largest number of pages there can be.
    if memory.isdecimal() and int(memory) < 1 << 60:
        limits.append(f"{int(memory) / 2**20:.0f} MiB")
    return limits


def _temperatures(root: Path) -> dict[str, float]:
    files = {
        f"{zone.name} {_text(zone / 'type')}".strip(): zone / "temp"
        for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    }
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        for file in sorted(chip.glob("temp*_input")):
            label = _text(file.with_name(file.name.replace("_input", "_label")))
            name = label or file.name.removesuffix("_input")
            files[f"{_text(chip / 'name') or chip.name} {name}"] = file
    read = {name: _number(file) for name, file in files.items()}
    return {name: value / 1e3 for name, value in read.items() if value is not None}


def _throttled(root: Path) -> int | None:
    """The flags of the Raspberry Pi's firmware, from the kernel or from its own tool."""
    stated = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    program = shutil.which("vcgencmd") if root == _ROOT else None
    if not stated and program:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [program, "get_throttled"], capture_output=True, text=True, check=True, timeout=5
            )
            stated = done.stdout.strip().removeprefix("throttled=")
    try:
        return int(stated, 16)
    except ValueError:
        return None


def _load(root: Path) -> float | None:
    first, _, _ = _text(root / "proc/loadavg").partition(" ")
    return float(first) if first else None


def _stolen(root: Path) -> tuple[int, int] | None:
    """From the fields user, nice, system, idle, iowait, irq, softirq, steal of all cores."""
    found = re.match(r"cpu +((?:\d+ ){7}\d+)", _text(root / "proc/stat"))
    if not found:
        return None
    ticks = [int(field) for field in found[1].split()]
    return ticks[-1], sum(ticks)


def _cpuinfo(root: Path, key: str) -> str:
    found = re.search(rf"^{key}\s*:\s*(.*)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else ""


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if re.fullmatch(r"-?\d+", text) else None


def _text(path: Path) -> str:
    """What a file holds; nothing, where it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
