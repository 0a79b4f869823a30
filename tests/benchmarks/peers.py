"""The same trained network under other runtimes: `python tests/benchmarks/peers.py`.

What is not installed is named with the line that installs it, and left out; an environment of its
own is best, for some of these ask for a torch of their own.

    python -m venv peers && peers/bin/pip install -e '.[train]' openvino ncnn pnnx \\
        ai-edge-litert litert-torch
    peers/bin/python tests/benchmarks/peers.py

Every runtime gets the bundled network's weights, takes one picture as uint8 ``[1, 1, 28, 28]`` of
numpy and gives probabilities float32 ``[1, 10]`` of numpy, on one thread. What is between (scaling,
tensors, copies) is the runtime's own and is timed with it. Before it is timed it must give the
answers that onnxruntime gives for 1,000 test images. Then all take turns in one process, round by
round. Start is counted in a process of its own: from the runtime's import, numpy being there, to
the first answer.
"""

from __future__ import annotations

import os

# Before anything reads it: one thread for all.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]
IMAGES = 1000
WARM_UP = 50
ROUND_NS = 5_000_000

Answer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Peer:
    """A runtime, and how our network gets into it.

    Attributes:
        packages: what it runs with, as pip calls it; the first one's version is told.
        converters: what makes its files besides, where they are not there yet.
        files: its files' names.
        prepare: writes them into a folder.
        load: opens them, from that folder, ready to answer.
        bound: largest difference of a probability from onnxruntime's of the same precision.
        changed: most answers of 1,000 that may be others than those.
    """

    packages: tuple[str, ...]
    converters: tuple[str, ...]
    files: tuple[str, ...]
    prepare: Callable[[Path], None]
    load: Callable[[Path], Answer]
    precision: str = "fp32"
    bound: float = 1e-4
    changed: int = 0


def copy_bundled(name: str) -> Callable[[Path], None]:
    def copy(folder: Path) -> None:
        shutil.copyfile(ROOT / "models" / name, folder / name)

    return copy


def load_onnxruntime(name: str) -> Callable[[Path], Answer]:
    def load(folder: Path) -> Answer:
        from mnist_edge.model import INPUT, OUTPUT, create_session

        session = create_session((folder / name).read_bytes())
        return lambda image: np.asarray(session.run([OUTPUT], {INPUT: image})[0])

    return load


def save_weights(folder: Path) -> None:
    import torch

    torch.save(
        torch_network(bundled_weights(), byte_input=True).state_dict(), folder / "weights.pt"
    )


def bundled_weights() -> dict[str, Any]:
    """The released file's, batch norm folded into the convolutions, as tensors of torch."""
    import onnx
    import torch

    model = onnx.load(ROOT / "models" / "mnist-edge-fp32.onnx")
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    weights = {}
    for name, array in arrays.items():
        if name.startswith("network."):
            # The exporter names the bias of a folded batch norm so.
            name = name.removeprefix("network.").replace(".weight_bias", ".bias")
            weights[f"network.{name}"] = torch.tensor(array)
    return weights


def torch_network(weights: dict[str, Any], byte_input: bool) -> Any:
    """The default network as it is exported: bytes or 0..1 in, probabilities out."""
    import torch
    from torch import nn

    from mnist_edge_trainer.architectures.registry import DEFAULT_ARCHITECTURE, build

    class Exported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = build(DEFAULT_ARCHITECTURE)
            for block in self.network.features[1:]:
                block[0].bias = nn.Parameter(torch.zeros(block[0].out_channels))
                block[1] = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if byte_input:
                images = images.to(torch.float32) / 255
            return torch.softmax(self.network(images), dim=1)

    exported = Exported()
    exported.load_state_dict(weights)
    return exported.eval().requires_grad_(False)


def load_torch(compiled: bool) -> Callable[[Path], Answer]:
    def load(folder: Path) -> Answer:
        import torch

        torch.set_num_threads(1)
        weights = torch.load(folder / "weights.pt", weights_only=True)
        network = torch_network(weights, byte_input=True)
        return of_torch(torch.compile(network) if compiled else network)

    return load


