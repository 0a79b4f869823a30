"""A classifier goes to other processes and threads: by pickling, copying, forking, sharing."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest

from mnist_edge import DigitClassifier, Prediction
from tests.conftest import SAMPLES
from tests.foreign_models import brightness, relabelled

PICTURES = [str(path) for path in sorted(SAMPLES.glob("*-mnist.png"))]
DIGITS = [int(os.path.basename(path)[0]) for path in PICTURES]
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

COPIES: dict[str, Callable[[DigitClassifier], DigitClassifier]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "oldest pickle": lambda classifier: pickle.loads(pickle.dumps(classifier, 2)),
    "newest pickle": lambda classifier: pickle.loads(pickle.dumps(classifier, -1)),
    "cloudpickle": lambda classifier: cloudpickle.loads(cloudpickle.dumps(classifier)),
}


@pytest.mark.parametrize("method", COPIES)
def test_a_copy_is_the_same_classifier(method: str) -> None:
    original = DigitClassifier("mnist-edge-nano-int8", threads=2, min_confidence=0.2)
    copied = COPIES[method](original)
    assert copied.min_confidence == 0.2
    assert copied.model.threads == 2
    assert copied.model.session.get_session_options().intra_op_num_threads == 2
    assert copied.model.name == "mnist-edge-nano-int8"
    assert copied.model.metadata == original.model.metadata
    for mine, its in zip(original.stream(PICTURES), copied.stream(PICTURES), strict=True):
        np.testing.assert_array_equal(mine.probabilities, its.probabilities)


@pytest.mark.parametrize("method", COPIES)
def test_a_copy_needs_no_file(method: str, tmp_path: Path) -> None:
    path = tmp_path / "words.onnx"
    path.write_bytes(relabelled(LABELS))
    original = DigitClassifier(path)
    path.unlink()
    copied = COPIES[method](original)
    assert copied.model.labels == tuple(LABELS)
    assert copied.predict(PICTURES[7]).label == LABELS[DIGITS[7]]


def test_a_process_opens_a_model_that_it_is_sent_often_once() -> None:
    pickled = pickle.dumps(DigitClassifier())
    first, second = pickle.loads(pickled), pickle.loads(pickled)
    assert first.model is second.model


def test_a_prediction_is_pickled_whole(samples: Path) -> None:
    prediction = DigitClassifier().predict(samples / "2-card.jpg")
    copied = pickle.loads(pickle.dumps(prediction))
    assert isinstance(copied, Prediction)
    assert copied.to_dict() == prediction.to_dict()
    np.testing.assert_array_equal(copied.image, prediction.image)


@pytest.fixture(params=["spawn", "forkserver", "fork"])
def processes(request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
    if request.param not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {request.param}")
    context = multiprocessing.get_context(request.param)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        yield pool


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_processes_of_a_pool_predict(processes: ProcessPoolExecutor, threads: int) -> None:
    classifier = DigitClassifier(threads=threads)
    predictions = processes.map(classifier.predict, PICTURES, timeout=60)
    assert [prediction.digit for prediction in predictions] == DIGITS


def test_joblib_predicts() -> None:
    classifier = DigitClassifier()
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        predictions = joblib.Parallel(n_jobs=2, timeout=60)(
            joblib.delayed(classifier.predict)(path) for path in PICTURES
        )
    assert [prediction.digit for prediction in predictions] == DIGITS


def test_threads_share_a_classifier() -> None:
    classifier = DigitClassifier(threads=2)
    expected = list(classifier.stream(PICTURES))
    with ThreadPoolExecutor(8) as pool:
        predictions = list(pool.map(classifier.predict, PICTURES * 20))
    for prediction, alone in zip(predictions, expected * 20, strict=True):
        assert prediction.digit == alone.digit
        assert prediction.confidence == pytest.approx(alone.confidence, abs=1e-5)


FORKS = {
    "ends": "",
    "predicts": f"print(*(p.digit for p in classifier.stream({PICTURES})), flush=True)",
    "forks again": (
        "other = os.fork()\n"
        f"    if other == 0: print(*(p.digit for p in classifier.stream({PICTURES})), flush=True)\n"
        "    else: os.waitpid(other, 0)"
    ),
    "pickles": (
        f"copied = pickle.loads(pickle.dumps(classifier))\n"
        f"    print(*(p.digit for p in copied.stream({PICTURES})), flush=True)"
    ),
    "opens another": (
        f"print(*(p.digit for p in DigitClassifier(threads=2).stream({PICTURES})), flush=True)"
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("threads", "what", "model"),
    [
        (1, "ends", "bundled"),
        (1, "predicts", "bundled"),
        *((2, what, "bundled") for what in FORKS),
        (2, "predicts", "foreign"),
    ],
)
def test_a_forked_child_ends_by_itself_and_its_parent_goes_on(
    threads: int, what: str, model: str, tmp_path: Path
) -> None:
    (tmp_path / "foreign.onnx").write_bytes(relabelled(LABELS))
    source = None if model == "bundled" else "foreign.onnx"
    code = (
        "import os, pickle, sys\n"
        "from mnist_edge import DigitClassifier\n"
        f"classifier = DigitClassifier({source!r}, threads={threads})\n"
        f"classifier.predict({PICTURES[0]!r})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    {FORKS[what]}\n"
        "    sys.exit(0)\n"  # destroys every object, unlike os._exit
        "print(os.waitpid(child, 0)[1])\n"
        f"print(*(p.digit for p in classifier.stream({PICTURES})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    digits = " ".join(map(str, DIGITS))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [*([digits] if FORKS[what] else []), "0", digits]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_session_of_bench_lets_a_forked_child_end() -> None:
    code = (
        "import os, sys\n"
        "from mnist_edge.bench.targets import BenchTarget\n"
        "target = BenchTarget.load('mnist-edge-int8', threads=2)\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0\n"


def test_a_model_of_other_classes_keeps_its_preprocessing() -> None:
    from mnist_edge.model import Model

    model = Model.from_bytes(brightness(["dark", "light"]), "mine")
    copied = pickle.loads(pickle.dumps(model))
    assert (copied.labels, copied.preprocessing) == (model.labels, model.preprocessing)
