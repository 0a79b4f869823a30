"""Reads the file of a checkpoint: runs no code from it, and believes nothing that it says.

A file may be damaged, or made to harm. Whatever it holds, the values that come out of here have the
types, the ranges and the sizes that the trainer writes.
"""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, get_type_hints

import torch
from torch import Tensor

from mnist_edge_trainer.data.facts import MNIST_FACTS, DataFacts
from mnist_edge_trainer.files import open_regular
from mnist_edge_trainer.training.config import TrainConfig

__all__ = ["read_values"]

_MOST_BYTES = 2**30
"""Of a checkpoint; the largest one of the architectures here has a tenth."""

_MOST_CLASSES = 10_000


def read_values(path: Path, record: type) -> dict[str, Any]:
    """Reads the fields of a `Checkpoint`.

    Args:
        path: of the file.
        record: a `TypedDict`, of which the history of the trainer's state must have one for each
            epoch.

    Raises:
        OSError: the file cannot be read, or is no regular file.
        Exception: it is not such a file. Arbitrary bytes fail in arbitrary ways on their way
            through zip and pickle; a ValueError has a reason of ours.
    """
    # torch warns of strange values; those that matter are refused.
    with os.fdopen(open_regular(path), "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_archive(file)
        values = torch.load(file, map_location="cpu", weights_only=True)
        return _checked(values, record)


def _checked(values: Any, record: type) -> dict[str, Any]:
    """The values of a `Checkpoint`; raises an arbitrary exception where they are none."""
    if not isinstance(values, dict):
        raise ValueError("no table of values")
    _check_tensors(values)
    # Release 0.1 had no photographs; up to 0.3, MNIST was the only dataset.
    values["config"] = TrainConfig.from_dict({"photos": 0} | values["config"])
    values.pop("dataset_sha256", None)
    values["data"] = _facts(values.get("data"))
    _check_scores(values)
    _check_weights(values["weights"])
    if values.get("trainer") is not None:
        _check_trainer(values["trainer"], record)
    return values


def _check_archive(file: IO[bytes]) -> None:
    """A zip file in which nothing is compressed, as torch writes it: it unpacks to its own size."""
    size = os.fstat(file.fileno()).st_size
    if size > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES // 2**20} MiB")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed")
    if sum(member.file_size for member in members) > size:
        raise ValueError("larger inside than outside")
    file.seek(0)


def _check_tensors(values: object) -> None:
    """Every tensor, however deep it is in tables and lists, is finite and as large as it says."""
    seen: set[int] = set()
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            _check_tensor(value)
        elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, Mapping) else value


def _check_tensor(tensor: Tensor) -> None:
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise ValueError("a tensor of another kind")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise ValueError("a tensor that is larger than its values")
    if not torch.isfinite(tensor).all():
        raise ValueError("weights that are not finite")


def _facts(data: Any) -> DataFacts:
    if data is None:
        return MNIST_FACTS
    facts = DataFacts(**data | {"labels": tuple(data["labels"])})
    texts = (facts.name, facts.sha256, facts.preprocessing, facts.credit, *facts.labels)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("facts of the dataset that are not texts")
    if not 2 <= len(facts.labels) <= _MOST_CLASSES:
        raise ValueError(f"{len(facts.labels)} classes")
    return facts


def _check_scores(values: Mapping[str, Any]) -> None:
    if type(values["epoch"]) is not int or values["epoch"] < 1:
        raise ValueError("an epoch that is not a number from 1")
    for name in ("val_loss", "val_accuracy"):
        if type(values[name]) is not float or not math.isfinite(values[name]):
            raise ValueError(f"a {name} that is not a number")


def _check_weights(weights: object) -> None:
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise ValueError("no table of weights")
    if not all(
        isinstance(tensor, Tensor) and tensor.dtype in (torch.float32, torch.int64)
        for tensor in weights.values()
    ):
        raise ValueError("weights of another type")


def _check_trainer(state: object, record: type) -> None:
    parts = ("network", "average", "optimizer", "scheduler")
    if not isinstance(state, dict) or not all(isinstance(state[name], dict) for name in parts):
        raise ValueError("no trainer's state")
    _check_weights(state["network"])
    _check_weights(state["average"])
    types = get_type_hints(record)
    for number, epoch in enumerate(state["history"], start=1):
        if not isinstance(epoch, dict) or epoch.keys() != types.keys():
            raise ValueError("a history of other figures")
        for name, value in epoch.items():
            if not isinstance(value, types[name]) or isinstance(value, bool):
                raise ValueError(f"a history whose {name} is not a number")
        if epoch["epoch"] != number or not math.isfinite(epoch["val_loss"]):
            raise ValueError("a history that is not of one epoch after the other")
