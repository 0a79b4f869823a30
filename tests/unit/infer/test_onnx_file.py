"""A model's structure is checked without an ONNX library: no loop, no other file, no odd bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnist_edge import ModelError, onnx_file
from mnist_edge.model import DEFAULT_MODEL, bundled_models
from mnist_edge.onnx_file import check_structure
from tests.hostile_models import SUBGRAPHS, answering, looping

VALID = answering([0.5, 0.5])


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(VALID)
    change(model)
    return bytes(model.SerializeToString())


def external(name: str = "outside") -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), name)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../weights.bin")
    tensor.ClearField("raw_data")
    return tensor


def located() -> TensorProto:
    """External by its location alone: the list of files is empty."""
    tensor = external()
    del tensor.external_data[:]
    return tensor


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.array([0, 1, 2]), "indices")
    return helper.make_sparse_tensor(external(), indices, [9])


def add_node(**attributes: Any) -> Callable[[onnx.ModelProto], object]:
    node = helper.make_node("Constant", [], ["unused"], **attributes)
    return lambda model: model.graph.node.append(node)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_released_models_pass(name: str) -> None:
    check_structure(bundled_models()[name].read_bytes(), name)


@pytest.mark.parametrize("operator", SUBGRAPHS)
def test_subgraphs_are_refused(operator: str) -> None:
    with pytest.raises(ModelError, match="mine: holds a subgraph"):
        check_structure(looping(operator), "mine")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed(add_node(graphs=[onnx.GraphProto()])), "subgraphs"),
        (changed(lambda model: model.functions.add(name="f", domain="d")), "functions"),
        (changed(lambda model: model.training_info.add()), "a training graph"),
    ],
    ids=["attribute", "function", "training"],
)
def test_what_could_run_more_than_once_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=f"mine: holds {reason}"):
        check_structure(content, "mine")


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.graph.initializer.append(external()),
        lambda model: model.graph.initializer.append(located()),
        lambda model: model.graph.initializer[0].CopyFrom(external("row")),
        add_node(value=external()),
        lambda model: model.graph.sparse_initializer.append(sparse()),
        add_node(sparse_value=sparse()),
    ],
    ids=["initializer", "location alone", "used", "constant", "sparse", "sparse constant"],
)
def test_external_data_is_refused_wherever_it_stands(
    change: Callable[[onnx.ModelProto], object],
) -> None:
    with pytest.raises(ModelError, match="mine: has weights outside of its file"):
        check_structure(changed(change), "mine")


def test_graph_in_two_parts_is_one_graph() -> None:
    """Protocol Buffers merge a message that comes twice: the second part is checked too."""
    part = onnx.ModelProto()
    part.graph.initializer.append(external())
    with pytest.raises(ModelError, match="outside of its file"):
        check_structure(VALID + part.SerializeToString(), "mine")


def test_tag_that_other_readers_cut_is_refused() -> None:
    """Bits beyond the 32nd are dropped by onnxruntime: field 7 must not hide behind them."""
    graph = bytes([0xBA, 0x80, 0x80, 0x80, 0x10, 0])  # field 7 + 2**29, empty
    check_structure(VALID + bytes([0x3A, 0]), "mine")
    with pytest.raises(ModelError, match="not an ONNX model"):
        check_structure(VALID + graph, "mine")


@pytest.mark.parametrize("key", [b"note", b"no\xffte"])
@pytest.mark.parametrize("value", [b"caf\xe9", b"\xed\xa0\x80"])
def test_metadata_must_be_utf_8(key: bytes, value: bytes) -> None:
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
    with pytest.raises(ModelError, match="mine: its names or its metadata are not UTF-8"):
        check_structure(VALID + b"\x72" + bytes([len(entry)]) + entry, "mine")


def test_more_parts_than_any_network_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_MOST_FIELDS", 20_000)
    nodes = b"\x0a\x00" * 20_001  # 2 bytes each in the file, 150 in memory
    size = len(nodes)
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F])
    with pytest.raises(ModelError, match="too many parts"):
        check_structure(VALID + b"\x3a" + length + nodes, "mine")


def test_damaged_files_pass_or_are_refused_and_nothing_else() -> None:
    content = bundled_models()[DEFAULT_MODEL].read_bytes()
    generator = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 20)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            check_structure(bytes(damaged[: generator.randrange(len(damaged)) or None]), "mine")
        except ModelError:
            refused += 1
    assert refused > 200


MESSAGES: dict[str, Any] = {
    "model": onnx.ModelProto,
    "operator set": onnx.OperatorSetIdProto,
    "metadata": onnx.StringStringEntryProto,
    "graph": onnx.GraphProto,
    "node": onnx.NodeProto,
    "attribute": onnx.AttributeProto,
    "sparse tensor": onnx.SparseTensorProto,
    "tensor": TensorProto,
    "value": onnx.ValueInfoProto,
    "type": onnx.TypeProto,
    "tensor type": onnx.TypeProto.Tensor,
    "shape": onnx.TensorShapeProto,
    "dimension": onnx.TensorShapeProto.Dimension,
}
FOLLOWED = {kind.DESCRIPTOR.full_name for kind in MESSAGES.values()} - {"onnx.TypeProto"}
STOPPED = {"onnx.FunctionProto", "onnx.TrainingInfoProto"}


def test_messages_are_those_that_the_module_follows() -> None:
    assert set(MESSAGES) == set(onnx_file.NESTED)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_inside_is_followed_or_refused(message: str) -> None:
    """By onnx's own description: a new kind of field would have to be added."""
    found = {
        field.number: field.message_type.full_name
        for field in MESSAGES[message].DESCRIPTOR.fields
        if field.message_type is not None
        and field.message_type.full_name in FOLLOWED | STOPPED
        and field.name != "metadata_props"  # of the model alone is read
    }
    nested, refused = onnx_file.NESTED[message], onnx_file.REFUSED.get(message, {})
    assert set(found) <= {*nested, *refused}
    for number, inside in nested.items():
        field = MESSAGES[message].DESCRIPTOR.fields_by_number[number]
        assert field.message_type.full_name == MESSAGES[inside].DESCRIPTOR.full_name


@pytest.mark.parametrize("message", MESSAGES)
def test_every_text_is_checked(message: str) -> None:
    fields = MESSAGES[message].DESCRIPTOR.fields
    texts = {field.number for field in fields if field.type == field.TYPE_STRING}
    # How a type is denoted is read by nobody.
    assert texts - onnx_file.TEXT.get(message, set()) <= ({6} if message == "type" else set())
