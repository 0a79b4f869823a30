"""Model files are found: in the installation, in a zip archive; what is no file is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mnist_edge.bundled
from mnist_edge import ModelError
from mnist_edge.bundled import DEFAULT_MODEL, bundled_models, is_released, read_model
from mnist_edge.outputs.progress import progress_bar
from tests.conftest import PROGRAM, ROOT, SAMPLES

PHOTOGRAPH = str(SAMPLES / "7-chalk.jpg")


def without_checkout() -> dict[str, str]:
    """The environment of a process that sees what is installed, and no package of the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the package and its models, as a wheel installs them."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "infer/mnist_edge", tmp_path / "app/mnist_edge", ignore=ignored)
    shutil.copytree(ROOT / "models", tmp_path / "app/mnist_edge/models")
    return tmp_path / "app"


def predict(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(app)!r}); from mnist_edge.cli.main import main\n"
    code += f"import mnist_edge; assert mnist_edge.__file__.startswith({str(app)!r}); main()"
    return subprocess.run(
        [sys.executable, "-c", code, "predict", *arguments],
        env=without_checkout(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("model", sorted(bundled_models()))
def test_a_zip_archive_of_the_package_predicts(package: Path, model: str) -> None:
    archive = package.with_suffix(".pyz")
    with zipfile.ZipFile(archive, "w") as file:
        for path in package.rglob("*"):
            file.write(path, path.relative_to(package))
    done = predict(archive, PHOTOGRAPH, "--model", model, "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split(",")[1] == "7"


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        ("", "mnist-edge-int8: this installation has no bundled model; reinstall mnist-edge"),
        ("SHA256SUMS", "not the released file (its SHA-256 is not the one in SHA256SUMS); reinst"),
        ("mnist-edge-int8.onnx", "mnist-edge-int8: no such model file; give a path or a bundled"),
    ],
    ids=["folder", "checksums", "default model"],
)
def test_missing_models_are_one_clear_line(package: Path, removed: str, message: str) -> None:
    models = package / "mnist_edge/models"
    if removed:
        (models / removed).unlink()
    else:
        shutil.rmtree(models)
    done = predict(package, PHOTOGRAPH)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_released_files_are_known_by_their_bytes() -> None:
    content = read_model(DEFAULT_MODEL)
    assert is_released(content)
    assert not is_released(content + b"\0")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match=r"pipe\.onnx: is not a file"):
        read_model(str(tmp_path / "pipe.onnx"))


@pytest.mark.parametrize("name", [".", "/dev/null", "/dev/zero"])
def test_what_is_no_file_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not a file|no such model"):
        read_model(name)


@pytest.mark.parametrize("name", ["a" * 5000, "nul\0.onnx", "model.onnx/model.onnx", ""])
def test_a_name_that_cannot_be_opened_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelError):
        read_model(name)


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_edge.bundled, "_LARGEST", 1 << 20)
    (tmp_path / "large.onnx").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ModelError, match="larger than 1 MiB"):
        read_model(str(tmp_path / "large.onnx"))


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('typer', 'rich', 'click', 'shellingham'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
from mnist_edge.cli.main import main
main()
"""


def run_without_typer(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("output", ["table", "csv", "json", "jsonl"])
def test_predict_needs_neither_typer_nor_rich(output: str) -> None:
    plain = [*PROGRAM, "predict", PHOTOGRAPH, "--format", output]
    expected = subprocess.run(plain, capture_output=True, text=True, timeout=60, check=True)
    done = run_without_typer("predict", PHOTOGRAPH, "--format", output)
    assert (done.stdout, done.stderr, done.returncode) == (expected.stdout, "", 0)


def test_no_progress_is_shown_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress_bar(10) as advance:
        advance(5, 0)


@pytest.mark.parametrize("arguments", [["info"], ["--help"], ["predict", "--help"], ["bench"]])
def test_what_needs_typer_or_rich_says_so_in_one_line(arguments: list[str]) -> None:
    done = run_without_typer(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install typer rich" in done.stderr
