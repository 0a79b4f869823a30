"""Any picture a person has -> the picture MNIST would have made of it.

A network trained on MNIST fails on pictures made another way, so every picture is made that way
first: "the original black and white images were size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio [...] anti-aliasing [...] the images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to position this
point at the center" (LeCun, Bottou, Bengio, Haffner 1998, section III-A).

`prepare` is the only road from a picture to the network, for the command line and the API alike::

    source -> decode -> sheet -> the digit's pieces -> close-up -> 20 x 20 box -> 28 x 28

A network for pictures of anything has a road of its own, `prepare_plain`: the whole picture, small.
Which of the two a model's pictures take, its file says (see `contract.Preprocessing`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mnist_edge.errors import ImageError, NoDigitError
from mnist_edge.inputs.decode import ImageSource, Pixels, decode, describe
from mnist_edge.types import Preprocessing

__all__ = [
    "PREPROCESSING_REVISION",
    "PREPROCESSING_VERSION",
    "are_mnist_form",
    "is_mnist_form",
    "prepare",
    "prepare_all",
    "prepare_all_plain",
    "prepare_plain",
]

PREPROCESSING_VERSION = Preprocessing.DIGIT.value
"""Version of the contract between a picture and a model's input, written into every model."""

PREPROCESSING_REVISION = f"{PREPROCESSING_VERSION}.1"
"""To be raised by every change that makes another 28 x 28 of any picture, however slightly: what
was kept in a cache to train on is then made again."""

_SIDE, _BOX = 28, 20
_CENTRE = 14
"""Pixel index that the centre of mass is moved to; measured on all 70,000 images of MNIST."""

_ONES = np.ones(_SIDE, np.float32)
_PIXELS = np.arange(_SIDE, dtype=np.float32)

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def prepare(source: ImageSource, name: str | None = None) -> Grey:
    """Makes MNIST's picture out of any other.

    A picture already in MNIST form comes back bit for bit, and its negative as its negative.

    Args:
        source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).
        name: what errors call it; None = its path, where it has one.

    Returns:
        uint8 ``[28, 28]``, 0 = background, 255 = ink.

    Raises:
        ImageReadError: it cannot be opened or decoded.
        NoDigitError: nothing in it stands out from the background.
    """
    return _prepared(decode(source, name), name or describe(source) or "image")


def prepare_all(
    sources: Sequence[ImageSource], names: Sequence[str | None]
) -> list[Grey | ImageError]:
    """`prepare` for several; an error is put in the place of the picture that it is about."""
    pictures = [_or_error(decode, *source) for source in zip(sources, names, strict=True)]
    # Asked of all at once: data sets are made of such, and numpy is slow to be called.
    sized = {
        index: picture
        for index, picture in enumerate(pictures)
        if not isinstance(picture, ImageError) and picture.shape == (_SIDE, _SIDE)
    }
    stack = np.array([*sized.values()], np.uint8).reshape(-1, _SIDE, _SIDE)
    known = set(itertools.compress(sized, are_mnist_form(stack)))
    return [
        picture
        if index in known or isinstance(picture, ImageError)
        else _or_error(_prepared, picture, names[index] or describe(sources[index]) or "image")
        for index, picture in enumerate(pictures)
    ]


def prepare_plain(source: ImageSource, name: str | None = None) -> Grey:
    """Makes any picture grey and small, as light as it is, with nothing looked for in it.

    Its longer side becomes 28 pixels: areas averaged where it was longer, bilinear where it was
    shorter. What that leaves at two sides gets the median of its border. A picture of 28 x 28 in
    grey comes back bit for bit. Of more than 8 bits a pixel, what range they use becomes 0..255.

    Args:
        source: path, encoded bytes, open binary file, PIL image, or array (see `ImageSource`).
        name: what errors call it; None = its path, where it has one.

    Returns:
        uint8 ``[28, 28]``, 0 = black, 255 = white.

    Raises:
        ImageReadError: it cannot be opened or decoded.
    """
    picture = decode(source, name)
    if picture.shape == (_SIDE, _SIDE):
        return picture
    from mnist_edge.preprocess.resize import fit

    return fit(picture)


def prepare_all_plain(
    sources: Sequence[ImageSource], names: Sequence[str | None]
) -> list[Grey | ImageError]:
    """`prepare_plain` for several; an error is put in the place of the picture it is about."""
    return [_or_error(prepare_plain, *source) for source in zip(sources, names, strict=True)]


def _or_error(work: Callable[..., Grey], *arguments: object) -> Grey | ImageError:
    try:
        return work(*arguments)
    except ImageError as error:
        return error


def _prepared(picture: Pixels, name: str) -> Grey:
    if is_mnist_form(picture):
        return picture
    if is_mnist_form(255 - picture):
        return 255 - picture
    # Most of the front end, which data sets have no use for.
    from mnist_edge.preprocess.normalize import remake

    made = remake(picture)
    if made is None:
        raise NoDigitError(f"{name}: no digit found; nothing stands out from the background")
    return made


def is_mnist_form(grey: Pixels) -> bool:
    """Whether a picture was made as MNIST's were.

    Every one of the 70,000 has an exactly black background, a longer side of 19 or 20 pixels, and
    its centre of mass within half a pixel of pixel 14. What `prepare` makes has too, or lies at
    the border for being lopsided.
    """
    if grey.shape != (_SIDE, _SIDE):
        return False
    ink = grey.astype(np.float32)
    longest = 0
    # Sums along an axis as products with ones, the fastest way for so few.
    for line in (ink @ _ONES, _ONES @ ink):
        inked = line.nonzero()[0].tolist()
        if not inked:
            return False
        start, stop = inked[0], inked[-1] + 1
        longest = max(longest, stop - start)
        centre = float(line @ _PIXELS) / float(line @ _ONES)
        lopsided = start == 0 if centre > _CENTRE else stop == _SIDE
        if abs(centre - _CENTRE) >= 0.52 and not lopsided:
            return False
    return longest in (19, 20)


def are_mnist_form(pictures: Grey) -> Mask:
    """`is_mnist_form` of many, uint8 ``[N, 28, 28]``: bool ``[N]``, in a tenth of the time."""
    ink = pictures.astype(np.float32)
    longest = np.zeros(len(pictures), np.intp)
    is_one = np.ones(len(pictures), bool)
    for lines in (ink @ _ONES, _ONES @ ink):
        inked = lines > 0
        start, stop = inked.argmax(axis=1), _SIDE - inked[:, ::-1].argmax(axis=1)
        longest = np.maximum(longest, stop - start)
        # Without ink, 0 / 0: no centre is the right one.
        with np.errstate(invalid="ignore"):
            off = (lines @ _PIXELS) / (lines @ _ONES) - _CENTRE
        lopsided = np.where(off > 0, start == 0, stop == _SIDE)
        is_one &= (np.abs(off) < 0.52) | (lopsided & inked.any(axis=1))
    is_one &= (longest == _BOX - 1) | (longest == _BOX)
    return is_one
