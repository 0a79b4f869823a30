"""The device to train on, and the precision that it multiplies fastest in."""

from __future__ import annotations

import torch

from mnist_edge.errors import UsageError

__all__ = ["pick_device", "use_bf16"]


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
