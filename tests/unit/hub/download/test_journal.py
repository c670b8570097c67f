"""The journal: what was noted is there again, whatever the last line looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qwen_desktop.hub.download.journal import SEGMENT, Identity, Journal, read_journal

FILE = Identity("owner/name", "m.gguf", 3 * SEGMENT, "ab" * 32, "c" * 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.gguf.journal"


def test_pieces_survive_without_a_save_in_between(path: Path) -> None:
    journal = Journal(path, FILE)
    number = journal.source_number("Hugging Face")
    journal.wrote(0, 1000, number)
    journal.wrote(5000, 6000, number)
    other = journal.source_number("ModelScope")  # this saves
    journal.wrote(1000, 2000, other)
    journal.wrote(6000, 6500, number)  # this is only added
    found = read_journal(path)
    assert found is not None
    assert found.done == ((0, 1000, 0), (1000, 2000, 1), (5000, 6500, 0))
    assert (found.sources, found.file) == (["Hugging Face", "ModelScope"], FILE)
    journal.close()
    again = Journal(path, FILE, found)
    assert again.done == 3500 and again.gaps() == [(2000, 5000), (6500, FILE.size)]


@pytest.mark.parametrize(
    "tail",
    [b"[7000,", b"\x00\x00\x00\x00", b"[7000,8000,9]\n", b"[7000,6000,0]\n", b"[7000,99999999999,0]\n", b"nul\n"],
)
def test_a_bad_line_ends_the_reading_and_nothing_more(path: Path, tail: bytes) -> None:
    journal = Journal(path, FILE)
    journal.save()
    journal.wrote(0, 1000, journal.source_number("x"))
    with path.open("ab") as file:
        file.write(tail + b"[8000,9000,0]\n")
    found = read_journal(path)
    assert found is not None and found.done == ((0, 1000, 0),)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"done": [[5, 1, 0]]}, {"done": [[0, 10, 7]]}, {"file": {"repo": "x"}}, {"done": [[-5, 10, 0]]}],
)
def test_a_first_line_that_cannot_be_is_no_journal(path: Path, change: dict[str, object]) -> None:
    Journal(path, FILE).save()
    head = {**json.loads(path.read_bytes()), **change}
    path.write_bytes(json.dumps(head).encode() + b"\n")
    assert read_journal(path) is None


def test_forgotten_bytes_stay_forgotten(path: Path) -> None:
    journal = Journal(path, FILE)
    number = journal.source_number("x")
    journal.wrote(0, 2 * SEGMENT, number)
    journal.head.sums = {0: 1, 1: 2}
    journal.forget(SEGMENT, SEGMENT + 10)
    found = read_journal(path)
    assert found is not None
    assert found.done == ((0, SEGMENT, 0), (SEGMENT + 10, 2 * SEGMENT, 0)) and found.sums == {0: 1}


def test_a_folder_that_has_gone_is_not_made_again(path: Path) -> None:
    journal = Journal(path.parent / "away" / "m.journal", FILE)
    with pytest.raises(FileNotFoundError):
        journal.save()
    assert not (path.parent / "away").exists()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Identity("mirror/name", "m.gguf", FILE.size, FILE.sha256, "d" * 40), True),
        (Identity("owner/name", "m.gguf", FILE.size, "cd" * 32, FILE.commit), False),
        (Identity("owner/name", "m.gguf", FILE.size + 1, FILE.sha256, FILE.commit), False),
        (Identity("owner/name", "m.gguf", FILE.size, "", FILE.commit), False),
    ],
)
def test_the_hash_says_whether_it_is_the_same_file(other: Identity, same: bool) -> None:
    assert FILE.same_bytes(other) is same
