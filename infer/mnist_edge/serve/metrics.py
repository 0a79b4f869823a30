"""Counters of the server, in Prometheus' text format.

Prometheus, "Exposition formats", text format 0.0.4. Its own client library would add half to the
time that the server takes to start, and 13 MiB.
"""

from __future__ import annotations

import bisect
import itertools
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of seconds."""


class Metrics:
    """Counts requests and what was answered; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._bytes = 0

    def add_request(self, path: str, status: int, seconds: float, received: int) -> None:
        """Counts a request.

        Args:
            path: of its route, not what the client asked for: there must be few of them.
            status: of the response.
            seconds: from its headers to the response's end.
            received: bytes of its body.
        """
        with self._lock:
            self._requests[path, status] += 1
            buckets = self._seconds.setdefault(path, [0] * (len(_BOUNDS) + 1))
            buckets[bisect.bisect_left(_BOUNDS, seconds)] += 1
            self._sums[path] += seconds  # type: ignore[assignment]  # a Counter adds floats too
            self._bytes += received

    def add_answers(self, digits: Iterable[str], rejected: int, kind: str) -> None:
        """Counts digits that were predicted or read, and pictures without an answer."""
        with self._lock:
            self._answers.update(digits)
            self._rejected[kind] += rejected

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The whole page.

        Args:
            gauges: further values by name, each with its help.
        """
        with self._lock:
            lines = [
                *_head("mnist_edge_requests_total", "counter", "Requests by path and status."),
                *(
                    f'mnist_edge_requests_total{{path="{path}",status="{status}"}} {count}'
                    for (path, status), count in sorted(self._requests.items())
                ),
                *self._histogram(),
                *_head("mnist_edge_digits_total", "counter", "Digits that were answered."),
                *(
                    f'mnist_edge_digits_total{{digit="{digit}"}} {count}'
                    for digit, count in sorted(self._answers.items())
                ),
                *_head("mnist_edge_rejected_total", "counter", "Pictures without an answer."),
                *(
                    f'mnist_edge_rejected_total{{task="{kind}"}} {count}'
                    for kind, count in sorted(self._rejected.items())
                ),
                *_head("mnist_edge_received_bytes_total", "counter", "Bytes of bodies."),
                f"mnist_edge_received_bytes_total {self._bytes}",
            ]
        for name, (text, value) in gauges.items():
            lines += [*_head(name, "gauge", text), f"{name} {value:g}"]
        if (memory := resident_bytes()) is not None:
            name = "process_resident_memory_bytes"
            lines += [*_head(name, "gauge", "Resident memory."), f"{name} {memory}"]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "mnist_edge_request_seconds"
        lines = _head(name, "histogram", "Seconds that requests took.")
        for path, buckets in sorted(self._seconds.items()):
            totals = list(itertools.accumulate(buckets))
            bounds = [*map(str, _BOUNDS), "+Inf"]
            lines += [
                f'{name}_bucket{{path="{path}",le="{bound}"}} {total}'
                for bound, total in zip(bounds, totals, strict=True)
            ]
            lines.append(f'{name}_sum{{path="{path}"}} {self._sums[path]:.6f}')
            lines.append(f'{name}_count{{path="{path}"}} {totals[-1]}')
        return lines


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
