"""The examples of the documentation run, and say what they say."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from pathlib import Path

import yaml

from tests.conftest import PROGRAM, ROOT, Cli

EXAMPLES = ROOT / "docs" / "examples"


def run(folder: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a script of an example, with the program on its path."""
    program = folder / "bin" / "mnist-edge"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
        program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [EXAMPLES / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        check=False,
    )


def test_meter_readings_are_appended_and_never_go_back(tmp_path: Path) -> None:
    readings = tmp_path / "readings.csv"
    script, lcd = "meter/read-meter.sh", "samples/numbers/lcd.jpg"
    assert run(tmp_path, script, lcd, readings, 5).returncode == 0
    assert run(tmp_path, script, lcd, readings, 5).returncode == 0
    with readings.open() as file:
        assert [row["reading"] for row in csv.DictReader(file)] == ["23861", "23861"]
    before = readings.read_text()
    lower = run(tmp_path, script, "samples/numbers/postcode.jpg", readings, 5)
    assert lower.returncode == 1
    assert "19978 is lower than 23861 before" in lower.stderr
    none = run(tmp_path, script, lcd, readings, 9)
    assert none.returncode == 1
    assert "no certain number of 9 digits" in none.stderr
    assert readings.read_text() == before
    assert run(tmp_path, script, lcd).returncode == 2


def test_marks_are_a_table_with_gaps_where_one_is_not_certain(tmp_path: Path) -> None:
    page = (EXAMPLES / "exam-marks" / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"\$ cat marks.csv\n(.*?)```", page, re.DOTALL)[0]
    scans = ("samples/numbers/exam-mark.jpg", "samples/numbers/postcode.jpg")
    done = run(tmp_path, "exam-marks/marks.sh", 100, *scans)
    assert done.stdout == said
    assert done.returncode == 1
    assert run(tmp_path, "exam-marks/marks.sh", 100, scans[0]).returncode == 0


def test_sensor_of_home_assistant_is_a_command_that_runs(cli: Cli) -> None:
    configuration = yaml.safe_load((EXAMPLES / "meter" / "configuration.yaml").read_text())
    (entry,) = configuration["command_line"]
    program, *arguments = entry["sensor"]["command"].split()
    assert program == "mnist-edge"
    arguments[arguments.index("/config/www/meter.jpg")] = "samples/numbers/lcd.jpg"
    assert '"text": "23861"' in cli(*arguments).stdout
