"""Both packages keep the rules of `tests.architecture`; made-up source shows that each can fail."""

from __future__ import annotations

import pytest

from tests.architecture import (
    MOST_LINES_OF_FUNCTION,
    MOST_LINES_OF_MODULE,
    both_packages,
    folder,
    forbidden_imports,
    import_cycles,
    imports_against_the_flow,
    lengths,
    made_up,
    training_names,
)

LONGER: dict[str, str] = {}
"""Modules (`package.module`) and functions (`package.module:function`) that may be longer: why."""

# Both packages


def test_modules_do_not_import_one_another_in_a_circle() -> None:
    assert import_cycles(both_packages()) == []


def test_folders_do_not_import_one_another_in_a_circle() -> None:
    assert import_cycles(both_packages(), folder) == []


@pytest.mark.parametrize("part", ["inputs", "preprocess", "batch", "outputs", "bench", "serve"])
def test_inference_library_imports_nothing_of_its_command_line(part: str) -> None:
    assert forbidden_imports(both_packages(), [f"mnist_edge.{part}"], ["mnist_edge.cli"]) == []


def test_trainer_library_imports_nothing_of_a_command_line() -> None:
    trainer, command_line = "mnist_edge_trainer", "mnist_edge_trainer.cli"
    forbidden = [command_line, "mnist_edge.cli"]
    assert forbidden_imports(both_packages(), [trainer], forbidden, but=[command_line]) == []


def test_inference_package_names_no_training_package() -> None:
    assert training_names(both_packages()) == []


def test_data_flows_one_way_in_the_inference_package() -> None:
    assert imports_against_the_flow(both_packages()) == []


def test_modules_and_functions_are_short_or_have_a_reason() -> None:
    too_long = lengths(both_packages())
    assert {name: lines for name, lines in too_long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(too_long), "these are short now: delete their entries"
    assert all(LONGER.values())


# Each rule can fail


@pytest.mark.parametrize(
    "source",
    [
        "import p.b",
        "from p import b",
        "from p.b import name",
        "from . import b",
        "from .b import name",
        "def later():\n    from p.b import name",
        "import importlib\nimportlib.import_module('p.b')",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import p.b",
    ],
)
def test_every_form_of_import_closes_a_cycle(source: str) -> None:
    assert import_cycles(made_up(p="", p__a=source, p__b="import p.a")) == ["p.a <- p.b <- p.a"]


def test_import_for_types_alone_closes_no_cycle() -> None:
    source = "if TYPE_CHECKING:\n    from p.b import Name"
    assert import_cycles(made_up(p="", p__a=source, p__b="import p.a")) == []


def test_cycle_of_folders_is_found_where_modules_have_none() -> None:
    modules = made_up(
        p="",
        p__x="",
        p__x__a="import p.y.a",
        p__x__b="",
        p__y="",
        p__y__a="",
        p__y__b="import p.x.b",
    )
    assert import_cycles(modules) == []
    assert import_cycles(modules, folder) == ["p.x <- p.y <- p.x"]


@pytest.mark.parametrize(
    "source", ["import p.cli", "if TYPE_CHECKING:\n    from p.cli.app import x"]
)
def test_forbidden_import_is_found_wherever_it_stands(source: str) -> None:
    modules = made_up(p="", p__cli="import p.cli.app", p__cli__app="", p__inputs=source)
    (violation,) = forbidden_imports(modules, ["p"], ["p.cli"], but=["p.cli"])
    assert violation.startswith("p.inputs:")


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn",
        "def later():\n    from onnx import helper",
        "if TYPE_CHECKING:\n    import mnist_edge_trainer",
        "import_module('scipy.ndimage')",
        "name = f'mnist_edge_trainer.cli.{name}'",
        "packages = ('matplotlib',)",
    ],
)
def test_training_package_is_found_however_it_is_named(source: str) -> None:
    assert training_names(made_up(mnist_edge="", mnist_edge__model=source))
    assert not training_names(made_up(mnist_edge_trainer="", mnist_edge_trainer__a=source))


def test_words_that_only_begin_like_a_training_package_are_allowed() -> None:
    source = "'''Torches, onnx files.'''\nimport onnxruntime\nname = 'onnxruntime'"
    assert training_names(made_up(mnist_edge="", mnist_edge__model=source)) == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("classifier", "model", True),
        ("cli", "bench", True),
        ("inputs", "preprocess", False),
        ("types", "errors", False),
        ("batch", "bench", False),
        ("model", "serve", False),
    ],
)
def test_imports_go_up_the_layers_only(importer: str, imported: str, allowed: bool) -> None:
    sources = {
        "mnist_edge": "",
        f"mnist_edge__{importer}": f"from mnist_edge.{imported} import name",
        f"mnist_edge__{imported}": "",
    }
    assert (imports_against_the_flow(made_up(**sources)) == []) == allowed


def test_long_modules_and_functions_are_found() -> None:
    long = "def f():\n" + "    pass\n" * MOST_LINES_OF_FUNCTION
    assert lengths(made_up(p__a=long)) == {"p.a:f": MOST_LINES_OF_FUNCTION + 1}
    assert lengths(made_up(p__a="x = 1\n" * (MOST_LINES_OF_MODULE + 1))) == {"p.a": 351}
    assert lengths(made_up(p__a=long.replace("    pass\n", "", 1))) == {}
