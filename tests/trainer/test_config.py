"""The recipe, and what the command line says of it."""

from __future__ import annotations

import typing
from dataclasses import asdict

from mnist_edge.cli import train
from mnist_edge_trainer.config import TrainConfig


def test_help_states_the_defaults_that_hold() -> None:
    defaults = asdict(TrainConfig())
    for name, hint in typing.get_type_hints(train, include_extras=True).items():
        if name not in defaults:
            continue
        (option,) = hint.__metadata__
        stated = "--augment" if name == "augment" else str(defaults[name])
        assert option.show_default == stated, name
