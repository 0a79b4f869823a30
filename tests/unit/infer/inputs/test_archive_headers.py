"""Headers of archives that claim anything: each is an error, or the member that it says."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.containers import (
    CONTENTS,
    NAMES,
    PACKERS,
    tar,
    zip_archive,
)
from tests.unit.infer.inputs.archive_items import Read, contents, errors


def pax(records: bytes, size: int = 4) -> bytes:
    """A tar of one file, ``x.png``, with these pax records, and of another after it."""
    extended, member = tarfile.TarInfo("pax"), tarfile.TarInfo("x.png")
    extended.type, extended.size, member.size = tarfile.XHDTYPE, len(records), size
    padding = bytes(-len(records) % 512)
    first = extended.tobuf(tarfile.USTAR_FORMAT) + records + padding
    content = b"abcd" + bytes(508)
    return first + member.tobuf(tarfile.USTAR_FORMAT) + content + tar({"ok.png": b"fine"})


def record(key: str, value: bytes) -> bytes:
    body = f" {key}=".encode() + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


class TestHeaders:
    @pytest.mark.parametrize(
        "size", [b"1" + b"0" * 30, b"1" + b"0" * 5000, b"-5", b"nan", b"", b"\xff", b"9" * 18]
    )
    @pytest.mark.parametrize("packer", [None, *PACKERS])
    def test_absurd_sizes_in_a_tar_end_at_once(
        self, read: Read, size: bytes, packer: str | None
    ) -> None:
        content = pax(record("size", size))
        items = read(
            f"x.tar.{packer}" if packer else "x.tar",
            PACKERS[packer](content) if packer else content,
        )
        assert items

    @pytest.mark.parametrize("key", ["GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.realsize"])
    @pytest.mark.parametrize("value", [b"1" + b"0" * 30, b"-1,-1", b"0,9999999999", b"x"])
    def test_absurd_sparse_maps_end_at_once(self, read: Read, key: str, value: bytes) -> None:
        assert read("x.tar", pax(record(key, value)))

    @pytest.mark.skipif(os.name == "nt", reason="needs GNU tar")
    @pytest.mark.parametrize("version", ["old", "0.0", "0.1", "1.0"])
    def test_sparse_files_are_read(self, tmp_path: Path, read: Read, version: str) -> None:
        file = tmp_path / "a.png"
        with file.open("wb") as holes:
            holes.write(b"x" * 100)
            holes.seek(1 << 16)
            holes.write(b"y" * 5000)
        kind = ["--format=gnu"] if version == "old" else [f"--sparse-version={version}"]
        command = ["tar", "-cS", *kind, "-f", "-", "-C", str(tmp_path), "a.png"]
        try:
            made = subprocess.run(command, check=True, capture_output=True).stdout
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs GNU tar")
        (item,) = read("x.tar", made)
        assert item.content == file.read_bytes()

    @pytest.mark.parametrize(
        "name",
        ["a\0b.png", "/etc/x.png", "../../x.png", "\udcff.png", "x" * 5000 + ".png", "\n.png"],
    )
    def test_members_of_any_name_are_read(self, read: Read, name: str) -> None:
        raw = name.encode("utf-8", "surrogateescape")
        items = read("x.tar", pax(record("path", raw)))
        assert [item.name for item in items] == [f"x.tar/{name}", "x.tar/ok.png"]
        items = read("x.zip", _renamed_zip(raw))
        assert [item.name for item in items] == [f"x.zip/{name}", "x.zip/ok.png"]
        assert contents(items) == [b"content", b"fine"]

    @pytest.mark.parametrize("folder", ["./", "../", "", "/", "a/./b/"])
    def test_only_hidden_members_are_skipped(self, read: Read, folder: str) -> None:
        members = {f"{folder}a.png": b"1", f"{folder}.b.png": b"2", f"{folder}.git/c.png": b"3"}
        for name, content in (("x.tar", tar(members)), ("x.zip", zip_archive(members=members))):
            assert [item.content for item in read(name, content)] == [b"1"]

    def test_headers_of_many_bytes_are_refused(self, read: Read) -> None:
        records = b"".join(record(f"k{number}", b"v" * 50) for number in range(30_000))
        items = read("x.tar.gz", gzip.compress(pax(records)))
        assert "longer than is safe" in errors(items)[0]
        small = b"".join(record(f"k{number}", b"v" * 50) for number in range(1000))
        assert contents(read("x.tar", pax(small))) == [b"abcd", b"fine"]

    def test_a_chain_of_headers_is_refused(self, read: Read) -> None:
        header = tarfile.TarInfo("pax")
        header.type = tarfile.XHDTYPE
        items = read("x.tar", header.tobuf(tarfile.USTAR_FORMAT) * 1500 + tar())
        assert len(errors(items)) == 1

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }" % ("(" * 3000),
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 28, 28), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (10**9, 28, 28), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 10000000000, 10000000000), }",
            "{'descr': '|S0', 'fortran_order': False, 'shape': (3, 28, 28), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (3, 28, 28), }",
            "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 28, 28), }",
            "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (3, 28, 28), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 0, 28), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 28L, 28L), ",
            "if x:\n    y\n  z",
            "'''",
            "\\N{",
            "",
        ],
    )
    @pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0), (9, 9)])
    def test_headers_of_numpy_files_are_errors_where_they_make_no_sense(
        self, read: Read, header: str, version: tuple[int, int]
    ) -> None:
        text = header.encode()
        length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
        content = b"\x93NUMPY" + bytes(version) + length + text + bytes(28 * 28)
        items = read("x.npy", content)
        assert len(errors(items)) == 1

    def test_a_numpy_file_that_python_2_wrote_is_read_without_a_warning(self, read: Read) -> None:
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1L, 28L, 28L), }\n"
        content = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(28 * 28)
        assert contents(read("x.npy", content)) == [bytes(28 * 28)]

    @pytest.mark.parametrize("flags", [0x1, 0x41])
    def test_an_encrypted_member_is_an_error_and_the_others_are_read(
        self, read: Read, flags: int
    ) -> None:
        items = read("x.zip", _changed_directory(8, flags))
        assert "encrypted" in errors(items)[0]
        assert contents(items) == CONTENTS[1:]

    @pytest.mark.parametrize(("offset", "value"), [(6, 99), (10, 77), (42, 0xFF)])
    def test_an_odd_member_is_an_error_and_the_others_are_read(
        self, read: Read, offset: int, value: int
    ) -> None:
        items = read("x.zip", _changed_directory(offset, value))
        assert len(errors(items)) == 1
        assert contents(items) == CONTENTS[1:]

    def test_a_zip_behind_a_program_is_read(self, read: Read) -> None:
        assert contents(read("x.zip", b"#!/bin/sh\n" * 50 + zip_archive())) == CONTENTS

    def test_a_large_zip_of_64_bit_sizes_is_read(self, read: Read) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in zip(NAMES, CONTENTS, strict=True):
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(content)
        assert contents(read("x.zip", file.getvalue())) == CONTENTS

    def test_a_zip_of_more_members_than_16_bits_count_is_read(self, read: Read) -> None:
        many = {f"{number}.txt": b"" for number in range(66_000)}
        items = read("x.zip", zip_archive(members={**many, "a.png": b"picture"}))
        assert contents(items) == [b"picture"]
        assert errors(items) == []


def _changed_directory(offset: int, value: int) -> bytes:
    """A zip archive with one byte of its first directory record changed."""
    whole = bytearray(zip_archive())
    whole[whole.index(b"PK\1\2") + offset] = value
    return bytes(whole)


def _renamed_zip(name: bytes) -> bytes:
    """A zip of two members, of which the first has a name that `zipfile` would not write."""
    placeholder = "p" * len(name)
    made = zip_archive(members={placeholder: b"content", "ok.png": b"fine"})
    renamed = bytearray(made.replace(placeholder.encode(), name))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = renamed.index(signature) + flags
        renamed[start : start + 2] = struct.pack("<H", 0x800)
    return bytes(renamed)
