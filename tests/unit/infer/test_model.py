"""Model files: the bundled ones are what they claim, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mnist_edge import ModelError
from mnist_edge.bench.node_profile import executed_nodes
from mnist_edge.model import DEFAULT_MODEL, Model, bundled_models
from mnist_edge.types import Preprocessing
from tests.conftest import Digits


@pytest.fixture(params=sorted(bundled_models()))
def bundled(request: pytest.FixtureRequest) -> Model:
    return Model.load(request.param)


def test_bundled_models_begin_with_the_default() -> None:
    assert list(bundled_models()) == [
        "mnist-edge-int8",
        "mnist-edge-fp32",
        "mnist-edge-nano-int8",
        "mnist-edge-pico-int8",
    ]
    assert Model.load().name == DEFAULT_MODEL == "mnist-edge-int8"


def test_accuracy_on_the_test_images_is_what_the_file_says(
    bundled: Model, test_digits: Digits
) -> None:
    images, labels = test_digits
    batches = np.split(images, range(1000, len(images), 1000))
    answers = np.concatenate([bundled.run(batch).argmax(axis=1) for batch in batches])
    accuracy = (answers == labels).mean()
    assert accuracy >= 0.995
    # Other processors round int8 sums otherwise in places: up to two answers may differ.
    assert abs(accuracy - float(bundled.metadata["test_accuracy"])) <= 0.0002


def test_int8_is_within_the_gate_of_fp32(test_digits: Digits) -> None:
    images, labels = test_digits
    correct = {
        name: (Model.load(name).run(images).argmax(axis=1) == labels).mean()
        for name in bundled_models()
    }
    assert correct["mnist-edge-fp32"] - correct["mnist-edge-int8"] <= 0.0005


@pytest.mark.parametrize(("name", "kib"), [("mnist-edge-nano-int8", 16), ("mnist-edge-int8", 40)])
def test_size(name: str, kib: int) -> None:
    assert Path(bundled_models()[name]).stat().st_size <= kib * 1024


def test_confidence_is_calibrated(bundled: Model, test_digits: Digits) -> None:
    """Expected calibration error over 10 equal bins (Guo et al. 2017)."""
    images, labels = test_digits
    probabilities = bundled.run(images)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * 10).astype(int), 9)
    error = sum(
        abs(right[bins == index].mean() - confidence[bins == index].mean()) * (bins == index).mean()
        for index in np.unique(bins)
    )
    assert error <= 0.005


def test_rows_sum_to_one_for_any_batch(bundled: Model, test_digits: Digits) -> None:
    whole = bundled.run(test_digits[0][:64])
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    single = np.concatenate([bundled.run(image[np.newaxis]) for image in test_digits[0][:64]])
    np.testing.assert_allclose(single, whole, atol=1e-5)
    assert whole.dtype == np.float32


def test_metadata_says_what_the_contract_asks_for(bundled: Model) -> None:
    assert set(bundled.metadata) == {
        "name",
        "version",
        "architecture",
        "parameters",
        "training_recipe",
        "seed",
        "epoch",
        "dataset",
        "dataset_sha256",
        "validation_accuracy",
        "test_accuracy",
        "calibration_temperature",
        "min_confidence",
        "quantization",
        "license",
        "labels",
        "preprocessing",
        "opset",
    }


def test_the_files_are_clean_self_contained_onnx(bundled: Model) -> None:
    model = onnx.load_from_string(bundled.content)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert not model.graph.value_info
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_int8_runs_on_integers() -> None:
    executed = executed_nodes(Model.load("mnist-edge-int8"))
    assert executed["QLinearConv"] == 5
    assert executed["QGemm"] == 1
    assert "Conv" not in executed
    assert "Cast" not in executed


def test_no_weight_can_saturate_sixteen_bits() -> None:
    """x86 without VNNI adds two uint8 x int8 products in int16; 7-bit weights always fit."""
    model = onnx.load_from_string(Model.load("mnist-edge-int8").content)
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(weights) == 6
    for weight in weights:
        assert 2 * 255 * int(np.abs(weight.astype(int)).max()) <= 2**15


def graph(
    input_name: str = "image",
    kind: int = TensorProto.UINT8,
    shape: Sequence[str | int | None] = ("batch", 1, 28, 28),
    classes: int = 10,
) -> bytes:
    """A tiny valid model that breaks the contract in one place."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [784, classes], np.zeros(784 * classes))
    flat = helper.make_tensor("s", TensorProto.INT64, [2], [-1, 784])
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", [input_name], ["f"], to=TensorProto.FLOAT),
                helper.make_node("Reshape", ["f", "s"], ["r"]),
                helper.make_node("MatMul", ["r", "w"], ["l"]),
                helper.make_node("Softmax", ["l"], ["probabilities"]),
            ],
            "g",
            [helper.make_tensor_value_info(input_name, kind, shape)],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])],
            [weight, flat],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    return model.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize("stated", ["1.5", "-1", "nan", "high"])
