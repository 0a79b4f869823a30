"""Processes of one training, which get their ranks as `torchrun` gives them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence

from tests.conftest import ROOT

__all__ = ["PATIENCE", "RECORD", "ended", "ranks"]

PATIENCE = 240.0
"""Seconds after which processes are taken to wait for one another for ever."""

RECORD = """
import os, sys
from pathlib import Path
import torch
from mnist_edge_trainer.data.datasets import load_dataset
from mnist_edge_trainer.data.splits import split_training
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.ranks import joined
from mnist_edge_trainer.training.trainer import Trainer
from mnist_edge_trainer.training.training_data import TrainingData

class Recorder(Trainer):
    seen = []

    def train_step(self, batch, soft_labels, weight=1.0):
        self.seen.append(batch.images.clone())
        return super().train_step(batch, soft_labels, weight)

class Silent:
    def on_step(self, report): pass
    def on_epoch(self, record, is_best): pass

folder, output, batch, bits = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5])
dataset = load_dataset("own", folder, print)
training, validation = split_training(dataset.training, 40)
torch.set_num_threads(1)
config = TrainConfig(arch="nano", epochs=2, batch_size=batch, photos=0,
    weight_bits=bits, quantization_aware=True)
with joined(torch.device("cpu")) as (ranks, device):
    data = TrainingData(training, validation, facts=dataset.facts)
    trainer = Recorder(config, data, device, ranks)
    while not trainer.finished:
        trainer.run_epoch(Silent())
    state = trainer.checkpoint().trainer
    torch.save(
        {
            "seen": trainer.seen,
            "network": state["network"],
            "average": state["average"],
            "optimizer": state["optimizer"]["state"],
            "history": [{**record, "seconds": 0} for record in state["history"]],
        },
        output / f"{ranks.number}.pt",
    )
"""
"""Trains, and keeps the images of each step and the state at the end, of every rank."""


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@contextlib.contextmanager
def ranks(commands: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each command, which get their ranks as `torchrun` gives them."""
    port = free_port()
    processes = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(len(commands)),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
            },
        )
        for rank, command in enumerate(commands)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    done = []
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        done.append((process.returncode, out, err))
    return done
