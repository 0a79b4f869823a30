"""The passes over a graph change how it is written, and not what it computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from mnist_edge import ExportError, MnistEdgeError, ModelError
from mnist_edge.bench.node_profile import executed_nodes
from mnist_edge.model import Model, bundled_models
from mnist_edge_trainer.export.graph_passes import compact, name_nodes
from mnist_edge_trainer.export.rewrite import main, rewrite
from tests.conftest import Digits
from tests.unit.trainer.export.opencv import with_uint8_constants_as_int8

RELEASED = sorted(bundled_models())
QUANTIZED = [name for name in RELEASED if name.endswith("int8")]


def graph_of(name: str) -> ModelProto:
    return onnx.load(bundled_models()[name])


def probabilities(model: ModelProto, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return Model.from_bytes(model.SerializeToString(), "the graph").run(images)


def as_written_by_0_7(model: ModelProto) -> ModelProto:
    """What exports of 0.7 wrote: no names of nodes, and a zero point of the image."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        node.name = ""
        is_of_image = node.op_type == "DequantizeLinear" and node.input[0] not in stored
        if is_of_image and len(node.input) == 2:
            node.input.append("zero")
            model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.uint8), "zero"))
    return model


@pytest.mark.parametrize("name", QUANTIZED)
def test_probabilities_stay_with_uint8_constants_read_as_int8(
    name: str, test_digits: Digits
) -> None:
    images = test_digits[0][:200]
    shifted = probabilities(with_uint8_constants_as_int8(graph_of(name)), images)
    np.testing.assert_allclose(shifted, probabilities(graph_of(name), images), atol=1e-5)


def test_zero_point_of_the_image_does_not_pass_that_test(test_digits: Digits) -> None:
    old = as_written_by_0_7(graph_of("mnist-edge-int8"))
    with pytest.raises(ModelError):
        probabilities(with_uint8_constants_as_int8(old), test_digits[0][:1])


@pytest.mark.parametrize("name", RELEASED)
def test_every_node_has_a_name_of_its_own(name: str) -> None:
    names = [node.name for node in graph_of(name).graph.node]
    assert all(names)
    assert len(set(names)) == len(names)


def test_layers_have_the_same_names_in_fp32_and_int8() -> None:
    layers = [
        [node.name for node in graph_of(name).graph.node if node.op_type in ("Conv", "Gemm")]
        for name in ("mnist-edge-fp32", "mnist-edge-int8")
    ]
    assert layers[0] == layers[1] == ["conv1", "conv2", "conv3", "conv4", "conv5", "gemm6"]


def test_quantizers_are_named_after_what_they_quantize() -> None:
    nodes = {node.name: node for node in graph_of("mnist-edge-int8").graph.node}
    assert nodes["conv1.q"].input[0] == nodes["conv1"].output[0]
    assert nodes["conv1.dq"].input[0] == nodes["conv1.q"].output[0]
    assert nodes["conv1.dq"].output[0] == nodes["conv2"].input[0]
    assert nodes["conv2.w"].output[0] == nodes["conv2"].input[1]
    assert nodes["conv2.b"].output[0] == nodes["conv2"].input[2]


def test_names_differ_where_one_tensor_is_quantized_twice() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["image", scale], [f"bytes-{scale}"])
        for scale in ("one", "two")
    ]
    name_nodes(model := helper.make_model(helper.make_graph(nodes, "graph", [], [])))
    assert [node.name for node in model.graph.node] == ["image.q", "image.q2"]


@pytest.mark.parametrize("name", QUANTIZED)
def test_compact_graph_stays_as_it_is(name: str) -> None:
    assert compact(graph_of(name)) == graph_of(name)


@pytest.mark.parametrize("name", RELEASED)
def test_rewriting_changes_neither_what_runs_nor_any_probability(
    name: str, test_digits: Digits
) -> None:
    old = as_written_by_0_7(graph_of(name))
    images = test_digits[0][:500]
    before = Model.from_bytes(old.SerializeToString(), "old")
    after = Model.from_bytes(rewrite(old.SerializeToString(), "old"), "new")
    assert executed_nodes(after) == executed_nodes(before)
    assert np.array_equal(after.run(images), before.run(images))


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("older", [as_written_by_0_7, lambda model: model], ids=["old", "new"])
def test_rewritten_file_is_the_released_one(
    name: str, older: Callable[[ModelProto], ModelProto]
) -> None:
    content = bundled_models()[name].read_bytes()
    assert rewrite(older(graph_of(name)).SerializeToString(), name) == content


def test_file_of_another_program_is_not_rewritten() -> None:
    graph = graph_of("mnist-edge-int8")
    graph.producer_name = "pytorch"
    with pytest.raises(ExportError, match=r"x\.onnx: not exported by mnist-edge"):
        rewrite(graph.SerializeToString(), "x.onnx")


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_no_file_is_replaced_if_one_cannot_be_rewritten(
    tmp_path: Path, content: bytes | None
) -> None:
    old = as_written_by_0_7(graph_of("mnist-edge-int8")).SerializeToString()
    (good := tmp_path / "good.onnx").write_bytes(old)
    bad = tmp_path / "bad.onnx"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(MnistEdgeError, match=r"bad\.onnx: "):
        main([str(good), str(bad)])
    assert good.read_bytes() == old


def test_rewritten_files_are_replaced_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "mine.onnx").write_bytes(
        as_written_by_0_7(graph_of("mnist-edge-int8")).SerializeToString()
    )
    main([str(path)])
    assert path.read_bytes() == bundled_models()["mnist-edge-int8"].read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["mine.onnx"]
    assert capsys.readouterr().out.startswith(f"{path}: ")
