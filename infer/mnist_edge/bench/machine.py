"""The machine that figures are measured on: processor, memory, limits and libraries.

Everything is read from files that Linux keeps; what is missing is left out. `root` is the folder
that contains them: ``/``, except in tests.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import numpy as np

from mnist_edge.batch.worker_pool import available_cores
from mnist_edge.runtime import onnxruntime

__all__ = ["ROOT", "device_facts", "read_text"]

ROOT = Path("/")

_KERNEL_FLAGS = (
    "avx avx2 f16c fma avx512f avx512bw avx512_vnni avx_vnni avx512_bf16 amx_int8 "
    "asimd neon asimdhp asimddp i8mm bf16 sve"
)
"""Flags of a processor that decide which of a library's kernels run, int8 ones above all."""

_ARM_CORES = {
    0xB76: "ARM1176",
    0xC07: "Cortex-A7",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse N1",
    0xD0D: "Cortex-A77",
    0xD40: "Neoverse V1",
    0xD41: "Cortex-A78",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD49: "Neoverse N2",
    0xD4D: "Cortex-A715",
    0xD4F: "Neoverse V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
}
"""Cores of Arm's own by the part number in their register MIDR_EL1 (the reference manuals)."""

_ARM = "0x41"
"""Arm as the implementer of a core."""

_NO_LIMIT = 1 << 60
"""Bytes: without a limit, cgroups of version 1 state the largest number of pages there can be."""


def device_facts(root: Path = ROOT) -> dict[str, str]:
    """The machine and the libraries that figures are measured with; what is unknown is absent.

    Returns:
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


def _processor(root: Path) -> str:
    named = _cpuinfo(root, "model name") or _arm_cores(root) or _cpuinfo(root, "Hardware")
    return named or platform.processor() or platform.machine()


def _arm_cores(root: Path) -> str:
    """Names of the cores of a 64-bit Arm processor, which its kernel states as numbers."""
    content = read_text(root / "proc/cpuinfo")
    if set(re.findall(r"^CPU implementer\s*:\s*(\S+)", content, re.MULTILINE)) != {_ARM}:
        return ""
    parts = re.findall(r"^CPU part\s*:\s*(0x[0-9a-fA-F]{1,4})", content, re.MULTILINE)
    names = [_ARM_CORES.get(int(part, 16), f"Arm core {part}") for part in parts]
    return " and ".join(dict.fromkeys(names))


def _board(root: Path) -> str:
    return read_text(root / "proc/device-tree/model").rstrip("\0") or _cpuinfo(root, "Model")


def _cores() -> str:
    every, available = os.cpu_count() or 1, available_cores()
    return str(every) if available == every else f"{available} of {every}"


def _flags(root: Path) -> list[str]:
    flags = set((_cpuinfo(root, "flags") or _cpuinfo(root, "Features")).split())
    return [flag for flag in _KERNEL_FLAGS.split() if flag in flags]


def _memory(root: Path) -> str:
    match = re.search(r"^MemTotal:\s+(\d+) kB", read_text(root / "proc/meminfo"), re.MULTILINE)
    return f"{int(match[1]) / 1024:.0f} MiB" if match else ""


def _limits(root: Path) -> list[str]:
    """Cores and memory that a container may use, by cgroups of version 2 or 1."""
    folder = root / "sys/fs/cgroup"
    groups = re.findall(r"^\d+:([^:]*):/?(.*)$", read_text(root / "proc/self/cgroup"), re.MULTILINE)
    paths = {kind: path for kinds, path in groups for kind in kinds.split(",")}

    def read(kind: str, name: str) -> str:
        top = folder / kind if kind else folder
        return read_text(top / paths.get(kind, "") / name) or read_text(top / name)

    quota, _, period = read("", "cpu.max").partition(" ")
    quota = quota or read("cpu", "cpu.cfs_quota_us")
    period = period or read("cpu", "cpu.cfs_period_us")
    memory = read("", "memory.max") or read("memory", "memory.limit_in_bytes")
    limits = []
    if quota.isdecimal() and period.isdecimal():
        limits.append(f"{int(quota) / int(period):g} cores")
    if memory.isdecimal() and int(memory) < _NO_LIMIT:
        limits.append(f"{int(memory) / 2**20:.0f} MiB")
    return limits


def _cpuinfo(root: Path, key: str) -> str:
    match = re.search(rf"^{key}\s*:\s*(.*)$", read_text(root / "proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else ""


def read_text(path: Path) -> str:
    """Content of a file of the system; empty where it is missing or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
