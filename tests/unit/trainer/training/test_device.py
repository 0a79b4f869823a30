"""The device and its precision."""

from __future__ import annotations

import pytest
import torch

from mnist_edge import UsageError
from mnist_edge_trainer.training.device import pick_device, use_bf16


def test_device_is_the_named_one_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("cpu") == pick_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device tpu: unknown"):
        pick_device("tpu")
    with pytest.raises(UsageError, match="--device cuda: there is none on this machine"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("has_bf16", [True, False])
def test_auto_precision_is_bf16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16})
    cpu = torch.device("cpu")
    assert use_bf16("auto", cpu) is has_bf16
    assert use_bf16("bf16", cpu)
    assert not use_bf16("fp32", cpu)
