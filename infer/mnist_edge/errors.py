"""Every error this project raises on purpose.

Each message is one line: what was wrong, with which file, and what to do about it.

::

    MnistEdgeError
    ├── ImageError               one picture has no prediction
    │   ├── ImageReadError       it could not be opened or decoded
    │   ├── NoDigitError         it was decoded, and no digit was found in it
    │   └── SeveralDigitsError   it shows a number, where one digit was asked for
    ├── ModelError               the model file cannot be used
    ├── DatasetError             the MNIST files are missing or damaged
    ├── UsageError               the request makes no sense as it stands
    │   └── MissingExtraError    it needs an optional part that is not installed
    ├── OutputError              a result could not be written
    ├── TrainingError            a run or a checkpoint is missing, damaged, or diverged
    └── ExportError              the exported file failed a check
        └── GateError            its predictions differ from those of the network it came from
"""

from __future__ import annotations

__all__ = [
    "DatasetError",
    "ExportError",
    "GateError",
    "ImageError",
    "ImageReadError",
    "MissingExtraError",
    "MnistEdgeError",
    "ModelError",
    "NoDigitError",
    "OutputError",
    "SeveralDigitsError",
    "TrainingError",
    "UsageError",
]

_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories: control, format, surrogate, separator of lines, of paragraphs."""


def one_line(message: str) -> str:
    """Escapes characters that would end a line, steer a terminal, or hide what stands there.

    File names, labels and metadata may hold them: control characters (C0, C1), marks that change
    the direction of text, other invisible ones, and bytes that are not text. The two joiners stay:
    words of some languages, and emoji, are written with them.
    """
    if message.isprintable():
        return message
    return "".join(map(_visible, message))


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    from unicodedata import category

    if category(character) not in _INVISIBLE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte of a file name that is not text
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class MnistEdgeError(Exception):
    """Base of every error raised on purpose by this project."""


class ImageError(MnistEdgeError):
    """One picture has no prediction; the others of a batch still can have one."""


class ImageReadError(ImageError):
    """The picture is missing, unreadable, damaged, or too large to open safely."""


class NoDigitError(ImageError):
    """The picture was decoded, but nothing in it stands out from the background."""


class SeveralDigitsError(ImageError):
    """The picture shows a number of several digits, where one digit was to be predicted."""


class ModelError(MnistEdgeError):
    """The file is missing, damaged, or not a model that follows the mnist-edge contract."""


class DatasetError(MnistEdgeError):
    """An MNIST file is missing, damaged, or could not be downloaded."""


class UsageError(MnistEdgeError):
    """The request makes no sense as it stands: an unknown name, flags that conflict."""


class MissingExtraError(UsageError):
    """The request needs an optional part of the installation that is not there."""


class OutputError(MnistEdgeError):
    """A result could not be written to the place that was asked for."""


class TrainingError(MnistEdgeError):
    """A training run or its checkpoint is missing, damaged, or has diverged."""


class ExportError(MnistEdgeError):
    """An exported file failed a check and was not written."""


class GateError(ExportError):
    """Predictions of the exported file differ from those of the network it came from."""
