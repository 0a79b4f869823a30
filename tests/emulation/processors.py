"""The inference package on emulated processors: Arm in a Debian of its own, and older x86.

Needs Debian's debootstrap and qemu-user, a mirror of Debian and a package index. Nothing is
installed on this machine, and no rights are needed: files are unpacked into a folder, where
qemu-user looks for libraries before it looks here. It shows this machine's ``/proc/cpuinfo``, in
which onnxruntime misses the lines of Arm, so the folder has one for each core.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ARM", "X86", "Arm", "X86Processor", "install", "missing"]

ROOT = Path(__file__).parents[2]
RELEASE, PYTHON = "bookworm", "3.11"

ARM = {"cortex-a53": "0xd03", "cortex-a72": "0xd08", "cortex-a76": "0xd0b"}
"""The cores of Raspberry Pi 3, 4 and 5, with their number in ``/proc/cpuinfo``."""

X86 = ("Nehalem", "SandyBridge", "Haswell")
"""SSE4.2, AVX, AVX2; none has AVX-512 or VNNI."""

_CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 3

"""
_WHEELS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def missing() -> list[str]:
    """The programs that are not installed."""
    needed = ("debootstrap", "dpkg-deb", "qemu-aarch64", "qemu-x86_64")
    return [name for name in needed if not shutil.which(name)]


def install(folder: Path) -> None:
    """Unpacks Debian for arm64 with Python, and installs the package from wheels for it.

    Raises:
        CalledProcessError: a mirror or an index was not reached.
    """
    root, site = folder / "root", folder / "site"
    command = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase"]
    include = f"--include=python{PYTHON},libstdc++6,libgomp1"
    _run([*command, include, RELEASE, str(root), *_mirror()])
    for archive in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(root)])
    (root / "proc").mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip"]
    _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("mnist_edge-*.whl")
    platforms = [part for name in _WHEELS for part in ("--platform", name)]
    target = ["--target", str(site), "--python-version", PYTHON, "--implementation", "cp"]
    only = ["--only-binary=:all:", *platforms]
    _run([*pip, "install", "--quiet", *target, *only, str(wheel)])


def _mirror() -> list[str]:
    """The mirror that this machine's apt uses, where it has the release."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [row[1] for row in rows if row[0] == RELEASE][:1]


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Arm:
    """A core of `ARM`, with what `install` wrote to a folder."""

    core: str
    folder: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Python with the package installed."""
        root = self.folder / "root"
        (root / "proc" / "cpuinfo").write_text(_CPUINFO.format(part=ARM[self.core]))
        starter = self.folder / f"python-{self.core}"
        # Python starts its workers by this name: so they are emulated too.
        starter.write_text(
            f"#!/bin/sh\nexec qemu-aarch64 -L {root} -cpu {self.core} -0 {starter} "
            f'{root}/usr/bin/python{PYTHON} "$@"\n'
        )
        starter.chmod(0o755)
        paths = {"PYTHONHOME": f"{root}/usr", "PYTHONPATH": str(self.folder / "site")}
        return _output([str(starter), *arguments], paths)


@dataclass(frozen=True)
class X86Processor:
    """One of `X86`, with this machine's Python and packages."""

    core: str

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Python with the package installed."""
        paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        python = str(Path(sys.executable).resolve())
        return _output(["qemu-x86_64", "-cpu", self.core, python, *arguments], paths)


def _output(command: list[str], paths: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # Chosen for this machine's processor, it names a kernel that the other one lacks.
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"} | paths
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
