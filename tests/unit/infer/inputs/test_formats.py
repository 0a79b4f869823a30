"""The formats that are read, and no other: none may start another program."""

from __future__ import annotations

import builtins
import importlib
import io
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, features

from mnist_edge import ImageReadError
from mnist_edge.inputs import formats
from mnist_edge.inputs.decode import decode
from mnist_edge.inputs.walk import FolderWalk
from tests.conftest import ROOT

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n%%EOF\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def half() -> Image.Image:
    """Black on the left, white on the right, 64 x 48."""
    image = Image.new("L", (64, 48), 255)
    image.paste(0, (0, 0, 32, 48))
    return image


SAVED = {
    **{kind: (kind, "RGB") for kind in ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "PPM", "TIFF")},
    **{kind: (kind, "RGB") for kind in ("WEBP", "AVIF", "JPEG2000", "ICO", "PCX", "TGA")},
    "PGM": ("PPM", "L"),
    "PBM": ("PPM", "1"),
    "PFM": ("PPM", "F"),
    "XBM": ("XBM", "1"),
}


@pytest.mark.parametrize("kind", SAVED)
def test_every_format_of_the_list_is_read(half: Image.Image, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    saved_as, mode = SAVED[kind]
    gray = decode(
        encoded(half.convert(mode), saved_as, **{"sizes": [(64, 48)]} if kind == "ICO" else {})
    )
    assert gray.shape[:2] == (48, 64)
    dark, light = sorted((float(gray[:, :28].mean()), float(gray[:, 36:].mean())))
    assert dark < 10
    assert light > 245


def test_the_documented_list_is_the_list() -> None:
    page = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("Formats that are read:"))
    named = {word.strip("., ").upper().replace(" ", "") for word in row.split(":")[1].split(",")}
    spelled = {"JPEG2000": "JPEG2000", "HEIF": "HEIC"}
    inside = {"DIB"}  # of BMP
    for kind in set(formats.FORMATS) - inside:
        assert spelled.get(kind, kind) in named, kind


def test_every_extension_of_a_folder_is_of_a_format_that_is_read() -> None:
    Image.init()
    known = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in formats.FORMATS
    }
    known |= {".heic", ".heif", ".pnm"}
    walk = FolderWalk(recursive=False)
    wanted = {
        suffix
        for suffix in [*Image.registered_extensions(), *known]
        if walk.is_wanted("a" + suffix)
    }
    assert wanted <= known


@pytest.mark.parametrize("start", [b"%!PS", b"%!PS-Adobe-3.0 EPSF-3.0", b"\xc5\xd0\xd3\xc6"])
@pytest.mark.parametrize("name", ["a.png", "a.eps", "a.tga"])
def test_postscript_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes, name: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("another program was started")

    for starter in ("Popen", "check_call", "run"):
        monkeypatch.setattr(subprocess, starter, refuse)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    monkeypatch.setattr(os, "system", refuse)
    (tmp_path / name).write_bytes(start + POSTSCRIPT[len(start) :])
    with pytest.raises(ImageReadError, match="PostScript is not read"):
        decode(tmp_path / name)


def test_postscript_that_a_caller_opened_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")
    image = Image.open(io.BytesIO(POSTSCRIPT))
    with pytest.raises(ImageReadError, match="PostScript is not read"):
        decode(image)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "metafile"),
        (b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(80), "metafile"),
        (b"8BPS" + bytes(40), "Photoshop"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"SIMPLE  =                    T" + bytes(3_000), "not an image"),
    ],
)
def test_formats_that_are_not_read_are_named(content: bytes, what: str) -> None:
    with pytest.raises(ImageReadError, match=what):
        decode(content)


def test_a_picture_of_a_stereo_camera_gives_its_first(half: Image.Image) -> None:
    other = Image.new("L", half.size, 128)
    content = encoded(half, "MPO", save_all=True, append_images=[other])
    np.testing.assert_array_equal(decode(content), decode(encoded(half, "JPEG")))


@pytest.mark.parametrize(
    ("brand", "advice"),
    [(b"heic", "pillow-heif"), (b"mif1", "pillow-heif"), (b"avif", "--upgrade")],
)
def test_a_missing_decoder_is_named(
    brand: bytes, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = builtins.__import__

    def without_heif(name: str, *args: Any, **options: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return whole(name, *args, **options)

    monkeypatch.setattr(importlib, "import_module", without_heif)
    formats._register_heif.cache_clear()
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    try:
        with pytest.raises(ImageReadError, match=advice):
            decode(b"\0\0\0\x18ftyp" + brand + bytes(4) + brand + bytes(100))
    finally:
        formats._register_heif.cache_clear()
