"""Models of other classes: their names are in every answer, wherever it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier, ModelError
from mnist_edge.outputs.resumable import partial_path
from mnist_edge.outputs.sort_by_class import folder_names
from tests.conftest import ROOT, Cli, Digits
from tests.foreign_models import brightness, relabelled

LABELS = ("dark", "T-shirt/top", "light")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((ROOT / "infer/mnist_edge/prediction.schema.json").read_text())
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tells dark pictures from light ones."""
    path = tmp_path_factory.mktemp("models") / "brightness.onnx"
    path.write_bytes(brightness(LABELS))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two dark ones, one between, one light, one that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, level in (("a", 10), ("b", 30), ("c", 120), ("d", 240)):
        Image.new("RGB", (90, 60), (level, level, level)).save(folder / f"{name}.png")
    (folder / "e.png").write_bytes(b"no picture")
    return folder


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_prediction_has_the_name_of_its_class(model: Path, pictures: Path) -> None:
    classifier = DigitClassifier(model)
    answers = list(classifier.stream(sorted(pictures.iterdir())))
    assert [answer.digit for answer in answers] == [0, 0, 1, 2, None]
    assert [answer.label for answer in answers] == ["dark", "dark", "T-shirt/top", "light", None]
    assert [answer.to_dict()["label"] for answer in answers] == [a.label for a in answers]
    alone = classifier.predict(pictures / "c.png")
    assert alone.to_dict() == answers[2].to_dict()
    assert alone.top(3)[0] == (1, alone.confidence)
    assert alone.image is not None
    assert (alone.image == 120).all()


def test_the_digits_are_told_as_ever(samples: Path) -> None:
    answer = DigitClassifier().predict(samples / "7-pen.png")
    assert (answer.digit, answer.label) == (7, "7")
    assert list(answer.to_dict()) == ["path", "digit", "confidence", "probabilities", "error"]


def test_names_change_no_answer(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "german.onnx"
    path.write_bytes(relabelled(GERMAN))
    files = sorted(samples.glob("*.*g"))
    named, bare = (list(DigitClassifier(name).stream(files)) for name in (path, None))
    assert len(files) == 30
    for file, german, digit in zip(files, named, bare, strict=True):
        assert german.label == GERMAN[int(file.name[0])]
        told = german.to_dict()
        assert told.pop("label") == german.label
        assert told == digit.to_dict()


def test_an_unsure_answer_names_the_class(model: Path, pictures: Path) -> None:
    answer = DigitClassifier(model, min_confidence=1).predict(pictures / "c.png")
    assert answer.digit is None
    assert answer.label is None
    assert answer.to_dict()["label"] is None
    assert "unsure; T-shirt/top has a confidence of" in (answer.error or "")


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_json_is_of_the_published_form(
    cli: Cli, model: Path, pictures: Path, samples: Path, kind: str
) -> None:
    done = cli("predict", pictures, "--model", model, "--format", kind, "--top-k", "2")
    assert done.returncode == 1
    told = rows(done.stdout) if kind == "jsonl" else json.loads(done.stdout)
    for row in told:
        VALIDATOR.validate(row)
        assert list(row)[-1] == "label"
    assert [row["label"] for row in told] == ["dark", "dark", "T-shirt/top", "light", None]
    assert [len(row["top"]) for row in told] == [2, 2, 2, 2, 0]
    assert [place["label"] for place in told[3]["top"]] == ["light", "T-shirt/top"]
    assert not VALIDATOR.is_valid({**told[0], "label": None})
    assert not VALIDATOR.is_valid({**told[4], "label": "dark"})
    digit = rows(cli("predict", samples / "7-pen.png", "--format", "jsonl").stdout)[0]
    for document in (told[0], digit):
        short = {**document, "probabilities": document["probabilities"][:1]}
        assert not VALIDATOR.is_valid(short)
    assert not VALIDATOR.is_valid({**digit, "probabilities": told[0]["probabilities"]})


def test_csv_has_a_column_for_each_class_and_the_name_last(
    cli: Cli, model: Path, pictures: Path
) -> None:
    done = cli("predict", pictures, "--model", model, "--format", "csv", "--top-k", "3")
    assert done.stdout.splitlines()[0] == (
        "path,digit,confidence,probability_0,probability_1,probability_2,error,top,label"
    )
    told = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in told] == ["dark", "dark", "T-shirt/top", "light", ""]
    assert told[3]["top"].split() == ["2", "1", "0"]
    assert told[4]["probability_2"] == ""
    assert "not an image" in told[4]["error"]


def test_the_table_shows_names_in_columns(cli: Cli, model: Path, pictures: Path) -> None:
    done = cli("predict", pictures, "--model", model, "--top-k", "2", "--summary")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["class", "confidence", "next", "best", "image"]
    assert [line.split()[0] for line in lines] == ["dark", "dark", "T-shirt/top", "light", "-"]
    column = header.index("image")
    assert all(line[column:].startswith(str(pictures)) for line in lines)
    counted = [line.split()[:2] for line in done.stderr.splitlines() if "T-shirt/top" in line]
    assert counted == [["T-shirt/top", "1"]]
    assert "   class   pictures" in done.stderr


def test_more_classes_than_digits(cli: Cli, tmp_path: Path) -> None:
    labels = [f"level {index}" for index in range(12)]
    model, levels = tmp_path / "many.onnx", np.linspace(0, 255, 12).round().astype(np.uint8)
    model.write_bytes(brightness(labels))
    np.save(tmp_path / "all.npy", np.tile(levels[:, np.newaxis, np.newaxis], (1, 28, 28)))
    done = cli(
        *("predict", tmp_path / "all.npy", "--model", model),
        *("--format", "jsonl", "--top-k", "12"),
    )
    told = rows(done.stdout)
    assert [row["label"] for row in told] == labels
    assert [place["label"] for place in told[11]["top"]] == labels[::-1]
    for row in told:
        VALIDATOR.validate(row)


