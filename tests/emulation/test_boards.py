"""The exported C on emulated boards: the 100 test vectors, and what the network takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulation.boards import (
    BOARDS,
    GCC,
    MODELS,
    Board,
    build,
    exported,
    instructions,
    missing,
    run,
    sizes,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
]


@pytest.fixture(scope="module", params=MODELS)
def sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c")
    exported(request.param, folder)
    return folder


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.core)
def test_all_vectors_are_right(board: Board, sources: Path, tmp_path: Path) -> None:
    build(sources, board, sources / "main.c", tmp_path / "elf")
    assert run(board.machine, tmp_path / "elf") == "100 of 100"


def test_dot_products_of_pairs_save_instructions(sources: Path, tmp_path: Path) -> None:
    _, m3, m4, _ = BOARDS
    assert instructions(sources, m4, tmp_path) < 0.8 * instructions(sources, m3, tmp_path)


def test_flash_and_stack_are_small(sources: Path, tmp_path: Path) -> None:
    flash, stack = sizes(sources, GCC, ("-mcpu=cortex-m0", "-mthumb"), tmp_path)
    title = (sources / "mnist_edge.h").read_text().splitlines()[0]
    most = {"pico": 10_240, "nano": 16_384}
    assert flash < next((size for name, size in most.items() if name in title), 40_000)
    assert stack < 512
