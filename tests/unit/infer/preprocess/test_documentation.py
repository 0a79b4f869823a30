"""docs/preprocessing.md names what exists, and its figures can be drawn again."""

from __future__ import annotations

import functools
import importlib
import re
import runpy
from pathlib import Path

from tests.conftest import ROOT

DOCS = ROOT / "docs"
TEXT = (DOCS / "preprocessing.md").read_text(encoding="utf-8")


def test_named_functions_exist() -> None:
    rows = re.findall(r"^\|.*\| `(mnist_edge[\w.]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert len(rows) >= 12
    for module, functions in rows:
        for name in re.findall(r"`([\w.]+)`", functions):
            assert callable(
                functools.reduce(getattr, name.split("."), importlib.import_module(module))
            )


def test_links_lead_to_headings_and_files() -> None:
    headings = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert link[1:] in headings if link[0] == "#" else (DOCS / link).is_file(), link


def test_figures_are_small_and_all_drawn_again(tmp_path: Path) -> None:
    linked = {Path(link).name for link in re.findall(r"\]\((figures/[^)]+)\)", TEXT)}
    assert all((DOCS / "figures" / name).stat().st_size < 120_000 for name in linked)
    runpy.run_path(str(DOCS / "make_figures.py"))["main"](tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == linked
