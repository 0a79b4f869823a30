"""Any classifier of 28 x 28 pictures is fed as it was trained, or refused with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mnist_edge import ModelError, UsageError
from mnist_edge.bench.targets import BenchTarget
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
def foreign(tmp_path: Path) -> Path:
    return tmp_path / "foreign.onnx"


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_is_found(
    linear: LinearDigits, test_digits: Digits, foreign: Path, scaling: str, inverted: bool
) -> None:
    black, white = SCALINGS[scaling]
    if inverted:
        black, white, scaling = white, black, f"inverted {scaling}"
    foreign.write_bytes(linear.onnx(black=black, white=white))
    target = BenchTarget.load(str(foreign), digits=test_digits)
    assert target.scaling == scaling
    predictions = linear.scores(test_digits[0]).argmax(axis=1)
    assert target.accuracy(*test_digits) == (predictions == test_digits[1]).mean()


@pytest.mark.parametrize(
    ("ink", "scaling"), [((0, 255), "uint8 0..255"), ((255, 0), "inverted uint8 0..255")]
)
def test_inverted_bytes_are_found(
    linear: LinearDigits, test_digits: Digits, foreign: Path, ink: tuple[int, int], scaling: str
) -> None:
    foreign.write_bytes(linear.onnx(black=ink[0], white=ink[1], kind=TensorProto.UINT8))
    assert BenchTarget.load(str(foreign), digits=test_digits).scaling == scaling


@pytest.mark.parametrize("batch", ["batch", None, 1, 7])
@pytest.mark.parametrize(
    ("layout", "shape"),
    [("NCHW", (1, 28, 28)), ("NHWC", (28, 28, 1)), ("NHW", (28, 28)), ("flat", (784,))],
)
def test_layout_and_batch_are_found(
    linear: LinearDigits,
    test_digits: Digits,
    foreign: Path,
    layout: str,
    shape: tuple[int, ...],
    batch: int | str | None,
) -> None:
    foreign.write_bytes(linear.onnx(shape=(batch, *shape), probabilities=True))
    target = BenchTarget.load(str(foreign))
    assert target.layout == layout
    assert target.batch == (batch if isinstance(batch, int) else None)
    assert target.scaling == "float 0..1, assumed"
    images = test_digits[0][:10]
    np.testing.assert_allclose(target.scores(images), linear.scores(images), atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_floats_of_other_widths_are_fed(
    linear: LinearDigits, test_digits: Digits, foreign: Path, kind: int
) -> None:
    foreign.write_bytes(linear.onnx(kind=kind, probabilities=True))
    scores = BenchTarget.load(str(foreign)).scores(test_digits[0][:10])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, linear.scores(test_digits[0][:10]), atol=2e-3)


def test_scores_are_found_among_other_outputs(
    linear: LinearDigits, test_digits: Digits, foreign: Path
) -> None:
    foreign.write_bytes(linear.onnx(extra_outputs=True))
    target = BenchTarget.load(str(foreign), digits=test_digits)
    assert (target.output, target.classes) == ("logits", 10)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_bundled_model_is_fed_bytes_unchanged(name: str, test_digits: Digits) -> None:
    images, labels = test_digits
    target = BenchTarget.load(name, digits=test_digits)
    assert (target.scaling, target.layout, target.batch) == ("uint8 0..255", "NCHW", None)
    (fed,) = target.feed(images[:3]).values()
    np.testing.assert_array_equal(fed, images[:3, np.newaxis])
    model = Model.load(name)
    np.testing.assert_array_equal(target.run(target.feed(images[:3])), model.run(images[:3]))
    assert target.accuracy(images[:501], labels[:501]) == (
        (model.run(images[:501]).argmax(axis=1) == labels[:501]).mean()
    )


def test_model_of_other_classes_is_not_tried_on_digits(test_digits: Digits, foreign: Path) -> None:
    foreign.write_bytes(brightness("abcdefghij"))
    target = BenchTarget.load(str(foreign), digits=test_digits)
    assert target.scaling == "uint8 0..255"
    assert not target.has_digit_classes
    assert BenchTarget.load("mnist-edge-int8").has_digit_classes


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
def test_model_of_other_inputs_is_refused(foreign: Path, content: bytes) -> None:
    foreign.write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be compared.* takes image: tensor\(") as caught:
        BenchTarget.load(str(foreign))
    assert str(foreign) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_model_without_scores_is_refused(foreign: Path) -> None:
    foreign.write_bytes(graph(classes=1))
    with pytest.raises(ModelError, match=r"cannot be compared.* gives .*\[1, 1\]"):
        BenchTarget.load(str(foreign))


def test_model_that_recognizes_no_digits_is_refused(
    linear: LinearDigits, test_digits: Digits, foreign: Path
) -> None:
    images, labels = test_digits
    foreign.write_bytes(linear.onnx())
    shuffled = np.random.default_rng(0).permutation(labels)
    with pytest.raises(ModelError, match=r"recognizes 1?\d% of the digits at most"):
        BenchTarget.load(str(foreign), digits=(images, shuffled))


def test_provider_and_threads_are_checked() -> None:
    with pytest.raises(UsageError, match="AbacusExecutionProvider") as caught:
        BenchTarget.load("mnist-edge-int8", provider="AbacusExecutionProvider")
    assert ", ".join(onnxruntime.get_available_providers()) in str(caught.value)
    with pytest.raises(UsageError, match="0 threads"):
        BenchTarget.load("mnist-edge-int8", threads=0)
    target = BenchTarget.load("mnist-edge-int8", threads=2)
    assert target.session.get_session_options().intra_op_num_threads == 2
    assert target.session.get_providers() == [target.provider] == ["CPUExecutionProvider"]


def test_network_of_the_model_zoo(test_digits: Digits, mnist_12: Path) -> None:
    target = BenchTarget.load(str(mnist_12), digits=test_digits)
    assert (target.scaling, target.layout, target.batch) == ("float 0..1", "NCHW", 1)
    # 0..255 recognizes more of some 500 digits: which 500 they are must not decide.
    others = test_digits[0][500:], test_digits[1][500:]
    assert BenchTarget.load(target.name, digits=others).scaling == "float 0..1"
    assert target.accuracy(*test_digits) == pytest.approx(0.989, abs=5e-4)


def test_classifier_runs_models_that_follow_the_contract(foreign: Path) -> None:
    assert BenchTarget.load("mnist-edge-int8").runs_in_classifier
    foreign.write_bytes(graph(shape=(1, 1, 28, 28)))
    assert not BenchTarget.load(str(foreign)).runs_in_classifier
