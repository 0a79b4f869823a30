"""Lines and pages to train on say what is where; training learns; runs are exported."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_edge import DatasetError, ModelError, TrainingError
from mnist_edge.numbers.alphabet import NAMES, OTHER
from mnist_edge.numbers.line_model import FinderModel, LineModel
from mnist_edge_trainer.numbers.clutter import cluttered
from mnist_edge_trainer.numbers.finder_batches import target_of
from mnist_edge_trainer.numbers.line_images import clean_strip, random_line
from mnist_edge_trainer.numbers.line_reader import LineReaderNet
from mnist_edge_trainer.numbers.number_run import export_numbers
from mnist_edge_trainer.numbers.pages import random_page
from mnist_edge_trainer.numbers.reader_batches import collate, loss_of, read_greedily
from mnist_edge_trainer.numbers.strings import Composer
from mnist_edge_trainer.numbers.train_finder import load_finder
from mnist_edge_trainer.numbers.train_reader import load_reader
from mnist_edge_trainer.numbers.writers import hands, split_hands
from mnist_edge_trainer.numbers.writing import KINDS, Style, random_style, random_text
from tests.conftest import SAMPLES, Cli, Digits, Finished


@pytest.fixture(scope="module")
def composer() -> Composer:
    training, _ = split_hands(hands(Path(SAMPLES), "train"), 60)
    return Composer(training)


def test_writers_of_the_labels_are_kept_apart(tmp_path: Path, train_digits: Digits) -> None:
    labels = train_digits[1]
    rows = "".join(f"{label}\t4\t{n // 500}\t0\t0\t0\t0\t0\n" for n, label in enumerate(labels))
    (tmp_path / "qmnist-train-labels.tsv.gz").write_bytes(gzip.compress(rows.encode()))
    known = hands(Path(SAMPLES), "train", tmp_path)
    training, validation = split_hands(known, 20)
    assert len(known.writers) == len(training.writers) + len(validation.writers) == 120
    used = [{int(i) for w in part.writers for d in w for i in d} for part in (training, validation)]
    assert not used[0] & used[1]
    for number, writer in enumerate(known.writers[:3]):
        positions = np.concatenate(writer)
        assert set((positions // 500).tolist()) == {number}


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", gzip.compress(b"a\tb\n" * 60_000)])
def test_damaged_labels_of_writers_are_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="not "):
        hands(Path(SAMPLES), "train", path)
    with pytest.raises(DatasetError, match="there is no"):
        hands(Path(SAMPLES), "train", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_hold_the_ink_of_their_symbols(composer: Composer, kind: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        style = random_style(rng, kind)._replace(pen=0.0)
        drawing = composer.compose(random_text(rng, kind), style, rng, 30.0)
        outside = drawing.ink.copy()
        for _, (left, top, right, bottom) in drawing.symbols:
            box = slice(int(top), int(bottom)), slice(int(left), int(right))
            assert drawing.ink[box].max() > 0.25
            outside[box] = 0
        assert outside.max(initial=0) <= 0.3


def test_a_line_says_what_was_written(composer: Composer) -> None:
    rng = np.random.default_rng(3)
    for kind in KINDS:
        drawing = composer.compose("907-1,5", Style(kind, gap=0.2), rng, 24.0)
        assert "".join(NAMES[label][0] for label, _ in drawing.symbols) == "907d1c5"
    drawing = composer.compose("FR12", Style("print", gap=0.2), rng, 24.0)
    assert [label for label, _ in drawing.symbols] == [OTHER, 2, 3]  # a run of letters is one


def test_worn_lines_are_strips_with_their_symbols_inside(composer: Composer) -> None:
    lengths = []
    for seed in range(150):
        line = random_line(composer, np.random.default_rng([9, seed]))
        height, width = line.image.shape
        assert (height, width % 4) == (32, 0)
        for _, (left, top, right, bottom) in line.symbols:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
        lengths.append(len(line.symbols))
    assert 0 in lengths
    assert max(lengths) > 12


def test_every_kind_of_clutter_adds_ink() -> None:
    blank = np.zeros((32, 160), np.float32)
    added = [cluttered(blank, [], np.random.default_rng(n), 24.0, 0.0).mean() for n in range(60)]
    assert min(added) >= 0
    assert np.mean([level > 0 for level in added]) > 0.9


def test_pages_say_where_their_lines_are(composer: Composer) -> None:
    found = 0
    for seed in range(40):
        page = random_page(composer, np.random.default_rng([5, seed]))
        rows, columns = page.levels.shape
        assert rows % 32 == columns % 32 == 0
        target = target_of(page.lines, rows, columns)
        assert target.shape == (5, rows // 4, columns // 4)
        assert not page.lines or target[0].any()
        found += len(page.lines)
    assert found > 30


def test_reader_learns_a_few_lines(composer: Composer) -> None:
    rng = np.random.default_rng(1)
    lines = [
        clean_strip(composer.compose(text, Style(gap=0.3), rng, 22.0))
        for text in ("12", "11", "905", "4477")
    ]
    batch = collate(lines)
    torch.manual_seed(0)
    network = LineReaderNet(width=0.5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for step in range(120):
        network.train()
        scores = network(batch.images.float() / 255)
        loss = loss_of(scores, batch, max(0.1, 1 - step / 60))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wanted = [[symbol.label for symbol in line.symbols] for line in lines]
    assert read_greedily(network, batch.images) == wanted


def test_short_trainings_are_resumed_and_exported(tmp_path: Path, cli_in_process: Cli) -> None:
    run = tmp_path / "run"
    train = ("train", "--task", "numbers", "--output", run, "--threads", "1")
    done = cli_in_process(*train, "--data", SAMPLES, "--minutes", "0.04")
    assert done.returncode == 0, done.stderr
    steps = load_reader(run / "reader")[2]
    assert "is a run already" in cli_in_process(*train).stderr
    done = cli_in_process(*train, "--minutes", "0.12", "--network", "reader", "--resume")
    assert done.returncode == 0, done.stderr
    recipe, network, more = load_reader(run / "reader")
    assert more > steps > 0
    assert recipe.data == str(SAMPLES)  # as it was begun with
    assert sum(p.numel() for p in network.parameters()) > 100_000
    files = export_numbers(run, tmp_path, validation=60)
    for kind, model, other, file in (
        ("reader", LineModel, FinderModel, files[0]),
        ("finder", FinderModel, LineModel, files[1]),
    ):
        opened = model.load(file)
        assert opened.metadata["task"] == f"line-{kind}"
        assert str(SAMPLES) not in str(opened.metadata)
        with pytest.raises(ModelError, match="not a line"):
            other.load(file)


def test_options_of_another_task_are_refused(cli_in_process: Cli, tmp_path: Path) -> None:
    for options, flag in (
        (("--task", "numbers", "--arch", "small"), "--arch"),
        (("--task", "numbers", "--fast"), "--fast"),
        (("--task", "numbers", "--network", "both"), "--network"),
        (("--task", "letters"), "--task"),
        (("--minutes", "3"), "--minutes"),
        (("--task", "numbers", "--resume"), "nothing to resume"),
        (("--task", "numbers", "--init-from", str(tmp_path / "none")), "not a checkpoint"),
    ):
        done = cli_in_process("train", "--output", tmp_path / "run", *options)
        assert flag in one_line_of_many(done)
    assert not (tmp_path / "run" / "reader" / "last.pt").exists()


def one_line_of_many(done: Finished) -> str:
    """The error, which is the last line of stderr."""
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    for load in (load_reader, load_finder):
        with pytest.raises(TrainingError, match="not a checkpoint"):
            load(tmp_path)
        torch.save({"average": {}, "config": {"a": 1}, "step": 0}, tmp_path / "last.pt")
        with pytest.raises(TrainingError, match="not a checkpoint"):
            load(tmp_path)
        (tmp_path / "last.pt").unlink()
