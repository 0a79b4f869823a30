"""Pictures in every encoding a person has, decoded to what that person sees."""

from __future__ import annotations

import gc
import io
import struct
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from mnist_edge import ImageReadError
from mnist_edge.inputs.decode import decode, decode_all


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def half() -> Image.Image:
    """Black on the left, white on the right, 40 x 30."""
    return Image.fromarray(np.repeat(np.array([[0] * 20 + [255] * 20], np.uint8), 30, axis=0))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM"])
def test_every_file_format_is_decoded(half: Image.Image, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    gray = decode(encoded(half, kind, **options))
    assert gray.shape == (30, 40)
    assert gray[:, :18].max() <= 8
    assert gray[:, 22:].min() >= 247


@pytest.mark.parametrize(
    "mode",
    [
        *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"),
        *("LAB", "I", "I;16", "I;16L", "I;16B", "F"),
    ],
)
def test_every_pillow_mode_is_decoded(half: Image.Image, mode: str) -> None:
    between = {"La": "LA", "PA": "P", "RGBa": "RGBA", "HSV": "RGB", "I;16B": "I", "I;16L": "I"}
    if mode == "LAB":
        neutral = Image.new("L", half.size, 128)
        image = Image.merge("LAB", [half, neutral, neutral])
    else:
        image = half.convert(between.get(mode, mode)).convert(mode)
    gray = decode(image)
    assert int(gray[:, :20].max()) <= 2
    assert int(gray[:, 20:].min()) >= 250


def test_sixteen_bits_are_stretched_over_their_range() -> None:
    values = np.full((20, 20), 500, dtype=np.uint16)
    values[:, 10:] = 4_000
    gray = decode(encoded(Image.fromarray(values), "PNG"))
    assert gray[0, 0] == 0
    assert gray[0, -1] == 255


def test_nan_pixels_leave_the_others_unchanged() -> None:
    values = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    values[3, 3] = np.nan
    gray = decode(encoded(Image.fromarray(values), "TIFF"))
    assert (gray[0, 0], gray[-1, -1]) == (0, 255)


def test_first_frame_of_an_animation_is_decoded(half: Image.Image) -> None:
    other = Image.new("L", half.size, 128)
    gray = decode(encoded(half, "GIF", save_all=True, append_images=[other]))
    assert gray[0, 0] < 8
    assert gray[0, -1] > 247


def test_exif_orientation_is_applied(half: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    gray = decode(encoded(half, "JPEG", exif=exif))
    assert gray.shape == (40, 30)
    assert gray[2].max() < 8
    assert gray[-3].min() > 247


@pytest.mark.parametrize(("stroke", "background"), [(0, 255), (255, 0)])
def test_transparent_background_becomes_the_opposite_of_the_strokes(
    stroke: int, background: int
) -> None:
    pixels = np.zeros((20, 20, 4), dtype=np.uint8)
    pixels[8:12, 4:16] = (stroke, stroke, stroke, 255)
    gray = decode(encoded(Image.fromarray(pixels), "PNG"))
    assert gray[10, 10] == stroke
    assert gray[0, 0] == background


def test_holes_in_an_opaque_picture_get_its_background() -> None:
    pixels = np.full((40, 40, 4), 255, dtype=np.uint8)
    pixels[15:25, 15:25, :3] = 0
    pixels[:5, :5, 3] = 0  # a rounded corner, say
    assert decode(Image.fromarray(pixels))[0, 0] == 255


def test_a_huge_jpeg_is_decoded_small() -> None:
    content = encoded(Image.new("RGB", (8_000, 6_000), "white"), "JPEG")
    assert 480 <= max(decode(content).shape) < 960


@pytest.mark.parametrize("source", [None, 7, [[0, 1]]], ids=["None", "int", "list"])
def test_other_objects_are_errors_that_name_their_type(source: object) -> None:
    with pytest.raises(ImageReadError, match=f"{type(source).__name__} is not a picture"):
        decode(source)  # type: ignore[arg-type]


def test_path_bytes_and_file_agree(samples: Path) -> None:
    path = samples / "3-pen.png"
    with path.open("rb") as file:
        gray = [decode(path), decode(str(path)), decode(path.read_bytes()), decode(file)]
        gray += [decode(bytearray(path.read_bytes())), decode(memoryview(path.read_bytes()))]
    for other in gray[1:]:
        np.testing.assert_array_equal(gray[0], other)


def test_the_callers_image_is_not_changed(half: Image.Image) -> None:
    before = half.tobytes()
    decode(half)
    assert half.tobytes() == before


def test_an_error_names_the_file_and_the_reason(tmp_path: Path, samples: Path) -> None:
    cases = {
        "missing.png": (None, "no such file"),
        "empty.png": (b"", "the file is empty"),
        "text.png": (b"just some text\n", "not an image"),
        "cut.png": ((samples / "7-pen.png").read_bytes()[:900], "damaged"),
        "cut.jpg": ((samples / "7-chalk.jpg").read_bytes()[:3000], "damaged"),
    }
    for name, (content, reason) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ImageReadError) as caught:
            decode(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert reason in message
        assert "\n" not in message


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    for side in (10_000, 20_000):  # the second is past Pillow's own limit
        content = encoded(Image.new("1", (side, side)), "PNG")
        with pytest.raises(ImageReadError):
            decode(content)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "F"])
