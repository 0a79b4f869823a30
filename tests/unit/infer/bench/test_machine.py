"""What is read of a machine, on trees of files as three kinds of machine have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from mnist_edge.bench.energy import Counter, counters, joules, millijoules_per_call
from mnist_edge.bench.machine import (
    Sensors,
    device_facts,
    missing_sensors,
    read_sensors,
    what_happened,
)


def planted(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


CPU = "sys/devices/system/cpu"
RASPBERRY_PI = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n"
    "Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"
    "CPU implementer\t: 0x41\n\nprocessor\t: 1\nFeatures\t: fp asimd asimddp\n\n"
    "Revision\t: c04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/meminfo": "MemTotal:        8257696 kB\nMemFree:         100 kB\n",
    "proc/loadavg": "0.08 0.03 0.01 1/200 1234\n",
    "proc/stat": "cpu  100 0 50 800 5 0 5 0 0 0\ncpu0 50 0 25 400 2 0 2 0 0 0\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "ondemand\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "ondemand\n",
    f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
    f"{CPU}/cpufreq/boost": "0\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51250\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
}
X86 = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some Processor @ 3.0GHz\n"
    "flags\t\t: fpu sse2 avx avx2 fma avx512f avx512_vnni avx_vnni\n",
    "proc/meminfo": "MemTotal:       16000000 kB\n",
    "proc/loadavg": "3.50 1.00 0.50 1/200 1234\n",
    "proc/stat": "cpu  1000 0 500 8000 50 0 50 400 0 0\n",
    "proc/self/cgroup": "0::/docker/abc\n",
    "sys/fs/cgroup/docker/abc/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/docker/abc/memory.max": "536870912\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "3000000\n",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "3\n",
    f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "4\n",
    "sys/class/hwmon/hwmon0/name": "coretemp\n",
    "sys/class/hwmon/hwmon0/temp1_input": "45000\n",
    "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    "sys/class/hwmon/hwmon0/temp2_input": "44000\n",
}


def test_a_raspberry_pi(tmp_path: Path) -> None:
    root = planted(tmp_path, RASPBERRY_PI)
    facts = device_facts(root)
    assert facts["machine"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["flags"] == "asimd asimdhp asimddp"
    assert facts["memory"] == "8064 MiB"
    assert "limits" not in facts
    sensors = read_sensors(root)
    assert sensors.governors == {"cpu0": "ondemand", "cpu1": "ondemand"}
    assert sensors.mhz == {"cpu0": 2400, "cpu1": 1500}
    assert sensors.celsius == {"thermal_zone0 cpu-thermal": 51.25}
    assert sensors.throttled == 0x50005
    assert sensors.load == 0.08
    assert not missing_sensors(sensors)
    assert what_happened(sensors, sensors, cores=4) == ["throttling: under-voltage, throttled"]


def test_a_server(tmp_path: Path) -> None:
    root = planted(tmp_path, X86)
    facts = device_facts(root)
    assert facts["processor"] == "Some Processor @ 3.0GHz"
    assert facts["flags"] == "avx avx2 fma avx512f avx512_vnni avx_vnni"
    assert facts["limits"] == "1.5 cores, 512 MiB"
    sensors = read_sensors(root)
    assert sensors.throttle_count == 7
    assert sensors.celsius == {"coretemp Package id 0": 45, "coretemp temp2": 44}
    assert sensors.stolen == (400, 10_000)
    (line,) = what_happened(sensors, sensors, cores=2)
    assert line.startswith("load average 3.5 on 2 cores")


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
def test_a_group_without_limits_has_none(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert "limits" not in device_facts(planted(tmp_path, files))


def test_limits_of_version_1(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456\n",
    }
    assert device_facts(planted(tmp_path, files))["limits"] == "0.5 cores, 256 MiB"


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    facts = device_facts(tmp_path)
    assert facts["processor"]
    assert facts["onnxruntime"]
    sensors = read_sensors(tmp_path)
    assert sensors == Sensors({}, {}, {}, None, None, None, None)
    told = ["frequency", "governor", "temperature", "throttling"]
    assert missing_sensors(sensors) == told
    assert what_happened(sensors, sensors, cores=1) == []


def test_this_machine_is_read_without_an_error() -> None:
    assert device_facts()["cores"]
    sensors = read_sensors()
    assert isinstance(what_happened(sensors, sensors, 1), list)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"governors": {"cpu0": "powersave"}}, "governor changed: ondemand before, powersave"),
        ({"mhz": {"cpu0": 1000.0}}, "frequency changed: 1500 MHz before, 1000 MHz after"),
        ({"celsius": {"zone": 61.0}}, "temperature of zone: 50 °C before, 61 °C after"),
        ({"throttled": 0x4}, "throttling: throttled"),
        ({"throttled": 0x90000}, "throttling: soft temperature limit"),
        ({"throttle_count": 9}, "cores throttled 2 times"),
        ({"stolen": (150, 2000)}, "other guests of this host took 5%"),
    ],
)
def test_what_changed_is_told(change: dict[str, object], told: str) -> None:
    before = Sensors(
        governors={"cpu0": "ondemand"},
        mhz={"cpu0": 1500.0},
        celsius={"zone": 50.0},
        throttled=0x10000,
        throttle_count=7,
        load=0.5,
        stolen=(100, 1000),
    )
    after = dataclasses.replace(before, **change)  # type: ignore[arg-type]
    (line,) = what_happened(before, after, cores=2)
    assert told in line


def test_small_changes_are_not_told() -> None:
    before = Sensors({}, {"cpu0": 1500.0}, {"zone": 50.0}, 0, 0, 2.0, (100, 1000))
    after = Sensors({}, {"cpu0": 1600.0}, {"zone": 59.0}, 0, 0, 9.0, (101, 2000))
    assert what_happened(before, after, cores=2) == []


def test_energy_is_that_of_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    root = planted(
        tmp_path,
        {
            "intel-rapl:0/energy_uj": "999000\n",
            "intel-rapl:0/max_energy_range_uj": "1000000\n",
            "intel-rapl:0:0/energy_uj": "5\n",
            "intel-rapl:0:0/max_energy_range_uj": "1000000\n",
            "intel-rapl:1/max_energy_range_uj": "1000000\n",
        },
    )
    (counter,) = counters(root)
    assert counter.read() == 999_000
    assert joules({counter: 999_000}, {counter: 4_000}) == pytest.approx(0.005)
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        counter.file.write_text(str(999_000 + 2 * calls))

    assert millijoules_per_call(call, [counter]) == pytest.approx(0.002)
    assert counters(tmp_path / "nowhere") == []
    assert isinstance(counter, Counter)
