"""The computer stays awake while something runs, and not longer."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from qwen_desktop.core.models import Download, DownloadRequest, DownloadStatus
from qwen_desktop.services import awake
from qwen_desktop.services.awake import Awake
from qwen_desktop.services.events import DownloadChanged, EventBus, RunChanged, RunState


class Holds:
    """Counts holds that were made and not released."""

    def __init__(self) -> None:
        self.made = self.now = 0

    def __call__(self) -> Callable[[], None]:
        self.made += 1
        self.now += 1
        return self.release

    def release(self) -> None:
        self.now -= 1


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within two seconds."""
    deadline = time.monotonic() + 2
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def download(status: DownloadStatus) -> DownloadChanged:
    return DownloadChanged(Download("d", DownloadRequest("o/n", "Q8_0"), status))


def test_a_download_and_an_answer_hold_once_until_both_are_over() -> None:
    bus, holds = EventBus(), Holds()
    made = Awake(bus, holds)
    bus.publish(download(DownloadStatus.WAITING))
    assert not made.held
    bus.publish(download(DownloadStatus.RUNNING))
    bus.publish(download(DownloadStatus.CHECKING))
    bus.publish(RunChanged("c", RunState("m")))
    assert soon(lambda: holds.now == 1)
    bus.publish(download(DownloadStatus.DONE))
    time.sleep(0.02)
    assert made.held and (holds.now, holds.made) == (1, 1)
    bus.publish(RunChanged("c"))
    assert soon(lambda: holds.now == 0) and not made.held
    bus.publish(download(DownloadStatus.RUNNING))
    assert soon(lambda: holds.now == 1)
    bus.publish(download(DownloadStatus.PAUSED))
    assert soon(lambda: holds.now == 0)


def test_closing_lets_go_and_listens_no_more() -> None:
    bus, holds = EventBus(), Holds()
    made = Awake(bus, holds)
    bus.publish(download(DownloadStatus.RUNNING))
    assert soon(lambda: holds.now == 1)
    made.close()
    assert holds.now == 0
    bus.publish(download(DownloadStatus.RUNNING))
    time.sleep(0.02)
    assert holds.made == 1


def test_a_system_without_a_way_is_no_failure() -> None:
    bus = EventBus()
    made = Awake(bus, lambda: None)
    bus.publish(download(DownloadStatus.RUNNING))
    bus.publish(download(DownloadStatus.DONE))
    made.close()


def test_the_program_that_holds_ends_with_the_hold() -> None:
    before = psutil.Process().children()
    release = awake._hold_by(("cat",))
    [program] = [child for child in psutil.Process().children() if child not in before]
    assert program.is_running()
    release()
    assert soon(lambda: not program.is_running())
