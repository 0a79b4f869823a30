"""Any classifier of 28 x 28 pictures is fed as it was trained, or refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mnist_edge import ModelError, UsageError
from mnist_edge.bench.targets import Subject
from mnist_edge.model import Model, bundled_models
from tests.conftest import Digits
from tests.foreign_models import brightness
from tests.linear_models import LinearDigits
from tests.unit.infer.test_model import graph

STANDARD = (-0.1307 / 0.3081, (1 - 0.1307) / 0.3081)
SCALINGS = {
    "float 0..1": (0, 1),
    "float 0..255": (0, 255),
    "float -1..1": (-1, 1),
    "mean 0.1307 std 0.3081": STANDARD,
}


@pytest.fixture(scope="module")
def linear(train_digits: Digits) -> LinearDigits:
    images, labels = train_digits
    return LinearDigits.train((images[:2000], labels[:2000]))


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    return tmp_path / "theirs.onnx"


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_scaling_is_found(
    linear: LinearDigits, test_digits: Digits, theirs: Path, scaling: str, inverted: bool
) -> None:
    black, white = SCALINGS[scaling]
    if inverted:
        black, white, scaling = white, black, f"inverted {scaling}"
    theirs.write_bytes(linear.onnx(black=black, white=white))
    subject = Subject.load(str(theirs), digits=test_digits)
    assert subject.scaling == scaling
    answers = linear.scores(test_digits[0]).argmax(axis=1)
    assert subject.accuracy(*test_digits) == (answers == test_digits[1]).mean()


@pytest.mark.parametrize(
    ("ink", "scaling"), [((0, 255), "uint8 0..255"), ((255, 0), "inverted uint8 0..255")]
)
def test_bytes_may_be_inverted_too(
    linear: LinearDigits, test_digits: Digits, theirs: Path, ink: tuple[int, int], scaling: str
) -> None:
    theirs.write_bytes(linear.onnx(black=ink[0], white=ink[1], kind=TensorProto.UINT8))
    assert Subject.load(str(theirs), digits=test_digits).scaling == scaling


@pytest.mark.parametrize("batch", ["batch", None, 1, 7])
@pytest.mark.parametrize(
    ("layout", "shape"),
    [("NCHW", (1, 28, 28)), ("NHWC", (28, 28, 1)), ("NHW", (28, 28)), ("flat", (784,))],
)
def test_layouts_and_batches(
    linear: LinearDigits,
    test_digits: Digits,
    theirs: Path,
    layout: str,
    shape: tuple[int, ...],
    batch: int | str | None,
) -> None:
    theirs.write_bytes(linear.onnx(shape=(batch, *shape), probabilities=True))
    subject = Subject.load(str(theirs))
    assert subject.layout == layout
    assert subject.batch == (batch if isinstance(batch, int) else None)
    assert subject.scaling == "float 0..1, assumed"
    images = test_digits[0][:10]
    np.testing.assert_allclose(subject.scores(images), linear.scores(images), atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_floats_of_other_widths(
    linear: LinearDigits, test_digits: Digits, theirs: Path, kind: int
) -> None:
    theirs.write_bytes(linear.onnx(kind=kind, probabilities=True))
    scores = Subject.load(str(theirs)).scores(test_digits[0][:10])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, linear.scores(test_digits[0][:10]), atol=2e-3)


def test_scores_are_found_among_other_outputs(
    linear: LinearDigits, test_digits: Digits, theirs: Path
) -> None:
    theirs.write_bytes(linear.onnx(extra_outputs=True))
    subject = Subject.load(str(theirs), digits=test_digits)
    assert (subject.output, subject.classes) == ("logits", 10)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_ours_are_fed_bytes_untouched(name: str, test_digits: Digits) -> None:
    images, labels = test_digits
    subject = Subject.load(name, digits=test_digits)
    assert (subject.scaling, subject.layout, subject.batch) == ("uint8 0..255", "NCHW", None)
    (fed,) = subject.feed(images[:3]).values()
    np.testing.assert_array_equal(fed, images[:3, np.newaxis])
    model = Model.load(name)
    np.testing.assert_array_equal(subject.run(subject.feed(images[:3])), model.run(images[:3]))
    assert subject.accuracy(images[:501], labels[:501]) == (
        (model.run(images[:501]).argmax(axis=1) == labels[:501]).mean()
    )


def test_ours_of_other_classes_are_not_tried_on_digits(test_digits: Digits, theirs: Path) -> None:
    theirs.write_bytes(brightness("abcdefghij"))
    subject = Subject.load(str(theirs), digits=test_digits)
    assert subject.scaling == "uint8 0..255"
    assert not subject.tells_digits
    assert Subject.load("mnist-edge-int8").tells_digits


@pytest.mark.parametrize(
    "content",
    [
        graph(shape=("batch", 3, 8, 8)),
        graph(shape=("batch", 3, 28, 28)),
        graph(shape=("batch", "c", 28, 28)),
        graph(kind=TensorProto.INT32),
    ],
    ids=["other pictures", "colours", "unknown size", "integers"],
)
def test_a_model_that_cannot_be_fed_is_refused(theirs: Path, content: bytes) -> None:
    theirs.write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be compared.* takes image: tensor\(") as caught:
        Subject.load(str(theirs))
    assert str(theirs) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_scores_is_refused(theirs: Path) -> None:
    theirs.write_bytes(graph(classes=1))
    with pytest.raises(ModelError, match=r"cannot be compared.* gives .*\[1, 1\]"):
        Subject.load(str(theirs))


def test_a_model_that_tells_no_digits_is_refused(
    linear: LinearDigits, test_digits: Digits, theirs: Path
) -> None:
    images, labels = test_digits
    theirs.write_bytes(linear.onnx())
    shuffled = np.random.default_rng(0).permutation(labels)
    with pytest.raises(ModelError, match=r"tells 1?\d% of the digits at most"):
        Subject.load(str(theirs), digits=(images, shuffled))


def test_providers_and_threads_are_checked() -> None:
    with pytest.raises(UsageError, match="AbacusExecutionProvider") as caught:
        Subject.load("mnist-edge-int8", provider="AbacusExecutionProvider")
    assert ", ".join(onnxruntime.get_available_providers()) in str(caught.value)
    with pytest.raises(UsageError, match="0 threads"):
        Subject.load("mnist-edge-int8", threads=0)
    subject = Subject.load("mnist-edge-int8", threads=2)
    assert subject.session.get_session_options().intra_op_num_threads == 2
    assert subject.session.get_providers() == [subject.provider] == ["CPUExecutionProvider"]


@pytest.mark.skipif(
    "MNIST_EDGE_ANCHORS" not in os.environ,
    reason="MNIST_EDGE_ANCHORS names no folder with the model zoo's mnist-12.onnx",
)
def test_the_model_zoo_s_network(test_digits: Digits) -> None:
    subject = Subject.load(
        str(Path(os.environ["MNIST_EDGE_ANCHORS"], "mnist-12.onnx")), digits=test_digits
    )
    assert (subject.scaling, subject.layout, subject.batch) == ("float 0..1", "NCHW", 1)
    # 0..255 tells more of some 500 digits: which 500 they are must not decide.
    other = tuple(part[500:] for part in test_digits)
    assert Subject.load(subject.name, digits=other).scaling == "float 0..1"  # type: ignore[arg-type]
    assert subject.accuracy(*test_digits) == pytest.approx(0.989, abs=5e-4)
