"""What Windows refuses, held against the real jobs: nothing that is open can be removed or replaced, and a file is
made long without zeros being written."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from qwen_desktop.core.errors import AppError, Cancelled, Environment
from qwen_desktop.hub import windows_files
from qwen_desktop.hub.download import finish, job, part_file
from qwen_desktop.hub.download.journal import journal_path, part_path
from tests.fake_hub import FakeHub, Stall
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, Watcher, pull, request, stop, whole

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at the open files of this process")

HF = "huggingface"


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are enough
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == str(path):  # noqa: PTH115
                return True
        except OSError:
            continue
    return False


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are open cannot be removed. (Locks are let go and then removed by filelock itself there.)"""
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix != ".lock" and is_open(path):
            error = PermissionError(errno.EACCES, "The process cannot access the file", str(path))
            error.winerror = 32  # type: ignore[attr-defined]
            raise error
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("at", [1, 9 * MIB])
def test_a_cancelled_download_leaves_nothing(hub: FakeHub, folder: Path, at: int) -> None:
    """Stopped while streams wait for bytes, then cancelled at once, as the window does it."""
    hub.fault(FILE, Stall(after=3 * MIB, times=0))
    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({at: stop}))
    assert part_path(folder / REPO / FILE).exists()
    job.discard(request(source=HF), str(folder))  # type: ignore[arg-type]
    assert not list(folder.rglob("*"))


@pytest.mark.usefixtures("windows")
def test_what_a_scanner_has_open_is_removed_when_it_lets_go(hub: FakeHub, folder: Path) -> None:
    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({MIB: stop}))
    scanner = part_path(folder / REPO / FILE).open("rb")
    threading.Timer(0.4, scanner.close).start()
    job.discard(request(source=HF), str(folder))  # type: ignore[arg-type]
    assert not list(folder.rglob("*"))


@pytest.mark.usefixtures("windows")
def test_what_stays_is_said_and_can_be_gone_on_with(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_DISCARD_S", 0.2)
    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({10 * MIB: stop}))
    part = part_path(folder / REPO / FILE)
    with part.open("rb"), pytest.raises(Environment, match="cannot be removed") as caught:
        job.discard(request(source=HF), str(folder))  # type: ignore[arg-type]
    assert caught.value.problem.hint is not None
    assert part.exists() and journal_path(folder / REPO / FILE).exists()
    before = hub.sent()
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
    assert hub.sent() - before < len(BODY) - 5 * MIB


@pytest.mark.usefixtures("windows")
def test_a_failure_before_the_first_byte_leaves_no_file_open(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(job, "FileDownload", fails)
    with pytest.raises(MemoryError):
        pull(hub, folder, request(source=HF))
    assert not is_open(journal_path(folder / REPO / FILE))


def test_a_model_in_use_is_not_replaced_and_stays_a_model(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version is there, and the old one is loaded: on Windows it cannot be replaced."""
    old = pull(hub, folder, request(source=HF))
    manifest = Path(old["manifest"]).read_bytes()
    newer = BODY[::-1]
    hub.add(REPO, {FILE: newer})
    target = folder / REPO / FILE
    rename = finish._rename

    def refuses(_part: Path, _target: Path) -> None:
        raise part_file.in_use("model.gguf")

    monkeypatch.setattr(finish, "_rename", refuses)
    target.unlink()
    target.write_bytes(BODY[:-1])  # so that it is fetched again
    with pytest.raises(AppError):
        pull(hub, folder, request(source=HF))
    assert Path(old["manifest"]).read_bytes() == manifest
    assert part_path(target).exists()
    monkeypatch.setattr(finish, "_rename", rename)
    before = hub.sent()
    assert whole(pull(hub, folder, request(source=HF))["files"][0], newer)
    assert hub.sent() - before < MIB


def test_a_part_is_made_long_by_the_system_and_its_room_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    taken = 0

    def set_size(file: int, size: int) -> None:
        calls.append(("size", size))
        os.ftruncate(file, size)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(windows_files, "set_size", set_size)
    monkeypatch.setattr(windows_files, "allocated", lambda _path: taken)
    asked: list[int] = []
    monkeypatch.setattr(part_file, "check_space", lambda _folder, needed: asked.append(needed))
    made = part_file.PartFile(tmp_path / "model.gguf.part", 1_000_000_000)
    made.open(5)
    assert calls == [("size", 1_000_000_000)]
    assert asked == [1_000_000_005]
    # Nobody else's bytes may fill the disk meanwhile: what is missing is asked for again and again.
    made.watch()
    assert asked[-1] == 1_000_000_000
    taken = 700_000_000
    made.open()
    assert asked[-1] == 300_000_000
    assert len(calls) == 1


def test_no_zeros_are_written(tmp_path: Path) -> None:
    """On this system: the file is long at once and takes no more room than the disk gives without writing."""
    begun = time.monotonic()
    with (tmp_path / "long").open("wb") as file:
        part_file.set_size(file.fileno(), 50_000_000_000)
    assert time.monotonic() - begun < 1
    assert (tmp_path / "long").stat().st_size == 50_000_000_000
    assert part_file.allocated(tmp_path / "long") < MIB
