"""The profile names the nodes that run, and adds up to the whole call; no time is asserted."""

from __future__ import annotations

from collections import Counter

import pytest

from mnist_edge import UsageError
from mnist_edge.bench.node_profile import (
    OUTSIDE,
    NodeTime,
    executed_nodes,
    print_profile,
    profile,
)
from mnist_edge.bench.targets import BenchTarget
from mnist_edge.model import Model, bundled_models
from tests.conftest import Digits


@pytest.fixture(scope="module")
def int8_nodes(test_digits: Digits) -> list[NodeTime]:
    return profile(BenchTarget.load("mnist-edge-int8"), test_digits[0][:3], runs=10)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_profiled_nodes_are_the_executed_ones(name: str, test_digits: Digits) -> None:
    nodes = profile(BenchTarget.load(name), test_digits[0][:1], runs=5)
    assert nodes[-1].name == OUTSIDE
    assert Counter(node.operator for node in nodes[:-1]) == executed_nodes(Model.load(name))
    assert {node.provider for node in nodes[:-1]} == {"CPUExecutionProvider"}


def test_shares_add_up_to_the_whole_call(int8_nodes: list[NodeTime]) -> None:
    assert sum(node.share for node in int8_nodes) == pytest.approx(1)
    whole = sum(node.microseconds for node in int8_nodes)
    for node in int8_nodes:
        assert 0 <= node.share < 1
        assert node.microseconds == pytest.approx(node.share * whole)


def test_nodes_come_in_order_with_their_shapes(int8_nodes: list[NodeTime]) -> None:
    # The batch is 3; the network's strides are in the trainer's `small`, channels last here.
    convolutions = [node.shape for node in int8_nodes if node.operator == "QLinearConv"]
    assert convolutions == [
        (3, 28, 7, 16),
        (3, 14, 7, 16),
        (3, 7, 7, 32),
        (3, 7, 7, 32),
        (3, 5, 5, 32),
    ]
    assert int8_nodes[-2].operator == "Softmax"
    assert int8_nodes[-2].shape == (3, 10)


def test_table_has_a_row_for_each_node(
    int8_nodes: list[NodeTime], capsys: pytest.CaptureFixture[str]
) -> None:
    print_profile(int8_nodes)
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1 + len(int8_nodes)
    assert "3 x 14 x 7 x 16" in shown.out
    assert OUTSIDE in shown.out.splitlines()[-1]
    assert "slows" in shown.err


def test_zero_runs_are_refused(test_digits: Digits) -> None:
    with pytest.raises(UsageError, match="0 runs"):
        profile(BenchTarget.load("mnist-edge-int8"), test_digits[0][:1], runs=0)