@pytest.mark.parametrize("top_k", [4, 11])
def test_more_names_than_classes_are_refused_before_anything_is_written(
    cli: Cli, model: Path, pictures: Path, tmp_path: Path, top_k: int
) -> None:
    options = () if top_k == 11 else ("--model", model)
    output = tmp_path / "out.csv"
    done = cli("predict", pictures, *options, "--top-k", str(top_k), "--output", output)
    assert done.returncode == 2
    assert done.stderr == (
        f"mnist-edge: --top-k {top_k}: the model has {top_k - 1} classes; name no more\n"
    )
    assert not output.exists()


def test_several_processes_answer_as_one_does(
    cli: Cli, model: Path, tmp_path: Path, test_digits: Digits
) -> None:
    np.save(tmp_path / "many.npy", np.tile(test_digits[0][:2500], (2, 1, 1)) // 3 * 2)
    alone, together = (
        cli("predict", tmp_path / "many.npy", "--model", model, "--format", "csv", "--workers", n)
        for n in ("1", "2")
    )
    assert alone.returncode == together.returncode == 0
    assert len(alone.stdout.splitlines()) == 5001
    assert together.stdout == alone.stdout


class TestSorting:
    def test_each_class_has_a_folder(
        self, cli: Cli, model: Path, pictures: Path, tmp_path: Path
    ) -> None:
        cli("predict", pictures, "--model", model, "--sort-into", tmp_path / "sorted")
        found = sorted(
            str(path.relative_to(tmp_path / "sorted"))
            for path in (tmp_path / "sorted").rglob("*.png")
        )
        assert found == [
            "T-shirt_top/c.png",
            *("dark/a.png", "dark/b.png", "light/d.png", "unsure/e.png"),
        ]

    def test_names_are_safe_and_differ(self) -> None:
        labels = ("T-shirt/top", "T-shirt_top", "..", ".git", "a\\b", "Unsure", "A", "a", "ok")
        assert folder_names(labels) == (
            *("T-shirt_top", "T-shirt_top-2", "__", "_git", "a_b", "Unsure-2", "A", "a-2", "ok"),
        )
        assert folder_names(tuple("0123456789")) == tuple("0123456789")


class TestResuming:
    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    @pytest.mark.parametrize("top_k", [1, 2])
    def test_what_was_answered_is_counted_and_sorted(
        self, cli: Cli, model: Path, pictures: Path, tmp_path: Path, kind: str, top_k: int
    ) -> None:
        whole, output = tmp_path / "whole", tmp_path / "answers"
        options = ("--model", model, "--format", kind, "--top-k", str(top_k))
        cli("predict", pictures, *options, "--output", whole)
        kept = len(whole.read_bytes().splitlines(keepends=True)) - 2
        partial_path(output).write_bytes(
            b"".join(whole.read_bytes().splitlines(keepends=True)[:kept]) + b"half a row"
        )
        done = cli(
            *("predict", pictures, *options, "--output", output, "--resume", "--summary"),
            *("--sort-into", tmp_path / "sorted"),
        )
        assert done.returncode == 1
        assert output.read_bytes() == whole.read_bytes()
        assert "3 of them were answered before" in done.stderr
        assert "       dark          2" in done.stderr
        assert (tmp_path / "sorted" / "T-shirt_top" / "c.png").exists()

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_what_another_model_answered_is_refused(
        self, model: Path, pictures: Path, tmp_path: Path, cli: Cli, kind: str
    ) -> None:
        output, other = tmp_path / "answers", tmp_path / "other.onnx"
        options = ("--output", output, "--format", kind)
        cli("predict", pictures, "--model", model, *options)
        output.replace(partial_path(output))
        other.write_bytes(brightness(("night", "dusk", "day")))
        for name in (other, "mnist-edge-int8"):
            done = cli("predict", pictures, "--model", name, *options, "--resume")
            assert done.returncode == 2
            assert "not what this command writes" in done.stderr
            assert not output.exists()


def test_the_preview_shows_what_was_seen_as_light_as_it_is(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    picture = Image.new("L", (56, 56), 255)
    picture.paste(0, (0, 0, 28, 56))
    picture.save(tmp_path / "half.png")
    done = cli(
        *("predict", tmp_path / "half.png", "--model", model),
        *("--show", "--save-preprocessed", tmp_path / "seen"),
    )
    caption, *drawn = done.stderr.splitlines()
    assert caption.startswith("T-shirt/top  ")
    half = "@" * 14 + " " * 14
    assert drawn == [f"{half} | {half}"] * 14
    with Image.open(tmp_path / "seen" / "half.png") as seen:
        assert np.asarray(seen)[:, 13:15].tolist() == [[0, 255]] * 28


def test_info_says_what_the_file_does(cli: Cli, model: Path) -> None:
    facts = json.loads(cli("info", model, "--json").stdout)
    assert facts["model"] == {"labels": ",".join(LABELS), "preprocessing": "plain-1"}
    assert facts["file"]["output"] == "probabilities: float32 [batch, 3]"


def test_a_model_of_a_newer_version_is_one_line(cli: Cli, tmp_path: Path, samples: Path) -> None:
    path = tmp_path / "new.onnx"
    path.write_bytes(brightness(LABELS, preprocessing="plain-9"))
    done = cli("predict", samples / "7-pen.png", "--model", path)
    assert done.returncode == 2
    assert done.stderr == (
        f"mnist-edge: {path}: is of a newer version (its preprocessing is 'plain-9'); "
        "upgrade mnist-edge\n"
    )
    with pytest.raises(ModelError):
        DigitClassifier(path)
