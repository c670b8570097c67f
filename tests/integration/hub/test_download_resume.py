"""Whatever ends a download, the next run goes on where it was."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qwen_desktop.core.errors import AppError, Cancelled
from qwen_desktop.hub.download import finish
from qwen_desktop.hub.download.journal import SEGMENT, journal_path, part_path, read_journal
from tests.fake_hub import FakeHub, Refuse, Whole, content
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, Watcher, in_thread, left_over, pull, request, stop, whole

HF = "huggingface"
CHILD = Path(__file__).resolve().parents[2] / "pull_child.py"


def begin(hub: FakeHub, folder: Path, until: int = 9_000_000, rate: float = 20e6) -> Path:
    """A download that was stopped after so many bytes; returns where the file will lie."""
    hub.pace(rate)
    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({until: stop}))
    hub.pace(0)
    return folder / REPO / FILE


def test_pause_is_quick_and_resume_fetches_nothing_twice(hub: FakeHub, folder: Path) -> None:
    hub.pace(20e6)
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        stop()

    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Watcher({8_000_000: press}))
    assert time.monotonic() - pressed[0] < 0.5
    assert left_over(folder) == sorted([FILE + ".part", FILE + ".journal", FILE + ".lock"])
    hub.pace(0)
    watcher = Watcher()
    result = pull(hub, folder, request(source=HF), watcher)
    assert whole(result["files"][0], BODY)
    assert min(s["done"] for s in watcher.seen) >= 8_000_000  # it never looks as if it began again
    assert hub.sent() <= len(BODY) + 2 * MIB
    assert left_over(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_killed_at_twenty_points_it_completes_and_fetches_little_again(hub: FakeHub, folder: Path) -> None:
    body = content(48 * MIB, seed=20)
    hub.add(REPO, {FILE: body})
    hub.pace(9e6)
    chance = random.Random(4)
    kills = 0
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zygote:
        assert zygote.stdin is not None and zygote.stdout is not None
        line = f"{folder} {hub.endpoint} {hub.modelscope} {HF}\n"
        # what a kill in the middle of replacing the journal leaves, which a kill at random seldom hits
        (folder / REPO).mkdir(parents=True)
        (folder / REPO / f".{FILE}.journal.abc").write_bytes(b"{")
        while True:
            zygote.stdin.write(line)
            zygote.stdin.flush()
            process = int(zygote.stdout.readline())
            if kills < 20:
                before = hub.sent()
                while hub.sent() == before:
                    time.sleep(0.002)
                time.sleep(chance.uniform(0.0, 0.3))
                psutil.Process(process).send_signal(signal.SIGKILL)
            code = int(zygote.stdout.readline().split()[1])
            if code != -signal.SIGKILL:
                break
            kills += 1
        zygote.stdin.close()
    assert (code, kills) == (0, 20)
    assert whole(folder / REPO / FILE, body)
    assert hub.sent() - len(body) <= 16 * MIB
    assert left_over(folder) == []


def test_a_lost_network_is_waited_for_and_said(hub: FakeHub, folder: Path) -> None:
    hub.pace(20e6)
    watcher = Watcher({6_000_000: lambda: hub.unplug(HF)})
    wait = in_thread(lambda: pull(hub, folder, request(source=HF), watcher, patience_s=0.5))
    deadline = time.monotonic() + 10
    while "waiting" not in watcher.states and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)  # longer than the patience with a hub that answers: a network that is away is no failure
    assert any("cannot be reached" in note for note in watcher.notes)
    hub.pace(0)
    hub.plug(HF)
    assert whole(wait()["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 2 * MIB


def test_without_a_network_at_the_beginning_it_waits_too(hub: FakeHub, folder: Path) -> None:
    hub.unplug(HF)
    hub.unplug("modelscope")
    watcher = Watcher()
    wait = in_thread(lambda: pull(hub, folder, watcher=watcher))
    time.sleep(0.8)
    assert watcher.states[-1] == "waiting" and watcher.notes == ["localhost cannot be reached."]
    hub.plug(HF)
    assert whole(wait()["files"][0], BODY)


def test_a_file_that_changes_during_the_download_is_begun_anew(hub: FakeHub, folder: Path) -> None:
    other = content(len(BODY) + 4000, seed=8)

    def change() -> None:
        hub.add(REPO, {FILE: other})
        hub.repos[REPO].old.clear()  # and the old version is gone
        hub.signatures.clear()
        hub.unplug(HF)  # so that all streams must ask again
        hub.plug(HF)

    hub.pace(30e6)
    watcher = Watcher({6_000_000: change})
    result = pull(hub, folder, request(source=HF), watcher)
    assert whole(result["files"][0], other)
    assert any("changed at the hub" in note for note in watcher.notes)


def test_a_file_that_changed_while_paused_is_completed_in_its_old_version(hub: FakeHub, folder: Path) -> None:
    begin(hub, folder)
    hub.add(REPO, {FILE: content(len(BODY), seed=8)})
    result = pull(hub, folder, request(source=HF))
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 2 * MIB


def test_an_old_version_that_is_gone_is_replaced_by_the_new_one(hub: FakeHub, folder: Path) -> None:
    begin(hub, folder)
    other = content(len(BODY) - 5000, seed=8)
    hub.add(REPO, {FILE: other})
    hub.repos[REPO].old.clear()
    assert whole(pull(hub, folder, request(source=HF))["files"][0], other)


def test_a_hub_that_is_away_is_no_reason_to_throw_away_what_it_sent(hub: FakeHub, folder: Path) -> None:
    target = begin(hub, folder)
    hub.unplug(HF)
    hub.repos[REPO].listed_sha256[FILE] = "cd" * 32  # ModelScope has something else under the same name
    watcher = Watcher()
    wait = in_thread(lambda: pull(hub, folder, watcher=watcher))
    time.sleep(2.5)
    assert part_path(target).exists() and watcher.states[-1] == "waiting"
    hub.repos[REPO].listed_sha256.clear()
    hub.plug(HF)
    assert whole(wait()["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 2 * MIB


# What the disk does --------------------------------------------------------------------------------------------------


def test_a_segment_that_the_disk_has_lost_is_fetched_again_alone(hub: FakeHub, folder: Path) -> None:
    body = content(40_000_000, seed=8)  # so large that the first segment is complete when the last ones have begun
    hub.add(REPO, {FILE: body})
    target = begin(hub, folder, until=36_000_000, rate=40e6)
    with part_path(target).open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0" * 5000)
    result = pull(hub, folder, request(source=HF))
    assert whole(result["files"][0], body)
    assert hub.sent() <= len(body) + SEGMENT + 2 * MIB


def test_after_a_power_cut_only_what_the_disk_has_not_got_is_fetched(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = begin(hub, folder, until=18_000_000)
    head = read_journal(journal_path(target))
    assert head is not None
    start, end, _ = head.done[-1]
    lost = max(start, end - 300_000) // 65536 * 65536
    with part_path(target).open("r+b") as file:  # the last pages never reached the disk: they read as zeros
        file.seek(lost)
        file.write(bytes(end - lost))
    monkeypatch.setattr(psutil, "boot_time", time.time)
    result = pull(hub, folder, request(source=HF))
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + SEGMENT + 2 * MIB


def test_a_journal_cut_in_the_middle_of_a_line_is_good_up_to_there(hub: FakeHub, folder: Path) -> None:
    target = begin(hub, folder)
    with journal_path(target).open("ab") as file:
        file.write(b"[9000000,1900")
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe garbage", b'{"schema": 99}\n'])
def test_a_spoilt_journal_costs_the_part_but_never_a_wrong_model(hub: FakeHub, folder: Path, damage: bytes) -> None:
    target = begin(hub, folder)
    journal_path(target).write_bytes(damage)
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)


@pytest.mark.parametrize("size", [0, 5_000_000])
def test_a_part_that_somebody_cut_is_filled_again(hub: FakeHub, folder: Path, size: int) -> None:
    target = begin(hub, folder)
    with part_path(target).open("r+b") as file:
        file.truncate(size)
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)


def test_a_part_that_was_removed_is_fetched_from_the_beginning(hub: FakeHub, folder: Path) -> None:
    target = begin(hub, folder)
    part_path(target).unlink()
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)


def test_a_model_that_lies_there_without_a_note_is_hashed_and_not_fetched(hub: FakeHub, folder: Path) -> None:
    target = folder / REPO / FILE
    target.parent.mkdir(parents=True)
    target.write_bytes(BODY)
    result = pull(hub, folder, request(source=HF))
    assert Path(result["manifest"]).exists() and hub.sent() == 0


def test_an_ending_between_the_names_and_the_note_is_completed(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {f"m-0000{n}-of-00003.gguf": content(1_500_000, seed=n) for n in (1, 2, 3)}
    hub.add(REPO, parts)
    wanted = request(*parts, source=HF)
    rename = finish._rename
    done: list[Path] = []

    def fails(part: Path, target: Path) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt  # stands for the end of the process
        done.append(target)
        rename(part, target)

    monkeypatch.setattr(finish, "_rename", fails)
    with pytest.raises(KeyboardInterrupt):
        pull(hub, folder, wanted)
    assert not list(folder.rglob("model-*.json"))
    monkeypatch.setattr(finish, "_rename", rename)
    before = hub.sent()
    result = pull(hub, folder, wanted)
    assert hub.sent() == before
    assert all(whole(path, parts[Path(path).name]) for path in result["files"])


def test_a_failure_keeps_what_is_there(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Refuse(status=500, times=0, from_byte=8_000_000))
    with pytest.raises(AppError, match="trouble"):
        pull(hub, folder, request(source=HF), patience_s=0.5)
    hub.heal()
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 2 * MIB


def test_what_is_there_is_not_written_over_by_a_source_without_ranges(hub: FakeHub, folder: Path) -> None:
    begin(hub, folder, 12_000_000)
    repo = hub.repos[REPO]
    # It sends all of the file, and damages what is there already: what was hashed must be what lies on the disk.
    repo.listed_sha256[FILE] = hub.sha256(repo, FILE, BODY)
    repo.files[FILE] = BODY[:1_000_000] + b"damaged" + BODY[1_000_007:]
    hub.fault(FILE, Whole())
    hub.pace(40e6)
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
