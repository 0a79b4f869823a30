"""What `mnist-edge predict` costs beside the parts under it: `python tests/benchmarks/volume.py`.

Every figure is a ratio of two whole processes that take turns; the medians of both are shown.
Memory is the peak of the process that was started. This one stays small: on Linux, a process begins
with the peak of whoever started it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples"
PREDICT = [
    *(str(Path(sys.executable).with_name("mnist-edge")), "predict"),
    *("--min-confidence", "0"),  # a prediction that is rejected is an error
]

WRITE_PICTURES = """
import os, sys
from pathlib import Path
from PIL import Image
from mnist_edge.mnist import load_split
folder, count = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir()
images, _ = load_split(sys.argv[3], "test")
for number in range(count):
    path = folder / f"{number:06}.png"
    if number < len(images):
        Image.fromarray(images[number]).save(path)
    else:
        os.link(folder / f"{number % len(images):06}.png", path)
"""

FACTS = """
import sys
from pathlib import Path
from mnist_edge.mnist import find_dataset
from mnist_edge.model import bundled_models
from mnist_edge.batch.worker_pool import available_cores
print(next(iter(bundled_models().values())))
print(find_dataset(Path(sys.argv[1]), "test")[0])
print(available_cores())
"""

BARE_ONE = """
import sys
import numpy as np, onnxruntime
from PIL import Image
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
image = np.asarray(Image.open(sys.argv[2]).convert("L"))[np.newaxis, np.newaxis]
print(session.run(None, {"image": image})[0].argmax())
"""

DECODE_ALL = """
import os, sys
from PIL import Image
def decode(names):
    for name in names:
        with Image.open(name) as image:
            image.load()
folder, workers = sys.argv[1], int(sys.argv[2])
names = sorted(entry.path for entry in os.scandir(folder))
children = []
for number in range(1, workers):
    child = os.fork()
    if child == 0:
        decode(names[number::workers])
        os._exit(0)
    children.append(child)
decode(names[::workers])
for child in children:
    os.waitpid(child, 0)
"""

RUN_ALL = """
import gzip, sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
with (gzip.open if sys.argv[2].endswith(".gz") else open)(sys.argv[2], "rb") as file:
    content = file.read()
images = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)
for start in range(0, len(images), 64):
    session.run(None, {"image": images[start : start + 64]})
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and MiB at the peak of one run, whose output is thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def compare(title: str, ours: list[str], theirs: list[str], rounds: int) -> None:
    """Prints how many times the time and memory of `theirs` `ours` takes."""
    runs: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    measured(ours), measured(theirs)
    for _ in range(rounds):
        for command, taken in zip((ours, theirs), runs, strict=True):
            taken.append(measured(command))
    mine, bare = (
        [statistics.median(run[part] for run in taken) for part in (0, 1)] for taken in runs
    )
    print(f"{title}")
    print(f"  time    {mine[0]:7.3f} s    against {bare[0]:7.3f} s    {mine[0] / bare[0]:.2f} x")
    print(f"  memory  {mine[1]:7.1f} MiB  against {bare[1]:7.1f} MiB  {mine[1] / bare[1]:.2f} x")


def asked(code: str, *arguments: str) -> list[str]:
    """The lines that some Python prints, in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()


def killed_and_resumed(folder: Path, work: Path, kills: int) -> None:
    """Kills a run again and again, then lets it finish: the file must be the uninterrupted one."""
    whole, output = work / "whole.jsonl", work / "answers.jsonl"
    command = [*PREDICT, str(folder), "--format", "jsonl", "--output"]
    seconds, _ = measured([*command, str(whole)])
    chance = random.Random(0)
    done = different = 0
    while done < kills:
        process = subprocess.Popen([*command, str(output), "--resume"], stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.1, 1.1) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
        if output.exists():
            different += output.read_bytes() != whole.read_bytes()
            output.unlink()
    subprocess.run([*command, str(output), "--resume"], check=True)
    different += output.read_bytes() != whole.read_bytes()
    print(f"killed {done} times and resumed: {different} outputs differ from the uninterrupted one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    python = [sys.executable, "-c"]
    model, idx, workers = asked(FACTS, str(SAMPLES))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for count in (1_000, 10_000, 100_000):
            asked(WRITE_PICTURES, str(work / str(count)), str(count), str(SAMPLES))
        one = str(work / "1000" / "000000.png")
        compare(
            "one picture, against a bare script",
            [*PREDICT, one],
            [*python, BARE_ONE, model, one],
            2 * options.rounds,
        )
        folder = str(work / "10000")
        compare(
            f"10,000 PNG to JSON Lines, against {workers} processes that decode them with Pillow",
            [*PREDICT, folder, "--format", "jsonl"],
            [*python, DECODE_ALL, folder, workers],
            options.rounds,
        )
        compare(
            "MNIST's test file to JSON Lines, against session.run in batches of 64",
            [*PREDICT, idx, "--format", "jsonl"],
            [*python, RUN_ALL, model, idx],
            options.rounds,
        )
        compare(
            "100,000 files, against 1,000",
            [*PREDICT, str(work / "100000"), "--format", "jsonl"],
            [*PREDICT, str(work / "1000"), "--format", "jsonl"],
            1,
        )
        killed_and_resumed(work / "10000", work, options.kills)


if __name__ == "__main__":
    main()
