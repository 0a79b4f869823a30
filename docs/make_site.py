"""Builds the documentation as a site: `python docs/make_site.py [FOLDER]`, build/site by default.

The pages are those of this folder, of the README, the model cards, the changelog and the rules for
contributors, with their links to one another. Links to files of the repository that are no pages
become plain text. A link that leads nowhere ends the build. With the commands' own help, and the
drawing page where npm is at hand.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from mnist_edge.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

PAGES = {
    "README.md": "index.md",
    "docs/README.md": "pages.md",
    "models/README.md": "model-cards.md",
    "tests/data/README.md": "test-pictures.md",
    "docs/examples/meter/README.md": "example-meter.md",
    "docs/examples/exam-marks/README.md": "example-exam-marks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{
        f"docs/{path.name}": path.name
        for path in sorted(DOCS.glob("*.md"))
        if path.stem != "README"
    },
}
"""Files of the repository, and what they are called on the site."""

NAVIGATION = {
    "Start": ["index.md", "pages.md"],
    "Use it": [
        *("predict.md", "read.md", "many-pictures.md", "past-one-machine.md", "serve.md"),
        *("microcontroller.md", "api.md", "commands.md", "security.md"),
    ],
    "Examples": ["example-meter.md", "example-exam-marks.md"],
    "Make it": ["train.md", "architectures.md", "export.md"],
    "Judge it": [
        *("robustness.md", "benchmark.md", "model-cards.md", "search-log.md", "test-pictures.md"),
    ],
    "How it works": ["preprocessing.md", "design.md", "optimisations.md"],
    "Project": ["contributing.md", "changelog.md"],
}

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def main() -> None:
    """Builds the site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--with-drawing-page", action="store_true", help="needs npm")
    options = parser.parse_args()
    listed = [page for pages in NAVIGATION.values() for page in pages]
    if sorted(listed) != sorted([*PAGES.values(), "commands.md"]):
        missing = {*PAGES.values(), "commands.md"} ^ {*listed}
        raise SystemExit(f"NAVIGATION and PAGES differ: {', '.join(sorted(missing))}")
    work = options.folder.parent / f"{options.folder.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    pages = work / "pages"
    pages.mkdir(parents=True)
    for source, name in PAGES.items():
        (pages / name).write_text(linked(source, pages), encoding="utf-8")
    (pages / "commands.md").write_text(commands(), encoding="utf-8")
    if options.with_drawing_page:
        subprocess.run(
            [sys.executable, str(DOCS / "demo" / "build.py"), str(pages / "draw")], check=True
        )
    for name in ("extra.css", "extra.js"):
        shutil.copyfile(DOCS / "site" / name, pages / name)
    (work / "zensical.toml").write_text(configuration(), encoding="utf-8")
    program = Path(sys.executable).with_name("zensical")
    subprocess.run([str(program), "build", "--clean", "--strict"], cwd=work, check=True)
    shutil.rmtree(options.folder, ignore_errors=True)
    shutil.move(work / "site", options.folder)
    shutil.rmtree(work)
    print(f"wrote {options.folder}")


def configuration() -> str:
    """The site's settings, with the list of pages."""
    sections = [
        f"    {{ {title!r} = [{', '.join(map(repr, pages))}] }},"
        for title, pages in NAVIGATION.items()
    ]
    nav = "\n".join(["nav = [", *sections, "]"]).replace("'", '"')
    text = (DOCS / "site" / "zensical.toml").read_text(encoding="utf-8")
    return text.replace("[project]\n", f"[project]\n{nav}\n", 1)


def linked(source: str, pages: Path) -> str:
    """A page's text, its links led to where the pages are on the site; copies its pictures."""
    folder = (ROOT / source).parent

    def replaced(match: re.Match[str]) -> str:
        is_picture, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = os.path.relpath(folder / target, ROOT)
        if not (ROOT / path).exists():
            raise SystemExit(f"{source}: {target} leads nowhere")
        if path in PAGES:
            return f"[{text}]({PAGES[path]}{anchor})"
        if is_picture or path.endswith((".png", ".svg", ".jpg", ".json", ".ipynb")):
            (pages / "files").mkdir(exist_ok=True)
            name = path.replace("/", "-")
            shutil.copyfile(ROOT / path, pages / "files" / name)
            return f"{is_picture}[{text}](files/{name})"
        return f"{text} (`{path}`)" if path.split("/")[-1] not in text else text

    fenced = re.split(
        r"(^```.*?^```$)", (ROOT / source).read_text(encoding="utf-8"), flags=re.M | re.S
    )
    return "".join(part if part.startswith("```") else _LINK.sub(replaced, part) for part in fenced)


def commands() -> str:
    """The help of every command, as it is printed."""
    import typer

    group = typer.main.get_command(app)
    names = [name for name, command in group.commands.items() if not command.hidden]  # type: ignore[attr-defined]
    text = [
        "# Commands",
        "",
        "What you can do here: look up an option. This page is the program's own help.",
        "",
    ]
    for name in ["", *names]:
        arguments = [name, "--help"] if name else ["--help"]
        result = CliRunner().invoke(app, arguments, prog_name="mnist-edge", env={"COLUMNS": "80"})
        shown = "\n".join(line.rstrip() for line in result.stdout.strip("\n").splitlines())
        text += [f"## mnist-edge {name}".rstrip(), "", "```text", shown, "```", ""]
    return "\n".join(text)


if __name__ == "__main__":
    main()
