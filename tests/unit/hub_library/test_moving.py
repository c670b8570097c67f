"""Moving the models folder loses nothing, wherever it is interrupted."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from qwen_desktop.core.errors import AppError, Cancelled, Environment, UserFacing
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.text import Text
from qwen_desktop.hub import copying, installed, moving
from qwen_desktop.hub.inventory import Inventory
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.library_move import FolderMove
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests.inline_jobs import InlineJobs
from tests.library_files import installed as install
from tests.library_files import mmproj, model, split_model, tree

KINDS = ("link", "copy", "rename")


class Place:
    """A models folder with two models, an unfinished download and files of others, as a user has it."""

    def __init__(self, root: Path) -> None:
        self.paths = find_paths()
        self.old, self.new = self.paths.models, root / "drive" / "models"
        home = self.old / "Qwen" / "Qwen3-0.6B-GGUF"
        self.chosen = install(self.old, mmproj=mmproj(home / "mmproj-F16.gguf"))
        install(self.old, "Big-GGUF", "Q4_K_M", files=split_model(self.old / "Qwen" / "Big-GGUF", "Big-Q4_K_M", 3))
        waiting = self.old / "Qwen" / "Waiting-GGUF"
        model(waiting / "W-00001-of-00002.gguf", seed=5)
        (waiting / "W-00002-of-00002.gguf.part").write_bytes(b"half" * 1000)
        (waiting / "W-00002-of-00002.gguf.journal").write_text("{}\n[0,4000,0]\n")
        self.ours = tree(self.old)
        model(self.old / "somebody" / "else.gguf", seed=6)
        (self.old / "notes.txt").write_text("not ours")
        self.others = {name: digest for name, digest in tree(self.old).items() if name not in self.ours}
        installed.scan(str(self.old), str(self.paths.data / "library.json"))

    def mover(self) -> tuple[FolderMove, Preferences]:
        """A start of the app: settings as the file says."""
        preferences = Preferences(SettingsFile(self.paths.settings_file), EventBus())
        jobs: Any = InlineJobs()
        return FolderMove(jobs, preferences, Inventory(self.paths.data / "library.json"), self.paths), preferences

    async def begin(self) -> None:
        """The user moves the folder."""
        move, preferences = self.mover()
        await preferences.change({"engine.model": str(self.chosen), "storage.recent_models": (str(self.chosen), "/x")})
        await move.move(self.new, None)

    async def restart(self) -> None:
        """The next start."""
        move, _ = self.mover()
        await move.restore()

    def check(self, *, moved: bool | None = None) -> None:
        """Everything is in one place, the settings name it, and nothing is left over."""
        settings = SettingsFile(self.paths.settings_file).load().settings
        folder = Path(settings.downloads.folder or self.paths.models)
        if moved is not None:
            assert folder == (self.new if moved else self.old)
        other = self.old if folder == self.new else self.new
        here, there = tree(folder), tree(other)
        rest = self.others if other == self.old else {}
        assert {n: h for n, h in here.items() if n not in self.others} == self.ours
        assert there == rest
        assert not (self.paths.data / "models-move.json").exists()
        chosen = Path(settings.engine.model)
        assert not settings.engine.model or (chosen.is_file() and folder in chosen.parents)
        for entry in Inventory(self.paths.data / "library.json").read().values():
            assert Path(entry.path).is_file() and entry.architecture == "qwen3"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The three ways a file gets to its new place: linked, copied to another drive, renamed on a full drive."""
    chosen = str(request.param)
    if chosen == "copy":
        monkeypatch.setattr(moving, "_same_drive", lambda old, new: False)
    if chosen == "rename":

        def no_link(*_: object) -> None:
            raise OSError(errno.EPERM, "this file system has no links")

        monkeypatch.setattr(os, "link", no_link)
        usage = moving.shutil.disk_usage
        monkeypatch.setattr(moving.shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
    return chosen


def test_everything_goes_and_what_is_not_ours_stays(place: Place, kind: str) -> None:
    asyncio.run(place.begin())
    place.check(moved=True)
    settings = SettingsFile(place.paths.settings_file).load().settings
    assert settings.storage.recent_models == (settings.engine.model, "/x")
    assert sorted(p.name for p in place.old.iterdir()) == ["notes.txt", "somebody"]


def test_back_to_the_usual_folder_clears_the_setting(place: Place) -> None:
    async def main() -> None:
        await place.begin()
        move, preferences = place.mover()
        await move.move(place.old, None)
        assert preferences.settings.downloads.folder == ""

    asyncio.run(main())
    place.check(moved=False)
    assert not place.new.exists()  # it held nothing else


def test_modification_times_are_kept_so_that_headers_are_not_read_again(place: Place, kind: str) -> None:
    before = place.chosen.stat().st_mtime_ns
    asyncio.run(place.begin())
    assert (place.new / place.chosen.relative_to(place.old)).stat().st_mtime_ns == before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")
@pytest.mark.parametrize("number", range(8))
def test_killed_anywhere_nothing_is_lost(number: int, tmp_path: Path, kind: str) -> None:
    """The move is killed at a random line of our code, the next start too, and the one after brings it to an end."""
    chance = random.Random(f"{kind} {number}")
    place = Place(tmp_path)
    lines = _lines(lambda: asyncio.run(place.begin()), tmp_path)
    place = _fresh(tmp_path)
    _kill_at(chance.randrange(1, lines), lambda: asyncio.run(place.begin()))
    if number % 2:
        _kill_at(chance.randrange(1, lines), lambda: asyncio.run(place.restart()))
    asyncio.run(place.restart())
    place.check()
    asyncio.run(place.restart())  # and one more start changes nothing
    place.check()


def _fresh(root: Path) -> Place:
    import shutil  # noqa: PLC0415 - for this clean-up only

    for folder in (root / "home", root / "drive"):
        shutil.rmtree(folder, ignore_errors=True)
    return Place(root)


def _lines(work: Callable[[], None], folder: Path) -> int:
    """How many lines of the code under test ``work`` runs, found out in a child."""
    told = folder / "lines"
    child = os.fork()
    if child == 0:
        counter = itertools.count(1)
        last = [0]

        def count() -> None:
            last[0] = next(counter)

        _trace(count)
        work()
        told.write_text(str(last[0]))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    return int(told.read_text())


def _kill_at(line: int, work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        counter = itertools.count(1)

        def count() -> None:
            if next(counter) >= line:
                os.kill(os.getpid(), signal.SIGKILL)

        _trace(count)
        work()
        os._exit(0)
    os.waitpid(child, 0)


def _trace(count: Callable[[], None]) -> None:
    names = tuple(os.sep + name for name in ("moving.py", "copying.py", "library_move.py", "files.py", "inventory.py"))

    def tracer(frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.endswith(names):
            return None
        if event == "line":
            count()
        return tracer

    threading.settrace(tracer)
    sys.settrace(tracer)


# Stopped and failed --------------------------------------------------------------------------------------------------


def test_stopped_by_the_user_all_is_as_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_same_drive", lambda old, new: False)
    copy, copied = copying.copy_file, []

    def stop_at_third(source: Path, target: Path, meter: copying.CopyMeter) -> str:
        copied.append(target)
        if len(copied) == 3:
            target.with_name(target.name + ".copying").write_bytes(b"some")
            raise Cancelled(Text("stopped", "Stopped."))
        return copy(source, target, meter)

    monkeypatch.setattr(moving, "copy_file", stop_at_third)
    with pytest.raises(Cancelled):
        asyncio.run(place.begin())
    place.check(moved=False)


def test_a_full_drive_is_told_before_and_during(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_same_drive", lambda old, new: False)
    usage = copying.shutil.disk_usage
    monkeypatch.setattr(copying.shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
    with pytest.raises(Environment, match=r"needs 0\.3 GB of free space"):
        asyncio.run(place.begin())
    place.check(moved=False)
    monkeypatch.setattr(copying.shutil, "disk_usage", usage)

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(moving, "copy_file", full)
    with pytest.raises(Environment, match="disk is full"):
        asyncio.run(place.begin())
    place.check(moved=False)


def test_a_copy_that_differs_is_no_copy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_same_drive", lambda old, new: False)
    monkeypatch.setattr(copying, "sha256_of", lambda path, meter=None: "0" * 64)
    with pytest.raises(Environment, match="not the same as the original"):
        asyncio.run(place.begin())
    place.check(moved=False)


@pytest.mark.parametrize("target", ["{old}", "{old}/inside", "{old}/.."])
def test_targets_that_cannot_be(target: str, place: Place) -> None:
    place.new = Path(target.format(old=place.old))
    with pytest.raises(UserFacing, match="cannot be moved from"):
        asyncio.run(place.begin())
    place.new = place.old / "unused"
    place.check(moved=False)


@pytest.mark.parametrize(("inside", "noticed"), [("", True), ("inside", True), ("", False)])
def test_the_same_folder_under_another_name_keeps_its_models(
    inside: str, noticed: bool, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on macOS with other capitals, or where a folder is mounted twice: the system's own names do not tell.
    alias = tmp_path / "Models"
    alias.symlink_to(place.old, target_is_directory=True)
    monkeypatch.setattr(os.path, "realpath", os.path.abspath)
    place.new = alias / inside
    if noticed:
        with pytest.raises(UserFacing, match="cannot be moved from"):
            asyncio.run(place.begin())
        assert not (place.old / "inside").exists()
    else:  # even then
        monkeypatch.setattr(moving, "_same", lambda _one, _other: False)
        asyncio.run(place.begin())
    assert {name: digest for name, digest in tree(place.old).items() if name in place.ours} == place.ours


def test_another_file_in_the_target_is_never_overwritten(place: Place) -> None:
    taken = place.new / place.chosen.relative_to(place.old)
    taken.parent.mkdir(parents=True)
    taken.write_text("somebody's")
    with pytest.raises(UserFacing, match="another file called"):
        asyncio.run(place.begin())
    assert taken.read_text() == "somebody's"
    taken.unlink()
    place.check(moved=False)


def test_the_same_file_in_the_target_is_taken_and_survives_a_stop(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place.new / place.chosen.relative_to(place.old)
    there.parent.mkdir(parents=True)
    there.write_bytes(place.chosen.read_bytes())
    with monkeypatch.context() as patch, pytest.raises(Environment):
        patch.setattr(moving, "_same_drive", lambda old, new: False)
        patch.setattr(moving, "copy_file", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        asyncio.run(place.begin())
    assert there.is_file()
    asyncio.run(place.begin())
    place.check(moved=True)


def test_settings_that_cannot_be_written_leave_both_copies(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        move, preferences = place.mover()

        def no_write(_changes: object) -> None:
            raise OSError(errno.EROFS, "read-only")

        monkeypatch.setattr(preferences._file, "write", no_write)
        with pytest.raises(Environment, match="cannot be saved in the settings"):
            await move.move(place.new, None)

    asyncio.run(main())
    assert set(place.ours) <= set(tree(place.old)) and tree(place.new) == place.ours
    asyncio.run(place.restart())  # the next start finds the settings writable again
    place.check(moved=True)


def test_the_new_drive_is_gone_at_the_next_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_same_drive", lambda old, new: False)
    state = moving.Move(str(place.old), "/proc/no such drive", "copying", ())
    moving.write_move(place.paths.data / "models-move.json", state)
    with pytest.raises(AppError):
        asyncio.run(place.restart())
    place.check(moved=False)


def test_old_files_stay_when_the_new_ones_vanish(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = moving.finish

    def unplugged(journal: str, report: Callable[..., Any]) -> int:
        place.new.rename(place.new.with_name("unplugged"))
        return finish(journal, report)

    monkeypatch.setattr(moving, "finish", unplugged)
    asyncio.run(place.begin())
    assert set(place.ours) <= set(tree(place.old))
    place.new.with_name("unplugged").rename(place.new)
    monkeypatch.setattr(moving, "finish", finish)
    asyncio.run(place.restart())
    place.check(moved=True)


def test_what_arrives_during_the_move_goes_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bring = moving._bring
    late: list[Path] = []

    def with_a_download(*arguments: Any, **more: Any) -> Any:
        if not late:
            late.append(install(place.old, "Late-GGUF", seed=8))
            place.ours = {**place.ours, **{n: h for n, h in tree(place.old).items() if "Late" in n}}
        return bring(*arguments, **more)

    monkeypatch.setattr(moving, "_bring", with_a_download)
    asyncio.run(place.begin())
    place.check(moved=True)


def test_two_moves_at_once_are_refused(place: Place) -> None:
    async def main() -> None:
        first, _ = place.mover()
        second, _ = place.mover()
        async with first._alone():
            with pytest.raises(UserFacing, match="is being moved"):
                await second.move(place.new, None)
            with pytest.raises(UserFacing, match="is being moved"):
                await first.move(place.new, None)

    asyncio.run(main())
    place.check(moved=False)
