"""An answer that ends while nobody looks is told, without a word of it; where nothing shows that, nothing happens."""

from __future__ import annotations

import importlib
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QSystemTrayIcon

from qwen_desktop.core.errors import Environment
from qwen_desktop.core.text import Text
from qwen_desktop.ui import answer_notices
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program is used."""
    monkeypatch.setattr(answer_notices.AnswerNotices, "away", lambda _self: True)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is used."""
    monkeypatch.setattr(answer_notices.AnswerNotices, "away", lambda _self: False)


async def told(make: Make, monkeypatch: pytest.MonkeyPatch, **values: Any) -> tuple[Ui, list[tuple[str, str, str]]]:
    """A window and what it tells the desktop: key, title, text."""
    ui = await make(**values)
    shown: list[tuple[str, str, str]] = []
    monkeypatch.setattr(ui.window.notices.desktop, "show", lambda *said: shown.append(said))
    return ui, shown


@pytest.mark.usefixtures("away")
async def test_the_model_and_the_chat_are_named_and_no_word_of_the_answer(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.script = Script(text="A secret.")
    ui, shown = await told(make, monkeypatch)
    await ui.app.models.open_file(ui.app.model_file("Qwen3 4B.gguf"))
    await ui.say("What is it?")
    assert shown == [(ui.chat.current, "Qwen3 4B has answered", "What is it?")]
    assert ui.toasts() == []


@pytest.mark.usefixtures("away")
async def test_failures_are_told_stops_are_not_and_never_is_never(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make.script = Script(error=Environment(Text("x", "Broken."), Text("y", "Mend it.")))
    ui, shown = await told(make, monkeypatch)
    await ui.say("one")
    assert [title for _, title, _ in shown] == ["The guide could not answer"]
    make.script = Script(text="word " * 400, rate=50)
    ui.type("two")
    ui.press(ENTER)
    await ui.until(ui.app.deltas)
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    make.script = Script()
    await ui.app.preferences.set("chat.notify", "never")
    await ui.say("three")
    assert len(shown) == 1


@pytest.mark.usefixtures("away")
async def test_of_prompts_in_line_only_the_last_answer_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make.script = Script(text="word " * 20, rate=200)
    ui, shown = await told(make, monkeypatch)
    ui.type("one")
    ui.press(ENTER)
    await ui.until(ui.app.deltas)
    ui.type("two")
    ui.press(ENTER)
    await ui.until(lambda: shown and not ui.app.chat.running())
    assert len(shown) == 1
    assert len(await ui.messages()) == 4


@pytest.mark.usefixtures("here")
async def test_inside_the_window_a_long_answer_elsewhere_is_told_by_a_toast(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui, shown = await told(make, monkeypatch)
    await ui.say("Looked at")
    make.script = Script(text="word " * 10, rate=100)
    monkeypatch.setattr(answer_notices, "LONG_S", 0.05)
    ui.type("Why?")
    ui.press(ENTER)
    await ui.until(ui.app.deltas)
    where = ui.chat.current
    ui.window.show_page("view.settings")
    await ui.rest()
    assert ui.toasts() == ["The guide has answered: Looked at"]
    ui.window.notify.toasts.shown[-1].act()
    assert ui.chat.isVisible()
    assert ui.chat.current == where
    monkeypatch.setattr(answer_notices, "LONG_S", 10)
    ui.type("Short?")
    ui.press(ENTER)
    ui.window.actions_.trigger("chat.new")
    await ui.rest()
    assert ui.toasts() == []
    assert not shown


@pytest.mark.usefixtures("away")
async def test_without_a_service_and_a_tray_nothing_happens(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    ui = await make()
    await ui.say("one")
    await ui.say("two")
    assert ui.toasts() == []
    assert len(await ui.messages()) == 4


@pytest.mark.usefixtures("away")
async def test_where_the_bus_fails_the_tray_tells_and_is_cleared_when_that_is_seen(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    monkeypatch.setattr(QSystemTrayIcon, "supportsMessages", lambda: True)
    ui = await make()
    await ui.say("one")
    desktop = ui.window.notices.desktop
    await ui.until(lambda: desktop._tray is not None)
    desktop.withdraw("another chat")
    assert desktop._tray is not None
    desktop.withdraw(ui.chat.current)
    assert desktop._tray is None


# A real bus -----------------------------------------------------------------------------------------------------------


class Service:
    """Shows notifications on a private bus: it keeps what it was told."""

    def __init__(self, address: str) -> None:
        jeepney = importlib.import_module("jeepney")  # on Linux only
        blocking = importlib.import_module("jeepney.io.blocking")

        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._clicks: queue.SimpleQueue[int] = queue.SimpleQueue()
        connection = blocking.open_dbus_connection(bus=address)
        blocking.Proxy(jeepney.message_bus, connection).RequestName("org.freedesktop.Notifications")
        emitter = jeepney.DBusAddress(
            "/org/freedesktop/Notifications", interface="org.freedesktop.Notifications", bus_name=None
        )
        replies = {"GetCapabilities": ("as", (["body", "body-markup"],)), "Notify": ("u", (7,))}

        def serve() -> None:
            while True:
                try:
                    message = connection.receive(timeout=0.02)
                except TimeoutError:
                    while not self._clicks.empty():
                        number = self._clicks.get()
                        if number < 0:
                            connection.close()
                            return
                        connection.send(jeepney.new_signal(emitter, "ActivationToken", "us", (number, "proof")))
                        connection.send(jeepney.new_signal(emitter, "ActionInvoked", "us", (number, "default")))
                    continue
                if message.header.message_type is jeepney.MessageType.method_call:
                    member = message.header.fields[jeepney.HeaderFields.member]
                    self.calls.append((member, message.body))
                    signature, body = replies.get(member, ("", ()))
                    reply = (
                        jeepney.new_method_return(message, signature, body)
                        if signature
                        else jeepney.new_method_return(message)
                    )
                    connection.send(reply)

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def click(self, number: int) -> None:
        self._clicks.put(number)

    def close(self) -> None:
        self._clicks.put(-1)
        self._thread.join(5)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A desktop's notification service on a bus of its own."""
    if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
        pytest.skip("there is no D-Bus here")
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    made = Service(address)
    yield made
    made.close()
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()


async def test_a_click_on_the_desktops_notification_brings_the_chat_to_the_front(
    make: Make, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = False
    monkeypatch.setattr(answer_notices.AnswerNotices, "away", lambda _self: not looking)
    brought: list[str] = []
    monkeypatch.setattr(answer_notices.foreground, "bring", lambda _window, proof: brought.append(proof))
    ui = await make()
    ui.type("Is <b> bold & 1 < 2?")
    ui.press(ENTER)
    await ui.until(lambda: ui.chat.current)
    where = ui.chat.current
    ui.window.actions_.trigger("chat.new")
    ui.window.show_page("view.settings")
    await ui.until(lambda: any(member == "Notify" for member, _ in service.calls))
    _, (app, replaces, _icon, title, body, actions, hints, _timeout) = next(
        call for call in service.calls if call[0] == "Notify"
    )
    assert (app, replaces, title) == ("Qwen Desktop", 0, "The guide has answered")
    assert body == "Is &lt;b&gt; bold &amp; 1 &lt; 2?"
    assert actions == ["default", "Show"]
    assert "desktop-entry" in hints
    await ui.until(lambda: where in ui.window.notices.desktop._bus._numbers)
    looking = True
    service.click(7)
    await ui.until(lambda: ui.chat.current == where)
    assert ui.chat.isVisible()
    assert brought == ["proof"]
    await ui.until(lambda: any(member == "CloseNotification" for member, _ in service.calls))
    QTest.qWait(1)
