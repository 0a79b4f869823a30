"""Times of a network's nodes, and their operators, from onnxruntime's own profiler.

The profiler writes an event for every node it runs, which takes about as long as a small node: a
call is slower under it, and what it costs is counted outside of the nodes. Times of nodes are for
comparing nodes with one another; how long a call takes is measured without it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from mnist_edge.bench.targets import BenchTarget
from mnist_edge.errors import UsageError
from mnist_edge.mnist import Bytes
from mnist_edge.model import INPUT
from mnist_edge.outputs.terminal_table import print_table
from mnist_edge.runtime import create_session, onnxruntime
from mnist_edge.types import SIDE

__all__ = ["OUTSIDE", "NodeTime", "executed_nodes", "print_profile", "profile"]

OUTSIDE = "outside of the nodes"
"""Name of the rest of a call: the binding, the session, and the profiler itself."""

_WARM_UP = 20
"""Calls before those that are timed."""

_SUFFIX = "_kernel_time"
_HALF_MICROSECOND = 0.5

Event = dict[str, Any]


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph that onnxruntime runs, after its own optimisation.

    Attributes:
        name: as onnxruntime calls it; `OUTSIDE` for the rest of the call.
        operator: ``QLinearConv``, ``Softmax``, ...; empty for `OUTSIDE`.
        provider: the execution provider that ran it; empty for `OUTSIDE`.
        microseconds: of one call, median.
        share: of the whole call, 0..1; those of all nodes and of `OUTSIDE` sum to 1.
        shape: of its first output; None where the profiler does not say.
    """

    name: str
    operator: str
    provider: str
    microseconds: float
    share: float
    shape: tuple[int, ...] | None


def profile(target: BenchTarget, images: Bytes, runs: int = 200) -> list[NodeTime]:
    """Times the nodes of a model in a separate session.

    Args:
        target: what to profile, with its threads and its provider.
        images: uint8 ``[N, 28, 28]``: the input of each call.
        runs: number of calls, after a warm-up.

    Returns:
        the nodes in the order in which they run, then `OUTSIDE`: the median of the whole call,
        as Python measures it, less the nodes' medians.

    Raises:
        UsageError: fewer runs than one.
        ModelError: onnxruntime failed.
    """
    if runs < 1:
        raise UsageError(f"{runs} runs: there must be 1 at least")
    feed, calls = target.feed(images), []

    def run(session: onnxruntime.InferenceSession) -> None:
        profiled = replace(target, session=session)
        for _ in range(_WARM_UP):
            profiled.run(feed)
        for _ in range(runs):
            start = time.perf_counter_ns()
            profiled.run(feed)
            calls.append(time.perf_counter_ns() - start)

    events = _profiled_events(
        run, partial(create_session, target.content, target.threads, target.provider)
    )
    nodes = {_key(event): event for event in events if _is_node(event)}
    times = _times_by_node(events)
    medians = {key: _median(times[key][-runs:]) for key in nodes}
    outside = max(0.0, statistics.median(calls) / 1e3 - sum(medians.values()))
    whole = sum(medians.values()) + outside
    rows = [
        NodeTime(
            name=event["name"].removesuffix(_SUFFIX),
            operator=event["args"]["op_name"],
            provider=event["args"].get("provider", ""),
            microseconds=medians[key],
            share=medians[key] / whole,
            shape=_first_shape(event["args"].get("output_type_shape", [])),
        )
        for key, event in nodes.items()
    ]
    return [*rows, NodeTime(OUTSIDE, "", "", outside, outside / whole, None)]


class _Openable(Protocol):
    """A model whose session can be opened again."""

    def open_session(self, profile: str | None = None) -> onnxruntime.InferenceSession:
        """Opens a session; with a profile, if its file's name is given."""


def executed_nodes(
    model: _Openable,
    name: str = INPUT,
    shape: tuple[int, ...] = (1, 1, SIDE, SIDE),
) -> dict[str, int]:
    """Counts the operators that onnxruntime runs for one picture, after its own optimisation.

    The profiler lists them, so that no ONNX library is needed on the device.

    Args:
        model: to run.
        name: of its input, which is uint8.
        shape: of the input.
    """

    def run(session: onnxruntime.InferenceSession) -> None:
        session.run(None, {name: np.zeros(shape, dtype=np.uint8)})

    events = _profiled_events(run, model.open_session)
    return Counter(event["args"]["op_name"] for event in events if _is_node(event))


def print_profile(nodes: Sequence[NodeTime]) -> None:
    """Prints what `profile` measured as a table on stdout, and on stderr how to read it."""
    print(
        "onnxruntime's profiler slows every call down: read the shares, and the times elsewhere",
        file=sys.stderr,
    )
    print_table(
        ["node", "operator", "provider", "output", "µs", "share"],
        (
            [
                node.name,
                node.operator,
                node.provider.removesuffix("ExecutionProvider"),
                "" if node.shape is None else " x ".join(map(str, node.shape)),
                f"{node.microseconds:.1f}",
                f"{node.share:.1%}",
            ]
            for node in nodes
        ),
        words=4,
    )


def _profiled_events(
    run: Callable[[onnxruntime.InferenceSession], None],
    open_session: Callable[[str], onnxruntime.InferenceSession],
) -> list[Event]:
    """Runs a session under the profiler, and reads the events that it wrote.

    Args:
        run: what to do with the session.
        open_session: opens it, given how its profile's name starts.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(f"{folder}/profile")
        run(session)
        with open(session.end_profiling(), encoding="utf-8") as file:
            events: list[Event] = json.load(file)
    return events


def _is_node(event: Event) -> bool:
    return event.get("cat") == "Node" and event["name"].endswith(_SUFFIX)


def _key(event: Event) -> tuple[str, str]:
    # Names alone need not differ.
    return event["args"].get("node_index", ""), event["name"]


def _times_by_node(events: Iterable[Event]) -> dict[tuple[str, str], list[int]]:
    """Microseconds of every call, by node; several executions in one call are summed."""
    times = defaultdict(list)
    call: Counter[tuple[str, str]] = Counter()
    for event in events:
        if _is_node(event):
            call[_key(event)] += event["dur"]
        elif event["name"] == "model_run":
            for key, microseconds in call.items():
                times[key].append(microseconds)
            call.clear()
    return times


def _median(microseconds: Sequence[int]) -> float:
    """The median of times that the profiler rounds down to microseconds, at a finer resolution.

    A node takes a few; the median of groups finds its place within the group by how many are
    below and above.
    """
    return statistics.median_grouped(microseconds, interval=1) + _HALF_MICROSECOND


def _first_shape(outputs: Sequence[dict[str, list[int]]]) -> tuple[int, ...] | None:
    return next((tuple(shape) for output in outputs for shape in output.values()), None)
