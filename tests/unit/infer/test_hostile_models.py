"""Models that are not trusted: whatever they do is a `ModelError`, in bounded time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mnist_edge.model
from mnist_edge import DigitClassifier, ModelError
from mnist_edge.model import Model
from mnist_edge.runtime import MEMORY_LIMIT
from tests.conftest import SAMPLES
from tests.hostile_models import (
    EXPANDING,
    SUBGRAPHS,
    answering,
    contract_model,
    expanding,
    looping,
    slow,
)

INK = np.full((1, 28, 28), 255, np.uint8)
BLANK = np.zeros((1, 28, 28), np.uint8)

NOT_PROBABILITIES = {
    "nan": [np.nan, 1],
    "all nan": [np.nan, np.nan],
    "infinite": [np.inf, 0],
    "minus infinite": [-np.inf, 1],
    "both infinities": [np.inf, -np.inf],
    "so large that the sum is infinite": [3e38, 3e38],
    "negative": [-0.5, 1.5],
    "percent": [100, 0],
    "too little": [0.5, 0.498],
    "too much": [0.5, 0.502],
    "logits": [3.2, -1.1],
    "nothing": [0, 0],
}


@pytest.mark.parametrize("row", NOT_PROBABILITIES.values(), ids=NOT_PROBABILITIES)
def test_outputs_that_are_not_probabilities_are_an_error(row: list[float]) -> None:
    model = Model.from_bytes(answering(row), "mine")  # whose answer to a blank image is right
    assert model.run(BLANK).tolist() == [[1, 0]]
    with pytest.raises(ModelError, match="mine: not an mnist-edge model; its probabilities") as e:
        model.run(INK)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("place", [0, 1, 200, 299])
def test_one_bad_row_among_many_is_found(place: int) -> None:
    model = Model.from_bytes(answering([0.6, 0.6]), "mine")
    images = np.zeros((300, 28, 28), np.uint8)
    assert model.run(images).shape == (300, 2)
    images[place] = 255
    with pytest.raises(ModelError, match="sum to 1"):
        model.run(images)


def test_rounded_probabilities_are_accepted() -> None:
    row = [0.3333, 0.3334, 0.3338]
    assert Model.from_bytes(answering(row), "mine").run(INK).tolist() == [pytest.approx(row)]


@pytest.mark.parametrize("kept", ["first", "none", "twice", "classes"])
def test_outputs_of_another_shape_are_an_error(kept: str) -> None:
    """The shape that a file states is not the one of its output."""
    from onnx import helper, numpy_helper

    node = helper.make_node
    indices = {"first": [0], "none": [], "twice": [0, 0], "classes": [0]}[kept]
    axis = 1 if kept == "classes" else 0
    nodes = [
        node("Flatten", ["image"], ["flat"]),
        node("Slice", ["flat", "begin", "end", "one"], ["pixel"]),
        node("Cast", ["pixel"], ["zero"], to=1),
        node("Add", ["zero", "row"], ["all"]),
        node("Gather", ["all", "indices"], ["some"], axis=axis),
        node("Softmax", ["some"], ["probabilities"]),
    ]
    tensors = [
        numpy_helper.from_array(np.array([[0, 0]], np.float32), "row"),
        numpy_helper.from_array(np.array(indices, np.int64), "indices"),
        *(numpy_helper.from_array(np.array([v]), n) for n, v in (("begin", 0), ("end", 1))),
        numpy_helper.from_array(np.array([1]), "one"),
    ]
    content = bytes(contract_model(nodes, tensors, 2).SerializeToString())
    with pytest.raises(ModelError, match=r"mine: not an (mnist-edge model; its output|ONNX)"):
        Model.from_bytes(content, "mine").run(np.zeros((5, 28, 28), np.uint8))


@pytest.mark.parametrize("operator", SUBGRAPHS)
def test_loops_are_refused_before_they_run(operator: str) -> None:
    with pytest.raises(ModelError, match="mine: holds a subgraph"):
        Model.from_bytes(looping(operator), "mine")


@pytest.mark.parametrize("size", [3 * 10**8, 10**10, 10**13], ids="{:.0e}".format)
@pytest.mark.parametrize("operator", EXPANDING)
def test_more_memory_than_the_limit_is_an_error(operator: str, size: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="mine: "):
        Model.from_bytes(expanding(operator, size), "mine")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < MEMORY_LIMIT * 1.25


@pytest.mark.parametrize("operator", EXPANDING)
def test_memory_that_one_image_needs_is_there_for_many(operator: str) -> None:
    """Each takes some 40 MB: a batch is run in parts where it does not fit into the limit."""
    model = Model.from_bytes(expanding(operator, 10**7), "mine")
    assert model.run(np.zeros((20, 28, 28), np.uint8)).shape == (20, 10)


def test_a_model_that_takes_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_edge.model, "_SECONDS", 0.1)
    with pytest.raises(ModelError, match=r"mine: takes more than 0\.1 seconds for one image"):
        Model.from_bytes(slow(), "mine")


def test_a_slow_model_is_interrupted_by_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "slow.onnx").write_bytes(slow())
    code = (
        "import os, signal, sys, threading\n"
        "from mnist_edge import DigitClassifier, model, runtime\n"
        "model._SECONDS = 600\n"
        "create = model.create_session\n"
        "def interrupted(*args, **kwargs):\n"  # in the thread that then runs the model
        "    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    return create(*args, **kwargs)\n"
        "model.create_session = interrupted\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    DigitClassifier('slow.onnx')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_errors_of_a_model_are_one_line_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.onnx").write_bytes(expanding("Tile", 10**13))
    with pytest.raises(ModelError) as caught:
        DigitClassifier(tmp_path / "mine.onnx").predict(SAMPLES / "7-pen.png")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_names_that_are_not_utf_8_are_an_error_without_a_word_on_stdout(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Onnxruntime's Python part then prints of a fallback."""
    content = answering([0.5, 0.5]).replace(b"Flatten", b"Flatt\xff\xfe")
    with pytest.raises(ModelError, match="mine: its names or its metadata are not UTF-8"):
        Model.from_bytes(content, "mine")
    assert capfd.readouterr() == ("", "")


def test_external_data_beside_the_file_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(answering([0.5, 0.5]))
    onnx.save_model(
        model, "mine.onnx", save_as_external_data=True, location="weights", size_threshold=0
    )
    assert os.path.exists("weights")
    with pytest.raises(ModelError, match="weights outside of its file"):
        DigitClassifier("mine.onnx")
