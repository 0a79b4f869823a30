"""The exported C on this machine against onnxruntime's call: `python tests/benchmarks/c_speed.py`.

One picture at a time, one thread, in turns; medians. The C is compiled for this processor; what is
timed of onnxruntime is its `run` from Python, as a program calls it.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from mnist_edge.bundled import read_model
from mnist_edge.mnist import load_split
from mnist_edge.runtime import create_session
from mnist_edge_trainer.c_export.c_gate import compiler
from mnist_edge_trainer.c_export.integer_graph import read_graph
from mnist_edge_trainer.c_export.source import sources

SAMPLES = Path(__file__).parents[2] / "samples"
MODELS = ("mnist-edge-pico-int8", "mnist-edge-nano-int8", "mnist-edge-int8")
PICTURES = 200

LOOP = """
#include "mnist_edge.h"
int predict_all(const uint8_t *images, int count, uint8_t *scratch)
{
    uint8_t probabilities[MNIST_EDGE_CLASSES];
    int sum = 0, at;
    for (at = 0; at < count; at++)
        sum += mnist_edge_predict(images + 784 * at, scratch, probabilities);
    return sum;
}
"""


def compiled(model: str, folder: Path, command: str, flags: list[str]) -> Callable[[bytes], int]:
    """The network as a function of pictures; the sum of their digits."""
    graph = read_graph(onnx.load_from_string(read_model(model)), model)
    for name, text in {**sources(graph, model), "loop.c": LOOP}.items():
        (folder / name).write_text(text)
    units = ["mnist_edge.c", "loop.c", "-shared", "-fPIC", "-o", "network.so"]
    subprocess.run([command, *flags, *units], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "network.so"))
    scratch = ctypes.create_string_buffer(1 << 20)
    return lambda images: int(library.predict_all(images, len(images) // 784, scratch))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--flags", default="-O3 -march=native")
    options = parser.parse_args()
    command = compiler()
    assert command is not None, "there is no C compiler"
    images = load_split(SAMPLES, "test")[0][:PICTURES]
    content = images.tobytes()
    for model in MODELS:
        session = create_session(read_model(model))
        singles = [image[np.newaxis, np.newaxis] for image in images]
        with tempfile.TemporaryDirectory() as folder:
            in_c = compiled(model, Path(folder), command, options.flags.split())
            times: list[tuple[float, float]] = []
            for _ in range(options.rounds):
                begun = time.perf_counter()
                total = in_c(content)
                between = time.perf_counter()
                found = [session.run(None, {"image": image})[0].argmax() for image in singles]
                done = time.perf_counter()
                assert total == sum(found)
                times.append(
                    ((between - begun) * 1e6 / PICTURES, (done - between) * 1e6 / PICTURES)
                )
        ours, theirs = (statistics.median(row[side] for row in times) for side in (0, 1))
        print(f"{model}: C {ours:.1f} us, onnxruntime {theirs:.1f} us: {ours / theirs:.2f} x")


if __name__ == "__main__":
    main()
