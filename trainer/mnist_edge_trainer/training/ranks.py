"""The processes of one training, as ``torchrun`` starts them: each has a rank, from 0.

All of them draw the same batches in the same order, and each computes with its share of every
batch. Rank 0 alone validates, prints and writes. What is decided is decided there, and sent to the
others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mnist_edge.errors import MnistEdgeError, TrainingError, UsageError

__all__ = ["ALONE", "KnownError", "LostRankError", "Ranks", "joined", "launched"]

T = TypeVar("T")

_PATIENCE = timedelta(hours=1)
"""Photographs are rendered by one rank while the others wait. A rank that ends is noticed at once:
its connections close."""

_LOST = ("Connection closed", "Connection reset", "Connection refused", "Broken pipe", "Timed out")
"""What torch's errors say where another rank has ended."""


class KnownError(Exception):
    """An error that rank 0 prints; the others end by this one.

    Args:
        error: that rank 0 raises.
    """

    def __init__(self, error: MnistEdgeError) -> None:
        super().__init__(str(error))
        self.error = error


class LostRankError(TrainingError):
    """Another process of the training has ended."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of a training.

    Attributes:
        number: its rank.
        count: how many there are.
        local: its rank among those on this machine.
    """

    number: int = 0
    count: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which validates, prints and writes."""
        return self.number == 0

    def share(self, batch: Tensor) -> Tensor:
        """This rank's part of a batch; all parts together are the batch, whatever its size."""
        return batch.tensor_split(self.count)[self.number]

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, whose gradients become the mean over the ranks."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network)

    @torch.no_grad()
    def average(self, values: Sequence[Tensor]) -> None:
        """Sets tensors of floats to their mean over the ranks, in one message."""
        if self.count == 1 or not values:
            return
        flat = torch.cat([value.detach().float().flatten() for value in values])
        dist.all_reduce(flat)
        means = (flat / self.count).split([value.numel() for value in values])
        for value, mean in zip(values, means, strict=True):
            value.copy_(mean.view_as(value))

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, where alone it is called.

        Raises:
            MnistEdgeError: `make` raised it, on rank 0.
            KnownError: on the others then.
        """
        if self.count == 1:
            return make()
        sent: list[Any] = [None]
        if self.is_first:
            try:
                sent = [make()]
            except MnistEdgeError as error:
                dist.broadcast_object_list([error])
                raise
        dist.broadcast_object_list(sent)
        if isinstance(sent[0], MnistEdgeError):
            raise KnownError(sent[0])
        received: T = sent[0]
        return received

    def everywhere(self, make: Callable[[], T]) -> T:
        """What `make` returns on this rank; an error on any of them ends all.

        Raises:
            MnistEdgeError: on rank 0, the first error.
            KnownError: on the others.
        """
        if self.count == 1:
            return make()
        error: MnistEdgeError | None = None
        try:
            made = make()
        except MnistEdgeError as raised:
            error = raised
        errors: list[MnistEdgeError | None] = [None] * self.count
        dist.all_gather_object(errors, error)
        for number, failed in enumerate(errors):
            if failed is not None:
                raise self._known(failed if number == 0 else _of_rank(number, failed))
        return made

    def _known(self, error: MnistEdgeError) -> Exception:
        return error if self.is_first else KnownError(error)

    @contextlib.contextmanager
    def first_here(self) -> Iterator[None]:
        """Lets the first rank of each machine go through the block before the others do."""
        if self.count == 1:
            yield
            return
        if self.local:
            dist.barrier()
        yield
        if not self.local:
            dist.barrier()

    @contextlib.contextmanager
    def lost_ranks_in_words(self) -> Iterator[None]:
        """Turns torch's error of a rank that has ended into one line.

        Raises:
            LostRankError: another rank has ended.
        """
        try:
            yield
        except RuntimeError as error:
            if self.count > 1 and (isinstance(error, dist.DistError) or _is_lost(error)):
                raise LostRankError(
                    f"rank {self.number} of {self.count}: another rank has ended; find out why, "
                    "and continue with --resume"
                ) from error
            raise


ALONE = Ranks()
"""A training of one process."""


def launched() -> bool:
    """Whether this process was started by ``torchrun``, or as it starts them."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Joins the other processes, if there are any, until the block ends.

    Args:
        device: to train on; of several GPUs, each rank of a machine has its own.

    Yields:
        the rank, and its device.

    Raises:
        UsageError: the variables of ``torchrun`` make no sense, or there are too few GPUs.
        LostRankError: the others cannot be reached.
    """
    if not launched():
        yield ALONE, device
        return
    ranks = _from_environment()
    if device.type == "cuda":
        if ranks.local >= torch.cuda.device_count():
            raise UsageError(
                f"--nproc-per-node: rank {ranks.local} of this machine has no GPU; there are "
                f"{torch.cuda.device_count()}"
            )
        device = torch.device("cuda", ranks.local)
        torch.cuda.set_device(device)
    with ranks.lost_ranks_in_words():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        with ranks.lost_ranks_in_words():
            yield ranks, device
    finally:
        dist.destroy_process_group()


def _from_environment() -> Ranks:
    values = [os.environ.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    try:
        number, count, local = map(int, values)
    except ValueError:
        number, count, local = -1, 0, 0
    if not (0 <= number < count and local >= 0):
        raise UsageError(
            f"RANK {values[0]}, WORLD_SIZE {values[1]}: no such rank; start it with torchrun"
        )
    return Ranks(number, count, local)


def _of_rank(number: int, error: MnistEdgeError) -> MnistEdgeError:
    kind = UsageError if isinstance(error, UsageError) else TrainingError
    return kind(f"rank {number}: {error}")


def _is_lost(error: RuntimeError) -> bool:
    return any(words.lower() in str(error).lower() for words in _LOST)
