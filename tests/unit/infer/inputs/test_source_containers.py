"""Archives and arrays as sources: their pictures, by name, as many as there are."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_edge.inputs.sources import Item, read_batches
from mnist_edge.inputs.walk import FolderWalk
from tests.conftest import Digits
from tests.unit.infer.inputs.source_items import read, stacked


class TestContainers:
    @pytest.fixture
    def encoded(self, train_digits: Digits) -> list[bytes]:
        contents = []
        for image in train_digits[0][:5]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            contents.append(buffer.getvalue())
        return contents

    def members(self, encoded: list[bytes]) -> Iterator[tuple[str, bytes]]:
        yield from ((f"digits/{i}.png", content) for i, content in enumerate(encoded))
        yield from [("notes.txt", b"no"), ("__MACOSX/x.png", b"no"), ("digits/.x.png", b"no")]

    @pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.xz", "tar.bz2"])
    def test_archives_give_their_pictures(
        self, tmp_path: Path, encoded: list[bytes], suffix: str
    ) -> None:
        path = tmp_path / f"digits.{suffix}"
        if suffix == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in self.members(encoded):
                    archive.writestr(name, content)
        else:
            kind = {"tgz": "gz", "tar": ""}.get(suffix, suffix.removeprefix("tar."))
            with tarfile.open(path, f"w:{kind}") as tar:  # type: ignore[call-overload]
                for name, content in self.members(encoded):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        walk = FolderWalk(recursive=False)
        (items,) = read_batches([[str(path)]], walk)
        expected = [Item(f"{path}/digits/{i}.png", content) for i, content in enumerate(encoded)]
        assert items == expected
        assert walk.skipped == 3

    @pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "npy"])
    def test_a_damaged_container_gives_the_pictures_before_the_damage(
        self, tmp_path: Path, train_digits: Digits, suffix: str
    ) -> None:
        path = tmp_path / f"x.{suffix}"
        rng = np.random.default_rng(0)
        contents = [rng.integers(0, 256, 20_000, np.uint8).tobytes() for _ in range(9)]
        if suffix == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for i, content in enumerate(contents):
                    archive.writestr(f"{i}.png", content)
            spoiled = bytearray(path.read_bytes())
            spoiled[100_100] ^= 1
            path.write_bytes(spoiled)
        elif suffix == "npy":
            np.save(path, train_digits[0][:200])
            path.write_bytes(path.read_bytes()[:100_000])
        else:
            with tarfile.open(path, "w:gz" if suffix == "tar.gz" else "w") as tar:
                for i, content in enumerate(contents):
                    member = tarfile.TarInfo(f"{i}.png")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            path.write_bytes(path.read_bytes()[:100_000])
        items = read(path)
        assert len(items) > 3
        assert items[0].error is None
        (error,) = (item.error for item in items if item.error)
        assert error.startswith(str(path))

    @pytest.mark.parametrize("suffix", ["zip", "tar.gz", "npy", "idx3-ubyte", "idx3-ubyte.gz"])
    @pytest.mark.parametrize("content", [None, b"", b"this is text, whatever its name says\n" * 9])
    def test_a_file_that_is_no_container_is_one_error(
        self, tmp_path: Path, suffix: str, content: bytes | None
    ) -> None:
        path = tmp_path / f"x-{suffix}" if "idx" in suffix else tmp_path / f"x.{suffix}"
        if content is not None:
            path.write_bytes(content)
        (item,) = read(path)
        assert (item.error or "").startswith(f"{path}: ")

    @pytest.mark.parametrize("packed", [False, True])
    def test_idx_files_give_their_images(
        self, tmp_path: Path, train_digits: Digits, packed: bool
    ) -> None:
        images = train_digits[0][:1100]
        content = struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()
        path = tmp_path / f"some-idx3-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        items = read(path)
        assert [item.name for item in items] == [f"{path}[{i}]" for i in range(1100)]
        np.testing.assert_array_equal(stacked(items), images)
        path.write_bytes(gzip.compress(content[:-1]) if packed else content[:-1])
        *items, last = read(path)
        assert len(items) == 1099
        assert "breaks off after 1099 of 1100" in (last.error or "")

    @pytest.mark.parametrize(
        ("shape", "pictures"),
        [((9, 8), 1), ((9, 8, 3), 1), ((5, 9, 8), 5), ((5, 9, 8, 3), 5), ((5, 9, 8, 1), 5)],
    )
    def test_numpy_arrays_give_their_pictures(
        self, tmp_path: Path, shape: tuple[int, ...], pictures: int
    ) -> None:
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        np.save(tmp_path / "x.npy", array)
        items = read(tmp_path / "x.npy")
        assert len(items) == pictures
        together = stacked(items)
        np.testing.assert_array_equal(together.reshape(shape), array)

    def test_numpy_arrays_of_other_shapes_are_errors(self, tmp_path: Path) -> None:
        for number, array in enumerate((np.zeros(9), np.array([{}]), np.zeros((2, 2, 2, 2, 2)))):
            np.save(tmp_path / f"{number}.npy", array)
            (item,) = read(tmp_path / f"{number}.npy")
            assert "damaged" in (item.error or "")
