"""The folder for a hub: its card is true, its layout complete, its code runs."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import yaml

from mnist_edge import UsageError
from mnist_edge.bundled import bundled_models
from mnist_edge.model import Model
from mnist_edge_trainer.export.hub import HubModels, write_hub_folder
from tests.conftest import Cli, one_line_error


@pytest.fixture(scope="module")
def models() -> HubModels:
    return HubModels(Model.load("mnist-edge-fp32"), Model.load("mnist-edge-int8"))


@pytest.fixture
def folder(models: HubModels, tmp_path: Path) -> Path:
    write_hub_folder(tmp_path / "hub", models)
    return tmp_path / "hub"


def test_files_are_those_that_hubs_look_for(folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        *("README.md", "LICENSE", "SHA256SUMS", "config.json", "preprocessor_config.json"),
        *("onnx/model.onnx", "onnx/model_quantized.onnx"),
    }
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        checksum, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {str(digit): str(digit) for digit in range(10)}
    assert config["label2id"] == {str(digit): digit for digit in range(10)}


def test_front_matter_is_that_of_the_file(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    facts = {
        entry.key: entry.value
        for entry in onnx.load(bundled_models()["mnist-edge-int8"]).metadata_props
    }
    assert front["license"] == facts["license"].lower() == "mit"
    assert front["pipeline_tag"] == "image-classification"
    assert front["datasets"] == ["ylecun/mnist"]
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == float(facts["test_accuracy"])
    assert f"{(folder / 'onnx/model_quantized.onnx').stat().st_size:,}" in card


def test_code_of_the_card_runs(folder: Path) -> None:
    photo, bare = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    sample = Path(__file__).parents[4] / "samples" / "7-pen.png"
    for code, said in ((photo.replace("photo.jpg", str(sample)), "7"), (bare, None)):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == said or said is None


def test_written_again_and_never_among_other_files(models: HubModels, folder: Path) -> None:
    before = (folder / "README.md").read_bytes()
    write_hub_folder(folder, models)
    assert (folder / "README.md").read_bytes() == before
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        write_hub_folder(folder, models)


def test_files_of_two_networks_are_refused() -> None:
    fp32, nano = Model.load("mnist-edge-fp32"), Model.load("mnist-edge-nano-int8")
    with pytest.raises(UsageError, match="two files of one network"):
        HubModels(fp32, nano)


def test_command(cli_in_process: Cli, tmp_path: Path) -> None:
    done = cli_in_process("hub", tmp_path / "hub")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 7
    assert "no folder given" in one_line_error(cli_in_process("hub"), 2)
    assert "no such" in one_line_error(cli_in_process("hub", tmp_path / "x", "--model", "no"), 2)
