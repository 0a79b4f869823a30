"""The evaluation of a reader, and what `mnist-edge evaluate --numbers` prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from mnist_edge.errors import UsageError
from mnist_edge_trainer.cli.evaluate import EvaluateOptions, evaluate
from mnist_edge_trainer.numbers import evaluation as numbers
from mnist_edge_trainer.numbers.scoring import Answer, ReadFunction
from mnist_edge_trainer.numbers.test_sets.records import Hand, NumberPicture
from mnist_edge_trainer.numbers.test_sets.sets import pictures
from tests.conftest import Digits

SETS = "side-by-side,spaced"


@pytest.fixture
def hand(train_digits: Digits) -> Hand:
    images, labels = train_digits
    return Hand(images[:200], labels[:200])


@pytest.fixture
def reader() -> ReadFunction:
    """Reads every number as it is, but for those that hold a 7, in which it reads 1 for it."""

    def read(picture: NumberPicture) -> Answer:
        confidence = 0.6 if "7" in picture.text else 0.99
        return Answer(picture.text.replace("7", "1"), confidence, picture.boxes)

    return read


@pytest.fixture
def _our_reader(monkeypatch: pytest.MonkeyPatch, hand: Hand, reader: ReadFunction) -> None:
    monkeypatch.setattr(numbers, "our_reader", lambda *_: reader)
    monkeypatch.setattr("mnist_edge_trainer.numbers.test_sets.hands.load_hands", lambda *_: [hand])


@pytest.mark.usefixtures("_our_reader")
def test_scores_and_mistakes_are_those_of_the_pictures(
    hand: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateOptions(numbers=True, sets=SETS, samples=20, output=tmp_path, as_json=True))
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "evaluation-numbers-test.json").read_text())
    texts = [picture.text for picture in pictures("spaced", [hand], 20)]
    wrong = [index for index, text in enumerate(texts) if "7" in text]
    scores = printed["sets"]["spaced"]
    assert scores["accuracy"] == pytest.approx(1 - len(wrong) / 20)
    assert scores["confidently_wrong"] == 0
    assert scores["located"] == 1
    assert [mistake["index"] for mistake in scores["mistakes"]] == wrong
    assert [mistake["true"] for mistake in scores["mistakes"]] == [texts[index] for index in wrong]


@pytest.mark.usefixtures("_our_reader")
def test_the_table_is_printed_and_written_and_the_plots_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateOptions(numbers=True, sets=SETS, samples=10, output=tmp_path, svg=True))
    printed = capsys.readouterr().out
    table = (tmp_path / "evaluation-numbers-test.md").read_text()
    for description in ("28 x 28 images side by side", "spaced, dark on white"):
        assert description in printed
        assert f"| {description} | 10 |" in table
    for plot in ("reliability", "mistakes"):
        with Image.open(tmp_path / f"{plot}-numbers-test.png") as figure:
            assert figure.width > 200
        assert (tmp_path / f"{plot}-numbers-test.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numbers": True, "rejection": True}, "choose one"),
        ({"samples": 3}, "--samples: needs --numbers"),
        ({"writers": Path("labels.tsv")}, "--writers: needs --numbers"),
    ],
)
def test_options_that_contradict_one_another(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EvaluateOptions(**options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_our_reader")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sets": "spaced,spades"}, "--sets spades: unknown; choose of side-by-side"),
        ({"split": "training"}, "--split training: unknown"),
    ],
)
def test_names_that_are_unknown(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(EvaluateOptions(numbers=True, **options))  # type: ignore[arg-type]


def test_printed_numbers_need_their_typefaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "missing_typefaces", lambda: ["fontpkg-arvo"])
    log: list[str] = []
    assert "printed" not in numbers.available_sets(log.append)
    assert "fontpkg-arvo" in log[0]
    with pytest.raises(UsageError, match="fontpkg-arvo not installed"):
        numbers.known_sets(["printed"])
    assert numbers.known_sets(["spaced"]) == ["spaced"]


@pytest.mark.usefixtures("_our_reader")
def test_the_writers_file_is_not_written_over(tmp_path: Path) -> None:
    target = tmp_path / "evaluation-numbers-test.json"
    target.write_text("kept")
    with pytest.raises(UsageError):
        evaluate(EvaluateOptions(numbers=True, writers=target, output=tmp_path, samples=1))
    assert target.read_text() == "kept"
