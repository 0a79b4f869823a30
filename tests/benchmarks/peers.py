r"""The same trained network under other runtimes: `python tests/benchmarks/peers.py`.

A runtime that is not installed is left out, and reported with the line that installs it. A separate
environment is best: some of them need another torch.

    python -m venv peers && peers/bin/pip install -e '.[train]' openvino ncnn pnnx \\
        ai-edge-litert litert-torch
    peers/bin/python tests/benchmarks/peers.py

Every runtime gets the bundled network's weights, takes one picture as uint8 ``[1, 1, 28, 28]`` of
numpy and gives probabilities float32 ``[1, 10]`` of numpy, on one thread. Scaling, tensors and
copies are up to the runtime, and are timed with it. Before it is timed it must give the predictions
that onnxruntime gives for 1,000 test images. Then all take turns in one process, round by round.
The start is measured in a process of its own: from the runtime's import, after numpy's, to the
first prediction.
"""

from __future__ import annotations

import os

# Before anything reads it: one thread for all.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from peer_runtimes import PEERS, REFERENCES, ROOT, Predict

IMAGES = 1000
WARM_UP = 50
ROUND_NS = 5_000_000


@dataclass(frozen=True)
class Row:
    """Results of one runtime.

    Attributes:
        version: of its package.
        size: of its files, bytes.
        start_ms: from its import to its first prediction.
        changed: predictions of 1,000 that are not onnxruntime's of the same precision.
        difference: largest difference of a probability from those.
        times: nanoseconds of every call.
    """

    version: str
    size: int
    start_ms: float
    changed: int
    difference: float
    times: npt.NDArray[np.int64]


def step(action: str, name: str, folder: Path, limit: float) -> tuple[Any, str]:
    """Prepares or starts a runtime in a process of its own: its result, or why it failed."""
    command = [sys.executable, __file__, "--step", action, "--only", name, "--work", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return None, f"took more than {limit:.0f} s to {action}"
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return None, f"failed to {action} ({lines[-1][:100]})"
    return json.loads(done.stdout.splitlines()[-1]), ""


def run_step(action: str, name: str, folder: Path) -> None:
    """Runs in that process: the last line of stdout is JSON."""
    peer = PEERS[name]
    if action == "prepare":
        peer.prepare(folder)
        print(json.dumps(None))
        return
    image = np.zeros((1, 1, 28, 28), np.uint8)
    begun = time.perf_counter_ns()
    peer.load(folder)(image)
    print(json.dumps((time.perf_counter_ns() - begun) / 1e6))


def missing(packages: Sequence[str]) -> list[str]:
    """The packages that are not installed."""
    return [package for package in packages if not version(package)]


def version(package: str) -> str:
    """The version of a package; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def started(name: str, folder: Path, limit: float) -> tuple[float, str]:
    """Milliseconds that the runtime needs to start; where it cannot, why."""
    peer = PEERS[name]
    is_prepared = all((folder / file).exists() for file in peer.files)
    needed = missing(peer.packages + (() if is_prepared else peer.converters))
    if needed:
        return 0, f"not installed: pip install {' '.join(needed)}"
    if not is_prepared:
        _, reason = step("prepare", name, folder, limit)
        if reason:
            return 0, reason
    return step("start", name, folder, limit)


def differences(
    runtimes: dict[str, Predict], images: npt.NDArray[np.uint8]
) -> dict[str, tuple[int, float]]:
    """Changed predictions and largest difference of each runtime, against onnxruntime."""
    probabilities = {
        name: np.concatenate([predict(image[np.newaxis, np.newaxis]) for image in images])
        for name, predict in runtimes.items()
    }
    result = {}
    for name, rows in probabilities.items():
        reference = probabilities[REFERENCES[PEERS[name].precision]]
        changed = int((rows.argmax(axis=1) != reference.argmax(axis=1)).sum())
        result[name] = changed, float(np.abs(rows - reference).max())
    return result


def time_interleaved(
    runtimes: dict[str, Predict], image: npt.NDArray[np.uint8], rounds: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Nanoseconds of every call of each runtime; all have a turn in each round."""
    for predict in runtimes.values():
        for _ in range(WARM_UP):
            predict(image)
    times: dict[str, list[int]] = {name: [] for name in runtimes}
    for _ in range(rounds):
        for name, predict in runtimes.items():
            end = time.perf_counter_ns() + ROUND_NS
            while (begun := time.perf_counter_ns()) < end:
                predict(image)
                times[name].append(time.perf_counter_ns() - begun)
    return {name: np.array(calls) for name, calls in times.items()}


def print_markdown(rows: dict[str, Row]) -> None:
    """Prints the table of docs/benchmark.md, with further columns."""
    base = float(np.median(rows[REFERENCES["int8"]].times))
    print(
        "| runtime | version | p50 µs | p90 µs | relative | file KiB | start ms "
        "| changed predictions | largest difference |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for name, row in rows.items():
        p50, p90 = (float(ns) / 1e3 for ns in np.percentile(row.times, [50, 90]))
        print(
            f"| {name} | {row.version} | {p50:.1f} | {p90:.1f} | {1e3 * p50 / base:.2f} x "
            f"| {row.size / 1024:.1f} | {row.start_ms:.0f} | {row.changed} of {IMAGES:,} "
            f"| {row.difference:.0e} |"
        )


def compare(names: Sequence[str], work: Path, rounds: int, limit: float) -> dict[str, Row]:
    """Starts, checks and times every runtime that is installed; reports the others on stderr."""
    from mnist_edge.mnist import load_split

    starts = {}
    for name in names:
        folder = work / name.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{name} ...", file=sys.stderr)
        milliseconds, reason = started(name, folder, limit)
        if reason:
            print(f"  left out: {reason}", file=sys.stderr)
            continue
        starts[name] = folder, milliseconds
    images = load_split(ROOT / "samples", "test")[0][:IMAGES].copy()  # torch wants to own it
    runtimes = {name: PEERS[name].load(folder) for name, (folder, _) in starts.items()}
    checks = differences(runtimes, images)
    for name, (changed, difference) in checks.items():
        if changed > PEERS[name].changed or difference > PEERS[name].bound:
            print(
                f"{name}\n  left out: {changed} other predictions than onnxruntime's, "
                f"probabilities up to {difference:.1e} away",
                file=sys.stderr,
            )
            del runtimes[name]
    times = time_interleaved(runtimes, images[:1, np.newaxis], rounds)
    return {
        name: Row(
            version=version(PEERS[name].packages[0]),
            size=sum((starts[name][0] / file).stat().st_size for file in PEERS[name].files),
            start_ms=starts[name][1],
            changed=checks[name][0],
            difference=checks[name][1],
            times=times[name],
        )
        for name in runtimes
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument(
        "--work", type=Path, help="keeps the converted files here, and takes them from here"
    )
    parser.add_argument("--limit", type=float, default=120, help="seconds for one conversion")
    parser.add_argument("--step", choices=("prepare", "start"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(options.step, options.only[0], options.work)
        return
    # The two that the others are compared with are always measured.
    names = [name for name in PEERS if name in {*options.only, *REFERENCES.values()}]
    with tempfile.TemporaryDirectory() as folder:
        # torch.compile starts without its cache, so that the whole start is measured.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "inductor")
        rows = compare(names, options.work or Path(folder), options.rounds, options.limit)
    print_markdown(rows)


if __name__ == "__main__":
    main()