def of_torch(network: Any) -> Answer:
    import torch

    def answer(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(image)).numpy())

    return answer


def trace(folder: Path) -> None:
    import torch

    network = torch_network(bundled_weights(), byte_input=True)
    traced = torch.jit.trace(network, torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
    torch.jit.save(torch.jit.freeze(traced), folder / "traced.pt")


def load_traced(folder: Path) -> Answer:
    import torch

    torch.set_num_threads(1)
    return of_torch(torch.jit.optimize_for_inference(torch.jit.load(folder / "traced.pt")))


def convert_litert(folder: Path) -> None:
    import litert_torch
    import torch

    network = torch_network(bundled_weights(), byte_input=True)
    example = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    litert_torch.convert(network, (example,)).export(str(folder / "model.tflite"))


def load_litert(folder: Path) -> Answer:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(result["index"]))

    return answer


def load_openvino(name: str) -> Callable[[Path], Answer]:
    def load(folder: Path) -> Answer:
        import openvino

        core = openvino.Core()
        model = core.read_model(folder / name)
        model.reshape([1, 1, 28, 28])
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": 1,
            # Nothing else here is bound to a core.
            "ENABLE_CPU_PINNING": False,
            # It would round to bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = core.compile_model(model, "CPU", options).create_infer_request()

        def answer(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            request.infer([image], share_inputs=True)
            return np.array(request.get_output_tensor().data)

        return answer

    return load


def convert_ncnn(folder: Path) -> None:
    import pnnx
    import torch

    network = torch_network(bundled_weights(), byte_input=False)
    path = str(folder / "model.pt")
    pnnx.export(network, path, (torch.zeros(1, 1, 28, 28),), fp16=False)


def load_ncnn(folder: Path) -> Answer:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    # Its default keeps weights and activations in 16 bits, where the others have 32.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(folder / "model.ncnn.param"))
    net.load_model(str(folder / "model.ncnn.bin"))

    def answer(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # It takes floats alone.
        picture = image[0].astype(np.float32) / 255
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(picture))
        _, result = extractor.extract("out0")
        return np.array(result)[np.newaxis]

    return answer


FP32, INT8 = "mnist-edge-fp32.onnx", "mnist-edge-int8.onnx"
REFERENCES = {"int8": "onnxruntime int8", "fp32": "onnxruntime fp32"}
TORCH = ("torch",)
PEERS = {
    REFERENCES["int8"]: Peer(
        ("onnxruntime",), (), (INT8,), copy_bundled(INT8), load_onnxruntime(INT8), "int8"
    ),
    REFERENCES["fp32"]: Peer(
        ("onnxruntime",), (), (FP32,), copy_bundled(FP32), load_onnxruntime(FP32)
    ),
    "torch eager": Peer(TORCH, ("onnx",), ("weights.pt",), save_weights, load_torch(False)),
    "torch.compile": Peer(TORCH, ("onnx",), ("weights.pt",), save_weights, load_torch(True)),
    "torch.jit, frozen": Peer(TORCH, ("onnx",), ("traced.pt",), trace, load_traced),
    "LiteRT fp32": Peer(
        ("ai-edge-litert",),
        ("litert-torch", "onnx"),
        ("model.tflite",),
        convert_litert,
        load_litert,
    ),
    "OpenVINO fp32": Peer(("openvino",), (), (FP32,), copy_bundled(FP32), load_openvino(FP32)),
    # Its integer kernels round otherwise in places.
    "OpenVINO int8": Peer(
        ("openvino",), (), (INT8,), copy_bundled(INT8), load_openvino(INT8), "int8", 0.2, 2
    ),
    "ncnn fp32": Peer(
        ("ncnn",),
        ("pnnx", "torch", "onnx"),
        ("model.ncnn.param", "model.ncnn.bin"),
        convert_ncnn,
        load_ncnn,
    ),
}


@dataclass(frozen=True)
class Row:
    """What is told of one runtime.

    Attributes:
        start_ms: from its import to its first answer.
        changed: answers of 1,000 that are not onnxruntime's of the same precision.
        difference: largest of a probability from those.
        times: nanoseconds of every call.
    """

    version: str
    size: int
    start_ms: float
    changed: int
    difference: float
    times: npt.NDArray[np.int64]


def step(action: str, name: str, folder: Path, limit: float) -> tuple[Any, str]:
    """Prepares or starts a runtime in a process of its own: what it said, or why it failed."""
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
    """In that process: the last line of stdout is JSON."""
    peer = PEERS[name]
    if action == "prepare":
        peer.preprocess_one(folder)
        print(json.dumps(None))
        return
    image = np.zeros((1, 1, 28, 28), np.uint8)
    begun = time.perf_counter_ns()
    peer.load(folder)(image)
    print(json.dumps((time.perf_counter_ns() - begun) / 1e6))


def missing(packages: Sequence[str]) -> list[str]:
    return [package for package in packages if not version(package)]


def version(package: str) -> str:
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


def proven(
    answers: dict[str, Answer], images: npt.NDArray[np.uint8]
) -> dict[str, tuple[int, float]]:
    """Changed answers and largest difference of each, against onnxruntime's."""
    scores = {
        name: np.concatenate([answer(image[np.newaxis, np.newaxis]) for image in images])
        for name, answer in answers.items()
    }
    found = {}
    for name, own in scores.items():
        reference = scores[REFERENCES[PEERS[name].precision]]
        changed = int((own.argmax(axis=1) != reference.argmax(axis=1)).sum())
        found[name] = changed, float(np.abs(own - reference).max())
    return found


def interleaved(
    answers: dict[str, Answer], image: npt.NDArray[np.uint8], rounds: int
) -> dict[str, npt.NDArray[np.int64]]:
    for answer in answers.values():
        for _ in range(WARM_UP):
            answer(image)
    times: dict[str, list[int]] = {name: [] for name in answers}
    for _ in range(rounds):
        for name, answer in answers.items():
            end = time.perf_counter_ns() + ROUND_NS
            while (begun := time.perf_counter_ns()) < end:
                answer(image)
                times[name].append(time.perf_counter_ns() - begun)
    return {name: np.array(own) for name, own in times.items()}


def print_markdown(rows: dict[str, Row]) -> None:
    base = float(np.median(rows[REFERENCES["int8"]].times))
    print(
        "| runtime | version | p50 µs | p90 µs | relative | file KiB | start ms "
        "| changed answers | largest difference |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for name, row in rows.items():
        p50, p90 = (float(ns) / 1e3 for ns in np.percentile(row.times, [50, 90]))
        print(
            f"| {name} | {row.version} | {p50:.1f} | {p90:.1f} | {1e3 * p50 / base:.2f} x "
            f"| {row.size / 1024:.1f} | {row.start_ms:.0f} | {row.changed} of {IMAGES:,} "
            f"| {row.difference:.0e} |"
        )


def compare(names: Sequence[str], work: Path, rounds: int, limit: float) -> dict[str, Row]:
    """Starts, proves and times every runtime that is there; tells on stderr of the others."""
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
    answers = {name: PEERS[name].load(folder) for name, (folder, _) in starts.items()}
    proofs = proven(answers, images)
    for name, (changed, difference) in proofs.items():
        if changed > PEERS[name].changed or difference > PEERS[name].bound:
            print(
                f"{name}\n  left out: {changed} other answers than onnxruntime's, probabilities "
                f"up to {difference:.1e} away",
                file=sys.stderr,
            )
            del answers[name]
    times = interleaved(answers, images[:1, np.newaxis], rounds)
    return {
        name: Row(
            version=version(PEERS[name].packages[0]),
            size=sum((starts[name][0] / file).stat().st_size for file in PEERS[name].files),
            start_ms=starts[name][1],
            changed=proofs[name][0],
            difference=proofs[name][1],
            times=times[name],
        )
        for name in answers
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
    # What the others are compared with is always there.
    names = [name for name in PEERS if name in {*options.only, *REFERENCES.values()}]
    with tempfile.TemporaryDirectory() as folder:
        # What torch.compile makes is made anew, so that its start is counted whole.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "inductor")
        rows = compare(names, options.work or Path(folder), options.rounds, options.limit)
    print_markdown(rows)


if __name__ == "__main__":
    main()
