"""The command `info`: a model's file, its nodes, and this device, as text and as JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mnist_edge import ModelError
from mnist_edge.cli import info
from mnist_edge.cli.app import app
from mnist_edge.model import Model, bundled_models


def test_json_has_metadata_file_and_device(capsys: pytest.CaptureFixture[str]) -> None:
    info.run("mnist-edge-nano-int8", as_json=True)
    facts = json.loads(capsys.readouterr().out)
    content = Path(bundled_models()["mnist-edge-nano-int8"]).read_bytes()
    assert set(facts) == {"model", "file", "device"}
    assert facts["model"] == Model.load("mnist-edge-nano-int8").metadata
    assert facts["device"]["onnxruntime"]
    executed = facts["file"].pop("executed")
    assert facts["file"] == {
        "path": "mnist-edge-nano-int8",
        "bytes": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": "image: uint8 [batch, 1, 28, 28]",
        "output": "probabilities: float32 [batch, 10]",
    }
    assert "QLinearConv x " in executed


def test_text_has_a_section_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    info.run(None)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["model", "file", "device"]
    assert "  path                     mnist-edge-int8" in lines


def test_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing\.onnx"):
        info.run(str(tmp_path / "missing.onnx"))


def test_help_reads_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(app, ["info", "--help"]).output
    assert "info [OPTIONS] [MODEL]" in text
    assert "(mnist-edge-int8)" in text
    assert "…" not in text
