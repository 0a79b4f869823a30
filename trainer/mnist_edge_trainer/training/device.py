"""The device to train on, the precision that it multiplies fastest in, and torch's threads."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import torch

from mnist_edge.errors import UsageError
from mnist_edge_trainer.training.config import MOST_THREADS

__all__ = ["limit_threads", "pick_device", "torch_threads", "use_bf16", "user_threads"]

_VARIABLE = "OMP_NUM_THREADS"


def pick_device(name: str) -> torch.device:
    """Chooses a device; ``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: the name is unknown, or this machine has no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in available.items() if present))
    if name not in available:
        raise UsageError(f"--device {name}: unknown; choose auto, cpu, cuda or mps")
    if not available[name]:
        raise UsageError(f"--device {name}: there is none on this machine; use --device cpu")
    return torch.device(name)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to multiply in bf16.

    Args:
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the device multiplies it faster.
        device: to train on.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return False


def user_threads() -> int | None:
    """The number of threads that the user set by ``OMP_NUM_THREADS``; None = it is not set.

    OpenMP ignores a value that is not a whole number or a list of them, one for each level.

    Raises:
        UsageError: there are not so many threads.
    """
    levels = os.environ.get(_VARIABLE, "").split(",")
    if not all(re.fullmatch(r"\s*0*[1-9][0-9]{0,8}\s*", level) for level in levels):
        return None
    if int(levels[0]) > MOST_THREADS:
        raise UsageError(f"{_VARIABLE} {levels[0].strip()}: must not be more than {MOST_THREADS:,}")
    return int(levels[0])


def limit_threads() -> None:
    """Lets torch compute with one thread from here on, unless the user set a number.

    Networks of this size gain little by more. On a busy machine they lose much: after every layer,
    all threads wait for the one that has no core.
    """
    if user_threads() is None:
        torch.set_num_threads(1)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Sets how many threads torch computes with in the block; 0 = as it is set."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
