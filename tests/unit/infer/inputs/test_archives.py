"""Archives and arrays give every whole picture, and an error for everything that is not whole."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import random
import struct
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnist_edge.inputs import limits, unpack
from mnist_edge.inputs import tar as tar_module
from mnist_edge.inputs import zip as zip_module
from mnist_edge.inputs.sources import read_batches
from mnist_edge.inputs.walk import FolderWalk
from tests.containers import (
    CONTENTS,
    NAMES,
    PACKERS,
    idx,
    mutated,
    npy,
    seeds,
    tar,
    zip_archive,
)
from tests.unit.infer.inputs.archive_items import Read, contents, errors

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 28, 28), np.uint8)


class TestCut:
    @pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
    def test_a_cut_tar_gives_its_whole_members_and_an_error(self, read: Read, kind: int) -> None:
        whole = tar(kind=kind)
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            members = archive.getmembers()
        ends = [member.offset_data + member.size for member in members]
        last = members[-1].offset_data + (members[-1].size + 511) // 512 * 512
        # Before the second block of zeros, after the last member, the end is missing.
        for size in (*range(1, last + 1024, 97), *ends, last, last + 512, last + 1023):
            items = read("x.tar", whole[:size])
            count = sum(end <= size for end in ends)
            assert contents(items) == CONTENTS[:count], size
            assert len(errors(items)) == 1, size
        assert errors(read("x.tar", whole[: last + 1024])) == []

    @pytest.mark.parametrize("packer", PACKERS)
    def test_a_cut_packed_tar_gives_an_error(self, read: Read, packer: str) -> None:
        whole = PACKERS[packer](tar())
        for size in (*range(1, len(whole), 131), *range(len(whole) - 24, len(whole))):
            items = read(f"x.tar.{packer}", whole[:size])
            assert contents(items) == CONTENTS[: len(contents(items))], size
            assert len(errors(items)) == 1, size

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_a_cut_zip_gives_its_whole_members_and_an_error(self, read: Read, method: int) -> None:
        whole = zip_archive(method)
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            ends = [
                member.header_offset + 30 + len(member.filename) + member.compress_size
                for member in archive.infolist()
            ]
        for size in (*range(1, len(whole), 97), *ends, *range(len(whole) - 30, len(whole))):
            items = read("x.zip", whole[:size])
            assert contents(items) == CONTENTS[: sum(end <= size for end in ends)], size
            assert len(errors(items)) == 1, size

    @pytest.mark.parametrize("name", ["x.npy", "x-idx3-ubyte", "x-idx3-ubyte.gz"])
    def test_a_cut_array_gives_its_whole_pictures_and_an_error(self, read: Read, name: str) -> None:
        plain = npy(IMAGES) if name == "x.npy" else idx(IMAGES)
        whole = gzip.compress(plain) if name.endswith("gz") else plain
        header = len(plain) - IMAGES.nbytes
        for size in (*range(1, len(whole), 131), *range(len(whole) - 24, len(whole))):
            items = read(name, whole[:size])
            count = max(0, size - header) // (28 * 28)
            pictures = [item.content for item in items if item.content is not None]
            assert len(errors(items)) == 1, size
            if not name.endswith("gz"):
                assert len(pictures) == count, size
            for picture, image in zip(pictures, IMAGES, strict=False):
                np.testing.assert_array_equal(picture, image)


class TestDamaged:
    def test_a_tar_goes_on_after_a_damaged_header(self, read: Read) -> None:
        for number in range(1, len(NAMES)):
            damaged = bytearray(tar(kind=tarfile.USTAR_FORMAT))
            with tarfile.open(fileobj=io.BytesIO(bytes(damaged))) as archive:
                damaged[archive.getmembers()[number].offset + 3] ^= 1
            items = read("x.tar", bytes(damaged))
            assert contents(items) == CONTENTS[:number] + CONTENTS[number + 1 :]
            (error,) = errors(items)
            assert "damaged (header: bad checksum at byte" in error

    @pytest.mark.parametrize("packer", PACKERS)
    def test_every_wrong_byte_of_a_packed_tar_is_an_error_or_changes_nothing(
        self, read: Read, packer: str
    ) -> None:
        whole = PACKERS[packer](tar())
        for position in (*range(0, len(whole), 149), *range(len(whole) - 20, len(whole))):
            damaged = bytearray(whole)
            damaged[position] ^= 0x10
            items = read(f"x.tar.{packer}", bytes(damaged))
            assert errors(items) or contents(items) == CONTENTS, position

    def test_a_wrong_sum_of_a_packed_idx_file_is_an_error_after_its_pictures(
        self, read: Read
    ) -> None:
        whole = gzip.compress(idx(IMAGES))
        for position in range(len(whole) - 8, len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 1
            items = read("x-idx3-ubyte.gz", bytes(damaged))
            assert len(contents(items)) == 5
            assert len(errors(items)) == 1

    @pytest.mark.parametrize(
        "method",
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    )
    def test_a_damaged_member_of_a_zip_is_an_error_and_the_others_are_read(
        self, read: Read, method: int
    ) -> None:
        whole = zip_archive(method)
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            member = archive.infolist()[1]
        start = member.header_offset + 30 + len(member.filename)
        # LZMA's data begin with a version that does not matter, and with the size of a window.
        skipped = 9 if method == zipfile.ZIP_LZMA else 0
        for position in range(start + skipped, start + member.compress_size, 53):
            damaged = bytearray(whole)
            damaged[position] ^= 0xFF
            items = read("x.zip", bytes(damaged))
            assert [item.name for item in items] == [f"x.zip/{name}" for name in NAMES]
            assert contents(items) == [CONTENTS[0], *CONTENTS[2:]], position
            assert NAMES[1] in errors(items)[0]

    @pytest.mark.parametrize("offset", [28, 32])
    def test_a_zip_whose_directory_is_damaged_is_an_error(self, read: Read, offset: int) -> None:
        whole = bytearray(zip_archive())
        start = whole.rindex(b"PK\1\2", 0, whole.rindex(b"PK\1\2"))
        whole[start + offset] ^= 0x40
        assert errors(read("x.zip", bytes(whole)))

    def test_fewer_members_than_a_zip_promises_are_an_error(self, read: Read) -> None:
        whole = bytearray(zip_archive())
        whole[-12] += 1
        items = read("x.zip", bytes(whole))
        assert contents(items) == CONTENTS
        assert "4 members where it should have" in errors(items)[0]

    @pytest.mark.parametrize("name", sorted(seeds()))
    @pytest.mark.parametrize("after", [b"x", b"\x01" * 600, b"PK\3\4" * 200])
    def test_data_after_the_end_is_an_error_after_all_pictures(
        self, read: Read, name: str, after: bytes
    ) -> None:
        whole = seeds()[name]
        expected = read(name, whole)
        items = read(name, whole + after)
        assert contents(items) == contents(expected)
        assert errors(expected) == []
        assert len(errors(items)) == 1

    def test_two_archives_in_one_file_do_not_lose_the_second_silently(self, read: Read) -> None:
        items = read("x.tar", tar() + tar())
        assert contents(items) == CONTENTS
        assert "data after the end" in errors(items)[0]
        # Packed streams that follow one another are one file, as for gzip itself.
        packed = gzip.compress(tar()[:3000]) + gzip.compress(tar()[3000:]) + bytes(512)
        assert contents(read("x.tar.gz", packed)) == CONTENTS
        assert errors(read("x.tar.gz", packed)) == []

    def test_a_download_that_was_filled_with_zeros_is_an_error(
        self, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tar_module, "_LONGEST_PADDING", 1 << 16)
        items = read("x.tar", tar()[:1024] + bytes(1 << 17))
        assert "zeros in place of data" in errors(items)[-1]
        assert errors(read("x.tar", tar() + bytes(10_240))) == []

    def test_mutated_files_give_items_and_no_exception(self, read: Read) -> None:
        whole = seeds()
        chance = random.Random(0)
        for number in range(1500):
            name = chance.choice(sorted(whole))
            items = read(name, mutated(whole[name], chance))
            assert all(item.name.startswith(name) for item in items), number
            assert all((item.error is None) != (item.content is None) for item in items), number

    @pytest.mark.slow
    def test_many_mutated_files_give_items_and_no_exception(self, read: Read) -> None:
        whole = seeds()
        chance = random.Random(1)
        for number in range(30_000):
            name = chance.choice(sorted(whole))
            items = read(name, mutated(whole[name], chance))
            assert all(item.name.startswith(name) for item in items), number


class TestLimits:
    @pytest.fixture(autouse=True)
    def _small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tar_module, "LARGEST_FILE", 1000)
        monkeypatch.setattr(zip_module, "LARGEST_FILE", 1000)

    @pytest.mark.parametrize("name", ["x.tar", "x.zip"])
    def test_a_member_that_is_too_large_is_an_error_and_the_others_are_read(
        self, read: Read, name: str
    ) -> None:
        items = read(name, tar() if name == "x.tar" else zip_archive())
        assert contents(items) == CONTENTS[:2]
        assert ["more than is safe to read" in error for error in errors(items)] == [True, True]

    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_member_longer_than_its_header_says_is_an_error(
        self, read: Read, method: int
    ) -> None:
        whole = bytearray(zip_archive(method, {"a.png": bytes(500_000), "b.png": b"fine"}))
        start = whole.index(b"PK\1\2") + 24
        whole[start : start + 4] = struct.pack("<I", 700)
        items = read("x.zip", bytes(whole))
        assert [item.content for item in items] == [None, b"fine"]

    @pytest.mark.parametrize("packer", PACKERS)
    def test_a_decompression_bomb_is_an_error(
        self, read: Read, monkeypatch: pytest.MonkeyPatch, packer: str
    ) -> None:
        monkeypatch.setattr(unpack, "_FREE", 1 << 20)
        zeros = {"zeros.txt": bytes(30 << 20), "a.png": b"fine"}
        items = read(f"x.tar.{packer}", PACKERS[packer](tar(zeros)))
        assert "times its size" in errors(items)[0]
        blank = {"zeros.txt": bytes(1 << 19), "a.png": b"fine"}
        assert errors(read(f"x.tar.{packer}", PACKERS[packer](tar(blank)))) == []

    def test_xz_that_needs_much_memory_is_an_error(self, read: Read) -> None:
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
        items = read("x.tar.xz", lzma.compress(tar(), filters=filters))
        assert "damaged" in errors(items)[0] or "memory" in errors(items)[0].lower()
        assert contents(read("x.tar.xz", lzma.compress(tar(), preset=9))) == CONTENTS[:2]

    def test_members_that_share_their_data_are_errors(self, read: Read) -> None:
        whole = zip_archive(members={"a.png": b"x" * 900})
        directory = whole[whole.index(b"PK\1\2") : whole.index(b"PK\5\6")]
        end = bytearray(whole[whole.index(b"PK\5\6") :])
        count = 100
        end[8:16] = struct.pack("<HHI", count, count, len(directory) * count)
        items = read("x.zip", whole[: whole.index(b"PK\1\2")] + directory * count + bytes(end))
        assert len(items) == count
        assert any("overlaps" in error for error in errors(items))

    def test_an_idx_file_of_endless_blank_pictures_is_an_error(self, read: Read) -> None:
        blank = gzip.compress(idx(np.zeros((40_000, 28, 28), np.uint8)))
        items = read("x-idx3-ubyte.gz", blank)
        assert "times its size" in errors(items)[0]
        assert len(items) < 30_000

    def test_pictures_of_a_few_pixels_are_one_error(self, read: Read) -> None:
        (item,) = read("x-idx3-ubyte", idx(np.zeros((1000, 3, 5), np.uint8)))
        assert "[3, 5], 15 bytes each" in (item.error or "")
        assert len(contents(read("x-idx3-ubyte", idx(np.zeros((10, 4, 4), np.uint8))))) == 10

    def test_pictures_of_an_array_that_are_too_large_are_an_error(self, read: Read) -> None:
        header = struct.pack(">4I", 0x803, 3, 1 << 16, limits.LARGEST_FILE >> 15)
        assert "bytes each" in errors(read("x-idx3-ubyte", header))[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_named_like_a_tar_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(tar(),))
    writer.start()
    (items,) = read_batches([[str(path)]], FolderWalk(recursive=False))
    writer.join()
    assert contents(items) == CONTENTS
    assert errors(items) == []
