"""What `mnist-edge serve` costs beside the parts under it: `python tests/benchmarks/serving.py`.

- From a cold start to the first answer over HTTP, against `mnist-edge predict` of the same picture.
- Resident memory at rest, against the peak of that `predict`; the size of the extra's packages.
- Requests a second of `POST /predict` with a PNG of 28 x 28, from another process that keeps its
  connections, against an empty `POST` that the same stack answers without doing anything.
- Twice the requests that it can answer: how many get 503, and how long the others wait.
- What a batch across requests could save: the network's time for an image alone, and in a batch.

Needs `wrk` and `hey` (Debian's packages have these names), and an idle machine. Ratios are of runs
that take turns; the medians of both are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mnist_edge import DigitClassifier

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURE = SAMPLES / "7-mnist.png"
PROGRAM = [sys.executable, "-m", "mnist_edge"]

PACKAGES = (
    *("starlette", "uvicorn", "python-multipart", "segno"),
    *("anyio", "idna", "h11", "click"),  # what these need, beside what the program has anyway
)

EMPTY = """
import socket, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def nothing(request):
    await request.body()
    return Response(b"{}", media_type="application/json")
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen(128)
print(f"serving on http://127.0.0.1:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
app = Starlette(routes=[Route("/predict", nothing, methods=["POST"])])
config = uvicorn.Config(app, loop="asyncio", http="h11", log_config=None, access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""


@contextlib.contextmanager
def serving(*command: str) -> Iterator[tuple[str, int]]:
    """Address and process of a server."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+:\d+", process.stderr.readline())
        assert found is not None
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def ours(*options: str) -> list[str]:
    return [*PROGRAM, "serve", "--port", "0", *options]


def first_answer() -> tuple[float, float]:
    """Seconds from a server's start to its first answer, and MiB that it then rests in."""
    started = time.perf_counter()
    with serving(*ours()) as (url, pid):
        # urllib: another client would take as long to get ready as the server.
        request = urllib.request.Request(f"{url}/predict", PICTURE.read_bytes(), method="POST")
        with urllib.request.urlopen(request) as response:
            assert json.load(response)["digit"] == 7
        return time.perf_counter() - started, resident(pid)


def resident(pid: int) -> float:
    """Resident memory of a process, MiB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def predict() -> tuple[float, float]:
    """Seconds and peak MiB of one `mnist-edge predict`."""
    started = time.perf_counter()
    process = subprocess.Popen([*PROGRAM, "predict", str(PICTURE)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert not status
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def in_turn(
    rounds: int, one: Callable[[], tuple[float, float]], other: Callable[[], tuple[float, float]]
) -> list[list[float]]:
    """Medians of both, after a round to warm up."""
    runs = [(one(), other()) for _ in range(rounds + 1)][1:]
    return [
        [statistics.median(run[side][part] for run in runs) for part in (0, 1)] for side in (0, 1)
    ]


def requests_per_second(url: str, script: Path, seconds: int) -> float:
    done = subprocess.run(
        ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", str(script), f"{url}/predict"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def wrk_script(folder: Path) -> Path:
    """What wrk is to send."""
    (folder / "7.png").write_bytes(PICTURE.read_bytes())
    script = folder / "post.lua"
    script.write_text(
        f'local file = io.open("{folder / "7.png"}", "rb")\n'
        'wrk.method, wrk.body = "POST", file:read("*a")\n'
        'wrk.headers["Content-Type"] = "application/octet-stream"\n'
    )
    return script


def overload(url: str, capacity: float, seconds: int) -> tuple[dict[str, int], float]:
    """Responses by status at twice the capacity, and the 99th percentile of seconds."""
    connections = 64
    rate = max(1, round(2 * capacity / connections))
    done = subprocess.run(
        [
            *("hey", "-z", f"{seconds}s", "-c", str(connections), "-q", str(rate), "-m", "POST"),
            *("-T", "application/octet-stream", "-D", str(PICTURE), f"{url}/predict"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    statuses = {code: int(n) for code, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", done.stdout)}
    slow = re.search(r"99% in ([\d.]+) secs", done.stdout)
    assert slow is not None, done.stdout
    return statuses, float(slow[1])


def package_sizes() -> dict[str, float]:
    """MB of each package of the extra, as installed, without bytecode."""
    sizes = {}
    for name in PACKAGES:
        files = importlib.metadata.files(name) or []
        sizes[name] = sum(file.size or 0 for file in files if file.suffix != ".pyc") / 1e6
    return sizes


def network_times(rounds: int) -> dict[int, float]:
    """Microseconds an image, by the size of the batch."""
    model = DigitClassifier().model
    times = {}
    for size in (1, 8, 32):
        images = np.zeros((size, 28, 28), np.uint8)
        taken = []
        for _ in range(100 * rounds):
            started = time.perf_counter()
            model.run(images)
            taken.append(time.perf_counter() - started)
        times[size] = 1e6 * statistics.median(taken) / size
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4, help="of each load")
    options = parser.parse_args()
    (start, rest), (one, peak) = in_turn(options.rounds, first_answer, predict)
    print(f"first answer   {start:.3f} s, predict {one:.3f} s: {start / one:.2f} x")
    print(f"memory         {rest:.1f} MiB at rest, predict {peak:.1f} MiB: {rest / peak:.2f} x")
    sizes = package_sizes()
    print(f"extra          {sum(sizes.values()):.1f} MB: {json.dumps(sizes)}")
    with tempfile.TemporaryDirectory() as name:
        script = wrk_script(Path(name))
        with serving(*ours()) as (url, _), serving(sys.executable, "-c", EMPTY) as (empty, _):
            loads = [
                [requests_per_second(address, script, options.seconds) for address in (url, empty)]
                for _ in range(options.rounds)
            ]
            mine, bare = (statistics.median(load[side] for load in loads) for side in (0, 1))
            print(f"POST /predict  {mine:.0f}/s, empty {bare:.0f}/s: {mine / bare:.0%}")
            statuses, slow = overload(url, mine, options.seconds)
            print(f"twice as many  {statuses}, p99 {1e3 * slow:.0f} ms")
    times = network_times(options.rounds)
    shown = ", ".join(f"{times[size]:.1f} us in a batch of {size}" for size in times)
    print(f"network        {shown}; a request takes {1e6 / mine:.0f} us in all")


if __name__ == "__main__":
    main()
