"""README and docs: shown outputs are the program's, figures are the files', links resolve."""

from __future__ import annotations

import json
import re
import runpy
import statistics
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

from mnist_edge import __version__
from mnist_edge.cli.app import app
from mnist_edge.model import Model, bundled_models
from tests.conftest import ROOT, Cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
CARDS = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "models" / "README.md",
    ROOT / "samples" / "README.md",
    ROOT / "samples" / "numbers" / "README.md",
    ROOT / "tests" / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

LONGEST_README = 150
"""Lines."""

SEEDED = {
    "pico": "mnist-edge-pico-int8",
    "nano": "mnist-edge-nano-int8",
    "small": "mnist-edge-int8",
}
"""Names in `models/seeds.json` -> the released file of the first seed."""


@cache
def script(name: str) -> SimpleNamespace:
    """The names that a script of docs/ defines."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / f"{name}.py")))


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


SHOWN = [
    (path.name, command, output)
    for path in script("make_outputs").documents()
    for command, output in script("make_outputs").shown_outputs(path.read_text(encoding="utf-8"))
]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_readme_shows_outputs() -> None:
    assert any(page == "README.md" for page, _, _ in SHOWN)


@pytest.mark.parametrize(
    ("command", "shown"),
    [(command, output) for _, command, output in SHOWN if command != "archs"],
)
def test_shown_output_is_printed_by_command(command: str, shown: str) -> None:
    printed = script("make_outputs").output_of(command).splitlines()
    assert len(printed) > 1
    assert len(shown.splitlines()) == len(printed)
    for shown_line, printed_line in zip(shown.splitlines(), printed, strict=True):
        assert same_words(shown_line, printed_line), printed_line


def same_words(shown: str, printed: str) -> bool:
    """Whether two lines have the same words; confidences may differ between processors."""
    pattern = r'[\s",:\[\]{}]+'
    pairs = zip(re.split(pattern, shown), re.split(pattern, printed), strict=True)
    return all(a == b or abs(fraction(a) - fraction(b)) < 0.02 for a, b in pairs)


def fraction(word: str) -> float:
    """A number; NaN, which is near nothing, for any other word."""
    try:
        return float(word)
    except ValueError:
        return float("nan")


def test_architecture_table_equals_command_output(cli: Cli) -> None:
    (shown,) = [output for _, command, output in SHOWN if command == "archs"]
    done = cli("archs")
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in shown.splitlines()] == [
        line.split() for line in done.stdout.splitlines()
    ]


EXAMPLES = [
    pytest.param(code, id=f"{page_name(page)}-{number}")
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    )
    if "import " in code
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_python_example_prints_what_its_comments_say(
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "import cv2" in code:
        pytest.importorskip("cv2")
    for folder in ("models", "samples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    with Image.open(ROOT / "samples" / "7-mnist.png") as image:
        (tmp_path / "7.raw").write_bytes(image.tobytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.M)
    assert all(map(same_words, promised, printed))
    assert len(promised) <= len(printed)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_bundled_model_is_in_both_tables_with_figures_of_its_file(name: str) -> None:
    model = Model.load(name)
    for document in (README, CARDS):
        row = row_of(document, name)
        assert percent(float(model.metadata["test_accuracy"])) in row
        assert f"{len(model.content):,}" in row


@pytest.mark.parametrize(("name", "model"), SEEDED.items())
def test_tables_have_mean_of_recorded_seeds(name: str, model: str) -> None:
    seeds = json.loads((ROOT / "models" / "seeds.json").read_text(encoding="utf-8"))[name]
    released = Model.load(model)
    assert seeds[0]["seed"] == int(released.metadata["seed"])
    assert seeds[0]["test_accuracy_int8"] == float(released.metadata["test_accuracy"])
    assert json.loads(released.metadata["training_recipe"]) == {"recipe": name}
    mean = percent(statistics.mean(run["test_accuracy_int8"] for run in seeds))
    assert mean in row_of(CARDS, model)
    assert mean in row_of(README, model)


def test_readme_names_size_of_default_model() -> None:
    assert f"network of {len(Model.load().content) / 1024:.0f} KiB" in README


def row_of(document: str, name: str) -> str:
    return next(line for line in document.splitlines() if line.startswith(f"| `{name}`"))


def percent(value: float) -> str:
    return f"{value:.2%}".replace("%", " %")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_resolves(page: Path) -> None:
    for target, _, heading in links(page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), f"{target}#{heading}"


def links(text: str) -> list[tuple[str, str, str]]:
    """Targets of the links within the repository, cut at ``#``."""
    targets = re.findall(r"\]\((?!https?:)([^)\s]+)", without_code(text))
    return [target.partition("#") for target in targets]


