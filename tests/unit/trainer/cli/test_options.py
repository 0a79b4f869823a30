"""The trainer's command line: help, names of earlier releases, and what is imported when."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mnist_edge.cli.app import app
from mnist_edge.cli.typer_options import with_options
from mnist_edge.errors import MissingExtraError, UsageError
from mnist_edge_trainer.cli import archs, data, evaluate, export, report, runs, train, tune

COMMANDS: dict[str, tuple[Callable[[Any], None], type[Any]]] = {
    "data": (data.data, data.DataOptions),
    "archs": (archs.archs, archs.ArchsOptions),
    "train": (train.train, train.TrainOptions),
    "tune": (tune.tune, tune.TuneOptions),
    "runs": (runs.runs, runs.RunsOptions),
    "evaluate": (evaluate.evaluate, evaluate.EvaluateOptions),
    "report": (report.report, report.ReportOptions),
    "export": (export.export, export.ExportOptions),
}


def help_of(*command: str) -> str:
    return CliRunner().invoke(app, [*command, "--help"]).stdout


def parsed(kind: type[Any], arguments: list[str]) -> object:
    """The options that a command line makes."""
    results: list[object] = []
    parser = typer.Typer()
    parser.command()(with_options(kind)(results.append))
    done = CliRunner().invoke(parser, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return results[0]


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_help_fits_80_columns_and_shows_examples(
        self, command: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        text = help_of(command)
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text
        assert "Examples" in text
        assert f"mnist-edge {command}" in text

    def test_overview_lists_every_command_under_its_new_name(self) -> None:
        text = help_of()
        for command in COMMANDS:
            assert f"│ {command} " in text
        assert "│ models " not in text


class TestEarlierNames:
    @pytest.mark.parametrize(
        ("command", "earlier", "new"),
        [
            ("data", ["--out", "x.png"], ["--output", "x.png"]),
            ("train", ["--out", "runs/x"], ["--output", "runs/x"]),
            ("train", ["--from", "runs/x"], ["--init-from", "runs/x"]),
            ("train", ["--no-resume"], []),
            ("tune", ["--out", "x.toml"], ["--output", "x.toml"]),
            ("evaluate", ["--out", "x"], ["--output", "x"]),
            ("evaluate", ["--no-robustness"], []),
            ("evaluate", ["--no-rejection"], []),
            ("export", ["--no-quantize"], []),
            ("export", ["--no-force"], []),
        ],
    )
    def test_earlier_flag_works_and_is_not_in_help(
        self, command: str, earlier: list[str], new: list[str]
    ) -> None:
        _, kind = COMMANDS[command]
        assert parsed(kind, earlier) == parsed(kind, new)
        assert f"{earlier[0]} " not in help_of(command)
        if new:
            assert new[0] in help_of(command)

    def test_models_is_archs(self) -> None:
        earlier, new = (
            CliRunner().invoke(app, [name, "--json"], catch_exceptions=False)
            for name in ("models", "archs")
        )
        assert (earlier.exit_code, new.exit_code) == (0, 0)
        assert earlier.stdout == new.stdout


class TestImports:
    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["--help"], 0),
            (["train", "--help"], 0),
            (["train", "--epochs", "many"], 2),
            (["train", "--recipe", "classic", "--fast"], 2),
            (["evaluate", "--pictures", "9"], 2),
        ],
    )
    def test_help_and_wrong_options_import_no_training_package(
        self, arguments: list[str], code: int
    ) -> None:
        script = (
            "import sys\nfrom mnist_edge.cli.main import main\n"
            f"sys.argv = ['mnist-edge', *{arguments!r}]\n"
            "try: main()\nexcept SystemExit as end: code = end.code\n"
            "print(code or 0, *{name.split('.')[0] for name in sys.modules})"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        ended, *modules = done.stdout.splitlines()[-1].split()
        assert int(ended) == code
        assert "mnist_edge_trainer" in modules
        heavy = {"torch", "torchvision", "onnx", "onnxruntime", "matplotlib", "sklearn", "scipy"}
        assert not heavy & set(modules)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_missing_package_is_named_with_the_remedy(
        self, command: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find = importlib.util.find_spec

        def hidden(name: str) -> ModuleSpec | None:
            return None if name in ("torch", "optuna") else find(name)

        monkeypatch.setattr(importlib.util, "find_spec", hidden)
        run, kind = COMMANDS[command]
        missing, extra = (
            ("torch, optuna", "train,tune") if command == "tune" else ("torch", "train")
        )
        with pytest.raises(
            MissingExtraError, match=rf"needs {missing}; .*pip install 'mnist-edge\[{extra}\]'"
        ):
            run(kind())


def test_no_folder_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    for command in ("train", "export", "tune"):
        run, kind = COMMANDS[command]
        with pytest.raises(UsageError, match=r"temporary files.*set TMPDIR"):
            run(kind())


def test_help_shows_every_default_the_same_way() -> None:
    for command in (*COMMANDS, "predict", "bench"):
        assert "[default: (" not in help_of(command)
    text = " ".join(help_of("tune").replace("│", " ").split())
    assert "[default: 20]" in text  # a default of Python's
    assert "[default: small]" in text  # one that only the help states
