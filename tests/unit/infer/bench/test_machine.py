"""Facts of a machine, from trees of files as three kinds of machine have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mnist_edge.bench.machine import device_facts
from tests.unit.infer.bench.machines import RASPBERRY_PI, X86, write_tree


def test_raspberry_pi(tmp_path: Path) -> None:
    facts = device_facts(write_tree(tmp_path, RASPBERRY_PI))
    assert facts["processor"] == "Cortex-A76"
    assert facts["machine"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["flags"] == "asimd asimdhp asimddp"
    assert facts["memory"] == "8064 MiB"
    assert "limits" not in facts


@pytest.mark.parametrize(
    ("cores", "name"),
    [
        ([("0x41", "0xd03")] * 4, "Cortex-A53"),
        ([("0x41", "0xd05")] * 4 + [("0x41", "0xd0b")] * 4, "Cortex-A55 and Cortex-A76"),
        ([("0x41", "0xfff")], "Arm core 0xfff"),
        ([("0x61", "0xd03")], None),  # another maker's numbers mean other cores
        ([("0x41", "?")], None),
    ],
)
def test_arm_cores_are_named(
    cores: list[tuple[str, str]], name: str | None, tmp_path: Path
) -> None:
    content = "".join(
        f"processor\t: {number}\nCPU implementer\t: {maker}\nCPU part\t: {part}\n\n"
        for number, (maker, part) in enumerate(cores)
    )
    unnamed = device_facts(tmp_path)["processor"]
    facts = device_facts(write_tree(tmp_path, {"proc/cpuinfo": content}))
    assert facts["processor"] == (name or unnamed)


def test_x86_server_in_a_container(tmp_path: Path) -> None:
    facts = device_facts(write_tree(tmp_path, X86))
    assert facts["processor"] == "Some Processor @ 3.0GHz"
    assert facts["flags"] == "avx avx2 fma avx512f avx512_vnni avx_vnni"
    assert facts["limits"] == "1.5 cores, 512 MiB"


@pytest.mark.parametrize(
    "files",
    [
        {"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"},
        {
            "proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_cgroup_without_limits_has_none(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert "limits" not in device_facts(write_tree(tmp_path, files))


def test_cgroup_limits_of_version_1(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456\n",
    }
    assert device_facts(write_tree(tmp_path, files))["limits"] == "0.5 cores, 256 MiB"


def test_machine_without_files_has_a_processor_and_libraries(tmp_path: Path) -> None:
    facts = device_facts(tmp_path)
    assert facts["processor"]
    assert facts["onnxruntime"]
    assert "memory" not in facts


def test_this_machine_can_be_read() -> None:
    assert device_facts()["cores"]
