"""Every processor gives the same answers: Raspberry Pis and older x86 against this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, SAMPLES
from tests.emulation.answers import answers
from tests.emulation.processors import ARM, X86, Arm, X86Processor, install, missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
]

PICTURES = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    # As JSON gives it back.
    return dict(json.loads(json.dumps(answers(SAMPLES, PICTURES))))


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arm64")
    install(folder)
    return folder


@pytest.fixture(params=[*ARM, *X86])
def processor(request: pytest.FixtureRequest) -> Arm | X86Processor:
    if request.param in X86:
        return X86Processor(request.param)
    return Arm(request.param, request.getfixturevalue("debian"))


def test_answers_are_the_same(
    processor: Arm | X86Processor, here: dict[str, Any], tmp_path: Path
) -> None:
    script = str(ROOT / "tests" / "emulation" / "answers.py")
    done = processor.python(script, str(SAMPLES), str(PICTURES), str(tmp_path / "there.json"))
    assert done.returncode == 0, done.stderr
    there = json.loads((tmp_path / "there.json").read_text())
    for name, probabilities in here["probabilities"].items():
        expected, found = np.array(probabilities), np.array(there["probabilities"][name])
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).all(), name
        assert np.abs(found - expected).max() <= 1e-6, name
    assert len(here["images"]) > 300
    assert there["images"] == here["images"]
    assert [row["text"] for row in there["numbers"].values()] == [
        row["text"] for row in here["numbers"].values()
    ]


@pytest.fixture(params=ARM)
def pi(request: pytest.FixtureRequest, debian: Path) -> Arm:
    return Arm(request.param, debian)


def mnist_edge(pi: Arm, *arguments: str | Path) -> str:
    done = pi.python("-m", "mnist_edge", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_info_names_the_core(pi: Arm) -> None:
    device = json.loads(mnist_edge(pi, "info", "--json"))["device"]
    assert pi.core in json.dumps(device).lower()


def test_workers_give_the_rows_of_one(pi: Arm) -> None:
    pictures = sorted(SAMPLES.glob("*-pen.png"))
    one, two = (
        mnist_edge(pi, "predict", *pictures, "--format", "jsonl", "--workers", workers)
        for workers in ("1", "2")
    )
    assert [json.loads(row)["digit"] for row in one.splitlines()] == list(range(10))
    assert one == two


def test_read_reads_a_number(pi: Arm) -> None:
    row = json.loads(
        mnist_edge(pi, "read", SAMPLES / "numbers" / "postcode.jpg", "--format", "jsonl")
    )
    truth = (SAMPLES / "numbers" / "truth.csv").read_text()
    assert f"postcode.jpg,{row['text']}" in truth