def test_a_confidence_that_is_none_is_refused(stated: str) -> None:
    model = onnx.load_from_string(graph())
    helper.set_model_props(model, {"min_confidence": stated})
    with pytest.raises(ModelError, match="min_confidence"):
        _ = Model.from_bytes(model.SerializeToString(), "mine").min_confidence


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not a model", "not an ONNX model"),
        (graph()[:-2000], "not an ONNX model"),
        (graph(input_name="x"), "input must be image"),
        (graph(kind=TensorProto.FLOAT), "input must be image"),
        (graph(shape=("batch", 784)), "input must be image"),
        (graph(classes=1), "output must be probabilities"),
        (graph(shape=(1, 1, 28, 28)), "batch must be dynamic"),
    ],
    ids=["empty", "text", "truncated", "name", "float", "shape", "one class", "fixed batch"],
)
def test_refuses_what_is_not_our_model(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason) as caught:
        Model.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_accepts_any_model_that_follows_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph())
    assert Model.load(path).run(np.zeros((3, 28, 28), np.uint8)).shape == (3, 10)


def said(classes: int, **metadata: str) -> Model:
    """A model whose file says something of itself."""
    model = onnx.load_from_string(graph(classes=classes))
    helper.set_model_props(model, metadata)
    return Model.from_bytes(model.SerializeToString(), "mine")


def test_labels_are_those_of_the_file_or_numbers(bundled: Model) -> None:
    assert said(3, labels="T-shirt/top,ki,お").labels == ("T-shirt/top", "ki", "お")
    assert said(12).labels == tuple(map(str, range(12)))
    assert said(10).labels == bundled.labels == tuple("0123456789")


@pytest.mark.parametrize("labels", ["a,b", "a,b,c,d", "a,,c", "a, ,c", "a,b,a", "a,b\n,c", ""])
def test_labels_that_are_no_names_of_the_classes_are_refused(labels: str) -> None:
    with pytest.raises(ModelError, match="mine: its labels must be 3 different names") as caught:
        said(3, labels=labels)
    assert "\n" not in str(caught.value)


def test_preprocessing_is_known_or_of_a_newer_version(bundled: Model) -> None:
    assert said(3).preprocessing is Preprocessing.DIGIT
    assert said(3, preprocessing="1").preprocessing is Preprocessing.DIGIT
    assert said(3, preprocessing="plain-1").preprocessing is Preprocessing.PLAIN
    assert bundled.preprocessing is Preprocessing.DIGIT
    assert bundled.metadata["preprocessing"] == Preprocessing.DIGIT
    for stated in ("3", "plain-2", "plain"):
        with pytest.raises(ModelError, match="mine: is of a newer version"):
            said(3, preprocessing=stated)


def test_a_missing_model_names_the_bundled_ones() -> None:
    with pytest.raises(ModelError, match="mnist-edge-int8"):
        Model.load("nowhere.onnx")


def test_a_tampered_bundled_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = Path(bundled_models()[DEFAULT_MODEL])
    (tmp_path / "SHA256SUMS").write_bytes((released.parent / "SHA256SUMS").read_bytes())
    content = bytearray(released.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / released.name).write_bytes(content)
    monkeypatch.setattr("mnist_edge.bundled._models_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="not the released file"):
        Model.load()
