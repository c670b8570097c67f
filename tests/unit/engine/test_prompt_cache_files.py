"""The files of what conversations have evaluated: whatever happens to them, no row is ever taken for another one."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
from array import array
from pathlib import Path

import pytest
from msgspec.structs import replace

from qwen_desktop.core.packed import pack
from qwen_desktop.engine.prompt_cache import door, files
from qwen_desktop.engine.prompt_cache.files import Folder, NotKept
from qwen_desktop.engine.prompt_cache.index import INDEX, Index, Segment, merged
from tests.kept_files import KEY, ROW, Talk, everything, row, rows_of, talk

CHILD = Path(__file__).with_name("kept_child.py")


def old(path: Path, seconds: float) -> None:
    """All files there were written so many seconds earlier."""
    for each in [path, *path.rglob("*")]:
        status = each.stat()
        os.utime(each, (status.st_atime - seconds, status.st_mtime - seconds))


@pytest.mark.parametrize("seed", range(8))
def test_what_was_written_is_read_as_it_was(tmp_path: Path, seed: int) -> None:
    """Growing, going back, versions: each kept version has its own rows, in the tokens that it has."""
    dice = random.Random(seed)
    held = talk(tmp_path, "one", dice)
    saved: dict[bytes, int] = {}
    for _ in range(40):
        if held.tokens and dice.random() < 0.4:
            held.cut(dice.randrange(len(held.tokens)))
        held.grow(dice.choice((1, 3, 20, 200)))
        held.save()
        saved[array("i", [token for token, _ in held.tokens]).tobytes()] = len(held.tokens)
        found = held.place.indices()
        assert found[0].index.count == len(held.tokens) or len(found) > 1
        assert any(each.index.layout.count(b"\n") + 1 == len(held.tokens) for each in found)
        for each in found:
            assert each.index.tokens in saved
            rows_of(held.place, each)
            rows_of(held.place, each, dice.randrange(1, each.index.count + 1))
    assert len(found) <= 6
    old(tmp_path, 1000)
    held.place.tidy(time.time())
    named = {name for each in held.place.indices() for name in each.index.names}
    assert {path.stem for path in everything(tmp_path) if path.suffix == ".rows"} == named


def test_only_new_rows_are_written(tmp_path: Path) -> None:
    held = talk(tmp_path, "one", random.Random(1))
    written = 0
    seen: set[Path] = set()
    for _ in range(100):
        held.grow(50)
        held.save()
        new = [path for path in everything(tmp_path) if path.suffix == ".rows" and path not in seen]
        written += sum(path.stat().st_size for path in new)
        seen.update(new)
        assert len(held.segments) < 30
    assert written < 4 * 100 * 50 * ROW
    held.cut(4000)
    before = set(everything(tmp_path))
    held.grow(10)
    held.save()
    new = [path for path in everything(tmp_path) if path not in before and path.suffix == ".rows"]
    assert len(new) == 1 and new[0].stat().st_size < 10 * ROW + 100


def test_there_are_few_segments_and_a_row_is_written_a_few_times() -> None:
    dice = random.Random(3)
    segments: tuple[Segment, ...] = ()
    total = written = 0
    for number in range(3000):
        rows = dice.randrange(1, 400)
        segments = merged(segments, rows)
        new = total + rows - sum(segment.used for segment in segments)
        segments = (*segments, Segment(f"{number:032x}", bytes(32), new, new, 1))
        total += rows
        written += new
        assert sum(segment.used for segment in segments) == total
    assert len(segments) < 60 and written < 6 * total


def damaged(data: bytearray, dice: random.Random) -> bytearray:
    how = dice.randrange(5)
    if how == 0:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif how == 1:
        del data[dice.randrange(len(data)) :]
    elif how == 2:
        data += b"\0"
    elif how == 3:
        return bytearray(dice.randbytes(len(data)))
    else:  # another form
        return bytearray(INDEX.replace(b"001", b"002")) + data[len(INDEX) :]
    return data


@pytest.mark.parametrize("seed", range(24))
def test_damaged_files_are_not_used_and_removed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    held = talk(tmp_path, "one", dice)
    for _ in range(4):
        if held.tokens and dice.random() < 0.3:
            held.cut(dice.randrange(1, len(held.tokens) + 1))
        held.grow(dice.randrange(1, 90))
        held.save(marks=((len(held.tokens), dice.randbytes(50)),))
    path = dice.choice(everything(tmp_path))
    data = bytearray(path.read_bytes())
    data = damaged(data, dice)
    changed = bytes(data) != path.read_bytes()
    path.write_bytes(data)
    read = 0
    for found in held.place.indices():
        try:
            rows_of(held.place, found)
            for mark in found.index.marks:
                held.place.read_mark(mark)
            read += 1
        except (OSError, ValueError):
            held.place.drop(found)
    if changed:
        assert not path.exists()
    for found in held.place.indices():  # all that is left is right
        rows_of(held.place, found)
        for mark in found.index.marks:
            held.place.read_mark(mark)
    held.grow(5)
    held.save()  # also where what it had is gone
    assert any(each.index.count == len(held.tokens) for each in held.place.indices())
    for found in held.place.indices():
        rows_of(held.place, found)


def test_impossible_indices_are_not_used(tmp_path: Path) -> None:
    """Whoever can write a file can make its checksum: what it says is checked all the same."""
    held = talk(tmp_path, "one", random.Random(2))
    held.grow(30)
    held.save()
    (found,) = held.place.indices()
    good, segment = found.index, found.index.segments[0]
    bad = [
        replace(good, key="f" * 32),
        replace(good, tokens=b""),
        replace(good, tokens=good.tokens + b"\1"),
        replace(good, steps=((1, 1, 29),)),
        replace(good, steps=((1, 1, 31), (1, 1, -1))),
        replace(good, steps=((1, 30, 1),)),
        replace(good, steps=((1 << 62, 1 << 61, 1 << 3),)),
        replace(good, flash=31),
        replace(good, flash=-1),
        replace(good, threads=(0,)),
        replace(good, born=float("nan")),
        replace(good, born=float("inf")),
        replace(good, cost_s=-1.0),
        replace(good, segments=()),
        replace(good, segments=(replace(segment, used=31),)),
        replace(good, segments=(replace(segment, rows=1 << 40, used=30),)),
        replace(good, segments=(replace(segment, used=0), segment)),
        replace(good, segments=(replace(segment, used=15), replace(segment, used=15))),
        replace(good, segments=(replace(segment, used=-1), replace(segment, used=31, name="0" * 32))),
        replace(good, segments=(replace(segment, name="../../../../etc/passwd"),)),
        replace(good, segments=(replace(segment, sha256=b""),)),
        replace(good, segments=(replace(segment, size=-5),)),
        replace(good, marks=(files.Mark("0" * 32, bytes(32), 31, 5),)),
        replace(good, marks=(files.Mark("0" * 32, bytes(32), 0, 5),)),
        replace(good, marks=(files.Mark("0" * 32, bytes(32), 9, 5), files.Mark("1" * 32, bytes(32), 8, 5))),
    ]
    for index in bad:
        for payload in (pack(index), pack(index) + b"\0"):
            found.path.write_bytes(INDEX + hashlib.sha256(payload).digest() + payload)
            assert not held.place.indices() and not found.path.exists(), index
    for payload in (b"", b"\xc1", pack([1, 2]), pack({"key": KEY}), b"\x91" * 100_000):
        found.path.write_bytes(INDEX + hashlib.sha256(payload).digest() + payload)
        assert not held.place.indices() and not found.path.exists()
    payload = pack(good)
    found.path.write_bytes(INDEX + hashlib.sha256(payload).digest() + payload)
    assert rows_of(held.place, held.place.indices()[0])


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    held = talk(tmp_path / "kept", "one", random.Random(2))
    held.grow(30)
    before = os.umask(0)
    try:
        held.save(marks=((30, b"state"),))
    finally:
        os.umask(before)
    for path in (tmp_path / "kept").rglob("*"):
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.is_file() else 0o700)
    assert "one" not in str(everything(tmp_path))


def test_all_that_is_written_goes_through_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another door nothing of the content is to be seen, and all is read as before."""
    monkeypatch.setattr(door, "seal", lambda data: b"#" + bytes(byte ^ 0x5A for byte in bytes(data)))
    monkeypatch.setattr(door, "unseal", lambda data: bytes(byte ^ 0x5A for byte in bytes(data)[1:]))
    held = talk(tmp_path, "one", random.Random(2))
    for _ in range(3):
        held.grow(30)
        held.save(marks=((len(held.tokens), b"a recurrent state"),))
    (found,) = held.place.indices()
    assert len(rows_of(held.place, found)) == 90 * ROW
    assert held.place.read_mark(found.index.marks[0]) == b"a recurrent state"
    content = b"".join(path.read_bytes() for path in everything(tmp_path))
    for hidden in (found.index.tokens[:40], row(held.tokens[5][1], 5)[::2], b"recurrent", held.tokens[5][1].encode()):
        assert hidden not in content


