"""The disk's side: too little room, no permission, a drive that goes away, two at once, and the speed limit."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qwen_desktop.core.errors import AppError, Cancelled
from qwen_desktop.hub.download import job, part_file
from tests.fake_hub import FakeHub
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, Watcher, in_thread, left_over, pull, request, stop, whole

HF = "huggingface"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_room_is_said_before_anything_is_fetched(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10**12, 10**12, part_file.SPARE + 5_000_000))
    with pytest.raises(AppError, match=r"lacks 0\.0 GB") as caught:
        pull(hub, folder)
    assert "Free some space" in str(caught.value.problem.hint)
    assert hub.sent() == 0


def test_a_disk_that_is_full_at_99_percent_keeps_the_part(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = part_file.Handle.write
    full = [len(BODY) * 99 // 100]

    def limited(self: part_file.Handle, place: int, buffers: list[bytes]) -> None:
        if place + sum(map(len, buffers)) > full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, place, buffers)

    monkeypatch.setattr(part_file.Handle, "write", limited)
    with pytest.raises(AppError, match="is full") as caught:
        pull(hub, folder, request(source=HF))
    assert "What is there stays" in str(caught.value.problem.hint)
    full[0] = 1 << 40
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 4 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_FSIZE as Linux has it")
def test_a_file_system_that_cannot_hold_so_large_a_file_is_named(hub: FakeHub, folder: Path) -> None:
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9_000_000, 9_000_000));"
        "from pathlib import Path; from types import SimpleNamespace; from tests.pulling import *\n"
        "try:\n    pull(SimpleNamespace(endpoint=sys.argv[2], modelscope=sys.argv[3]), Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(error.problem.sentence())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), hub.endpoint, hub.modelscope],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert "cannot hold so large a file" in done.stdout and "FAT32" in done.stdout
    assert hub.sent() == 0


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_named(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def refused(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and str(path).startswith(str(folder)):  # root may write anywhere: so the system refuses
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(AppError, match="Nothing can be written into") as caught:
        pull(hub, folder)
    assert caught.value.problem.action == "view.settings"
    assert hub.sent() == 0


def test_a_file_in_the_place_of_the_folder_is_said(hub: FakeHub, folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.raises(AppError) as caught:
        pull(hub, folder)
    assert caught.value.problem.kind == "environment" and str(folder) in str(caught.value)


def test_a_drive_that_goes_away_stops_the_download(hub: FakeHub, folder: Path) -> None:
    hub.pace(8e6)
    away = folder.with_name("away")
    watcher = Watcher({6_000_000: lambda: folder.rename(away)})
    with pytest.raises(AppError, match="has disappeared"):
        pull(hub, folder, request(source=HF), watcher)
    assert not list(folder.rglob("*")) if folder.exists() else True
    shutil.rmtree(folder, ignore_errors=True)
    away.rename(folder)  # connected again
    hub.pace(0)
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 20 * MIB


def test_a_models_folder_of_the_users_own_is_not_made_in_its_place(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(AppError, match="is not there"):
        pull(hub, tmp_path / "drive" / "models", create=False)
    assert not (tmp_path / "drive").exists() and hub.requests == []


# Two at once ---------------------------------------------------------------------------------------------------------


def test_two_pulls_of_one_file_fetch_it_once(hub: FakeHub, folder: Path) -> None:
    hub.pace(16e6)
    first, second = Watcher(), Watcher()
    waits = [in_thread(lambda w=w: pull(hub, folder, request(source=HF), w)) for w in (first, second)]  # type: ignore[misc]
    results = [wait() for wait in waits]
    assert results[0]["files"] == results[1]["files"]
    assert whole(results[0]["files"][0], BODY)
    assert hub.sent() == len(BODY)
    assert "Another window or command is fetching the same file." in first.notes + second.notes
    assert left_over(folder) == []


def test_the_second_goes_on_when_the_first_gives_up(hub: FakeHub, folder: Path) -> None:
    hub.pace(16e6)
    first = Watcher({9_000_000: stop})
    wait = in_thread(lambda: pull(hub, folder, request(source=HF), first))
    while not first.seen or first.seen[-1]["done"] < MIB:
        time.sleep(0.02)
    second = Watcher()
    result = pull(hub, folder, request(source=HF), second)
    with pytest.raises(Cancelled):
        wait()
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 2 * MIB
    assert any(0 < s["done"] < 9_000_000 for s in second.seen)  # the other's progress was shown meanwhile


def test_what_was_cancelled_is_removed(hub: FakeHub, folder: Path) -> None:
    hub.pace(16e6)
    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({5_000_000: stop}))
    wanted = {"repo": REPO, "quant": "Q4_K_M", "files": [{"path": FILE, "size_bytes": len(BODY)}]}
    found = job.state(wanted, str(folder))
    assert 5_000_000 <= found["done"] < found["total"] == len(BODY)
    job.discard(wanted, str(folder))
    assert list(folder.rglob("*")) == []
    assert job.state(wanted, str(folder)) == {"done": 0, "total": len(BODY)}
    job.discard(wanted, str(folder))


# Speed ---------------------------------------------------------------------------------------------------------------


def test_the_limit_holds_and_can_be_lifted_while_it_runs(hub: FakeHub, folder: Path) -> None:
    watcher = Watcher()
    marks: list[tuple[float, int]] = []

    def lift() -> None:
        marks.append((watcher.seen[-1]["time"], watcher.seen[-1]["done"]))
        watcher.told = {"limit": None}

    watcher._at = {8_000_000: lift}
    result = pull(hub, folder, request(source=HF), watcher, limit=6e6)
    assert whole(result["files"][0], BODY)
    began = next(s["time"] for s in watcher.seen if s["done"])
    (lifted, done) = marks[0]
    assert done / (lifted - began + 0.1) <= 6e6 * 1.35
    assert watcher.seen[-1]["time"] - lifted < 2.0  # 12 MB at the old limit would take longer


def test_progress_has_speed_and_source(hub: FakeHub, folder: Path) -> None:
    hub.pace(10e6)
    watcher = Watcher()
    pull(hub, folder, request(source=HF), watcher)
    running = [s for s in watcher.seen if s["state"] == "running" and s["done"] > 10_000_000]
    assert all(s["source"] == "localhost" and 7e6 < s["speed"] < 13e6 for s in running)
    gaps = [b["time"] - a["time"] for a, b in zip(watcher.seen, watcher.seen[1:], strict=False)]
    assert max(gaps) < 0.6
