"""Notifications of a Linux desktop: org.freedesktop.Notifications, spoken over the session bus in threads of its own.

Nothing here waits and nothing is raised: where there is no bus or nobody who shows notifications, ``failed`` hears it.
Qt's own D-Bus cannot write from Python the unsigned numbers that the protocol has.
"""

from __future__ import annotations

import contextlib
import html
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

#: The service has so long to answer, in seconds.
_PATIENCE_S = 3.0
_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"


class Freedesktop:
    """``activated(key, token)`` tells that the notification ``key`` was clicked, ``token`` being the proof of it that
    Wayland asks for; both callbacks are called in other threads. ``program`` is the name of the desktop file."""

    def __init__(
        self, program: str, *, activated: Callable[[str, str], None], failed: Callable[[str, str, str], None]
    ) -> None:
        self._program = program
        self._activated = activated
        self._failed = failed
        self._wanted: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._router: Any = None
        self._heard: queue.Queue[Any] = queue.Queue()
        self._markup = False
        #: the service's numbers, and what was clicked with which token
        self._numbers: dict[str, int] = {}
        self._tokens: dict[int, str] = {}

    @staticmethod
    def there() -> bool:
        """Whether there is a session bus to be asked."""
        return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS"))

    def show(self, key: str, app: str, title: str, body: str, action: str) -> None:
        """Show a notification, in the place of the one with the same ``key``. ``action`` says what a click does."""
        self._ask(lambda: self._show(key, app, title, body, action))

    def withdraw(self, key: str) -> None:
        """Take one away, if it is still there."""
        if key in self._numbers:
            self._ask(lambda: self._withdraw(key))

    def close(self) -> None:
        """End the threads; what is on show stays."""
        if self._thread is not None:
            self._wanted.put(None)

    # In the thread ----------------------------------------------------------------------------------------------------

    def _ask(self, step: Callable[[], None]) -> None:
        self._wanted.put(step)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (step := self._wanted.get()) is not None:
            step()
        self._leave()

    def _show(self, key: str, app: str, title: str, body: str, action: str) -> None:
        try:
            if self._router is None:
                self._open()
            said = html.escape(body, quote=False) if self._markup else body
            hints = {"desktop-entry": ("s", self._program)}
            number = self._numbers.get(key, 0)
            values = (app, number, self._program, title, said, ["default", action], hints, -1)
            (self._numbers[key],) = self._call("Notify", "susssasa{sv}i", values)
        except Exception as error:  # no bus, no service, no answer: whoever asked has other ways
            log.info("notification.failed kind=%s", type(error).__name__)
            self._leave()
            self._failed(key, title, body)

    def _withdraw(self, key: str) -> None:
        number = self._numbers.pop(key, None)
        if number is not None:
            with contextlib.suppress(Exception):  # it has gone by itself
                self._call("CloseNotification", "u", (number,))

    def _open(self) -> None:
        from jeepney import MatchRule, message_bus  # noqa: PLC0415 - only here, and only when there is something to tell
        from jeepney.io.threading import DBusRouter, Proxy, open_dbus_connection  # noqa: PLC0415

        class Router(DBusRouter):  # type: ignore[misc] # jeepney has no types
            def _receiver(self) -> None:
                with contextlib.suppress(OSError):  # the bus has gone: the session ends
                    super()._receiver()

        self._router = Router(open_dbus_connection(bus="SESSION"))
        rule = MatchRule(type="signal", interface=_NAME, path=_PATH)
        self._heard = queue.Queue()  # one for each bus: the end of another's listener is not in it
        self._router.filter(rule, queue=self._heard).__enter__()
        Proxy(message_bus, self._router, timeout=_PATIENCE_S).AddMatch(rule)
        threading.Thread(target=self._listen, args=(self._heard,), name="notifications.heard", daemon=True).start()
        (capabilities,) = self._call("GetCapabilities", "", ())
        self._markup = "body-markup" in capabilities

    def _leave(self) -> None:
        """Let the bus go; the next notification asks for it anew."""
        if self._router is not None:
            self._heard.put(None)
            self._router.close()
            self._router.conn.close()
            self._router = None

    def _call(self, member: str, signature: str, values: tuple[Any, ...]) -> Any:
        from jeepney import DBusAddress, new_method_call  # noqa: PLC0415
        from jeepney.wrappers import unwrap_msg  # noqa: PLC0415

        address = DBusAddress(_PATH, bus_name=_NAME, interface=_NAME)
        call = new_method_call(address, member, signature, values) if signature else new_method_call(address, member)
        return unwrap_msg(self._router.send_and_get_reply(call, timeout=_PATIENCE_S))

    def _listen(self, heard: queue.Queue[Any]) -> None:
        while (message := heard.get()) is not None:
            number, *more = message.body
            match message.header.fields.get(3):  # the signal's name
                case "ActivationToken":
                    self._tokens[number] = more[0]
                case "ActionInvoked":
                    key = next((key for key, known in self._numbers.items() if known == number), "")
                    if key:
                        self._activated(key, self._tokens.pop(number, ""))
                case "NotificationClosed":
                    self._tokens.pop(number, None)
                    for key in [key for key, known in self._numbers.items() if known == number]:
                        del self._numbers[key]
