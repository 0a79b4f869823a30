"""Bad input and wrong usage: exact exit codes, one clear line, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROGRAM, ROOT, SAMPLES, Cli, one_line_error
from tests.rows import rows


class TestInput:
    def test_path_that_cannot_be_looked_at_costs_one_row(self, cli: Cli) -> None:
        done = cli("predict", "samples/7-pen.png", "a" * 300 + ".png", "--format", "jsonl")
        assert done.returncode == 1
        assert [row["digit"] for row in rows(done.stdout)] == [7, None]
        assert "Traceback" not in done.stderr

    def test_missing_file_is_one_line_and_one_row(self, cli: Cli) -> None:
        done = cli("predict", "nowhere.png", "--format", "json")
        assert one_line_error(done, 1) == "mnist-edge: nowhere.png: no such file"
        assert json.loads(done.stdout)[0]["error"] == "nowhere.png: no such file"

    def test_empty_folder_is_wrong_usage(self, cli: Cli, tmp_path: Path) -> None:
        assert str(tmp_path) in one_line_error(cli("predict", tmp_path), 2)

    @pytest.mark.parametrize("damage", ["text", "cut", "empty"])
    @pytest.mark.parametrize(
        "command", [("predict", "samples/7-pen.png", "--model"), ("info",), ("bench", "--model")]
    )
    def test_file_that_is_not_a_model_is_named(
        self, cli_in_process: Cli, tmp_path: Path, command: tuple[str, ...], damage: str
    ) -> None:
        released = (ROOT / "models" / "mnist-edge-int8.onnx").read_bytes()
        content = {"text": b"hello", "cut": released[:30_000], "empty": b""}
        path = tmp_path / f"{damage}.onnx"
        path.write_bytes(content[damage])
        assert str(path) in one_line_error(cli_in_process(*command, path), 2)

    def test_missing_model_is_one_line(self, cli_in_process: Cli) -> None:
        assert "no such model" in one_line_error(cli_in_process("info", "missing.onnx"), 2)

    def test_damaged_dataset_is_named_with_the_remedy(
        self, cli_in_process: Cli, tmp_path: Path
    ) -> None:
        for file in (SAMPLES / "MNIST" / "raw").glob("*.gz"):
            shutil.copy(file, tmp_path)
        images = tmp_path / "train-images-idx3-ubyte.gz"
        images.write_bytes(images.read_bytes()[:1_000_000])
        done = cli_in_process("train", "--data", tmp_path, "--output", tmp_path / "run")
        message = one_line_error(done, 1)
        assert str(images) in message
        assert "delete it" in message


class TestOutput:
    def test_input_image_is_not_overwritten(self, cli: Cli, tmp_path: Path) -> None:
        picture = tmp_path / "7.png"
        shutil.copy(SAMPLES / "7-pen.png", picture)
        done = cli("predict", picture, "--output", picture)
        assert "would overwrite" in one_line_error(done, 2)
        assert picture.read_bytes() == (SAMPLES / "7-pen.png").read_bytes()

    def test_file_that_cannot_be_written_is_named(self, cli: Cli, tmp_path: Path) -> None:
        target = tmp_path / "no" / "folder" / "out.csv"
        done = cli("predict", "samples/7-pen.png", "--output", target)
        assert str(target) in one_line_error(done, 1)

    @pytest.mark.parametrize(
        "command", [("predict", "samples"), ("info",), ("--version",), ("predict", "--help")]
    )
    def test_full_disk_is_one_line(self, command: tuple[str, ...]) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*PROGRAM, *command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                check=False,
            )
        assert "cannot be written" in one_line_error(done, 1)


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("predict samples --format xml", "table, json, jsonl, csv"),
            ("train --arch smal", "did you mean 'small'"),
            ("train --epochs 0", "--epochs 0"),
            ("train --val-split 60000", "--val-split 60000"),
            ("train --device tpu", "--device tpu"),
            ("train --photos -1", "--photos -1"),
            ("evaluate --split all", "--split all"),
            ("evaluate --robustness --rejection", "choose one"),
            ("evaluate --pictures 9", "needs --robustness"),
            ("evaluate --robustness --output x", "draws no picture"),
        ],
    )
    def test_wrong_option_is_one_line(
        self, cli_in_process: Cli, arguments: str, message: str
    ) -> None:
        assert message in one_line_error(cli_in_process(*arguments.split()), 2)

    @pytest.mark.parametrize("command", [("export",), ("evaluate",), ("train", "--resume")])
    def test_command_without_a_run_names_the_command_that_makes_one(
        self, cli_in_process: Cli, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        done = cli_in_process(*command, "--data", ROOT / "samples", cwd=tmp_path)
        assert "mnist-edge train" in one_line_error(done, 2)

    @pytest.mark.parametrize("command", ["export", "evaluate"])
    def test_missing_run_is_named(self, cli_in_process: Cli, command: str) -> None:
        assert "nowhere: no such run" in one_line_error(cli_in_process(command, "nowhere"), 2)

    def test_exit_code_and_line_of_a_training_command_leave_the_process(self, cli: Cli) -> None:
        """What the tests above assert of a call in this process."""
        assert "did you mean 'small'" in one_line_error(cli("train", "--arch", "smal"), 2)


class TestMissingPackages:
    def test_packages_to_install_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "hide.py").write_text(
            "import importlib.util\n"
            "find = importlib.util.find_spec\n"
            "hidden = ('torch', 'onnx')\n"
            "importlib.util.find_spec = lambda name: None if name in hidden else find(name)\n"
            "from mnist_edge.cli.main import main\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, tmp_path / "hide.py", "train"],
            capture_output=True,
            text=True,
            check=False,
        )
        message = one_line_error(done, 2)
        assert "torch, onnx" in message
        assert "pip install 'mnist-edge[train]'" in message

    def test_package_that_fails_to_load_is_not_called_missing(self, tmp_path: Path) -> None:
        (tmp_path / "torch.py").write_text("raise ImportError('libsomething.so: not found')\n")
        search_path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [*PROGRAM, "train"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": search_path},
        )
        message = one_line_error(done, 2)
        assert "failed to load" in message
        assert "libsomething.so" in message
