"""Sensors and energy counters, from trees of files as several kinds of machine have them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mnist_edge.bench.sensors import (
    EnergyCounter,
    Sensors,
    energy_counters,
    joules,
    machine_warnings,
    millijoules_per_call,
    missing_sensors,
    read_sensors,
)
from tests.unit.infer.bench.machines import RASPBERRY_PI, X86, write_tree


def test_raspberry_pi(tmp_path: Path) -> None:
    sensors = read_sensors(write_tree(tmp_path, RASPBERRY_PI))
    assert sensors.governors == {"cpu0": "ondemand", "cpu1": "ondemand"}
    assert sensors.mhz == {"cpu0": 2400, "cpu1": 1500}
    assert sensors.celsius == {"thermal_zone0 cpu-thermal": 51.25}
    assert sensors.throttled == 0x50005
    assert sensors.load == 0.08
    assert not missing_sensors(sensors)
    warnings = machine_warnings(sensors, sensors, cores=4)
    assert warnings == ["throttling: under-voltage, throttled"]


def test_x86_server(tmp_path: Path) -> None:
    sensors = read_sensors(write_tree(tmp_path, X86))
    assert sensors.throttle_count == 7
    assert sensors.celsius == {"coretemp Package id 0": 45, "coretemp temp2": 44}
    assert sensors.stolen == (400, 10_000)
    (line,) = machine_warnings(sensors, sensors, cores=2)
    assert line.startswith("load average 3.5 on 2 cores")


def test_machine_without_sensors_has_no_warnings(tmp_path: Path) -> None:
    sensors = read_sensors(tmp_path)
    assert sensors == Sensors({}, {}, {}, None, None, None, None)
    assert missing_sensors(sensors) == ["frequency", "governor", "temperature", "throttling"]
    assert machine_warnings(sensors, sensors, cores=1) == []


def test_this_machine_can_be_read() -> None:
    sensors = read_sensors()
    assert isinstance(machine_warnings(sensors, sensors, 1), list)


@pytest.mark.parametrize(
    ("change", "warning"),
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
def test_change_during_the_run_is_a_warning(change: dict[str, Any], warning: str) -> None:
    before = Sensors(
        governors={"cpu0": "ondemand"},
        mhz={"cpu0": 1500.0},
        celsius={"zone": 50.0},
        throttled=0x10000,
        throttle_count=7,
        load=0.5,
        stolen=(100, 1000),
    )
    (line,) = machine_warnings(before, dataclasses.replace(before, **change), cores=2)
    assert warning in line


def test_small_change_is_no_warning() -> None:
    before = Sensors({}, {"cpu0": 1500.0}, {"zone": 50.0}, 0, 0, 2.0, (100, 1000))
    after = Sensors({}, {"cpu0": 1600.0}, {"zone": 59.0}, 0, 0, 9.0, (101, 2000))
    assert machine_warnings(before, after, cores=2) == []


def test_energy_is_that_of_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "intel-rapl:0/energy_uj": "999000\n",
            "intel-rapl:0/max_energy_range_uj": "1000000\n",
            "intel-rapl:0:0/energy_uj": "5\n",
            "intel-rapl:0:0/max_energy_range_uj": "1000000\n",
            "intel-rapl:1/max_energy_range_uj": "1000000\n",
        },
    )
    (counter,) = energy_counters(root)
    assert isinstance(counter, EnergyCounter)
    assert counter.read() == 999_000
    assert joules({counter: 999_000}, {counter: 4_000}) == pytest.approx(0.005)
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        counter.file.write_text(str(999_000 + 2 * calls))

    assert millijoules_per_call(call, [counter]) == pytest.approx(0.002)
    assert energy_counters(tmp_path / "nowhere") == []
