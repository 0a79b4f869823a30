"""Reads a report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from mnist_edge_trainer.reporting.report import write_report

__all__ = ["Page", "write_page"]


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        rows: the text of each cell, by row of its tables.
        words: all text.
        tags: names of its elements.
        sources: what its elements load.
        links: where its links lead.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words = ""
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "background", "poster"):
                self.sources.append(value or "")
            elif name == "href":
                self.links.append(value or "")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag != "style":
            self.words += data
        if self.lasttag in ("td", "th", "span", "a") and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def row(self, first: str) -> list[str]:
        """The cells of the row that begins with `first`."""
        return next(row for row in self.rows if row and row[0] == first)


def write_page(run: Path, parameters: int | None = None) -> Page:
    """Writes a run's report into its folder, and reads it."""
    path = run / "report.html"
    write_report(run, path, parameters=parameters)
    return Page(path)
