"""A picture that is turned and reduced tile by tile is the same as one that is done at once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from mnist_edge.inputs import pixels
from mnist_edge.inputs.pixels import displayable, to_pixels


def picture(mode: str, width: int, height: int) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 4), np.uint8)
    small = Image.fromarray(levels)
    image = small.resize((width, height))
    if mode == "I;16":
        return image.convert("L").convert("I").point(lambda level: level * 200).convert("I;16")
    if mode == "P":
        indexed = small.convert("RGB").quantize(40).resize((width, height))
        indexed.info["transparency"] = 3
        return indexed
    return image.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else image.convert(mode)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"]
)
def test_tiles_make_the_whole(mode: str, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(mode, 971, 1_211)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(image)
    upright.info.pop("exif", None)
    expected = to_pixels(upright)
    for tile in (200, 640):
        monkeypatch.setattr(pixels, "_WHOLE_AREA", 0)
        monkeypatch.setattr(pixels, "_TILE_SIDE", tile)
        np.testing.assert_array_equal(to_pixels(image), expected)


def test_the_callers_picture_is_not_changed() -> None:
    image = picture("RGBA", 971, 1_211)
    before = image.tobytes()
    to_pixels(image)
    displayable(image)
    assert image.tobytes() == before


def test_strips_are_bounded_along_their_length() -> None:
    for size in ((40, 300_000), (300_000, 40), (1, 300_000)):
        kept = to_pixels(Image.new("L", size))
        assert max(kept.shape) <= 8_192


def test_a_large_picture_is_shown_reduced() -> None:
    shown = displayable(Image.new("L", (6_000, 4_000), 200))
    assert shown.mode == "RGB"
    assert 480 <= max(shown.size) < 2_048
