"""PyTorch's own MNIST example, and our default network trained in the same simple way.

The example is ``mnist/main.py`` of github.com/pytorch/examples. `training.py` runs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

# The trainer is imported where it is used: the example's process does not need it.

EXAMPLE = "PyTorch's example"
EXAMPLES_EPOCHS = 14
EXAMPLES_BATCH = 64
SIMPLE_EPOCHS = 60


class TwoConvNet(nn.Module):
    """The example's network, whose log-softmax is part of the loss here."""

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
        """Batches to train on and to validate with, each image transformed on its own."""
        plain = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        )
        # The distortions of the recipe `fast`, except the elastic one.
        distorted = transforms.Compose(
            [transforms.RandomAffine(7, (1 / 28, 1 / 28), (0.92, 1.08), shear=5.7), plain]
        )
        training, validation = (
            MNIST(str(self.folder), train=True, transform=transform)
            for transform in (distorted if distort else plain, plain)
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
    """Trains for an epoch; returns the accuracy on the held-out images."""
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


def train_as_example(parts: Parts, accuracies: Connection) -> None:
    """Runs the example from start to end, as a process; sends each epoch's accuracy."""
    torch.manual_seed(0)
    network = TwoConvNet()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    training, validation = parts.loaders()
    for _ in range(EXAMPLES_EPOCHS):
        accuracies.send(epoch_of_example(network, optimizer, training, validation))
        schedule.step()
    accuracies.close()


def train_small_simply(parts: Parts, accuracies: Connection) -> None:
    """Trains our default network simply: images distorted one by one, Adam, no schedule."""
    from mnist_edge_trainer.architectures.registry import build

    torch.manual_seed(0)
    network = build("small")
    optimizer = torch.optim.Adam(network.parameters())
    training, validation = parts.loaders(distort=True)
    for _ in range(SIMPLE_EPOCHS):
        accuracies.send(epoch_of_example(network, optimizer, training, validation))
    accuracies.close()
