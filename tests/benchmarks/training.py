"""Compares training here with PyTorch's own example: `python tests/benchmarks/training.py`.

The example is ``mnist/main.py`` of github.com/pytorch/examples: a network of two convolutions, a
DataLoader that transforms one image at a time, Adadelta, batches of 64. Both sides train on the
same images, are validated after every epoch on the same held-out images, and take turns on one
machine. The example has torch's default number of threads; `mnist-edge train` measures its own. The
test images decide nothing.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from pytorch_example import (
    EXAMPLE,
    EXAMPLES_BATCH,
    EXAMPLES_EPOCHS,
    SIMPLE_EPOCHS,
    Parts,
    TwoConvNet,
    epoch_of_example,
    train_as_example,
    train_small_simply,
)
from torchvision.datasets import MNIST

SAMPLES = Path(__file__).parents[2] / "samples"
ALL = 60_000


@dataclass(frozen=True)
class Finish:
    """When a training reached its target accuracy, from the start of its process."""

    seconds: float
    epochs: int


def race_of_process(
    work: Callable[[Parts, Connection], None], epochs: int, parts: Parts, target: float
) -> Finish:
    """Runs a training in a process until it sends an accuracy that reaches the target."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=work, args=(parts, sender))
    process.start()
    sender.close()
    try:
        for epoch in range(1, epochs + 1):
            accuracy = receiver.recv()
            seconds = time.perf_counter() - started
            print(f"    epoch {epoch}: {accuracy:.2%}, {seconds:.1f} s", file=sys.stderr)
            if accuracy >= target:
                return Finish(seconds, epoch)
    finally:
        process.terminate()
        process.join()
    sys.exit(f"{work.__name__} did not reach {target:.1%}")


def race_of_command(arguments: Sequence[str], target: float) -> Finish:
    """Runs `mnist-edge train` until its history reaches the target, with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "mnist_edge", "train", *arguments, "--out", str(run)]
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=os.environ | {"XDG_CACHE_HOME": folder}, stdout=subprocess.DEVNULL
        )
        try:
            while process.poll() is None:
                reached = first_epoch(run / "history.csv", target)
                if reached:
                    return Finish(time.perf_counter() - started, reached)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGINT)  # its workers end with it
            process.wait()
    sys.exit(f"{' '.join(command)}: did not reach {target:.1%}")


def first_epoch(history: Path, target: float) -> int | None:
    """The first epoch of a ``history.csv`` that reaches the target; None = none yet."""
    if not history.exists():
        return None
    with history.open(newline="") as file:
        for row in csv.DictReader(file):
            if float(row["val_accuracy"]) >= target:
                return int(row["epoch"])
    return None


def race(
    parts: Parts, target: float, photos: Sequence[int], seed: int, rounds: int
) -> dict[str, list[Finish]]:
    """The finishes of the example and of the command, which take turns in each round."""
    val_split = ["--val-split", str(ALL - len(parts.training))]
    finishes: dict[str, list[Finish]] = {}
    for number in range(rounds):
        print(f"  {EXAMPLE}", file=sys.stderr)
        finishes.setdefault(EXAMPLE, []).append(
            race_of_process(train_as_example, EXAMPLES_EPOCHS, parts, target)
        )
        for count in photos:
            arguments = ["--photos", str(count), "--seed", str(seed + number)]
            name = f"mnist-edge train --photos {count}"
            print(f"  {name}", file=sys.stderr)
            finishes.setdefault(name, []).append(race_of_command([*arguments, *val_split], target))
    return finishes


def print_race(finishes: dict[str, list[Finish]]) -> None:
    """Prints the median of each, relative to the example's."""
    medians = {
        name: statistics.median(finish.seconds for finish in taken)
        for name, taken in finishes.items()
    }
    slowest = medians[EXAMPLE]
    for name, seconds in medians.items():
        epochs = ", ".join(str(finish.epochs) for finish in finishes[name])
        print(
            f"  {name:<34} {seconds:8.1f} s  {slowest / seconds:6.2f} x as fast  epochs: {epochs}"
        )


