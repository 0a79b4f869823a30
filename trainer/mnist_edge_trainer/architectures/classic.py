"""Classic architectures, as they are published or taught, for comparison."""

from __future__ import annotations

from torch import nn

from mnist_edge_trainer.architectures.blocks import FeatureClassifier, ResidualBlock, conv_block

__all__ = ["dropout_cnn", "keras_cnn", "lenet", "mlp", "resnet", "vgg"]


def mlp(classes: int) -> nn.Module:
    """A multilayer perceptron: two hidden layers, which ignore which pixels are neighbours."""
    return FeatureClassifier(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(256, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
        ),
        nn.Linear(128, classes),
    )


def lenet(classes: int) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998) as it is taught today: ReLU, average pooling."""
    return FeatureClassifier(
        nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 28 -> 14
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),  # 10 -> 5
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, classes),
        ),
    )


def keras_cnn(classes: int) -> nn.Module:
    """Three convolutions without padding, two poolings, dropout: the first net of Keras courses."""
    return FeatureClassifier(
        nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 26 -> 13
            nn.Conv2d(32, 64, kernel_size=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 11 -> 5
            nn.Conv2d(64, 64, kernel_size=3),  # 5 -> 3
            nn.ReLU(inplace=True),
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 3 * 3, 64),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(64, classes),
        ),
    )


def dropout_cnn(classes: int) -> nn.Module:
    """Two convolutions, max pooling, and dropout before each linear layer."""
    return FeatureClassifier(
        nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 28 -> 14
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),  # 14 -> 7
        ),
        nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(64 * 7 * 7, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        ),
    )


def vgg(classes: int) -> nn.Module:
    """Pairs of 3 x 3 convolutions between poolings (Simonyan and Zisserman, arXiv:1409.1556).

    Three of the five stages, a quarter of the width, and batch norm, which is younger than the
    paper.
    """
    stages = [
        layer
        for inputs, outputs in ((1, 16), (16, 32), (32, 64))
        for layer in (conv_block(inputs, outputs), conv_block(outputs, outputs), nn.MaxPool2d(2))
    ]
    return FeatureClassifier(
        nn.Sequential(*stages),  # 28 -> 14 -> 7 -> 3
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 3 * 3, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        ),
    )


def resnet(classes: int) -> nn.Module:
    """ResNet-8, of the CIFAR family with 6n + 2 layers (He et al., arXiv:1512.03385, section 4.2).

    n = 1: one block for each of 16, 32 and 64 channels, then the average over all positions.
    """
    return FeatureClassifier(
        nn.Sequential(
            conv_block(1, 16),
            ResidualBlock(16, 16, stride=1),
            ResidualBlock(16, 32, stride=2),  # 28 -> 14
            ResidualBlock(32, 64, stride=2),  # 14 -> 7
            nn.AvgPool2d(7),
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(64, classes)),
    )
