"""Where the time of one call goes, node by node, told by onnxruntime's own profiler.

The profiler writes an event for every node it runs, which takes about as long as a small node:
a call is slower under it, and what it costs is counted outside of the nodes. Times of nodes are
for comparing nodes with one another; how long a call takes is measured without it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mnist_edge.bench.targets import Subject
from mnist_edge.errors import UsageError
from mnist_edge.mnist import Bytes
from mnist_edge.model import create_session
from mnist_edge.outputs.tables import print_table

__all__ = ["OUTSIDE", "NodeTime", "print_profile", "profile"]

OUTSIDE = "outside of the nodes"
"""Name of what is no node: the binding, the session, and the profiler itself."""

_WARM_UP = 20
_SUFFIX = "_kernel_time"
_HALF_MICROSECOND = 0.5


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph that onnxruntime runs, after its own optimisation.

    Attributes:
        name: as onnxruntime calls it; `OUTSIDE` for what is no node.
        operator: ``QLinearConv``, ``Softmax``, ...; empty for what is no node.
        provider: the execution provider that ran it; empty for what is no node.
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


def profile(subject: Subject, images: Bytes, runs: int = 200) -> list[NodeTime]:
    """Times the nodes of a model in a session of its own.

    Args:
        subject: what to profile, with its threads and its provider.
        images: uint8 ``[N, 28, 28]``: what each call is given.
        runs: calls, after a warm-up.

    Returns:
        the nodes in the order in which they run, then `OUTSIDE`: the median of the whole call,
        seen from Python, less the nodes' medians.

    Raises:
        UsageError: fewer runs than one.
        ModelError: onnxruntime failed.
    """
    if runs < 1:
        raise UsageError(f"{runs} runs: there must be 1 at least")
    feed = subject.feed(images)
    with tempfile.TemporaryDirectory() as folder:
        session = create_session(
            subject.content, subject.threads, subject.provider, profile=f"{folder}/profile"
        )
        profiled = replace(subject, session=session)
        for _ in range(_WARM_UP):
            profiled.run(feed)
        calls = []
        for _ in range(runs):
            start = time.perf_counter_ns()
            profiled.run(feed)
            calls.append(time.perf_counter_ns() - start)
        with open(session.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    nodes = {_key(event): event for event in events if _is_node(event)}
    times = _by_node(events)
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


def print_profile(nodes: Sequence[NodeTime]) -> None:
    """Prints a table of what `profile` found on stdout, and on stderr how to read it."""
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


def _is_node(event: dict[str, Any]) -> bool:
    return event.get("cat") == "Node" and event["name"].endswith(_SUFFIX)


def _key(event: dict[str, Any]) -> tuple[str, str]:
    # Names alone need not differ.
    return event["args"].get("node_index", ""), event["name"]


def _by_node(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """Microseconds of every call, by node; one that a call runs several times is summed."""
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
    """Of whole microseconds, rounded down, as the profiler gives them: finer than they are.

    A node takes a few; the median of groups finds its place within the group by how many are
    below and above.
    """
    return statistics.median_grouped(microseconds, interval=1) + _HALF_MICROSECOND


def _first_shape(outputs: Sequence[dict[str, list[int]]]) -> tuple[int, ...] | None:
    return next((tuple(shape) for output in outputs for shape in output.values()), None)
