"""The images that an export is fitted with: quantizer ranges, temperature, rejection threshold."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from mnist_edge.model import Model
from mnist_edge_trainer.data.splits import Digits
from mnist_edge_trainer.evaluation.rejection import choose_threshold, rejection_curve
from mnist_edge_trainer.export.quantize import CALIBRATION_IMAGES
from mnist_edge_trainer.export.temperature import fit_temperature
from mnist_edge_trainer.synthetic.dataset import (
    held_out_negatives,
    held_out_photos,
    training_photos,
)
from mnist_edge_trainer.training.config import TrainConfig
from mnist_edge_trainer.training.trainer import predict_logits

__all__ = ["HeldOutImages", "quantizer_images"]


def quantizer_images(config: TrainConfig, training: Digits) -> Digits:
    """The calibration images of the quantizer, which measures the ranges of activations on them.

    Args:
        config: the run's recipe.
        training: the images that its weights were trained on.

    Returns:
        1,000 of them; half are photographs, if the run was trained with photographs.
    """
    if config.photos == 0:
        return training[:CALIBRATION_IMAGES]
    half = CALIBRATION_IMAGES // 2
    chunk = training_photos(training).chunk(0)
    return Digits.join([training[:half], Digits.of(chunk.images[:half], chunk.labels[:half])])


@dataclass(frozen=True)
class HeldOutImages:
    """Images that no weight was trained on, to fit confidences with.

    Attributes:
        validation: the run's validation split.
        photos: photographs of validation digits; None = the run had no photographs.
        negatives: photographs of non-digits; None = the run had no photographs.
    """

    validation: Digits
    photos: Digits | None = None
    negatives: Digits | None = None

    @classmethod
    def of(cls, config: TrainConfig, validation: Digits) -> HeldOutImages:
        """The held-out images of a run, by its recipe."""
        if config.photos == 0:
            return cls(validation)
        return cls(validation, held_out_photos(validation), held_out_negatives(validation))

    def fit_temperature(self, network: nn.Module) -> float:
        """The temperature of the network's confidences (see `temperature.fit_temperature`)."""
        parts = [self.validation] if self.photos is None else [self.validation, self.photos]
        digits = Digits.join(parts)
        return fit_temperature(predict_logits(network, digits.images), digits.labels)

    def rejection_threshold(self, model: Model) -> float:
        """Confidence below which to reject (see `rejection.choose_threshold`); 0 = reject none."""
        if not self.photos or not self.negatives:
            return 0.0  # no photographs, or none in which preprocessing finds a digit
        curve = rejection_curve(
            model.run(self.photos.images[:, 0].numpy()),
            self.photos.labels.numpy(),
            model.run(self.negatives.images[:, 0].numpy()),
        )
        return choose_threshold(curve)