def compare_fast(parts: Parts, target: float, seeds: int, samples: Path) -> None:
    """Compares ``--fast`` with the simple training: seconds to a similar accuracy.

    ``--fast`` is timed from the start of its process to its end; the simple training until the
    first epoch with `target` on the held-out images. The accuracy of the ``--fast`` networks on
    the test images is printed too, and decides nothing.
    """
    from mnist_edge.mnist import load_split
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.training.checkpoint import load_checkpoint
    from mnist_edge_trainer.training.trainer import predict_logits

    test = Digits.of(*load_split(samples, "test"))
    seconds, validated, tested = [], [], []
    val_split = str(ALL - len(parts.training))
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            options = ["--arch", "small", "--fast", "--seed", str(seed), "--val-split", val_split]
            command = [sys.executable, "-m", "mnist_edge", "train", *options, "--out", str(run)]
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
            checkpoint = load_checkpoint(run / "best.pt")
        validated.append(checkpoint.val_accuracy)
        predicted = predict_logits(checkpoint.network(), test.images).argmax(dim=1)
        tested.append(float((predicted == test.labels).float().mean()))
    simple = race_of_process(train_small_simply, SIMPLE_EPOCHS, parts, target)
    print(f"\nmnist-edge train --arch small --fast, {seeds} seeds")
    for name, values in (("validation", validated), ("test", tested)):
        print(f"  {name:<10} {statistics.mean(values):.2%} ± {_deviation(values):.2%}")
    fast = statistics.median(seconds)
    print(f"  {fast:.1f} s; the simple training to {target:.1%} on validation images: ", end="")
    print(f"{simple.seconds:.1f} s, {simple.epochs} epochs; {simple.seconds / fast:.2f} x as fast")


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def epoch_of_ours(arch: str, parts: Parts, folder: Path, *, augment: bool) -> Callable[[], object]:
    """A function that trains for one epoch, files included; without decay, AdamW is Adam."""
    from mnist_edge_trainer.data.splits import load_digits
    from mnist_edge_trainer.training.callbacks import CallbackList
    from mnist_edge_trainer.training.checkpoint import RunFolder
    from mnist_edge_trainer.training.config import TrainConfig
    from mnist_edge_trainer.training.loop import train
    from mnist_edge_trainer.training.training_data import TrainingData

    digits = load_digits(SAMPLES, "train")
    training, validation = (
        digits[torch.tensor(part)] for part in (parts.training, parts.validation)
    )
    config = TrainConfig(
        arch=arch,
        epochs=1,
        batch_size=EXAMPLES_BATCH,
        weight_decay=0.0,
        augment=augment,
        photos=0,
        val_split=len(validation),
    )
    run, data = RunFolder(folder / arch), TrainingData(training, validation)
    device, callback = torch.device("cpu"), CallbackList([])
    return lambda: train(config, data, run, device=device, callback=callback)


def epoch_through_loader(arch: str, parts: Parts) -> Callable[[], object]:
    """A function that trains one of our architectures for one epoch as the example does."""
    from mnist_edge_trainer.architectures.registry import build

    training, validation = parts.loaders()

    def work() -> None:
        # Our loop sets deterministic algorithms, which cost time and which the example lacks.
        torch.use_deterministic_algorithms(False)
        network = build(arch)
        optimizer = torch.optim.Adam(network.parameters())
        epoch_of_example(network, optimizer, training, validation)

    return work


def compare_epochs(parts: Parts, arch: str, rounds: int) -> None:
    """Prints the median seconds of an epoch: through a DataLoader, and in our loop."""
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "through a DataLoader": epoch_through_loader(arch, parts),
            "our loop": epoch_of_ours(arch, parts, Path(folder), augment=False),
            "our loop, augmenting": epoch_of_ours(arch, parts, Path(folder), augment=True),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, work in ways.items():
                started = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - started)
    slowest = statistics.median(times["through a DataLoader"])
    print(arch)
    for name, taken in times.items():
        seconds = statistics.median(taken)
        print(f"  {name:<34} {seconds:8.1f} s  {slowest / seconds:6.2f} x as fast")


def unpacked(folder: Path) -> Path:
    """Makes a folder in which torchvision finds MNIST, of the files in `SAMPLES`."""
    from mnist_edge.mnist import find_dataset

    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (*find_dataset(SAMPLES, "train"), *find_dataset(SAMPLES, "test")):
        (raw / path.name).symlink_to(path)
    MNIST(str(folder), download=True)  # all files are there: it only unpacks them
    return folder


def split(val_split: int) -> tuple[list[int], list[int]]:
    """Indices of the images that `mnist-edge train` trains on and holds out."""
    from mnist_edge_trainer.data.splits import Digits, split_training

    numbers = torch.arange(ALL)
    training, validation = split_training(Digits(numbers, numbers), val_split)
    return training.labels.tolist(), validation.labels.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=float, default=0.99, help="validation accuracy to reach")
    parser.add_argument("--photos", type=int, nargs="*", default=[27_500, 0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--races", type=int, default=1, help="rounds of the race to the target")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each way")
    parser.add_argument("--fast-target", type=float, default=0.994, help="of the simple training")
    parser.add_argument("--fast-seeds", type=int, default=3)
    parser.add_argument("--only-fast", action="store_true", help="skip the other comparisons")
    parser.add_argument(
        "--quick", action="store_true", help="few images, as a trial run; not for publication"
    )
    options = parser.parse_args()
    val_split = 5_000
    if options.quick:
        val_split = ALL - 2_000
        options.target, options.photos, options.races, options.rounds = 0.5, [0], 1, 1
        options.fast_target, options.fast_seeds = 0.5, 1

    from mnist_edge_trainer.architectures.registry import (
        ARCHITECTURES,
        DEFAULT_ARCHITECTURE,
        Architecture,
    )

    ARCHITECTURES["two-conv"] = Architecture(lambda _: TwoConvNet(), "the example's")
    with tempfile.TemporaryDirectory() as folder:
        training, validation = split(val_split)
        parts = Parts(unpacked(Path(folder)), training, validation[:5_000])
        images, held_out = len(parts.training), len(parts.validation)
        compare_fast(parts, options.fast_target, options.fast_seeds, SAMPLES)
        if options.only_fast:
            return
        print(
            f"to {options.target:.1%} of {held_out:,} validation images, training on {images:,}: "
            f"seconds from the start of the process ({torch.get_num_threads()} threads)"
        )
        print_race(race(parts, options.target, options.photos, options.seed, options.races))
        print(
            f"\none epoch over {images:,} images in batches of {EXAMPLES_BATCH} with Adam, "
            f"and {held_out:,} to validate with"
        )
        for arch in ("two-conv", DEFAULT_ARCHITECTURE):
            compare_epochs(parts, arch, options.rounds)


if __name__ == "__main__":
    main()
