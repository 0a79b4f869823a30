"""The command `bench`: options, plan, exit codes. What it measures is a report read from a file."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import mnist_edge.cli.bench as bench
from mnist_edge import MissingExtraError, UsageError
from mnist_edge.bench.bench_options import BenchOptions
from mnist_edge.bench.report import Measurement, PlotPoint, Report
from mnist_edge.bench.runner import steps
from mnist_edge.bench.scenarios import Plan, Scenario
from mnist_edge.bench.targets import TargetSpec
from mnist_edge.cli.app import app
from mnist_edge.model import bundled_models
from tests.conftest import SAMPLES
from tests.unit.infer.bench.conftest import REPORT_0_7_0

Bench = Callable[..., int]


@pytest.fixture(scope="module")
def report() -> Report:
    return Report.read(REPORT_0_7_0)


@pytest.fixture
def run(report: Report, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs the command with some options; it measures nothing, and has a report."""
    monkeypatch.setattr(bench, "measure", lambda *_, **__: report)

    def run(**options: Any) -> int:
        return bench.run(BenchOptions(**{"data": SAMPLES} | options))

    return run


def options_of(monkeypatch: pytest.MonkeyPatch, arguments: str) -> BenchOptions:
    """The options that the command line becomes."""
    received: list[BenchOptions] = []

    def receive(options: BenchOptions) -> int:
        received.append(options)
        return 0

    monkeypatch.setattr(bench, "run", receive)
    done = CliRunner().invoke(app, ["bench", *arguments.split()])
    assert done.exit_code == 0, done.output
    (options,) = received
    return options


class TestOptions:
    """From the command line to a plan."""

    def test_command_line_becomes_a_plan(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = options_of(
            monkeypatch,
            "--model a --model b --threads 1,2 --batch-size 1 --batch-size 32 --scenario offline",
        )
        plan = bench.plan_of(options)
        assert plan == Plan(
            targets=tuple(TargetSpec(name, threads) for name in "ab" for threads in (1, 2)),
            scenarios=(Scenario.OFFLINE,),
            batch_sizes=(1, 32),
        )
        assert steps(plan) == plan.processes == 5

    def test_defaults_are_those_of_the_plan(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = options_of(monkeypatch, "")
        assert options == BenchOptions()
        assert bench.plan_of(options) == Plan(tuple(map(TargetSpec, bundled_models())))

    def test_every_option_reaches_its_field(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options = options_of(
            monkeypatch,
            "--model a --threads auto --providers P --scenario start --batch-size 7 --streams 6 "
            "--data d --image i --processes 4 --rounds 3 --seed 2 --watts 1.5 --profile "
            "--baseline b --margin 0.5 --min-accuracy 0.25 --json --output o --plot p",
        )
        assert options == BenchOptions(
            model=["a"],
            threads=["auto"],
            providers=["P"],
            scenario=["start"],
            batch_size=[7],
            streams=6,
            data=Path("d"),
            image=Path("i"),
            processes=4,
            rounds=3,
            seed=2,
            watts=1.5,
            profile=True,
            baseline=Path("b"),
            margin=0.5,
            min_accuracy=0.25,
            as_json=True,
            output=Path("o"),
            plot=Path("p"),
        )
        assert options_of(monkeypatch, "--markdown") == BenchOptions(as_markdown=True)

    def test_names_of_the_last_release_still_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        old = options_of(monkeypatch, "--sittings 3 --picture a.svg")
        assert old == BenchOptions(processes=3, plot=Path("a.svg"))

    def test_contradictions_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="choose one"):
            BenchOptions(as_json=True, as_markdown=True)
        with pytest.raises(UsageError, match="is a folder"):
            BenchOptions(output=tmp_path)

    def test_help_names_every_option_and_cuts_nothing_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        text = re.sub(r"\s+", " ", CliRunner().invoke(app, ["bench", "--help"]).output)
        for field in dataclasses.fields(BenchOptions):
            assert f"--{field.name.removeprefix('as_').replace('_', '-')} " in text
        assert "--sittings" not in text
        assert "--picture" not in text
        assert "…" not in text


def test_threads_are_parsed() -> None:
    assert bench.parse_threads([]) == ([1], False)
    assert bench.parse_threads(["2,1", "2"]) == ([1, 2], False)
    counts, is_auto = bench.parse_threads(["auto"])
    assert is_auto
    assert counts[0] == 1


@pytest.mark.parametrize("value", ["0", "257", "two", "-1", "1.5"])
def test_bad_number_of_threads_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="--threads"):
        bench.parse_threads([value])


@pytest.mark.parametrize(("cores", "counts"), [(6, [1, 2, 4, 6]), (1, [1])])
def test_auto_is_all_powers_of_two_and_all_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, counts: list[int]
) -> None:
    monkeypatch.setattr(bench, "available_cores", lambda: cores)
    assert bench.parse_threads(["auto"]) == (counts, True)


def test_scenarios_are_parsed() -> None:
    assert bench.parse_scenarios([]) == tuple(Scenario)
    assert bench.parse_scenarios(["offline", "offline"]) == (Scenario.OFFLINE,)
    with pytest.raises(UsageError, match="--scenario server: unknown; choose one of single-stream"):
        bench.parse_scenarios(["server"])


