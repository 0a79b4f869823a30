"""Any picture a person has -> the 28 x 28 that a network was trained to see.

A network trained on MNIST fails on pictures made another way, so every picture is made that way
first: "the original black and white images were size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio [...] anti-aliasing [...] the images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to position this
point at the center" (LeCun, Bottou, Bengio, Haffner 1998, section III-A)::

    decode -> gray plane -> find the digit -> crop -> 20 x 20 box -> 28 x 28

A network for pictures of anything else gets the whole picture, resized. A model's file says which
of the two it needs (see `Preprocessing`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mnist_edge.errors import ImageError, NoDigitError, SeveralDigitsError
from mnist_edge.inputs.decode import decode_all, source_name
from mnist_edge.preprocess.mnist_form import is_mnist_form
from mnist_edge.types import SIDE, GrayImage, ImageSource, Pixels, Preprocessing

if TYPE_CHECKING:
    from mnist_edge.preprocess.neighbors import DigitRow

__all__ = ["PREPROCESSING_REVISION", "NumberOn", "preprocess", "preprocess_one"]

NumberOn: TypeAlias = "Callable[[Pixels, DigitRow], str | None]"
"""The number on a picture that may show several digits, whose row is given; None = one digit."""

PREPROCESSING_REVISION = f"{Preprocessing.DIGIT.value}.3"
"""To be raised by every change that makes another 28 x 28 of any picture, however slightly: what
was kept in a cache to train on is then made again."""


def preprocess(
    pictures: Sequence[Pixels | ImageError],
    names: Sequence[str | None],
    kind: Preprocessing = Preprocessing.DIGIT,
    number_on: NumberOn | None = None,
) -> list[GrayImage | ImageError]:
    """Makes a network's input of each picture; an error takes the place of the picture it is about.

    An image already in MNIST form passes bit for bit, its negative inverted.

    Args:
        pictures: decoded, uint8 ``[H, W]`` or ``[H, W, 3]``; an error is passed on.
        names: what an error calls each; None = ``image``.
        kind: what the network was trained to see.
        number_on: asked of pictures that may show more than one digit: the number, where it
            certainly has several; None = it is not asked.

    Returns:
        for each picture uint8 ``[28, 28]``: 0 = background and 255 = ink for digits, 0 = black and
        255 = white for anything else; or a `NoDigitError`, or a `SeveralDigitsError`.
    """
    ready = _in_mnist_form(pictures) if kind is Preprocessing.DIGIT else {}
    images: list[GrayImage | ImageError] = []
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        if isinstance(picture, ImageError):
            images.append(picture)
        elif i in ready:
            images.append(ready[i])
        elif kind is Preprocessing.DIGIT:
            images.append(_digit(picture, name or "image", number_on))
        elif picture.shape == (SIDE, SIDE):
            images.append(picture)
        else:
            from mnist_edge.preprocess.resize import resize_pad

            images.append(resize_pad(picture))
    return images


def _digit(picture: Pixels, name: str, number_on: NumberOn | None) -> GrayImage | ImageError:
    # Imported for the first photo: data sets have no use for it.
    from mnist_edge.preprocess.normalize import normalize, normalize_and_look_round

    if number_on is None:
        image = normalize(picture)
    else:
        image, row = normalize_and_look_round(picture)
        if row is not None and (number := number_on(picture, row)) is not None:
            return SeveralDigitsError(
                f"{name}: several digits (looks like {number}); use `mnist-edge read`"
            )
    if image is None:
        return NoDigitError(f"{name}: no digit found; nothing stands out from the background")
    return image


def preprocess_one(
    source: ImageSource,
    name: str | None = None,
    kind: Preprocessing = Preprocessing.DIGIT,
    number_on: NumberOn | None = None,
) -> GrayImage:
    """Decodes and preprocesses one picture: a batch of one.

    Args:
        source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).
        name: what errors call it; None = its path, where it has one.
        kind: what the network was trained to see.
        number_on: as in `preprocess`.

    Returns:
        uint8 ``[28, 28]``, as `preprocess`.

    Raises:
        ImageReadError: it cannot be opened or decoded.
        NoDigitError: nothing in it stands out from the background.
        SeveralDigitsError: it shows a number.
    """
    names = [name or source_name(source)]
    (image,) = preprocess(decode_all([source], names), names, kind, number_on)
    if isinstance(image, ImageError):
        raise image
    return image


def _in_mnist_form(pictures: Sequence[Pixels | ImageError]) -> dict[int, GrayImage]:
    """The images that need nothing done to them, or only to be inverted, by position.

    Asked of all at once: data sets are made of such images, and numpy is slow to be called.
    """
    sized = {
        i: picture
        for i, picture in enumerate(pictures)
        if not isinstance(picture, ImageError) and picture.shape == (SIDE, SIDE)
    }
    found: dict[int, GrayImage] = {}
    for invert in (False, True):
        left = {i: 255 - image if invert else image for i, image in sized.items() if i not in found}
        if left:
            found |= itertools.compress(left.items(), is_mnist_form(np.stack([*left.values()])))
    return found
