"""Training here against the way of the best-known example: `python tests/benchmarks/training.py`.

That is ``mnist/main.py`` of github.com/pytorch/examples: a net of two convolutions, a DataLoader
that transforms one image at a time, Adadelta, batches of 64. Both sides train on the same images,
are validated after every epoch on the same held-out ones, have torch's own number of threads, and
take turns on one machine. The test images are not looked at.
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
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

# The trainer is imported where it is used: the example's process has no need of it.

SAMPLES = Path(__file__).parents[2] / "samples"
ALL = 60_000
EXAMPLES_EPOCHS = 14
EXAMPLES_BATCH = 64
PLAIN_EPOCHS = 60


class TwoConvNet(nn.Module):
    """The example's network; its log-softmax is left to the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(64 * 12 * 12, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


@dataclass(frozen=True)
class Parts:
    """Where torchvision finds MNIST, and which training images are trained on and held out."""

    folder: Path
    training: list[int]
    validation: list[int]

    def loaders(self, *, distort: bool = False) -> tuple[DataLoader[tuple[Tensor, Tensor]], ...]:
        """Batches to train on and to validate with, each image transformed by itself."""
        as_it_is = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        )
        # As far as the recipe `fast` does, but for the elastic part.
        distorted = transforms.Compose(
            [transforms.RandomAffine(7, (1 / 28, 1 / 28), (0.92, 1.08), shear=5.7), as_it_is]
        )
        training, validation = (
            MNIST(str(self.folder), train=True, transform=transform)
            for transform in (distorted if distort else as_it_is, as_it_is)
        )
        return (
            DataLoader(Subset(training, self.training), batch_size=EXAMPLES_BATCH, shuffle=True),
            DataLoader(Subset(validation, self.validation), batch_size=1_000),
        )


def epoch_of_example(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: DataLoader[tuple[Tensor, Tensor]],
    validation: DataLoader[tuple[Tensor, Tensor]],
) -> float:
    """Trains for an epoch; accuracy on the held-out images."""
    network.train()
    for images, labels in training:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        right = sum(
            int((network(images).argmax(dim=1) == labels).sum()) for images, labels in validation
        )
    return right / len(validation.dataset)  # type: ignore[arg-type]


def train_as_example(parts: Parts, answers: Connection) -> None:
    """The example from start to end, in a process of its own; sends each epoch's accuracy."""
    torch.manual_seed(0)
    network = TwoConvNet()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    training, validation = parts.loaders()
    for _ in range(EXAMPLES_EPOCHS):
        answers.send(epoch_of_example(network, optimizer, training, validation))
        schedule.step()
    answers.close()


def train_small_plainly(parts: Parts, answers: Connection) -> None:
    """Our default network as one would first write it: distorted one by one, Adam, no schedule."""
    from mnist_edge_trainer.architectures.registry import build

    torch.manual_seed(0)
    network = build("small")
    optimizer = torch.optim.Adam(network.parameters())
    training, validation = parts.loaders(distort=True)
    for _ in range(PLAIN_EPOCHS):
        answers.send(epoch_of_example(network, optimizer, training, validation))
    answers.close()


@dataclass(frozen=True)
class Finish:
    """When a training reached the accuracy that was asked for, from the start of its process."""

    seconds: float
    epochs: int


def race_of_theirs(
    work: Callable[[Parts, Connection], None], epochs: int, parts: Parts, target: float
) -> Finish:
    """Another way of training, until it sends an accuracy that is enough."""
    context = multiprocessing.get_context("spawn")
    answers, theirs = context.Pipe(duplex=False)
    started = time.perf_counter()
    process = context.Process(target=work, args=(parts, theirs))
    process.start()
    theirs.close()
    try:
        for epoch in range(1, epochs + 1):
            accuracy = answers.recv()
            seconds = time.perf_counter() - started
            print(f"    epoch {epoch}: {accuracy:.2%}, {seconds:.1f} s", file=sys.stderr)
            if accuracy >= target:
                return Finish(seconds, epoch)
    finally:
        process.terminate()
        process.join()
    sys.exit(f"{work.__name__} did not reach {target:.1%}")


def race_of_ours(arguments: Sequence[str], target: float) -> Finish:
    """`mnist-edge train`, until its history says so. Photographs are made, none are in a cache."""
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
            process.send_signal(signal.SIGINT)  # its own processes end with it
            process.wait()
    sys.exit(f"{' '.join(command)}: did not reach {target:.1%}")