def headings(page: Path) -> set[str]:
    """The anchors that a page has."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def test_every_page_has_a_place_on_the_site_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    """What the site's builder does before it runs Zensical, which needs the extra `docs`."""
    site = runpy.run_path(str(ROOT / "docs" / "make_site.py"))
    listed = [page for pages in site["NAVIGATION"].values() for page in pages]
    assert sorted(listed) == sorted([*site["PAGES"].values(), "commands.md"])
    for source in site["PAGES"]:
        text = site["linked"](source, tmp_path)
        for target in re.findall(r"\]\(([^)#\s]+\.(?:md|png|svg|jpg|json|ipynb))", text):
            if "://" not in target:
                assert target in listed or (tmp_path / target).is_file(), f"{source}: {target}"
    commands = site["commands"]()
    for name in ("predict", "read", "serve", "train", "hub"):
        assert f"## mnist-edge {name}\n" in commands


def test_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_files_for_the_forge_are_yaml(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_readme_links_to_every_page_of_docs() -> None:
    linked = {target for target, _, _ in links(README)}
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages - linked <= {"docs/README.md"}


def test_docs_index_links_to_every_page_of_docs() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {target for target, _, _ in links(index.read_text(encoding="utf-8"))}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - linked == {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_shown_commands_and_options_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("names commands of earlier versions")
    commands = options_by_command()
    for words in shown_commands(page.read_text(encoding="utf-8")):
        if words[0].startswith("-"):
            continue
        assert words[0] in commands, words
        for word in words[1:]:
            if word.startswith("-") and word != "-":
                assert word in commands[words[0]], words


def shown_commands(text: str) -> list[list[str]]:
    """Words of every command line of the program that a page shows, in blocks and in prose."""
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"(?<!`)`(mnist-edge [^`]+)`", text)
    shown = [re.search(r"(?:^|[$|] )mnist-edge (.+?)(?:\s+[#|<>]|$)", line) for line in lines]
    return [match[1].split() for match in shown if match]


@cache
def options_by_command() -> dict[str, set[str]]:
    """Options of each command that are not hidden."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {"--help"}
        | {
            option
            for parameter in command.params
            if not getattr(parameter, "hidden", False)
            for option in [*parameter.opts, *parameter.secondary_opts]
        }
        for name, command in group.commands.items()
        if not command.hidden
    }


def test_design_names_files_that_exist() -> None:
    paths = re.findall(r"`((?:infer|trainer|tests)/[\w/.\-]+)`", DESIGN)
    assert len(paths) > 30
    for path in paths:
        assert (ROOT / path).exists(), path


def test_design_shows_loop_of_runner_and_classifier() -> None:
    source = "".join(
        (ROOT / "infer" / "mnist_edge" / file).read_text(encoding="utf-8")
        for file in ("batch/runner.py", "classifier.py")
    )
    code_lines = {line.strip() for line in source.splitlines()}
    blocks = re.findall(r"^```python\n(.*?)^```", DESIGN, re.M | re.S)
    assert len(blocks) == 2
    for line in "".join(blocks).splitlines():
        assert line.strip() in code_lines, line


def test_api_page_is_current() -> None:
    kept = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert kept == script("make_api").page(), "run `python docs/make_api.py`"


def test_hero_is_drawn_by_its_script(tmp_path: Path) -> None:
    made = tmp_path / "hero.png"
    script("make_hero").main(made)
    kept = ROOT / "docs" / "figures" / "hero.png"
    assert kept.stat().st_size < 150_000
    images = [np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (kept, made)]
    # Fonts and resizing differ by a little from one version of Pillow to the next.
    assert np.abs(images[0] - images[1]).mean() < 1


def test_samples_are_made_by_their_script(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "samples" / "make_samples.py"))["main"](tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    kept = [*(ROOT / "samples").glob("*.png"), *(ROOT / "samples").glob("*.jpg")]
    assert made == sorted(path.name for path in kept)
    for path in kept:
        before, after = (
            np.asarray(Image.open(image)).astype(int) for image in (path, tmp_path / path.name)
        )
        # JPEG encoders differ by a little from one version of the library to the next.
        assert np.abs(before - after).max() <= (0 if path.suffix == ".png" else 24)


def test_number_pictures_are_made_by_their_script(tmp_path: Path) -> None:
    kept = ROOT / "samples" / "numbers"
    runpy.run_path(str(ROOT / "samples" / "make_numbers.py"))["main"](tmp_path)
    assert (tmp_path / "truth.csv").read_text() == (kept / "truth.csv").read_text()
    made = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert made == sorted(path.name for path in kept.glob("*.jpg"))
    for name in made:
        with Image.open(kept / name) as before, Image.open(tmp_path / name) as after:
            assert before.size == after.size
            difference = np.asarray(before).astype(int) - np.asarray(after)
        # JPEG encoders, and scipy's filters, differ by a little from one version to the next.
        assert np.abs(difference).mean() < 2
