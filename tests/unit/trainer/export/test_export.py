"""Export: the files give the same predictions as torch, or they are not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper

from mnist_edge import DigitClassifier, GateError, OutputError
from mnist_edge.model import Model
from mnist_edge_trainer.architectures.registry import ARCHITECTURES, build
from mnist_edge_trainer.data.splits import Digits, load_digits
from mnist_edge_trainer.export import export as exporting
from mnist_edge_trainer.export import quantize
from mnist_edge_trainer.export.export import export_run, output_paths
from mnist_edge_trainer.export.gate import compare
from mnist_edge_trainer.export.graph_passes import quantized_operators
from mnist_edge_trainer.export.temperature import fit_temperature, with_temperature
from mnist_edge_trainer.training.checkpoint import MNIST, Checkpoint, load_checkpoint
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.trainer import predict_logits
from tests.conftest import SAMPLES
from tests.unit.trainer.export.opencv import with_uint8_constants_as_int8


@pytest.fixture(scope="module")
def mnist() -> tuple[Digits, Digits]:
    return load_digits(SAMPLES, "train"), load_digits(SAMPLES, "test")


@pytest.fixture(scope="module")
def checkpoint(trained_run: Path) -> Checkpoint:
    return load_checkpoint(trained_run / "best.pt")


@pytest.fixture(scope="module")
def exported(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_run(checkpoint, *mnist, folder, with_int8=True)
    return folder


def test_torch_and_fp32_agree_on_every_test_image(
    exported: Path, checkpoint: Checkpoint, mnist: tuple[Digits, Digits]
) -> None:
    model = Model.load(exported / "mnist-edge-fp32.onnx")
    network = build(checkpoint.config.arch)
    network.load_state_dict(checkpoint.weights)
    logits = predict_logits(network, mnist[1].images)
    # Calibration is undone here, by the temperature that the file itself states.
    expected = torch.softmax(logits / float(model.metadata["calibration_temperature"]), dim=1)
    probabilities = model.run(mnist[1].images[:, 0].numpy())
    assert np.abs(probabilities - expected.numpy()).max() <= 1e-4
    assert (probabilities.argmax(axis=1) == expected.numpy().argmax(axis=1)).all()


def test_int8_loses_at_most_what_the_gate_allows(
    exported: Path, mnist: tuple[Digits, Digits]
) -> None:
    labels = mnist[1].labels.numpy()
    images = mnist[1].images[:, 0].numpy()
    right = {
        name: int(
            (Model.load(exported / f"mnist-edge-{name}.onnx").run(images).argmax(1) == labels).sum()
        )
        for name in ("fp32", "int8")
    }
    assert right["fp32"] - right["int8"] <= 5


def test_metadata_has_the_accuracy_of_the_file(
    exported: Path, mnist: tuple[Digits, Digits]
) -> None:
    images, labels = mnist[1].images[:, 0].numpy(), mnist[1].labels.numpy()
    for name in ("fp32", "int8"):
        model = Model.load(exported / f"mnist-edge-{name}.onnx")
        accuracy = (model.run(images).argmax(axis=1) == labels).mean()
        assert float(model.metadata["test_accuracy"]) == pytest.approx(accuracy, abs=5e-5)
        assert model.metadata["architecture"] == "small"


def test_second_export_gives_the_same_bytes(
    exported: Path, checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    result = export_run(checkpoint, *mnist, tmp_path, with_int8=True)
    for file in result.files:
        assert file.read_bytes() == (exported / file.name).read_bytes()


def test_exported_file_predicts_a_picture(exported: Path, samples: Path) -> None:
    classifier = DigitClassifier(exported / "mnist-edge-int8.onnx")
    assert classifier.predict(samples / "7-mnist.png").digit == 7


OTHERS = sorted(set(ARCHITECTURES) - {"small"})
LARGE = ("ensemble", "large", "resnet", "vgg")


def centred_logits(model: Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What differs between images; of an untrained network, that is little."""
    logits: npt.NDArray[np.float32] = np.log(model.run(images))
    centred: npt.NDArray[np.float32] = logits - logits.mean(axis=0)
    return centred