def test_more_threads_are_advised_where_they_are_worth_it(report: Report) -> None:
    one, _ = report.targets
    two = dataclasses.replace(one, threads=2)
    factors = {(0, 1): 1.0, (1, 1): 0.97, (0, 8): 1.0, (1, 8): 0.6}

    def scaled(target: int, pictures: int) -> Measurement:
        base = report.network_only(0, pictures)
        assert base is not None
        rounds = factors[target, pictures] * base.rounds
        return dataclasses.replace(base, target=target, rounds=rounds)

    measurements = [scaled(*key) for key in factors]
    both = dataclasses.replace(report, targets=[one, two], measurements=measurements)
    assert bench.best_threads(both) == [
        "best for one picture at a time: --model mnist-edge-int8 --threads 1",
        "best for 8 pictures at a time: --model mnist-edge-int8 --threads 2",
    ]
    single = [measurement for measurement in measurements if measurement.pictures == 1]
    assert bench.best_threads(dataclasses.replace(both, measurements=single)) == [
        "best for one picture at a time: --model mnist-edge-int8 --threads 1"
    ]


class TestExitCodes:
    """What the command prints, writes and returns."""

    @pytest.fixture
    def baseline(self, report: Report, tmp_path: Path) -> Path:
        path = tmp_path / "yesterday.json"
        report.write(path)
        return path

    @staticmethod
    def scale(path: Path, factor: float) -> None:
        """Multiplies all times of a report, but for the reference graphs'."""
        content = json.loads(path.read_text())
        for measurement in content["measurements"]:
            measurement["rounds"] = (factor * np.array(measurement["rounds"])).tolist()
        path.write_text(json.dumps(content))

    def test_no_difference_is_success(
        self, run: Bench, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(baseline=baseline) == 0
        assert capsys.readouterr().out.count("no difference") == 6

    def test_slower_is_a_failure(
        self, run: Bench, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.scale(baseline, 1e-3)
        assert run(baseline=baseline, as_json=True) == 1
        comparison = json.loads(capsys.readouterr().out)["comparison"]
        assert {item["verdict"] for item in comparison} == {"slower"}

    def test_faster_is_success(
        self, run: Bench, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.scale(baseline, 1e3)
        assert run(baseline=baseline, as_markdown=True) == 0
        assert capsys.readouterr().out.count("| faster |") == 6

    def test_low_or_unknown_accuracy_is_a_failure(
        self,
        run: Bench,
        report: Report,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(min_accuracy=0.9) == 0
        assert run(min_accuracy=1.0) == 1
        assert "is 99.69%, below the minimum of 100.00%" in capsys.readouterr().err
        targets = [dataclasses.replace(target, accuracy=None) for target in report.targets]
        unknown = dataclasses.replace(report, targets=targets)
        monkeypatch.setattr(bench, "measure", lambda *_, **__: unknown)
        assert run(min_accuracy=0.1) == 1
        assert "its accuracy is not known" in capsys.readouterr().err

    def test_accuracy_without_a_dataset_is_refused(
        self, run: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match="--min-accuracy: needs MNIST"):
            run(data=None, min_accuracy=0.5)

    def test_files_are_written_beside_the_tables(
        self, run: Bench, report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(output=tmp_path / "run.json", plot=tmp_path / "run.svg") == 0
        assert Report.read(tmp_path / "run.json").to_dict() == report.to_dict()
        assert (tmp_path / "run.svg").read_text().startswith("<?xml")
        printed = capsys.readouterr()
        assert "p50 µs" in printed.out
        assert "the clock takes" in printed.err
        assert "note: no energy counter" in printed.err
        assert "\x1b" not in printed.out + printed.err

    def test_unreadable_baseline_is_refused_before_the_run(
        self, run: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bench, "measure", lambda *_, **__: pytest.fail("was measured"))
        with pytest.raises(UsageError, match=r"none\.json: cannot be read"):
            run(baseline=tmp_path / "none.json")

    def test_profile_is_printed_instead(
        self, run: Bench, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(model=["mnist-edge-int8"], profile=True) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("mnist-edge-int8, threads: 1\n")
        assert "QLinearConv" in printed


class TestPlot:
    """The plot comes from another package, by an entry point."""

    def test_points_are_models_with_their_fastest_threads(self, report: Report) -> None:
        int8, nano = report.targets
        slower = dataclasses.replace(int8, threads=2)
        unknown = dataclasses.replace(nano, name="folder/clothes.onnx", accuracy=None)
        not_timed = dataclasses.replace(nano, name="folder/untimed.onnx")
        single = report.network_only(0)
        assert single is not None
        twice = dataclasses.replace(single, target=1, rounds=2 * single.rounds)
        changed = dataclasses.replace(
            report,
            targets=[int8, slower, unknown, not_timed],
            measurements=[single, twice, dataclasses.replace(single, target=2)],
        )
        assert bench.plot_points(changed) == [
            PlotPoint("mnist-edge-int8", 0.9969, single.time.value, 39_671, "measured"),
            PlotPoint("untimed", nano.accuracy or 0, None, nano.size_bytes, "measured"),
        ]

    def test_missing_matplotlib_is_reported_before_the_run(
        self, run: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bench, "measure", lambda *_, **__: pytest.fail("was measured"))
        monkeypatch.delitem(sys.modules, "mnist_edge_trainer.evaluation.frontier", raising=False)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(
            MissingExtraError, match=r"needs matplotlib; .*pip install 'mnist-edge\[train\]'"
        ):
            run(plot=tmp_path / "plot.png")

    def test_missing_package_is_reported(
        self, run: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bench, "entry_points", lambda **_: ())
        with pytest.raises(MissingExtraError, match=r"pip install 'mnist-edge\[train\]'"):
            run(plot=tmp_path / "plot.png")
