"""Mutated models: their protobuf's bytes, and their graphs."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mnist_edge import DigitClassifier
from mnist_edge.classifier import Prediction
from mnist_edge.errors import MnistEdgeError
from mnist_edge.model import bundled_models
from tests.fuzz.engine import Campaign
from tests.fuzz.findings import Broken, Report
from tests.fuzz.guards import Guard
from tests.fuzz.mutations import mutate
from tests.fuzz.pictures import digit
from tests.fuzz.roads import GOOD, predict_rows, try_one
from tests.fuzz.seeds import Case, chance_of

__all__ = ["Models"]

_OPERATORS: tuple[str, ...] = (
    "Identity",
    "Neg",
    "Log",
    "Sqrt",
    "Reciprocal",
    "Exp",
    "Relu",
    "Not",
    "Abs",
    "Softmax",
)
_OPERATORS += ("Sigmoid", "Transpose", "Shape", "NonZero", "Flatten", "Foo", "", "LogSoftmax")
_KINDS = (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 17, 99)
_SIZES = (-1, 0, 1, 2, 9, 10, 11, 27, 28, 29, 784, 1 << 31, 1 << 62)
_TEXTS: tuple[str, ...] = (
    "",
    "0",
    "nan",
    "-1",
    "1e999",
    "a,b",
    "0,1,2,3,4,5,6,7,8,9,10",
    ",,,,,,,,,",
    "\x1b[31m",
)
_TEXTS += ("0,1,2,3,4,5,6,7,8,\x1b[2J", "x" * 5000, "plain-1", "2", "3", "0,0,1,2,3,4,5,6,7,8", "é")
_KEYS = ("labels", "min_confidence", "preprocessing", "name", "version")
_PATHS = ("/etc/passwd", "../weights.bin", "weights.bin", "/dev/zero", "*", "")
_VALUES = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, 250.0)


class Models(Campaign):
    """Models, each asked for one picture by the API, and one of four for two by `predict`.

    Args:
        seed: of the campaign.
    """

    name = "models"
    at_once = 8

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def case(self, number: int) -> Case:
        chance = chance_of(self.name, self._seed, number)
        name, content = chance.choice(_seeds())
        if chance.random() < 0.6:
            content = _mutate_graph(content, chance)
        if chance.random() < 0.45:
            content = mutate(content, chance, lambda: chance.choice(_seeds())[1])
        return Case(number, name, ".onnx", content)

    def run(self, cases: Sequence[Case], work: Path, guard: Guard, report: Report) -> None:
        for case in cases:
            path = work / f"{case.number}.onnx"
            path.write_bytes(case.content)
            try_one(case.number, functools.partial(_predict, path), guard, report)
            if case.number % 4 == 0:
                _by_command(path, work / f"{case.number}.jsonl", guard)


def _predict(path: Path) -> Prediction:
    classifier = DigitClassifier(path)
    classifier.predict_batch([digit(), 255 - digit()], ["one", "two"])
    prediction = classifier.predict(digit())
    if prediction.probabilities is not None and (
        prediction.probabilities.shape != (len(classifier.model.labels),)
    ):
        raise Broken(f"nonsense: probabilities of shape {prediction.probabilities.shape}")
    return prediction


def _by_command(path: Path, output: Path, guard: Guard) -> None:
    with contextlib.suppress(MnistEdgeError):
        rows = predict_rows([GOOD, GOOD], output, model=str(path))
        if len(rows) != 2:
            raise Broken(f"rows lost: {len(rows)} of 2")
    guard.noise()  # the API's has been reported


@functools.cache
def _seeds() -> list[tuple[str, bytes]]:
    """The small released models; one alone, as the rest differ in their weights."""
    nano = bundled_models()["mnist-edge-nano-int8"].read_bytes()
    return [("nano", nano), ("linear", _linear())]


def _linear() -> bytes:
    """The smallest model that follows the contract, so that few bytes are weights."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.001, (784, 10)).astype(np.float16)
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Flatten", ["half"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
        helper.make_node("Cast", ["product"], ["logits"], to=TensorProto.FLOAT),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(weight, "weight")],
    )
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, ir_version=8, opset_imports=opsets)
    helper.set_model_props(model, {"labels": "0,1,2,3,4,5,6,7,8,9", "min_confidence": "0.5"})
    content: bytes = model.SerializeToString()
    return content