def check_every_layer_is_quantized(
    config: TrainConfig, training: Digits, test: Digits, folder: Path
) -> None:
    """Exports an untrained network; its int8 file must follow the fp32 one."""
    torch.manual_seed(0)
    untrained = Checkpoint(config, 1, 2.3, 0.1, MNIST, build(config.arch).state_dict())
    export_run(untrained, training, test, folder, with_int8=True, force=True)
    graph = onnx.load(folder / "mnist-edge-int8.onnx")
    done, total = quantized_operators(graph)
    assert done == total > 0
    assert len({node.name for node in graph.graph.node}) == len(graph.graph.node)
    images = test.images[:500, 0].numpy()
    fp32, int8 = (
        centred_logits(Model.load(folder / f"mnist-edge-{name}.onnx"), images)
        for name in ("fp32", "int8")
    )
    shifted = with_uint8_constants_as_int8(graph).SerializeToString()
    in_opencv = centred_logits(Model.from_bytes(shifted, "as OpenCV 4 reads it"), images)
    assert np.corrcoef(fp32.ravel(), int8.ravel())[0, 1] > 0.95
    assert np.corrcoef(in_opencv.ravel(), int8.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    "arch",
    [pytest.param(arch, marks=[pytest.mark.slow] * (arch in LARGE)) for arch in OTHERS],
)
def test_every_layer_of_other_architectures_is_quantized(
    arch: str, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    config = TrainConfig(arch=arch, photos=0, val_split=200)
    check_every_layer_is_quantized(config, mnist[0][:1_200], mnist[1][:500], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("arch", OTHERS)
def test_every_layer_of_other_architectures_is_quantized_with_all_images(
    arch: str, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    check_every_layer_is_quantized(TrainConfig(arch=arch), *mnist, tmp_path)


def break_a_weight(model: ModelProto) -> ModelProto:
    """The kind of thing a faulty exporter does: one layer's weights are not the network's."""
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    broken = numpy_helper.to_array(tensor).copy()
    broken[0] += 0.5
    tensor.CopyFrom(numpy_helper.from_array(broken, tensor.name))
    return model


@pytest.fixture
def broken_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    original = exporting.to_onnx
    monkeypatch.setattr(exporting, "to_onnx", lambda network: break_a_weight(original(network)))


@pytest.mark.usefixtures("broken_exporter")
def test_broken_fp32_weight_fails_the_gate_and_nothing_is_written(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    destination = tmp_path / "model.onnx"
    destination.write_bytes(b"what was there before")
    with pytest.raises(GateError, match="fp32: a probability moved"):
        export_run(checkpoint, *mnist, destination, with_int8=True)
    assert destination.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [destination]


@pytest.mark.usefixtures("broken_exporter")
def test_force_writes_the_files_and_reports_it(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    result = export_run(checkpoint, *mnist, tmp_path / "out", with_int8=False, force=True)
    assert result.forced
    assert result.files[0].exists()


def test_broken_int8_weight_fails_the_gate(
    checkpoint: Checkpoint,
    mnist: tuple[Digits, Digits],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = quantize.quantize

    def faulty(*arguments: Any) -> ModelProto:
        model = original(*arguments)
        tensor = max(
            (t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8),
            key=lambda t: len(t.raw_data),
        )
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        return model

    monkeypatch.setattr(exporting, "quantize", faulty)
    with pytest.raises(GateError, match=r"int8: .* of top-1 lost"):
        export_run(checkpoint, *mnist, tmp_path, with_int8=True)
    assert not list(tmp_path.iterdir())


class TestGate:
    """The bounds themselves, on constructed probabilities."""

    labels = np.arange(10_000) % 10
    reference = np.eye(10, dtype=np.float32)[labels] * 0.91 + np.float32(0.009)

    def wrong(self, count: int) -> npt.NDArray[np.float32]:
        changed = self.reference.copy()
        changed[:count] = np.roll(changed[:count], 1, axis=1)
        return changed

    def test_int8_may_lose_five_of_ten_thousand_and_not_six(self) -> None:
        for count, passes in ((0, True), (5, True), (6, False)):
            row = compare("int8", self.wrong(count), self.reference, self.labels)
            assert row.changed == count
            assert (row.failure is None) is passes

    def test_fp32_may_change_no_prediction(self) -> None:
        assert compare("fp32", self.reference, self.reference, self.labels).failure is None
        assert compare("fp32", self.wrong(1), self.reference, self.labels).failure is not None

    def test_fp32_may_move_no_probability_far(self) -> None:
        for by, passes in ((5e-5, True), (2e-4, False)):
            moved = self.reference.copy()
            moved[3, 0] += by
            moved[3, 1] -= by
            row = compare("fp32", moved, self.reference, self.labels)
            assert (row.failure is None) is passes

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_probability_that_is_not_finite_fails(self, value: float) -> None:
        bad = self.reference.copy()
        bad[7] = value
        for name in ("fp32", "int8"):
            assert compare(name, bad, self.reference, self.labels).failure is not None


def test_temperature_has_the_lowest_loss_and_is_folded_into_the_last_layer(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits]
) -> None:
    network = build(checkpoint.config.arch)
    network.load_state_dict(checkpoint.weights)
    images, labels = mnist[0].images[:5_000], mnist[0].labels[:5_000]
    logits = predict_logits(network, images)
    overconfident = logits * 3
    temperature = fit_temperature(overconfident, labels)
    loss = torch.nn.functional.cross_entropy
    assert temperature > 1.5
    assert loss(overconfident / temperature, labels) < loss(overconfident, labels)
    for other in (temperature * 0.9, temperature * 1.1):
        assert loss(overconfident / temperature, labels) < loss(overconfident / other, labels)
    folded = predict_logits(with_temperature(network, 2.0), images)
    torch.testing.assert_close(folded, logits / 2)


def test_temperature_is_one_without_mistakes_or_with_few_images() -> None:
    labels = torch.arange(10).repeat(20)
    logits = torch.eye(10).repeat(20, 1) * 3
    assert fit_temperature(logits, labels) == 1.0
    assert fit_temperature(logits[:50], labels[:50].roll(1)) == 1.0
    assert fit_temperature(logits, labels.roll(1)) > 1.0


def test_output_paths_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    assert output_paths(Path("a/b.onnx"), with_int8=True) == {
        "fp32": Path("a/b.onnx"),
        "int8": Path("a/b-int8.onnx"),
    }
    assert output_paths(tmp_path, with_int8=False) == {"fp32": tmp_path / "mnist-edge-fp32.onnx"}


def test_output_that_cannot_be_written_is_an_error_that_names_it(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file: the folder cannot be made .* choose another"):
        export_run(checkpoint, *mnist, tmp_path / "file" / "model.onnx", with_int8=False)


def test_validation_split_is_the_one_that_the_training_held_out(
    checkpoint: Checkpoint, mnist: tuple[Digits, Digits], tmp_path: Path
) -> None:
    export_run(checkpoint, *mnist, tmp_path, with_int8=False)
    metadata = Model.load(tmp_path / "mnist-edge-fp32.onnx").metadata
    # On images that it was trained on, the accuracy would be higher.
    assert float(metadata["validation_accuracy"]) == pytest.approx(
        checkpoint.val_accuracy, abs=5e-5
    )
