"""What is evaluated, and on which images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mnist_edge import ModelError, UsageError
from mnist_edge.model import bundled_models
from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.evaluation.target import load_target
from mnist_edge_trainer.export.graph_passes import set_metadata
from mnist_edge_trainer.training.checkpoint import load_checkpoint
from tests.conftest import SAMPLES
from tests.unit.trainer.evaluation.conftest import VALIDATION_IMAGES, make_pictures


def fail(message: str) -> None:
    raise AssertionError(message)


def test_validation_images_are_those_held_out_of_training(samples: Path) -> None:
    target = load_target("mnist-edge-int8", "validation", samples, fail)
    _, validation = split_training(load_digits(samples, "train"), 5_000)
    assert torch.equal(target.digits.images, validation.images)
    assert torch.equal(target.digits.labels, validation.labels)
    assert (target.dataset, target.split) == ("mnist", "validation")


def test_model_file_is_tested_on_the_test_images(samples: Path) -> None:
    target = load_target("mnist-edge-int8", "test", samples, fail)
    assert torch.equal(target.digits.images, load_digits(samples, "test").images)
    assert target.folder is None
    assert target.filters is None
    assert target.int8 is None


def test_run_is_loaded_with_its_folder_and_its_int8_file(small_run: Path) -> None:
    target = load_target(str(small_run), "validation", None, fail)
    assert target.folder == small_run
    assert len(target.digits) == VALIDATION_IMAGES
    assert target.int8 is not None
    assert target.int8.name == str(small_run / "mnist-edge-int8.onnx")


def test_run_predicts_the_softmax_of_its_network(small_run: Path) -> None:
    target = load_target(str(small_run), "validation", None, fail)
    network = load_checkpoint(small_run / "best.pt").network()
    images = target.digits.images
    with torch.inference_mode():
        expected = torch.softmax(network(images.float() / 255), dim=1)
    np.testing.assert_allclose(target.predict(images[:, 0].numpy()), expected, atol=1e-5)


def test_filters_are_the_weights_of_the_first_layer(small_run: Path) -> None:
    filters = load_target(str(small_run), "test", None, fail).filters
    assert filters is not None
    weights = load_checkpoint(small_run / "best.pt").weights
    # Four pixels side by side are the four channels of one position.
    channels = filters.reshape(16, 5, 3, 4).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(channels, weights["features.1.0.weight"])


def test_int8_file_of_another_epoch_is_skipped_and_reported(
    small_run: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(small_run / "best.pt")
    replace(checkpoint, epoch=checkpoint.epoch + 1).save(tmp_path / "best.pt")
    file = tmp_path / "mnist-edge-int8.onnx"
    file.write_bytes((small_run / file.name).read_bytes())
    messages: list[str] = []
    assert load_target(str(tmp_path), "test", None, messages.append).int8 is None
    (message,) = messages
    assert message.startswith(f"{file}: skipped")
    assert "another epoch" in message


def test_file_of_other_classes_is_refused(small_run: Path, tmp_path: Path) -> None:
    model = onnx.load(bundled_models()["mnist-edge-int8"])
    set_metadata(model, {"labels": "zero,one,two,three,four,five,six,seven,eight,nine"})
    file = tmp_path / "named.onnx"
    onnx.save(model, file)
    with pytest.raises(UsageError, match=r"predicts zero, one, .* point --data at"):
        load_target(str(file), "test", small_run.parent / "pictures", fail)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match="--split train: unknown; choose test or validation"):
        load_target("mnist-edge-int8", "train", None, fail)


def test_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run or model"):
        load_target(str(tmp_path / "nothing"), "test", None, fail)


def test_only_the_test_images_of_another_dataset_are_loaded(
    small_run: Path, tmp_path: Path
) -> None:
    others = make_pictures(tmp_path / "others", skip=9)
    with pytest.raises(UsageError, match="trained on other images than folder others has"):
        load_target(str(small_run), "validation", others, fail)
    target = load_target(str(small_run), "test", others, fail)
    assert target.dataset == "folder others"
    assert target.folder is None


def test_picture_that_is_skipped_is_reported(small_run: Path, tmp_path: Path) -> None:
    others = make_pictures(tmp_path / "others")
    (others / "3" / "damaged.png").write_text("no picture")
    messages: list[str] = []
    load_target(str(small_run), "test", others, messages.append)
    assert any("damaged.png" in message for message in messages)


@pytest.mark.parametrize(
    "recipe",
    [
        "x",
        "[1]",
        "null",
        "7",
        "[" * 50_000,
        '{"dataset": 5}',
        '{"dataset": "\\u0000"}',
        '{"val_split": "many"}',
        '{"val_split": -1}',
    ],
    ids=lambda recipe: recipe[:12],
)
def test_model_whose_recipe_is_damaged_is_refused(tmp_path: Path, recipe: str) -> None:
    model = onnx.load(bundled_models()["mnist-edge-int8"])
    properties = {entry.key: entry.value for entry in model.metadata_props}
    set_metadata(model, properties | {"training_recipe": recipe})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: its metadata's training_recipe is damaged"):
        load_target(str(tmp_path / "model.onnx"), "test", SAMPLES, fail)
