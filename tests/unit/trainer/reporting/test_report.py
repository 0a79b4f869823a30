"""The report of a run, from files with real figures in them; and the advice in it."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix, log_loss

from mnist_edge.errors import OutputError, TrainingError, UsageError
from mnist_edge.model import Model
from mnist_edge_trainer.cli.report import report
from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.reporting.recommendations import Facts, advise
from mnist_edge_trainer.reporting.report import write_report
from mnist_edge_trainer.reporting.runs import (
    ClassScores,
    Epoch,
    Evaluation,
    read_evaluation,
    read_run,
)
from mnist_edge_trainer.training.checkpoint import RunFolder
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.training_data import TrainingData
from tests.conftest import SAMPLES, Digits
from tests.unit.trainer.conftest import SILENT

_CONFIG: dict[str, Any] = {
    "arch": "small",
    "dataset": "mnist",
    "epochs": 3,
    "batch_size": 128,
    "lr": 0.004,
    "augment": True,
    "photos": 100,
    "val_split": 5000,
    "patience": 25,
    "seed": 0,
}
_HISTORY = """\
epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy,val_photo_accuracy,seconds
1,0.0005,0.6469,0.8324,0.0784,0.9796,0.8866,17.3
2,0.0014,0.3083,0.9402,0.0430,0.9886,0.8970,17.6
3,0.0001,0.2908,0.9466,0.0337,0.9901,0.8991,15.6
"""
_SIZES = {
    "curves": (1200, 480),
    "confusion-test": (720, 720),
    "mistakes-test": (900, 720),
    "predictions-test": (960, 720),
    "reliability-test": (600, 720),
    "attention-test": (900, 860),
    "filters": (960, 300),
}


def _scores(entry: dict[str, float]) -> dict[str, float]:
    return {
        "precision": entry["precision"],
        "recall": entry["recall"],
        "f1": entry["f1-score"],
        "support": int(entry["support"]),
    }


def _figures(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an evaluation says of a file, and scikit-learn's report."""
    answers = probabilities.argmax(axis=1)
    right = int((answers == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(method="wilson")
    scores = classification_report(labels, answers, output_dict=True)
    return {
        "accuracy": right / len(labels),
        "accuracy_interval": [interval.low, interval.high],
        "loss": float(log_loss(labels, probabilities)),
        "ece": 0.0027,
        "macro": _scores(scores["macro avg"]),
        "confusion": confusion_matrix(labels, answers).tolist(),
    }, scores


@pytest.fixture(scope="module")
def evaluation(test_digits: Digits) -> dict[str, Any]:
    """``evaluation-test.json`` of the bundled models."""
    images, labels = test_digits
    probabilities = Model.load("mnist-edge-fp32").run(images)
    answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    fp32, scores = _figures(probabilities, labels)
    int8, _ = _figures(Model.load("mnist-edge-int8").run(images), labels)
    wrong = sorted(np.flatnonzero(answers != labels), key=lambda k: -sure[k])
    return {
        "model": "runs/first",
        "split": "test",
        "dataset": "mnist",
        "images": len(labels),
        **fp32,
        "classes": [{"label": str(k), **_scores(scores[str(k)])} for k in range(10)],
        "mistakes": [
            {
                "index": int(k),
                "true": str(labels[k]),
                "predicted": str(answers[k]),
                "confidence": float(sure[k]),
            }
            for k in wrong
        ],
        "int8": {"file": "mnist-edge-int8.onnx", "bytes": 67_101, **int8},
    }


def _make_run(folder: Path, evaluation: dict[str, Any], **options: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(_CONFIG | options))
    (folder / "history.csv").write_text(_HISTORY)
    (folder / "evaluation-test.json").write_text(json.dumps(evaluation))
    for name, size in _SIZES.items():
        Image.new("L", size, 128).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def run(tmp_path: Path, evaluation: dict[str, Any]) -> Path:
    return _make_run(tmp_path / "runs" / "first", evaluation)


class _Page(HTMLParser):
    """The text of a page by row of its tables, all of its text, its elements and what they load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.words = ""
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
        return next(row for row in self.rows if row and row[0] == first)


def _report(run: Path, parameters: int | None = None) -> _Page:
    path = run / "report.html"
    write_report(run, path, parameters=parameters)
    return _Page(path)


def test_it_says_what_the_files_say(run: Path, test_digits: Digits) -> None:
    page = _report(run, parameters=57_050)
    images, labels = test_digits
    fp32, int8 = (
        Model.load(name).run(images).argmax(axis=1)
        for name in ("mnist-edge-fp32", "mnist-edge-int8")
    )

    right = (fp32 == labels).mean()
    assert f"It tells {right:.2%} of the 10,000 test images right" in page.words
    assert f"{(fp32 != labels).sum()} of 10,000 are wrong" in page.words
    assert "57,050 trainable parameters" in page.words
    assert "55,000 to train on" in page.words
    assert "epoch 3: validation loss 0.0337, accuracy 99.01%" in page.words
    expected = [classification_report(labels, told, output_dict=True) for told in (fp32, int8)]
    names = ("precision", "recall", "f1-score")
    for row, entry in [*((str(k), str(k)) for k in range(10)), ("macro", "macro avg")]:
        figures = [f"{scores[entry][name]:.4f}" for scores in expected for name in names]
        assert page.row(row)[1:7] == figures, row


def test_it_stands_among_published_results_by_its_error(run: Path, test_digits: Digits) -> None:
    page = _report(run)
    start = page.rows.index(["classifier", "source", "test error"])
    table = page.rows[start + 1 :]
    errors = [float(row[2].rstrip("%")) for row in table]
    assert errors == sorted(errors, reverse=True)
    answers = Model.load("mnist-edge-fp32").run(test_digits[0]).argmax(axis=1)
    wrong = (answers != test_digits[1]).mean()
    own = page.row("small, this run")
    assert own[2] == f"{wrong:.2%}"
    others = [row for row in table if "this run" not in row[0]]
    assert all(row[1] for row in others)
    # 0.35 % and 0.23 % are within what 10,000 images can tell of 0.32 %.
    assert [row[0] for row in table if row[0].endswith("*")] == [
        "big multi-layer perceptron, trained with distortions *",
        "committee of 35 convolutional networks *",
    ]
    assert all(link.startswith("https://") for link in page.links)


def test_it_needs_nothing_but_itself(run: Path) -> None:
    page = _report(run)
    assert len(page.sources) == len(_SIZES)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not page.tags & {"script", "link", "iframe", "object", "video"}
    assert not re.search(r"url\(|@import", (run / "report.html").read_text(encoding="utf-8"))


def test_pictures_that_are_missing_or_none_are_left_out(run: Path) -> None:
    for name in _SIZES:
        (run / f"{name}.png").unlink()
    (run / "curves.png").write_text("no picture")
    page = _report(run)
    assert page.sources == []
    assert "Learning" not in page.words
    assert "Calibration" in page.words


def test_names_from_files_are_text(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    name = '<script>alert("&")</script>'
    values = copy.deepcopy(evaluation) | {"dataset": name, "int8": None}
    worst = min(range(10), key=lambda digit: evaluation["classes"][digit]["recall"])
    values["classes"][worst]["label"] = values["mistakes"][0]["true"] = name
    page = _report(_make_run(tmp_path / "<i>&", values, arch=name, new_option=[name]))
    assert not page.tags & {"script", "i"}
    assert page.row(name)[1] == f"{evaluation['classes'][worst]['precision']:.4f}"
    assert f"{name} on {name}" in page.words
    assert f"{name} told to be" in page.words
    assert f"{name} is missed most often" in page.words
    assert "Run <i>&" in page.words


def test_a_dataset_of_ones_own_is_compared_with_nothing(
    tmp_path: Path, evaluation: dict[str, Any]
) -> None:
    page = _report(_make_run(tmp_path / "first", evaluation | {"dataset": "leaves"}))
    assert "LeCun" not in page.words
    assert "Beside published results" not in page.words


def test_options_that_it_does_not_know_are_shown(
    tmp_path: Path, evaluation: dict[str, Any]
) -> None:
    page = _report(_make_run(tmp_path / "first", evaluation, cut_mix=0.25, schedule="cosine"))
    assert re.search(r"cut mix\s*0\.25", page.words)
    assert re.search(r"schedule\s*cosine", page.words)


def test_of_many_classes_the_worst_are_shown(tmp_path: Path, evaluation: dict[str, Any]) -> None:
    scores = [{**evaluation["classes"][0], "label": f"c{k}", "f1": k / 40} for k in range(40)]
    values = evaluation | {
        "classes": scores,
        "confusion": np.diag([250] * 40).tolist(),
        "int8": None,
        "mistakes": [],
    }
    page = _report(_make_run(tmp_path / "first", values))
    assert [row[0] for row in page.rows if row and re.fullmatch(r"c\d+", row[0])] == [
        f"c{k}" for k in range(12)
    ]
    assert "12 classes of least F1, of 40" in page.words


def test_spread_over_the_seeds_of_one_recipe(run: Path, evaluation: dict[str, Any]) -> None:
    assert "over seeds" not in _report(run).words
    accuracy = evaluation["accuracy"]
    _make_run(run.parent / "second", evaluation | {"accuracy": accuracy - 0.002}, seed=7)
    _make_run(run.parent / "other", evaluation | {"accuracy": 0.5}, seed=8, lr=0.1)
    page = _report(run)
    mean, deviation = accuracy - 0.001, 0.002 / np.sqrt(2)  # of two, n - 1 = 1
    assert f"over seeds 0, 7: {100 * mean:.2f} ± {100 * deviation:.2f}%" in page.words
    assert "Only seed" not in page.words


def test_the_command_evaluates_what_was_not_and_writes_beside_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(arch="mlp", epochs=1, photos=0)
    training, validation = split_training(load_digits(SAMPLES, "train"), config.val_split)
    run = RunFolder(tmp_path)
    cpu = torch.device("cpu")
    data = TrainingData(training[:5_000], validation)
    result = train(config, data, run, device=cpu, callback=SILENT)
    report(tmp_path, data=SAMPLES, output=None)
    said = capsys.readouterr()
    assert said.out.startswith(f"wrote {tmp_path / 'report.html'} (")
    assert said.err.count("evaluating it") == 2
    held_out = json.loads((tmp_path / "evaluation-validation.json").read_text())
    assert held_out["accuracy"] == pytest.approx(result.best.val_accuracy)
    tested = json.loads((tmp_path / "evaluation-test.json").read_text())
    assert f"{tested['accuracy']:.2%}" in _Page(tmp_path / "report.html").words

    report(tmp_path, data=SAMPLES, output=tmp_path / "again.html")
    assert "evaluating it" not in capsys.readouterr().err


def test_a_run_that_was_not_evaluated(run: Path) -> None:
    (run / "evaluation-test.json").unlink()
    with pytest.raises(UsageError, match=f"mnist-edge evaluate {run}"):
        _report(run)


def test_a_run_without_an_epoch(run: Path) -> None:
    (run / "history.csv").unlink()
    with pytest.raises(UsageError, match="no epoch"):
        _report(run)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run"):
        _report(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "history.csv", "evaluation-test.json"])
@pytest.mark.parametrize(
    "text", [b"{", b"[1]", b'{"classes": [], "epochs": null}', b"epoch,lr\n1", b"\xff\x00\n1,2"]
)
def test_damaged_files_are_named(run: Path, name: str, text: bytes) -> None:
    (run / name).write_bytes(text)
    with pytest.raises(TrainingError, match=f"{name}: damaged") as caught:
        _report(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report.html").exists()


def test_a_confusion_matrix_of_other_classes_is_damage(
    tmp_path: Path, evaluation: dict[str, Any]
) -> None:
    run = _make_run(tmp_path / "first", evaluation | {"confusion": [[1, 2], [3, 4]]})
    with pytest.raises(TrainingError, match="not one of 10 classes"):
        _report(run)


def test_an_output_that_cannot_be_written(run: Path) -> None:
    with pytest.raises(OutputError):
        write_report(run, run / "config.json" / "report.html", parameters=None)


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("pdfinfo")),
    reason="needs chromium, poppler-utils",
)
@pytest.mark.parametrize("full", [False, True])
def test_it_prints_to_two_pages(tmp_path: Path, evaluation: dict[str, Any], full: bool) -> None:
    """As it is, and with more options and longer names than there will be."""
    values, options = copy.deepcopy(evaluation), {}
    if full:
        options = {f"option_{k}": "long" * 4 for k in range(16)}
        for scores in values["classes"]:
            scores["label"] = f"a class with a long name {scores['label']}"
    run = _make_run(tmp_path / "first", values, **options)
    _report(run)
    paper = tmp_path / "report.pdf"
    subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"),
            *(f"--print-to-pdf={paper}", f"--user-data-dir={tmp_path}/profile"),
            (run / "report.html").as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    facts = subprocess.run(["pdfinfo", paper], check=True, capture_output=True, text=True).stdout
    assert re.search(r"^Pages:\s+2$", facts, re.MULTILINE)
    assert "A4" in facts
    first, second, _ = subprocess.run(
        ["pdftotext", paper, "-"], check=True, capture_output=True, text=True
    ).stdout.split("\f")
    # The last line of each page is on it: nothing has run over into the next.
    assert "Cross-entropy" in first
    assert "Cross-entropy" not in second
    assert "Made by mnist-edge" in second


# The advice: a run about which there is nothing to say, and what each rule says once there is.


@pytest.fixture
def quiet(run: Path) -> Facts:
    """A good run: small gap, converged, augmented, calibrated, no class worse than another."""
    losses = [0.30, 0.10, 0.06, 0.05, 0.045, 0.043, 0.042, 0.0411, 0.0405, 0.0401]
    history = [
        Epoch(k + 1, loss * 2, 0.97, loss, 0.993, 0.985, 10.0) for k, loss in enumerate(losses)
    ]
    matrix = [[996 if a == b else int((b - a) % 10 < 5) for b in range(10)] for a in range(10)]
    classes = [ClassScores(str(k), 0.996, 0.996, 0.996, 1000) for k in range(10)]
    test = read_evaluation(run, "test")
    assert test is not None
    assert test.int8 is not None
    evaluation = dataclasses.replace(
        test,
        accuracy=0.996,
        accuracy_interval=(0.995, 0.997),
        ece=0.002,
        classes=classes,
        macro=ClassScores("macro", 0.996, 0.996, 0.996, 10_000),
        confusion=matrix,
        int8=dataclasses.replace(test.int8, accuracy=0.9958, ece=0.002, confusion=matrix),
    )
    made = dataclasses.replace(
        read_run(run), config=_CONFIG | {"epochs": len(losses)}, history=history
    )
    return Facts(made, evaluation, evaluation, 57_050, [0, 1, 2])


def _with(facts: Facts, config: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """The same facts with other options, and other epochs or other scores on both splits."""
    history = changes.pop("history", facts.run.history)
    run = dataclasses.replace(
        facts.run, config=dict(facts.run.config) | (config or {}), history=history
    )
    evaluation = dataclasses.replace(facts.evaluation, **changes)
    return dataclasses.replace(facts, run=run, evaluation=evaluation, test=evaluation)


def _one(facts: Facts) -> str:
    (sentence,) = advise(facts)
    return sentence


def _epochs(facts: Facts, **changes: float | None) -> list[Epoch]:
    return [dataclasses.replace(epoch, **changes) for epoch in facts.run.history]  # type: ignore[arg-type]


def test_nothing_to_say_of_a_good_run(quiet: Facts) -> None:
    assert advise(quiet) == []


def test_interrupted(quiet: Facts) -> None:
    said = _one(_with(quiet, {"epochs": 40}))
    assert "epoch 10 of 40" in said
    assert "--resume" in said


def test_still_falling(quiet: Facts) -> None:
    last = dataclasses.replace(quiet.run.history[-1], val_loss=0.0324)  # 20 % below 0.0405
    said = _one(_with(quiet, history=[*quiet.run.history[:-1], last]))
    assert "by 20.0% to 0.0324" in said
    assert "--epochs 20" in said


def test_one_epoch(quiet: Facts) -> None:
    assert "0.3000" in _one(_with(quiet, {"epochs": 1}, history=quiet.run.history[:1]))


def _worse_after(history: Sequence[Epoch], best: int) -> list[Epoch]:
    return [
        epoch if epoch.epoch <= best else dataclasses.replace(epoch, val_loss=0.5)
        for epoch in history
    ]


def test_stopped_early(quiet: Facts) -> None:
    history = _worse_after(quiet.run.history, 5)
    said = _one(_with(quiet, {"epochs": 50, "patience": 5}, history=history))
    assert "The best epoch was 5 of 50, and it stopped at 10" in said


def test_best_long_before_the_end(quiet: Facts) -> None:
    said = _one(_with(quiet, history=_worse_after(quiet.run.history, 5)))
    assert "The best epoch was 5 of 10, and the 5 after it" in said
    assert "--epochs 6" in said


def test_learned_by_heart(quiet: Facts) -> None:
    by_heart = _epochs(quiet, train_loss=0.001, train_accuracy=1.0)
    said = _one(_with(quiet, history=by_heart))
    assert "0.0010, is far below its validation loss, 0.0401" in said
    assert "--weight-decay" in said
    said = _one(_with(quiet, {"augment": False}, history=by_heart))
    assert "0.0010" in said
    assert "--augment" in said


def test_no_distortions(quiet: Facts) -> None:
    said = _one(_with(quiet, {"augment": False}, history=_epochs(quiet, train_accuracy=0.999)))
    assert "--augment" in said
    assert "training loss" not in said


def test_not_even_the_training_images(quiet: Facts) -> None:
    said = advise(_with(quiet, {"augment": False}))
    assert len(said) == 2
    assert "97.00% of the training images" in said[1]


def test_pairs_that_are_confused(quiet: Facts) -> None:
    matrix = [list(row) for row in quiet.evaluation.confusion]
    matrix[4][9], matrix[9][4] = 9, 4
    said = _one(_with(quiet, confusion=matrix))
    wrong = sum(map(sum, matrix)) - sum(matrix[k][k] for k in range(10))
    assert f"Of the {wrong} mistakes, 13 mix up 4 and 9 (4 told to be 9: 9" in said
    assert " and 1 mix" not in said


def test_class_of_least_recall(quiet: Facts) -> None:
    classes = [*quiet.evaluation.classes]
    classes[7] = dataclasses.replace(classes[7], recall=0.98)
    assert "7 is missed most often: 20 of its 1,000" in _one(_with(quiet, classes=classes))


def test_uneven_classes(quiet: Facts) -> None:
    classes = [*quiet.evaluation.classes]
    classes[2] = dataclasses.replace(classes[2], support=90)
    assert "90 of 2" in _one(_with(quiet, classes=classes))


def test_too_few_images_to_tell(quiet: Facts) -> None:
    said = _one(_with(quiet, accuracy_interval=(0.96, 0.999), images=300))
    assert "On 300 images" in said
    assert "between 96.0% and 99.9%" in said


def test_confidences_that_are_off(quiet: Facts) -> None:
    said = advise(_with(quiet, ece=0.03, int8=None))
    assert any("3.00%" in sentence and "export" in sentence for sentence in said)
    assert advise(_with(quiet, ece=0.03)) == []  # the export has mended it
    assert quiet.evaluation.int8 is not None
    int8 = dataclasses.replace(quiet.evaluation.int8, ece=0.04)
    assert "still off by 4.00%" in _one(_with(quiet, int8=int8))


def test_no_int8(quiet: Facts) -> None:
    assert "--quantize" in _one(_with(quiet, int8=None))


def test_int8_that_lost(quiet: Facts) -> None:
    assert quiet.evaluation.int8 is not None
    matrix = [list(row) for row in quiet.evaluation.confusion]
    matrix[3][3] -= 12
    matrix[3][5] += 12
    int8 = dataclasses.replace(quiet.evaluation.int8, accuracy=0.9948, confusion=matrix)
    said = _one(_with(quiet, int8=int8))
    assert "int8 lost 0.12 percentage points" in said
    assert "in 3 (12 more missed)" in said


def test_photographs(quiet: Facts) -> None:
    said = _one(_with(quiet, history=_epochs(quiet, val_photo_accuracy=0.9)))
    assert "90.0%" in said
    assert "now 100" in said
    none = _with(quiet, {"photos": 0}, history=_epochs(quiet, val_photo_accuracy=None))
    assert "--photos 27500" in _one(none)
    assert advise(_with(none, {"dataset": "fashion-mnist"})) == []


def test_validation_that_is_too_good(quiet: Facts) -> None:
    assert "99.95%" in _one(_with(quiet, history=_epochs(quiet, val_accuracy=0.9995)))


def test_one_seed(quiet: Facts) -> None:
    assert "Only seed 3" in _one(dataclasses.replace(quiet, seeds=[3]))


def test_a_network_larger_than_need_be(quiet: Facts) -> None:
    large = dataclasses.replace(quiet, parameters=1_141_000)
    released = Model.load(None).metadata
    times = round(1_141_000 / int(released["parameters"]))
    assert f"1,141,000 parameters are {times} times" in _one(large)
    accuracy = float(released["test_accuracy"])
    assert advise(_with(large, accuracy_interval=(accuracy + 0.0003, accuracy + 0.0008))) == []
    assert advise(_with(large, {"dataset": "kmnist"})) == []


def test_it_learns_from_validation_where_there_is_one(
    run: Path, evaluation: dict[str, Any]
) -> None:
    assert "on the test images" in _report(run).words
    text = json.dumps(evaluation | {"split": "validation"})
    (run / "evaluation-validation.json").write_text(text)
    assert "own figures, on the validation images" in _report(run).words


def test_evaluation_is_what_is_in_the_file(run: Path, evaluation: dict[str, Any]) -> None:
    read = read_evaluation(run, "test")
    assert isinstance(read, Evaluation)
    values = json.loads(json.dumps(dataclasses.asdict(read)))
    del values["macro"]["label"], values["int8"]["macro"]["label"]
    assert values == evaluation