def first_epoch(history: Path, target: float) -> int | None:
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
    """Each way's finishes, in rounds that all of them take turns in."""
    val_split = ["--val-split", str(ALL - len(parts.training))]
    finishes: dict[str, list[Finish]] = {}
    for number in range(rounds):
        print("  the example's way", file=sys.stderr)
        finishes.setdefault("the example's way", []).append(
            race_of_theirs(train_as_example, EXAMPLES_EPOCHS, parts, target)
        )
        for count in photos:
            arguments = ["--photos", str(count), "--seed", str(seed + number)]
            name = f"mnist-edge train --photos {count}"
            print(f"  {name}", file=sys.stderr)
            finishes.setdefault(name, []).append(race_of_ours([*arguments, *val_split], target))
    return finishes


def print_race(finishes: dict[str, list[Finish]]) -> None:
    medians = {
        name: statistics.median(finish.seconds for finish in taken)
        for name, taken in finishes.items()
    }
    slowest = medians["the example's way"]
    for name, seconds in medians.items():
        epochs = ", ".join(str(finish.epochs) for finish in finishes[name])
        print(
            f"  {name:<34} {seconds:8.1f} s  {slowest / seconds:6.2f} x as fast  epochs: {epochs}"
        )


def compare_fast(parts: Parts, target: float, seeds: int, samples: Path) -> None:
    """Prints how long ``--fast`` takes, how good it is, and the plain way to the same accuracy.

    The whole schedule of ``--fast`` is timed, from the start of its process to its end; of the
    plain way, until the first epoch with `target` on the held-out images. Of the runs' networks
    the test images are told too, which decides nothing.
    """
    from mnist_edge.mnist import load_split
    from mnist_edge_trainer.data.splits import Digits
    from mnist_edge_trainer.training.checkpoint import load_checkpoint
    from mnist_edge_trainer.training.loop import predict_logits

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
        answers = predict_logits(checkpoint.network(), test.images).argmax(dim=1)
        tested.append(float((answers == test.labels).float().mean()))
    plain = race_of_theirs(train_small_plainly, PLAIN_EPOCHS, parts, target)
    print(f"\nmnist-edge train --arch small --fast, {seeds} seeds")
    for name, values in (("validation", validated), ("test", tested)):
        print(f"  {name:<10} {statistics.mean(values):.2%} ± {_deviation(values):.2%}")
    fast = statistics.median(seconds)
    print(f"  {fast:.1f} s; the plain way to {target:.1%} of the validation images: ", end="")
    print(f"{plain.seconds:.1f} s, {plain.epochs} epochs; {plain.seconds / fast:.2f} x as fast")


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def epoch_of_ours(arch: str, parts: Parts, folder: Path, *, augment: bool) -> Callable[[], object]:
    """A whole training of one epoch, files written; with no decay, AdamW is Adam."""
    from mnist_edge_trainer.data.splits import load_digits
    from mnist_edge_trainer.training.checkpoint import EpochRecord, RunFolder
    from mnist_edge_trainer.training.config import TrainConfig
    from mnist_edge_trainer.training.loop import StepReport, train

    class Silent:
        def on_step(self, report: StepReport) -> None: ...
        def on_epoch(self, record: EpochRecord, is_best: bool) -> None: ...

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
    run = RunFolder(folder / arch)
    return lambda: train(
        config, training, validation, run, device=torch.device("cpu"), callback=Silent()
    )


def epoch_through_loader(arch: str, parts: Parts) -> Callable[[], object]:
    from mnist_edge_trainer.architectures.registry import build

    training, validation = parts.loaders()

    def work() -> None:
        # Our loop asks torch for determinism, which costs time and which the example does not.
        torch.use_deterministic_algorithms(False)
        network = build(arch)
        optimizer = torch.optim.Adam(network.parameters())
        epoch_of_example(network, optimizer, training, validation)

    return work


def compare_epochs(parts: Parts, arch: str, rounds: int) -> None:
    """Prints the medians of the three ways of training one network for an epoch."""
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
    """A folder in which torchvision finds MNIST, made of the files in `SAMPLES`."""
    from mnist_edge.mnist import find_dataset

    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (*find_dataset(SAMPLES, "train"), *find_dataset(SAMPLES, "test")):
        (raw / path.name).symlink_to(path)
    MNIST(str(folder), download=True)  # all is there: it only unpacks
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
    parser.add_argument("--fast-target", type=float, default=0.994, help="of the plain way")
    parser.add_argument("--fast-seeds", type=int, default=3)
    parser.add_argument("--only-fast", action="store_true", help="nothing else")
    parser.add_argument(
        "--quick", action="store_true", help="few images, to see that it runs; no figures to quote"
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