def _mutate_graph(content: bytes, chance: random.Random) -> bytes:
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        return content
    for _ in range(1 + int(chance.expovariate(1))):
        try:
            chance.choice(_GRAPH_MUTATIONS)(model, chance)
        except (IndexError, ValueError, TypeError):
            continue  # there is nothing left to choose from
    mutated: bytes = model.SerializeToString()
    return mutated


def _drop_node(model: ModelProto, chance: random.Random) -> None:
    del model.graph.node[chance.randrange(len(model.graph.node))]


def _repeat_node(model: ModelProto, chance: random.Random) -> None:
    model.graph.node.append(chance.choice(model.graph.node))


def _rename_operator(model: ModelProto, chance: random.Random) -> None:
    chance.choice(model.graph.node).op_type = chance.choice(_OPERATORS)


def _rewire(model: ModelProto, chance: random.Random) -> None:
    node, other = chance.choice(model.graph.node), chance.choice(model.graph.node)
    node.input[chance.randrange(len(node.input))] = chance.choice([*other.output, *other.input])


def _set_attribute(model: ModelProto, chance: random.Random) -> None:
    node = chance.choice([node for node in model.graph.node if node.attribute])
    attribute = chance.choice(node.attribute)
    if attribute.ints:
        attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(_SIZES)
    else:
        attribute.i, attribute.f = chance.choice(_SIZES), chance.choice(_VALUES)


def _before_the_end(model: ModelProto, chance: random.Random) -> None:
    """One more operator before the probabilities come out: nonsense, or another shape."""
    for node in model.graph.node:
        if "probabilities" in node.output:
            node.output[0] = "before"
    value = numpy_helper.from_array(np.array(chance.choice(_VALUES), np.float32), "value")
    model.graph.initializer.append(value)
    operator = chance.choice(("Mul", "Add", "Log", "Neg", "Transpose", "Softmax", "Pow", "Shrink"))
    inputs = ["before", "value"] if operator in ("Mul", "Add", "Pow") else ["before"]
    model.graph.node.append(helper.make_node(operator, inputs, ["probabilities"]))


def _damage_weights(model: ModelProto, chance: random.Random) -> None:
    tensor = chance.choice(model.graph.initializer)
    kind = chance.randrange(5)
    if kind == 0:
        tensor.raw_data = tensor.raw_data[: chance.randint(0, len(tensor.raw_data))]
    elif kind == 1:
        tensor.data_type = chance.choice(_KINDS)
    elif kind == 2 and tensor.dims:
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(_SIZES)
    elif kind == 3:
        tensor.raw_data = b"\xff" * len(tensor.raw_data)
    else:
        tensor.raw_data = chance.randbytes(len(tensor.raw_data))


def _outside_data(model: ModelProto, chance: random.Random) -> None:
    tensor = chance.choice(model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", chance.choice(_PATHS)), ("offset", "0"), ("length", "9999")):
        tensor.external_data.add(key=key, value=value)


def _change_contract(model: ModelProto, chance: random.Random) -> None:
    value = chance.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    kind = chance.randrange(4)
    if kind == 0:
        chance.choice(dims).dim_value = chance.choice(_SIZES)
    elif kind == 1:
        value.type.tensor_type.elem_type = chance.choice(_KINDS)
    elif kind == 2:
        value.name = chance.choice(("image", "probabilities", "x", "", "before"))
    else:
        del dims[chance.randrange(len(dims)) :]


def _change_metadata(model: ModelProto, chance: random.Random) -> None:
    found = [item for item in model.metadata_props if item.key in _KEYS]
    item = chance.choice(found) if found else model.metadata_props.add()
    item.key, item.value = chance.choice(_KEYS), chance.choice(_TEXTS)


def _change_versions(model: ModelProto, chance: random.Random) -> None:
    model.ir_version = chance.choice((0, 3, 8, 10, 99, 1 << 40))
    chance.choice(model.opset_import).version = chance.choice((0, 1, 7, 11, 13, 18, 99, 1 << 40))


_GRAPH_MUTATIONS: tuple[Callable[[ModelProto, random.Random], None], ...] = (
    *(_drop_node, _repeat_node, _rename_operator, _rewire, _set_attribute, _before_the_end),
    *(_before_the_end, _damage_weights, _damage_weights, _outside_data, _change_contract),
    *(_change_metadata, _change_versions),
)
