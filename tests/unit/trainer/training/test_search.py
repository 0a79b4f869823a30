"""The search for a recipe: it counts its trials, resumes, and writes a recipe to train with."""

from __future__ import annotations

import json
import multiprocessing
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnist_edge import TrainingError, UsageError
from mnist_edge.errors import OutputError
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.training import search as tuning
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.loop import TrainResult
from mnist_edge_trainer.training.search import SEARCH_SPACE, recipe
from tests.unit.trainer.training.searches import (
    BASE,
    DIED,
    few_digits,
    instant_training,
    interrupted_in_trial,
    outcomes,
    search,
    search_and_die,
    search_together,
)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a user who set it: nothing is measured, and two searches have the same number."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def digits() -> Digits:
    return few_digits()


@pytest.fixture(params=["instant", pytest.param("real", marks=pytest.mark.slow)])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training loop; by default one that takes no time."""
    if request.param == "instant":
        monkeypatch.setattr(tuning, "train", instant_training)


@pytest.mark.usefixtures("loop")
def test_interrupted_search_resumes_to_the_result_of_an_uninterrupted_one(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(tmp_path / "whole.db", digits, 3)
    assert [trial.state for trial in whole.finished] == [TrialState.COMPLETE] * 3
    assert len({str(trial.params) for trial in whole.finished}) == 3

    broken = tmp_path / "folder" / "a?b %20{x}.db"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tuning, "train", interrupted_in_trial(1))
        search(broken, digits, 3)
    assert outcomes(search(broken, digits, 2)) == outcomes(whole)[:2]
    result = search(broken, digits, 3)
    assert outcomes(result) == outcomes(whole)
    # The trial that was interrupted keeps its number, and does not count.
    assert [trial.number for trial in result.finished] == [0, 2, 3]

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "train", interrupted_in_trial(0))
        assert outcomes(search(broken, digits, 3)) == outcomes(whole), "nothing is left to try"


def test_all_trials_of_a_search_have_the_threads_that_it_was_begun_with(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def spy(config: TrainConfig, *rest: object, **options: Any) -> TrainResult:
        tried.append(config.threads)
        return instant_training(config, *rest, **options)

    monkeypatch.setattr(tuning, "train", spy)
    for trials, environment in ((1, "2"), (2, "1"), (3, "3")):
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
        search(tmp_path / "tune.db", digits, trials)
    assert tried == [2, 2, 2]


def test_first_trial_is_the_unchanged_recipe(tmp_path: Path, digits: Digits) -> None:
    result = search(tmp_path / "tune.db", digits, 1)
    assert recipe(BASE, result.finished[0].params) == BASE
    assert result.best == result.finished
    assert not result.importance

    outside = replace(BASE, batch_size=50, lr=0.1)
    (trial,) = search(tmp_path / "outside.db", digits, 1, outside).finished
    assert trial.params["batch_size"] in (64, 96, 128, 256)
    assert trial.params["lr"] < 0.1
    assert trial.params["weight_decay"] == BASE.weight_decay


def with_earlier(storage: Path, trials: list[FrozenTrial]) -> None:
    database = optuna.storages.RDBStorage(f"sqlite:///{storage}")
    optuna.create_study(storage=database, study_name="lenet").add_trials(trials)
    database.remove_session()
    database.engine.dispose()


def earlier(loss: float, epochs: int, **params: Any) -> FrozenTrial:
    """A trial that ended with this loss, and had it after every epoch."""
    return create_trial(
        value=loss,
        params={name: getattr(BASE, name) for name in SEARCH_SPACE} | params,
        distributions=dict(SEARCH_SPACE),
        intermediate_values=dict.fromkeys(range(1, epochs + 1), loss),
        user_attrs={"val_accuracy": 0.5},
    )


@pytest.mark.usefixtures("loop")
def test_trial_worse_than_the_median_is_stopped_and_counts(tmp_path: Path, digits: Digits) -> None:
    storage = tmp_path / "tune.db"
    with_earlier(storage, [earlier(1e-3, epochs=2)] * 5)
    result = search(storage, digits, 6, replace(BASE, epochs=2))
    stopped = result.finished[-1]
    assert stopped.state == TrialState.PRUNED
    assert list(stopped.intermediate_values) == [1]
    assert len(result.finished) == 6
    assert stopped.number not in [trial.number for trial in result.best]
    # The last epoch is over: there would be nothing to save.
    last = search(storage, digits, 6, study="one epoch").finished[-1]
    assert last.state == TrialState.COMPLETE


def test_importance_is_highest_for_the_field_that_the_loss_depends_on(
    tmp_path: Path, digits: Digits
) -> None:
    storage = tmp_path / "tune.db"
    trials = [
        earlier(loss, 1, augment=loss < 1, warmup=0.02 + 0.38 * (number % 7) / 7)
        for number, loss in enumerate([0.1, 2.0] * 10)
    ]
    with_earlier(storage, trials)
    result = search(storage, digits, len(trials))
    assert max(result.importance, key=lambda name: result.importance[name]) == "augment"
    assert sum(result.importance.values()) == pytest.approx(1)
    assert [trial.value for trial in result.best] == [0.1] * 10 + [2.0] * 10


def test_error_gives_the_reason_when_every_trial_diverges(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*_: Any, **__: Any) -> TrainResult:
        raise TrainingError("the loss is no longer finite in epoch 1")

    monkeypatch.setattr(tuning, "train", diverging)
    with pytest.raises(TrainingError, match=r"no trial ran to the end .*no longer finite"):
        search(tmp_path / "tune.db", digits, 2)


def test_batches_larger_than_the_training_set_are_not_tried(tmp_path: Path, digits: Digits) -> None:
    base = replace(BASE, epochs=3, batch_size=20, val_split=100)
    of_150 = search(tmp_path / "150.db", digits[:250], 4, base)
    assert not any("error" in trial.user_attrs for trial in of_150.finished)
    assert {trial.params["batch_size"] for trial in of_150.finished} <= {64, 96, 128}
    of_50 = search(tmp_path / "50.db", digits[:150], 2, base)
    assert not any("error" in trial.user_attrs for trial in of_50.finished)
    assert not any("batch_size" in trial.params for trial in of_50.finished)


def test_other_settings_or_images_are_refused(tmp_path: Path, digits: Digits) -> None:
    storage = tmp_path / "tune.db"
    search(storage, digits, 1)
    with pytest.raises(UsageError, match=r"--study lenet: .*\(epochs, seed\)"):
        search(storage, digits, 2, replace(BASE, epochs=2, seed=1))
    with pytest.raises(UsageError, match=r"\(images\)"):
        search(storage, Digits(digits.images.flip(0), digits.labels.flip(0)), 2)
    assert len(search(storage, digits, 1).finished) == 1


class TestSeveralProcesses:
    TRIALS = 8

    def test_they_share_the_trials(self, tmp_path: Path) -> None:
        storage = tmp_path / "tune.db"
        context = multiprocessing.get_context("spawn")
        together = context.Barrier(3)
        outputs = [tmp_path / f"{number}.json" for number in range(3)]
        processes = [
            context.Process(target=search_together, args=(storage, self.TRIALS, together, output))
            for output in outputs
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        found = [json.loads(output.read_text()) for output in outputs]
        assert found[0] == found[1] == found[2]
        assert len(found[0]) == self.TRIALS
        assert len({str(params) for params, _ in found[0]}) == self.TRIALS
        assert not list(tmp_path.glob("*.trial-*"))

    def test_trial_of_a_process_that_was_killed_is_run_again(
        self, tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage = tmp_path / "tune.db"
        process = multiprocessing.get_context("spawn").Process(
            target=search_and_die, args=(storage,)
        )
        process.start()
        process.join()
        assert process.exitcode == DIED
        assert storage.with_name("tune.db.trial-1").exists()
        monkeypatch.setattr(tuning, "train", instant_training)
        result = search(storage, digits, 3)
        assert [trial.number for trial in result.finished] == [0, 2, 3]
        assert outcomes(result) == outcomes(search(tmp_path / "whole.db", digits, 3))
        assert not list(tmp_path.glob("*.trial-*"))

    def test_database_that_cannot_be_reached_is_one_line(self, digits: Digits) -> None:
        with pytest.raises(
            OutputError, match=r"--storage postgresql://\.\.\.: cannot be used"
        ) as e:
            search("postgresql://me:secret@localhost:1/x", digits, 1)
        assert "secret" not in str(e.value)


def test_storage_that_is_not_a_study_is_an_error_of_ours(tmp_path: Path, digits: Digits) -> None:
    for content in (b"no database at all" * 100, b"SQLite format 3\0" + bytes(500)):
        (tmp_path / "tune.db").write_bytes(content)
        with pytest.raises(OutputError, match=r"tune\.db: damaged"):
            search(tmp_path / "tune.db", digits, 1)
    with pytest.raises(OutputError, match="cannot be written"):
        search(tmp_path, digits, 1)
    with pytest.raises(OutputError, match="the folder cannot be made"):
        search(tmp_path / "tune.db" / "tune.db", digits, 1)


@pytest.mark.parametrize("places", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_storage_damaged_anywhere_is_refused_or_works(
    tmp_path: Path, digits: Digits, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = tmp_path / "tune.db"
    search(storage, digits, 1)
    content = storage.read_bytes()
    # Where the damage loses the trial, it is run again, which needs no training here.
    monkeypatch.setattr(tuning, "train", instant_training)
    refused = 0
    for position in range(0, len(content), len(content) // places):
        damaged = bytearray(content)
        damaged[position : position + 40] = bytes(40)
        storage.write_bytes(damaged)
        try:
            search(storage, digits, 1)
        except OutputError:
            refused += 1
    assert refused > 0


def test_recipe_is_rounded_and_written_with_its_comment(tmp_path: Path) -> None:
    found = {"lr": 0.0012345678, "batch_size": 96, "augment": False, "ema_decay": 0.998765}
    config = recipe(BASE, found)
    assert (config.lr, config.ema_decay) == (0.001235, 0.9988)
    assert not config.augment
    config.save_recipe(tmp_path / "new" / "tuned.toml", "Trial 1")
    text = (tmp_path / "new" / "tuned.toml").read_text()
    assert text.startswith("# Trial 1\n")
    assert tomllib.loads(text) == asdict(config)
    with pytest.raises(OutputError):
        config.save_recipe(tmp_path, "Trial 1")