# Forgetting ----------------------------------------------------------------------------------------------------------


def test_a_forgotten_conversation_does_not_come_back(tmp_path: Path) -> None:
    dice = random.Random(4)
    gone, stays = talk(tmp_path, "gone", dice), talk(tmp_path, "stays", dice)
    for each in (gone, stays):
        each.grow(50)
        each.save()
    Folder(tmp_path).forget(["gone"])
    assert not gone.place.indices() and not gone.place.folder.exists() and stays.place.indices()
    gone.grow(5)  # another process still has it
    with pytest.raises(NotKept):
        gone.save()
    assert not gone.place.folder.parent.exists()
    again = talk(tmp_path, "gone", dice)  # who has that name now
    again.grow(20)
    again.save()
    assert len(again.place.indices()) == 1
    Folder(tmp_path).clear()
    assert Folder(tmp_path).size() == (0, 0)
    for each in (gone, stays, again):
        with pytest.raises(NotKept):
            each.save()


def test_it_does_not_come_back_on_a_disk_that_counts_by_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exactly, step = os.utime, 2_000_000_000

    def utime(path: Path, times: None = None, *, ns: tuple[int, int] | None = None) -> None:
        at = time.time_ns() if ns is None else ns[1]
        exactly(path, ns=(at // step * step, at // step * step))

    monkeypatch.setattr(os, "utime", utime)
    while not 0.1 < time.time() % 2 < 1.9:  # between two steps
        time.sleep(0.01)
    gone = talk(tmp_path, "gone", random.Random(4))
    gone.grow(50)
    Folder(tmp_path).forget(["gone"])
    with pytest.raises(NotKept):
        gone.save()


def test_a_conversation_that_is_forgotten_while_it_is_written_is_not_kept(tmp_path: Path) -> None:
    """At whatever moment of the writing that is."""
    for moment in range(1, 4):
        held = talk(tmp_path, f"talk {moment}", random.Random(moment))
        held.grow(50)
        checks = 0

        def check(held: Talk = held, moment: int = moment) -> None:
            nonlocal checks
            checks += 1
            if checks == moment:
                Folder(tmp_path).forget([f"talk {moment}"])

        with pytest.raises((NotKept, OSError)):
            held.place.write(held.content(), 1 << 30, check)
        assert checks >= moment and not held.place.folder.exists()


# Budget --------------------------------------------------------------------------------------------------------------


def test_the_budget_holds_over_many_conversations(tmp_path: Path) -> None:
    dice = random.Random(5)
    budget = 60_000
    for number in range(200):
        held = talk(tmp_path, f"talk {number}", dice)
        for _ in range(2):
            held.grow(dice.randrange(10, 80))
            held.save(budget)
        assert sum(path.stat().st_size for path in everything(tmp_path)) <= budget
        assert held.place.indices()
    size, conversations = Folder(tmp_path).size()
    assert 5 < conversations < 60 and budget / 2 < size
    Folder(tmp_path).sweep(budget // 2)
    assert Folder(tmp_path).size()[0] <= budget // 2
    Folder(tmp_path).sweep(0)
    assert Folder(tmp_path).size() == (0, 0) and not everything(tmp_path)


def test_what_was_used_long_ago_and_what_is_soon_read_goes_first(tmp_path: Path) -> None:
    dice = random.Random(6)
    talks: dict[str, Talk] = {}
    for name, tokens, age in (("old", 900, 90_000), ("small", 30, 3000), ("large", 300, 3100), ("new", 30, 0)):
        talks[name] = talk(tmp_path, name, dice)
        talks[name].grow(tokens)
        talks[name].save()
        old(talks[name].place.folder, age)
    order = []
    for _ in range(4):
        there = {name for name, each in talks.items() if each.place.folder.exists()}
        Folder(tmp_path).sweep(Folder(tmp_path).size()[0] - 1)
        order += [name for name in there if not talks[name].place.folder.exists()]
    assert order == ["old", "small", "large", "new"]


def test_what_has_no_room_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = talk(tmp_path / "kept", "one", random.Random(2))
    held.grow(100)
    with pytest.raises(NotKept):
        held.save(1000)
    monkeypatch.setattr(files, "DISK_RESERVE", 1 << 60)
    with pytest.raises(NotKept):
        held.save()
    assert not everything(tmp_path)
    monkeypatch.undo()
    held.save()
    other = talk(tmp_path / "kept", "two", random.Random(3))
    other.grow(10)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(OSError):
        other.save()
    assert not other.place.folder.exists() and held.place.indices()


def test_its_own_versions_make_room_for_what_it_says_now(tmp_path: Path) -> None:
    held = talk(tmp_path, "one", random.Random(2))
    for _ in range(4):
        held.grow(100)
        held.save(13_000)
        held.cut(0)
    (found,) = held.place.indices()[:1]
    assert len(rows_of(held.place, found)) == 100 * ROW
    assert Folder(tmp_path).size()[0] <= 13_000


# Several processes, and killed ones ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="a process that is killed is forked")
def test_killed_at_any_point_nothing_wrong_is_ever_used(tmp_path: Path) -> None:
    """Fifty processes that save one after the other into the same folder, each killed while it does."""
    dice = random.Random(8)
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.engine.kept_child"],
        cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert starter.stdin is not None and starter.stdout is not None
    folder = tmp_path / "kept"
    read = 0
    try:
        for number in range(50):
            starter.stdin.write(f"{folder} {number}\n")
            starter.stdin.flush()
            child = int(starter.stdout.readline())
            time.sleep(dice.uniform(0.001, 0.03))
            os.kill(child, signal.SIGKILL)
            assert starter.stdout.readline() == "gone\n"
            for name in range(3):
                place = Folder(folder).place(f"talk {name}", KEY)
                for found in place.indices():
                    try:
                        rows_of(place, found)  # that of what it says, or not at all
                        read += 1
                    except (OSError, ValueError):
                        place.drop(found)
    finally:
        starter.stdin.close()
        starter.wait()
        starter.stdout.close()
    assert read > 50
    old(folder, 1000)
    Folder(folder).sweep(1 << 30, tidy=True)
    named = set[str]()
    for name in range(3):
        for found in Folder(folder).place(f"talk {name}", KEY).indices():
            named |= found.index.names | {found.path.stem}
    assert {path.stem for path in everything(folder)} == named  # nothing is left lying about


def test_two_processes_write_the_same_conversation(tmp_path: Path) -> None:
    """Neither takes the other's rows for its own, also where both have the same tokens."""
    dice = random.Random(9)
    first, second = talk(tmp_path, "one", dice), talk(tmp_path, "one", dice)
    first.grow(40)
    second.grow(40)
    second.tokens = [(token, lineage) for (token, _), (_, lineage) in zip(first.tokens, second.tokens, strict=True)]
    for _ in range(20):
        each = dice.choice((first, second))
        if dice.random() < 0.3:
            each.cut(dice.randrange(10, len(each.tokens)))
        each.grow(10)
        each.save()
        for found in each.place.indices():
            rows_of(each.place, found)


def test_an_index_finds_how_much_it_has_of_a_prompt() -> None:
    dice = random.Random(1)
    for _ in range(200):
        held = [dice.randrange(-(1 << 31), 1 << 31) for _ in range(dice.randrange(1, 40))]
        other = held[: dice.randrange(len(held) + 1)] + [dice.randrange(3) for _ in range(dice.randrange(9))]
        index = Index(KEY, array("i", held).tobytes(), (), True, (), 0, 0.0, b"")
        common = next((at for at, (a, b) in enumerate(zip(held, other, strict=False)) if a != b), None)
        wanted = min(len(held), len(other)) if common is None else common
        assert index.common(array("i", other)) == wanted
