"""Temperature scaling: calibrates the confidences, so that 90 % of those at 0.9 are right.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017): logits are divided
by one number, fitted on held-out images, which changes no prediction.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

__all__ = ["fit_temperature", "with_temperature"]

_FEWEST_IMAGES = 100


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Finds the temperature with the lowest cross-entropy.

    Args:
        logits: float32 ``[N, C]``, of images that no weight was trained on.
        labels: int64 ``[N]``.

    Returns:
        above 1 where the network is overconfident, below 1 where it is underconfident. 1 where
        there are too few images, or all predictions are right, for which no temperature is too
        low.
    """
    if len(labels) < _FEWEST_IMAGES or (logits.argmax(dim=1) == labels).all():
        return 1.0
    result = minimize_scalar(
        lambda temperature: float(F.cross_entropy(logits / temperature, labels)),
        bounds=(0.1, 10.0),
        method="bounded",
    )
    return float(result.x)


def with_temperature(network: nn.Module, temperature: float) -> nn.Module:
    """Divides the logits, by folding the temperature into the last linear layer, in place.

    This way the exported graph needs no further node.

    Returns:
        `network` itself.
    """
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
    return network