def test_large_pictures_of_every_depth_are_reduced(mode: str) -> None:
    page = Image.new("L", (2_000, 1_600), 250)
    page.paste(20, (600, 500, 700, 1_100))
    picture = page.convert("I").point(lambda level: level * 200) if mode == "I;16" else page
    pixels = decode(picture.convert(mode))
    assert max(pixels.shape) < 960
    middle, corner = pixels[pixels.shape[0] // 2, round(pixels.shape[1] * 0.325)], pixels[5, 5]
    assert int(np.max(corner)) - int(np.max(middle)) > 200


def test_heic_is_decoded_where_its_plugin_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    page = Image.new("RGB", (120, 90), "white")
    page.paste("black", (40, 30, 60, 60))
    file = io.BytesIO()
    pillow_heif.from_pillow(page).save(file)
    pixels = decode(file.getvalue())
    assert pixels.shape[:2] == (90, 120)
    assert int(pixels[45, 50].max()) < 40 < 200 < int(pixels[5, 5].min())


def test_paths_that_cannot_be_are_errors(tmp_path: Path) -> None:
    for path, reason in {
        "a\0b.png": "not a path",
        "\ud800.png": "not a path",
        "x" * 5_000: "name too long",
        str(tmp_path): "folder",
    }.items():
        with pytest.raises(ImageReadError, match=reason):
            decode(path)


@pytest.mark.parametrize(
    "error", [RecursionError, MemoryError, struct.error, IndexError, KeyError, ZeroDivisionError]
)
def test_whatever_a_plugin_raises_is_an_image_error(
    error: type[Exception], half: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: ImageFile.ImageFile) -> None:
        raise error

    content = encoded(half.convert("RGB"), "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(ImageReadError, match=r"^image: "):
        decode(content)


def test_a_file_in_text_mode_is_an_error(samples: Path) -> None:
    with (samples / "README.md").open(encoding="utf-8") as file, pytest.raises(ImageReadError):
        decode(file)  # type: ignore[arg-type]


def test_an_error_does_not_keep_its_picture_in_memory() -> None:
    picture = np.zeros((5, 0), np.uint8)
    alive = weakref.ref(picture)
    gc.disable()
    try:
        errors = decode_all([picture], ["a.png"])
        del picture
        assert isinstance(errors[0], ImageReadError)
        assert alive() is None
    finally:
        gc.enable()


def _webp_with_damaged_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 8
    file = io.BytesIO()
    Image.new("RGB", (30, 30)).save(file, "WEBP", exif=exif.tobytes()[:-6])
    return file.getvalue()


def _tiff_of_65535_samples() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 30)).save(file, "TIFF")
    content = file.getvalue()
    samples = content.index(struct.pack("<HHI", 277, 3, 1))
    return content[: samples + 8] + b"\xff\xff" + content[samples + 10 :]


def _extreme_floats() -> bytes:
    return b"Pf\n2 2\n-1.0\n" + np.array([-3e38, 3e38, np.nan, np.inf], "<f4").tobytes()


@pytest.mark.parametrize("make", [_webp_with_damaged_exif, _tiff_of_65535_samples, _extreme_floats])
def test_libraries_neither_warn_nor_print(make: Callable[[], bytes], tmp_path: Path) -> None:
    picture = tmp_path / "odd"
    picture.write_bytes(make())
    # In a program of its own: pytest takes what is logged.
    code = f"from mnist_edge.inputs.decode import decode_all; decode_all([{str(picture)!r}], ['a'])"
    program = [sys.executable, "-W", "always", "-c", code]
    assert subprocess.run(program, capture_output=True, check=True).stderr == b""
