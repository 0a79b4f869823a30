"""How fast, how large, how right: several models side by side in one process.

Rounds are interleaved: every model is timed in every round, so that what else the machine does,
and how warm it is, falls on all alike.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from mnist_edge.contract import DIGITS
from mnist_edge.errors import ModelError
from mnist_edge.mnist import Bytes, find_dataset, load_split
from mnist_edge.model import load_session

__all__ = ["BenchmarkRow", "Latency", "device_facts", "load_test_digits", "run_benchmark"]

_ROUNDS = 40
_WARM_UP = 30
_ROUND_NS = 5_000_000
"""Time that one model gets in one round, nanoseconds: long beside the clock, short beside drift."""


@dataclass(frozen=True)
class Latency:
    """Microseconds that one call of the session takes."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class BenchmarkRow:
    """One model with one number of threads.

    Attributes:
        model: its name or path.
        threads: within one operator.
        size_bytes: of the file.
        load_ms: from bytes to a session that has answered once, in a fresh process, milliseconds.
        peak_memory_mib: of that process, Python and onnxruntime included; None where the system
            does not tell.
        latency: of one picture.
        relative: its p50 over that of the first row.
        throughput: pictures per second, by batch size.
        accuracy: top-1 on MNIST's test images, fraction; None where they are not at hand, or the
            model's classes are not the ten digits.
    """

    model: str
    threads: int
    size_bytes: int
    load_ms: float
    peak_memory_mib: float | None
    latency: Latency
    relative: float
    throughput: dict[int, float]
    accuracy: float | None


def run_benchmark(
    names: Sequence[str],
    *,
    threads: Sequence[int] = (1,),
    batch_sizes: Sequence[int] = (1, 32, 256),
    digits: tuple[Bytes, Bytes] | None = None,
) -> list[BenchmarkRow]:
    """Measures every model with every number of threads.

    Args:
        names: bundled models' names, or paths of ONNX files: ours, and for comparison any other
            that takes one 28 x 28 picture as uint8 in 0..255 or as float32 in 0..1. The first is
            what the rest is compared with.
        threads: numbers of threads within one operator.
        batch_sizes: to measure throughput with, where the model's batch is free.
        digits: images uint8 ``[N, 28, 28]`` and labels uint8 ``[N]``, to measure accuracy on.

    Raises:
        ModelError: a model cannot be loaded, or takes no 28 x 28 picture.
    """
    subjects = [_Subject.load(name, count) for name in names for count in threads]
    images = _example_images(digits)
    times = {
        size: _interleaved(
            [subject for subject in subjects if subject.batch in (None, size)],
            np.resize(images, (size, 28, 28)),
        )
        for size in {1, *batch_sizes}
    }
    base = float(np.median(times[1][subjects[0]]))
    return [_row(subject, times, batch_sizes, base, digits) for subject in subjects]


def _row(
    subject: _Subject,
    times: dict[int, dict[_Subject, npt.NDArray[np.int64]]],
    batch_sizes: Sequence[int],
    base: float,
    digits: tuple[Bytes, Bytes] | None,
) -> BenchmarkRow:
    load_ms, peak = _measure_start(subject)
    p50, p90, p99 = (float(ns) / 1e3 for ns in np.percentile(times[1][subject], [50, 90, 99]))
    return BenchmarkRow(
        model=subject.name,
        threads=subject.threads,
        size_bytes=len(subject.content),
        load_ms=load_ms,
        peak_memory_mib=peak,
        latency=Latency(p50, p90, p99),
        relative=float(np.median(times[1][subject])) / base,
        throughput={
            size: size * 1e9 / float(np.median(times[size][subject]))
            for size in batch_sizes
            if subject in times[size]
        },
        accuracy=_accuracy(subject, *digits) if digits and subject.tells_digits else None,
    )


@dataclass(frozen=True, eq=False)
class _Subject:
    """A model under test, and how a picture gets into it.

    Attributes:
        batch: pictures that one call takes; None = any number.
    """

    name: str
    threads: int
    content: bytes
    session: onnxruntime.InferenceSession
    batch: int | None

    @classmethod
    def load(cls, name: str, threads: int) -> _Subject:
        content, session = load_session(name, threads)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or not _takes_one_picture(inputs[0].type, inputs[0].shape):
            found = ", ".join(f"{node.name}: {node.type} {node.shape}" for node in inputs)
            raise ModelError(
                f"{name}: cannot be compared; it must take 28 x 28 pictures, one at a time or any "
                f"number, and takes {found or 'nothing'}"
            )
        shape = outputs[0].shape
        if len(shape) != 2 or not isinstance(shape[1], int) or shape[1] < 2:
            raise ModelError(
                f"{name}: cannot be compared; its first output must be [batch, classes], two "
                f"classes at least, and is {shape}"
            )
        batch = inputs[0].shape[0]
        return cls(name, threads, content, session, batch if isinstance(batch, int) else None)

    @property
    def tells_digits(self) -> bool:
        """Whether its classes are the ten digits, as far as it says."""
        digits = ",".join(DIGITS)
        stated = self.session.get_modelmeta().custom_metadata_map.get("labels", digits)
        classes = self.session.get_outputs()[0].shape[1]
        return bool(stated == digits and classes == len(DIGITS))

    def feed(self, images: Bytes) -> dict[str, npt.NDArray[np.generic]]:
        """uint8 ``[N, 28, 28]`` as this model takes it."""
        node = self.session.get_inputs()[0]
        batch = np.ascontiguousarray(images).reshape(len(images), *node.shape[1:])
        if node.type == "tensor(float)":
            return {node.name: batch.astype(np.float32) / 255}
        return {node.name: batch}


