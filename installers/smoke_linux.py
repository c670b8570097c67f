"""The smoke test on Linux: an Xvfb of its own, a D-Bus session of its own, keys by xdotool, processes by /proc.

A window manager decides about focus and order, as on a real desktop: the first of ``_MANAGERS`` that is there, or the
one that ``--window-manager`` names. Without one the keyboard cannot be taken back from another window.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from dev_console import Failed
from smoke_linux_install import Form, form_of
from smoke_picture import Picture, from_xwd
from smoke_platform import MARK, Installed, Platform, ended, kill, run, until

_WIDTH, _HEIGHT = 1400, 900
_COVER = "Event Tester"
#: Those first that keep the keyboard where somebody types: they find a window that only asks for it.
_MANAGERS = ("metacity", "marco", "xfwm4", "openbox")
#: What opens a file as a file manager does, with its first words.
_OPENERS = {"gio": ("open",), "xdg-open": ()}
_KEYS = {"quit": "ctrl+q", "message box": "ctrl+l", "palette": "ctrl+k"}


class Linux(Platform):
    """Debian packages, AppDirs, AppImages and frozen folders."""

    form: Form

    def prepare(self) -> None:
        missing = [name for name in ("Xvfb", "xdotool", "xwininfo", "xprop", "dbus-daemon") if not shutil.which(name)]
        if missing:
            raise Failed(
                f"The smoke test needs {', '.join(missing)}: apt-get install xvfb xdotool x11-utils dbus-daemon."
            )
        if not any(map(shutil.which, _OPENERS)):
            raise Failed("The smoke test needs gio or xdg-open: apt-get install libglib2.0-bin or xdg-utils.")
        self.form = form_of(self)
        self.form.check()
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._cover: subprocess.Popen[bytes] | None = None
        home = {"HOME": str(self.room.home), "TMPDIR": str(self.room.tmp), "XDG_RUNTIME_DIR": str(self.room.run)}
        self.environment |= home | {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
        self._open_screen()
        address = f"unix:path={self.room.run}/bus"
        own = {name: value for name, value in self.environment.items() if name != MARK}
        self._helper(["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"], own)
        until("The start of a D-Bus session", (self.room.run / "bus").exists, 10)
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        wanted = self.options.get("window-manager", "") or next(filter(shutil.which, _MANAGERS), "")
        if wanted and not shutil.which(wanted):
            raise Failed(f"There is no {wanted} here.")
        self.manager = wanted
        if wanted:
            self._helper([wanted], own | {"DBUS_SESSION_BUS_ADDRESS": address})
            check = ["xprop", "-root", "-notype", "_NET_SUPPORTING_WM_CHECK"]
            until("The start of a window manager", lambda: "0x" in run(check, 10, environment=self._tools).out, 10)

    def _open_screen(self) -> None:
        reading, writing = os.pipe()
        # -fbdir: the screen's content is a file, so that no program for screenshots is needed
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{_WIDTH}x{_HEIGHT}x24"]
        command += ["-fbdir", str(self.room.run), "-nolisten", "tcp", "-noreset", "-ac"]
        self._helper(command, dict(os.environ), pass_fds=(writing,))
        os.close(writing)
        with os.fdopen(reading, "rb") as number:
            shown = number.readline().decode().strip()  # empty when it could not start
        if not shown.isdigit():
            raise Failed("Xvfb does not start.")
        self.environment["DISPLAY"] = f":{shown}"
        self._tools = {**os.environ, "DISPLAY": f":{shown}", "LC_ALL": "C"}

    def _helper(self, command: list[str], environment: dict[str, str], pass_fds: tuple[int, ...] = ()) -> None:
        null = subprocess.DEVNULL
        self._helpers.append(
            subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=null, pass_fds=pass_fds)
        )

    def install(self) -> Installed:
        return self.form.install()

    def uninstall(self) -> list[str]:
        return self.form.uninstall()

    def close(self) -> None:
        for process in self.processes() if MARK in self.environment else ():
            kill(process)
        helpers = getattr(self, "_helpers", [])
        cover = getattr(self, "_cover", None)
        for helper in reversed([*helpers, *([cover] if cover else [])]):
            helper.terminate()
            try:
                helper.wait(5)
            except subprocess.TimeoutExpired:
                helper.kill()
        with contextlib.suppress(Failed, OSError):
            if hasattr(self, "form"):
                self.form.close()
        self.close_files()

    # The window -------------------------------------------------------------------------------------------------------

    def _tool(self, *words: str) -> str:
        done = run(["xdotool", *words], 20, environment=self._tools)
        return done.out.strip() if done.code == 0 else ""

    def windows(self) -> list[tuple[str, int]]:
        found = self._tool("search", "--onlyvisible", "--name", "^Qwen Desktop$").splitlines()
        owners = [(window, self._tool("getwindowpid", window)) for window in found]
        return [(window, int(process)) for window, process in owners if process.isdigit()]

    def picture(self) -> Picture:
        return from_xwd((self.room.run / "Xvfb_screen0").read_bytes())

    def focus(self, window: str) -> None:
        # With a window manager it is asked, as a click would ask it; without one the keyboard is given directly.
        self._tool("windowactivate" if self.manager else "windowfocus", window)

    def type(self, text: str) -> None:
        self._tool("type", "--delay", "25", text)
        self._tool("key", "Return")

    def press(self, key: str) -> None:
        self._tool("key", _KEYS[key])

    def close_window(self, window: str) -> bool:
        return _ask_to_close(self.environment["DISPLAY"], int(window))

    def cover(self) -> bool:
        if shutil.which("xev") is None:
            return False
        null = subprocess.DEVNULL
        command = ["xev", "-geometry", f"{_WIDTH}x{_HEIGHT}+0+0"]
        self._cover = subprocess.Popen(command, env=self._tools, stdin=null, stdout=null, stderr=null)
        window = until("A window over ours", lambda: self._tool("search", "--onlyvisible", "--name", _COVER), 20)

        def taken() -> bool:  # more than once: a window that is just coming up cannot have the keyboard yet
            self._tool("windowraise", window)
            self.focus(window)
            return self._tool("getwindowfocus", "getwindowname") == _COVER

        until("Another window's coming to the front", taken, 10)
        self._tool("mousemove", "700", "500", "click", "1", "key", "x")  # somebody works there
        return True

    def in_front(self, window: str) -> bool:
        # Without a window manager nobody gives the keyboard back to a window that comes to the front.
        if (self.manager or self._cover is None) and self._tool("getwindowfocus") != window:
            return False
        tree = run(["xwininfo", "-root", "-tree"], 20, environment=self._tools).out.splitlines()  # topmost first
        places = [place for place, line in enumerate(tree) if hex(int(window)) in line.split() or _COVER in line]
        return bool(places) and _COVER not in tree[places[0]]

    def uncover(self) -> None:
        if self._cover is not None:
            self._cover.terminate()
            self._cover.wait(5)
            self._cover = None
            if not self.manager and (found := self.window()):
                self.focus(found[0])

    def double_click(self, file: Path) -> None:
        program = next(filter(shutil.which, _OPENERS))
        opener = [program, *_OPENERS[program], str(file)]
        # Not through a pipe: the app inherits it and would hold it open.
        code = ended(self.start(opener, "double click"), f"{opener[0]} for a .gguf file", 30)
        if code != 0:
            said = (self.room.logs / "double click.txt").read_text(encoding="utf-8", errors="replace")
            raise Failed(f"{opener[0]} cannot open a .gguf file: {said.strip()[-300:]}")

    # Processes --------------------------------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        mark = f"{MARK}={self.environment[MARK]}".encode()
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (place / "environ").read_bytes().split(b"\0"):
                        found.append(int(place.name))
        return found

    def memory(self, process: int) -> dict[str, int]:
        names = {"Rss:": "rss", "Pss:": "pss", "Private_Clean:": "private", "Private_Dirty:": "private"}
        found: dict[str, int] = {}
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words and words[0] in names:
                found[names[words[0]]] = found.get(names[words[0]], 0) + int(words[1]) * 1024
        return found

    def mapped(self, process: int) -> list[str]:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
            return sorted({words[5] for line in lines if len(words := line.split(maxsplit=5)) == 6})
        return []

    # Where data lies --------------------------------------------------------------------------------------------------

    def data_folders(self) -> list[Path]:
        places = (".config", ".local/share", ".cache", ".local/state")
        return [self.room.home / place / "qwen-desktop" for place in places]

    def database(self) -> Path:
        return self.room.home / ".local/share/qwen-desktop/history.sqlite3"

    def settings(self) -> Path:
        return self.room.home / ".config/qwen-desktop/settings.toml"

    def log_folder(self) -> Path:
        return self.room.home / ".local/state/qwen-desktop/log"


class _ClientMessage(ctypes.Structure):
    """Xlib's XClientMessageEvent, with room for the largest event."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("spare", ctypes.c_long * 24),
    )


def _ask_to_close(name: str, window: int) -> bool:
    """Send WM_DELETE_WINDOW, which is what a frame's button sends (older xdotools cannot)."""
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(xlib.XOpenDisplay(name.encode()))
    if not display:
        return False
    message = _ClientMessage(type=33, send_event=1, window=window, format=32)
    message.message_type = xlib.XInternAtom(display, b"WM_PROTOCOLS", 0)
    message.data[0] = xlib.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    sent = xlib.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
    xlib.XSync(display, 0)
    xlib.XCloseDisplay(display)
    return bool(sent)
