"""The packages that a frozen folder needs are read from its libraries, made here byte by byte."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from dev_console import ROOT, Failed

sys.path.insert(0, str(ROOT / "installers"))

from linux import depends, elf


def library(needed: list[str], versions: list[tuple[str, str]] = [], runpath: str = "") -> bytes:  # noqa: B006
    """An ELF library that needs these others, and these versions of their symbols."""
    words = ["", "libown.so", *needed, runpath, *(word for pair in versions for word in pair)]
    strings = b"".join(word.encode() + b"\0" for word in words)
    at = {word: strings.index(b"\0" + word.encode() + b"\0") + 1 if word else 0 for word in words}
    entries = [(1, at[name]) for name in needed]
    entries += [(29, at[runpath])] if runpath else []
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in [*entries, (14, at["libown.so"]), (0, 0)])
    needs = b"".join(
        struct.pack("<HHIII", 1, 1, at[file], 16, 0 if number == len(versions) else 32)
        + struct.pack("<IHHII", 0, 0, 2, at[version], 0)
        for number, (file, version) in enumerate(versions, 1)
    )
    body = strings + dynamic + needs
    rows = [(0,) * 10, (0, 3, 0, 0, 64, len(strings), 0, 0, 0, 0)]
    rows.append((0, 6, 0, 0, 64 + len(strings), len(dynamic), 1, 0, 0, 0))
    if needs:
        rows.append((0, 0x6FFFFFFE, 0, 0, 64 + len(strings) + len(dynamic), len(needs), 1, 0, 0, 0))
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64,
                         len(rows), 1)  # fmt: skip
    return header + body + b"".join(struct.pack("<IIQQQQIIQQ", *row) for row in rows)


def test_packages_are_named_for_what_the_folder_lacks(tmp_path: Path) -> None:
    versions = [("libc.so.6", "GLIBC_2.17"), ("libc.so.6", "GLIBC_2.34"), ("libstdc++.so.6", "GLIBCXX_3.4.30")]
    needed = ["libc.so.6", "libstdc++.so.6", "libxcb-cursor.so.0", "libbeside.so.2", "libvulkan.so.1"]
    (tmp_path / "one.so").write_bytes(library(needed, versions))
    (tmp_path / "libbeside.so.2").write_bytes(library(["libc.so.6"]))
    found = depends.of(tmp_path)
    assert found.glibc == (2, 34)
    assert {"libc6 (>= 2.34)", "libstdc++6 (>= 12)", "libxcb-cursor0"} <= set(found.depends)
    assert found.recommends == ("libvulkan1",)  # a computer without it is served by its processor
    assert depends.of(tmp_path, leave_out=["one.so"]).recommends == ()


def test_a_library_that_no_package_brings_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "one.so").write_bytes(library(["libnobody-has-this.so.9"]))
    with pytest.raises(Failed, match=r"one\.so needs libnobody-has-this\.so\.9"):
        depends.of(tmp_path)


def test_folders_of_the_build_machine_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "one.so"
    path.write_bytes(library(["libc.so.6"], runpath="/home/builder/lib"))
    before = elf.read(path)
    assert elf.drop_search_paths(path)
    assert elf.read(path) == before
    assert not elf.drop_search_paths(path)
    path.write_bytes(library(["libc.so.6"], runpath="$ORIGIN/../lib:/home/builder/lib"))
    assert elf.drop_search_paths(path)  # one foreign folder is enough
    path.write_bytes(library(["libc.so.6"], runpath="$ORIGIN/../lib"))
    assert not elf.drop_search_paths(path)


def test_a_damaged_library_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "one.so").write_bytes(library(["libc.so.6"])[:120])
    with pytest.raises(Failed, match=r"one\.so is a damaged ELF file"):
        depends.of(tmp_path)