def _takes_one_picture(kind: str, shape: Sequence[int | str | None]) -> bool:
    if kind not in ("tensor(uint8)", "tensor(float)") or len(shape) < 2:
        return False
    batch, *picture = shape
    sizes = [size for size in picture if isinstance(size, int)]
    return (
        (batch == 1 or not isinstance(batch, int))
        and len(sizes) == len(picture)
        and int(np.prod(sizes)) == 28 * 28
    )


def load_test_digits(
    directory: Path | None,
) -> tuple[Bytes, Bytes] | None:
    """MNIST's test images and labels from `directory`; None where it is None and there are none.

    Raises:
        DatasetError: they are damaged, or missing from a folder that was named.
    """
    if directory is None:
        directory = Path("samples")
        if not find_dataset(directory, "test"):
            return None
    return load_split(directory, "test")


def device_facts() -> dict[str, str]:
    """The machine and the libraries that a figure was measured with."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "execution_providers": ", ".join(onnxruntime.get_available_providers()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _example_images(digits: tuple[Bytes, Bytes] | None) -> Bytes:
    """Real digits where there are any; the arithmetic takes as long on others."""
    if digits is not None:
        return digits[0]
    return np.random.default_rng(0).integers(0, 256, (256, 28, 28), dtype=np.uint8)


def _interleaved(
    subjects: Sequence[_Subject], images: Bytes
) -> dict[_Subject, npt.NDArray[np.int64]]:
    """Nanoseconds of every call of the session, by model; making its input is not counted."""
    feeds = {subject: subject.feed(images) for subject in subjects}
    for subject, feed in feeds.items():
        for _ in range(_WARM_UP):
            subject.session.run(None, feed)
    times: dict[_Subject, list[int]] = {subject: [] for subject in subjects}
    for _ in range(_ROUNDS):
        for subject, feed in feeds.items():
            times[subject] += _time_calls(subject.session, feed)
    return {subject: np.array(own) for subject, own in times.items()}


def _time_calls(
    session: onnxruntime.InferenceSession, feed: dict[str, npt.NDArray[np.generic]]
) -> list[int]:
    """Calls for one round's time, at least once."""
    times: list[int] = []
    end = time.perf_counter_ns() + _ROUND_NS
    while not times or time.perf_counter_ns() < end:
        start = time.perf_counter_ns()
        session.run(None, feed)
        times.append(time.perf_counter_ns() - start)
    return times


def _accuracy(subject: _Subject, images: Bytes, labels: Bytes) -> float:
    size = subject.batch or 500
    batches = np.split(images, range(size, len(images), size))
    answers = [
        subject.session.run(None, subject.feed(batch))[0].argmax(axis=1) for batch in batches
    ]
    return float((np.concatenate(answers) == labels).mean())


_START_PROBE = """
import json, sys, time
import numpy
from mnist_edge.model import create_session
content = sys.stdin.buffer.read()
start = time.perf_counter_ns()
session = create_session(content, int(sys.argv[1]))
node = session.get_inputs()[0]
kind = numpy.uint8 if node.type == "tensor(uint8)" else numpy.float32
session.run(None, {node.name: numpy.zeros((1, *node.shape[1:]), dtype=kind)})
elapsed = time.perf_counter_ns() - start
try:
    # Not getrusage: its maximum survives exec, so it would count the parent's memory.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = int(status["VmHWM"].split()[0]) / 1024
except OSError:
    peak = None
print(json.dumps([elapsed / 1e6, peak]))
"""


def _measure_start(subject: _Subject) -> tuple[float, float | None]:
    """Milliseconds to load and answer once, and peak MiB, in a process that does nothing else."""
    probe = subprocess.run(
        [sys.executable, "-c", _START_PROBE, str(subject.threads)],
        input=subject.content,
        capture_output=True,
        check=False,
    )
    if probe.returncode != 0:
        reason = probe.stderr.decode(errors="replace").strip().splitlines()[-1]
        raise ModelError(f"{subject.name}: cannot be loaded in a fresh process ({reason})")
    milliseconds, peak = json.loads(probe.stdout)
    return milliseconds, peak
