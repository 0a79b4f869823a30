"""The number of threads: which is chosen, why, and that measuring changes nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from mnist_edge import UsageError
from mnist_edge_trainer.data.facts import MNIST_FACTS
from mnist_edge_trainer.training import threads
from mnist_edge_trainer.training.checkpoint import RunFolder, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig, named_recipe, named_recipes
from mnist_edge_trainer.training.device import limit_threads, torch_threads, user_threads
from mnist_edge_trainer.training.loop import train
from mnist_edge_trainer.training.threads import (
    Measurement,
    Threads,
    check_threads,
    choose_threads,
    fastest,
    measure,
)
from mnist_edge_trainer.training.training_data import TrainingData
from tests.unit.trainer.conftest import SILENT

CPU = torch.device("cpu")
CONFIG = TrainConfig(arch="lenet", epochs=2, photos=0)


class Machine:
    """A clock that steps move on.

    Args:
        seconds: of the steps, by the number of threads; the last one repeats.
        warm_up: seconds that the first step takes after the number of threads was set.
    """

    def __init__(self, seconds: Mapping[int, Sequence[float]], warm_up: float = 0.0) -> None:
        self.now, self.threads, self.warm_up = 0.0, 0, warm_up
        self.begun = False
        self.left = {count: list(times) for count, times in seconds.items()}

    def set_threads(self, count: int) -> None:
        self.threads, self.begun = count, False

    def step(self) -> None:
        left = self.left[self.threads]
        if not self.begun:
            self.now += self.warm_up
            self.begun = True
            return
        self.now += left.pop(0) if len(left) > 1 else left[0]

    def fastest(self, *counts: int) -> Measurement:
        return fastest(self.step, counts, clock=lambda: self.now, set_threads=self.set_threads)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 30.0])
@pytest.mark.parametrize("warm_up", [0.0, 5.0])
@pytest.mark.parametrize(
    ("steps", "best"),
    [
        ({1: 1.0, 2: 1.0, 4: 0.1}, 1),  # the next number decides whether larger ones are tried
        ({1: 1.0, 2: 0.95, 4: 0.9}, 1),  # faster, not clearly
        ({1: 1.0, 2: 0.67, 4: 0.6}, 2),
        ({1: 1.0, 2: 0.67, 4: 0.4}, 4),
        ({1: 1.0, 2: 3.4, 4: 9.0}, 1),
        ({1: 1.0, 2: 34.0, 4: 99.0}, 1),
    ],
)
def test_larger_number_is_chosen_only_if_clearly_faster(
    steps: dict[int, float], best: int, scale: float, warm_up: float
) -> None:
    machine = Machine({count: [scale * time] for count, time in steps.items()}, warm_up)
    measured = machine.fastest(1, 2, 4)
    assert measured.best == best
    assert measured.seconds[best] == pytest.approx(scale * steps[best])


def test_larger_number_that_is_faster_for_a_moment_is_not_chosen() -> None:
    # Its first ten steps fall into a moment at which the machine was idle.
    assert Machine({1: [0.01], 2: [0.005] * 10 + [0.4]}).fastest(1, 2).best == 1


def test_number_that_cannot_win_is_given_up_at_once() -> None:
    machine = Machine({1: [0.01], 2: [0.36], 4: [0.1]})
    assert machine.fastest(1, 2, 4).best == 1
    # Ten steps with one thread would be ten with two, 3.6 seconds; and four threads are not tried.
    assert machine.now < 0.5


def test_measuring_small_networks_takes_less_than_a_second() -> None:
    for step in (1e-4, 1e-3, 0.01, 0.04):
        machine = Machine({1: [step], 2: [0.6 * step], 4: [0.4 * step]}, warm_up=step)
        assert machine.fastest(1, 2, 4).best == 4
        assert machine.now < 1


def test_one_number_needs_no_measurement() -> None:
    def fail() -> None:
        raise AssertionError

    assert fastest(fail, [1]) == Measurement(1, {})


class TestMeasuring:
    @pytest.mark.parametrize(
        "config",
        [
            CONFIG,
            TrainConfig(arch="mlp", optimizer="sgd", class_weights="balanced", epochs=1),
            TrainConfig(**named_recipe("nano")),
            pytest.param(TrainConfig(**named_recipe("ensemble")), marks=pytest.mark.slow),
        ],
        ids=lambda config: config.arch,
    )
    def test_random_generator_and_number_of_threads_stay(
        self, mnist_subset: TrainingData, config: TrainConfig
    ) -> None:
        images = mnist_subset.training[:200]
        pixels = images.images.clone()
        before = torch.get_num_threads()
        torch.manual_seed(3)
        state = torch.get_rng_state()
        measured = measure(config, images, MNIST_FACTS, [1, 2])
        assert set(measured.seconds) == {1, 2}
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == before
        assert torch.equal(images.images, pixels)

    def test_training_after_it_gives_the_weights_that_its_number_gives(
        self, tmp_path: Path, mnist_subset: TrainingData, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(threads, "available_cores", lambda: 2)
        images = mnist_subset.training
        chosen = choose_threads(CONFIG, images, MNIST_FACTS, CPU)
        config = dataclasses.replace(CONFIG, threads=chosen.count)
        weights = []
        for name in ("measured", "given"):
            run = RunFolder(tmp_path / name)
            train(config, mnist_subset, run, device=CPU, callback=SILENT)
            weights.append(load_checkpoint(run.best).weights)
            assert load_checkpoint(run.best).config.threads == chosen.count
            assert f'"threads": {chosen.count}' in run.config.read_text()
            # Later runs begin in a process in which nothing was measured, and another state.
            torch.manual_seed(99)
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

    def test_threads_change_weights_no_more_than_floating_point_does(
        self, tmp_path: Path, mnist_subset: TrainingData
    ) -> None:
        logits = []
        data = TrainingData(mnist_subset.training[:1_024], mnist_subset.validation[:100])
        for count in (1, 2):
            run = RunFolder(tmp_path / str(count))
            config = TrainConfig(arch="mlp", epochs=1, photos=0, threads=count, batch_size=256)
            train(config, data, run, device=CPU, callback=SILENT)
            network = load_checkpoint(run.best).network()
            logits.append(network(data.validation.images / 255))
        assert torch.allclose(logits[0], logits[1], atol=1e-2)


class TestTraining:
    @pytest.mark.parametrize("count", [1, 2])
    def test_network_is_trained_with_the_recipes_threads_which_end_with_it(
        self, tmp_path: Path, mnist_subset: TrainingData, count: int
    ) -> None:
        seen: set[int] = set()

        class Spy:
            def on_step(self, report: object) -> None:  # noqa: ARG002 - a protocol's
                seen.add(torch.get_num_threads())

            def on_epoch(self, record: object, is_best: bool) -> None:
                pass

        before = torch.get_num_threads()
        config = TrainConfig(arch="mlp", epochs=1, photos=0, threads=count)
        data = TrainingData(mnist_subset.training[:512], mnist_subset.validation[:100])
        train(config, data, RunFolder(tmp_path), device=CPU, callback=Spy())
        assert seen == {count}
        assert torch.get_num_threads() == before

    def test_threads_that_the_caller_set_are_kept_where_the_recipe_has_none(self) -> None:
        with torch_threads(2), torch_threads(0):
            assert torch.get_num_threads() == 2


class TestChoice:
    @pytest.fixture(autouse=True)
    def _four_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threads, "available_cores", lambda: 4)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    @staticmethod
    def choose(
        data: TrainingData, count: int = 0, where: str = "cpu", *, resume: bool = False
    ) -> Threads:
        config = TrainConfig(threads=count)
        return choose_threads(
            config, data.training, MNIST_FACTS, torch.device(where), resume=resume
        )

    @pytest.fixture
    def tried(self, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
        """The numbers that were measured."""
        tried: list[list[int]] = []

        def stand_in(config: object, images: object, facts: object, counts: list[int]) -> object:  # noqa: ARG001
            tried.append(counts)
            return Measurement(2, {1: 0.0107, 2: 0.0072, 4: 0.0071})

        monkeypatch.setattr(threads, "measure", stand_in)
        return tried

    def test_without_a_number_it_is_measured(
        self, mnist_subset: TrainingData, tried: list[list[int]]
    ) -> None:
        chosen = self.choose(mnist_subset)
        assert tried == [[1, 2, 4]]
        assert str(chosen) == (
            "2 threads: a training step takes 7.2 ms, 10.7 ms with 1, 7.1 ms with 4 "
            "(--threads overrides)"
        )

    def test_no_more_threads_than_cores_are_tried(
        self, mnist_subset: TrainingData, tried: list[list[int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for cores, counts in ((2, [1, 2]), (3, [1, 2]), (64, [1, 2, 4])):
            monkeypatch.setattr(threads, "available_cores", lambda cores=cores: cores)
            self.choose(mnist_subset)
            assert tried.pop() == counts
        monkeypatch.setattr(threads, "available_cores", lambda: 1)
        assert str(self.choose(mnist_subset)) == "1 thread: there is one core"
        assert tried == []

    def test_given_number_is_taken_unmeasured_whatever_the_environment_says(
        self, mnist_subset: TrainingData, tried: list[list[int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        chosen = self.choose(mnist_subset, 3)
        assert str(chosen) == "3 threads: as --threads or the recipe says"
        assert tried == []

    @pytest.mark.parametrize(
        ("value", "count"), [("1", 1), (" 3 ", 3), ("2,1", 2), ("64", 64), ("04", 4)]
    )
    def test_users_environment_is_taken_unmeasured(
        self,
        mnist_subset: TrainingData,
        tried: list[list[int]],
        monkeypatch: pytest.MonkeyPatch,
        value: str,
        count: int,
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        chosen = self.choose(mnist_subset)
        assert (chosen.count, chosen.reason) == (count, "as OMP_NUM_THREADS says")
        assert tried == []

    @pytest.mark.parametrize("value", ["", "0", "-1", "two", "1,x", "1.5", "9" * 5_000, "٣"])
    def test_environment_that_openmp_ignores_is_ignored(
        self,
        mnist_subset: TrainingData,
        tried: list[list[int]],
        monkeypatch: pytest.MonkeyPatch,
        value: str,
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert user_threads() is None
        assert self.choose(mnist_subset).count == 2
        assert tried == [[1, 2, 4]]

    def test_huge_environment_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "100000")
        with pytest.raises(UsageError, match="OMP_NUM_THREADS 100000: must not be more than 1,024"):
            user_threads()

    @pytest.mark.parametrize("environment", [None, "1"])
    def test_resumed_run_keeps_its_number_on_any_machine(
        self,
        mnist_subset: TrainingData,
        tried: list[list[int]],
        monkeypatch: pytest.MonkeyPatch,
        environment: str | None,
    ) -> None:
        if environment is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", environment)
        chosen = self.choose(mnist_subset, 16, resume=True)
        assert str(chosen) == "16 threads: as it was begun with"
        assert tried == []

    def test_recipe_of_a_larger_machine_is_measured_anew(
        self, mnist_subset: TrainingData, tried: list[list[int]]
    ) -> None:
        chosen = self.choose(mnist_subset, 16)
        assert (chosen.count, tried) == (2, [[1, 2, 4]])
        assert chosen.reason.startswith("the recipe's 16 are more than there are cores; ")

    def test_nothing_is_measured_for_another_device(
        self, mnist_subset: TrainingData, tried: list[list[int]]
    ) -> None:
        chosen = self.choose(mnist_subset, where="cuda")
        assert chosen == Threads(torch.get_num_threads(), "the network is on cuda")
        assert tried == []

    def test_more_threads_than_cores_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        check_threads(1)
        check_threads(4)
        for count in (5, 10**9):
            with pytest.raises(UsageError, match=f"^--threads {count}: there are 4 cores here"):
                check_threads(count)
        monkeypatch.setattr(threads, "available_cores", lambda: 1)
        with pytest.raises(UsageError, match=r"there is one core here.*use --threads 1"):
            check_threads(2)


@pytest.mark.parametrize("count", [-1, 1_025, 10**12])
def test_config_refuses_senseless_numbers(count: int) -> None:
    with pytest.raises(UsageError, match=f"--threads {count}: must lie between 0"):
        TrainConfig(threads=count)


def test_number_of_threads_is_no_part_of_what_a_recipe_is_called() -> None:
    for name in named_recipes():
        config = TrainConfig(**named_recipe(name), threads=2)
        assert config.summary() == {"recipe": name}
        assert "threads" not in config.non_defaults()


@pytest.mark.parametrize(("environment", "count"), [(None, 1), ("2", 2)])
def test_other_commands_take_one_thread_unless_the_user_set_a_number(
    monkeypatch: pytest.MonkeyPatch, environment: str | None, count: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    with torch_threads(2):
        limit_threads()
        assert torch.get_num_threads() == count
