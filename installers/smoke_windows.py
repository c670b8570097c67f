"""The smoke test on Windows: the NSIS installer, the portable ZIP or a frozen folder, through user32 and PowerShell.

Not yet run: it was written from the documentation of Windows. It needs a desktop that is unlocked and seen by nobody
else, such as a CI machine's: keys go to whatever window has the keyboard.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import product
import smoke_files
from dev_console import Failed
from smoke_picture import Picture, from_bmp
from smoke_platform import Installed, Platform, Room, ended, run, until

_UNINSTALL = rf"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\{product.ID}"
#: What the installer may enter, and what must be gone after the uninstaller.
_KEYS = (
    _UNINSTALL, rf"HKCU\Software\{product.NAME}", r"HKCU\Software\Classes\QwenDesktop.GGUF.1",
    rf"HKCU\Software\Classes\Applications\{product.NAME}.exe",
)  # fmt: skip
_KEYBOARD = {"quit": "^q", "message box": "^l", "palette": "^k"}
_WM_CLOSE = 0x0010
_SHOOT = """
Add-Type -AssemblyName System.Windows.Forms, System.Drawing
$area = [System.Windows.Forms.SystemInformation]::VirtualScreen
$form = [System.Drawing.Imaging.PixelFormat]::Format24bppRgb
$image = New-Object System.Drawing.Bitmap $area.Width, $area.Height, $form
$ink = [System.Drawing.Graphics]::FromImage($image)
$ink.CopyFromScreen($area.Location, [System.Drawing.Point]::Empty, $area.Size)
$image.Save($env:SMOKE_TARGET, [System.Drawing.Imaging.ImageFormat]::Bmp)
"""
_COVER = """
Add-Type -AssemblyName System.Windows.Forms
$form = New-Object System.Windows.Forms.Form
$form.Text = 'Smoke test'; $form.WindowState = 'Maximized'; $form.Add_Shown({$form.Activate()})
[System.Windows.Forms.Application]::Run($form)
"""
_TYPE = "Add-Type -AssemblyName System.Windows.Forms; [System.Windows.Forms.SendKeys]::SendWait($env:SMOKE_KEYS)"


class Windows(Platform):
    """An installer (.exe), a portable .zip or a frozen folder."""

    def __init__(self, artefact: Path, room: Room, *, replace: bool = False, options: Mapping[str, str] = {}) -> None:
        super().__init__(artefact, room, replace=replace, options=options)
        self.folder = room.prefix / product.NAME
        self.data = room.home / product.ID
        self.installed = False
        self._covering: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        kind = self.artefact.suffix.lower()
        if not (self.artefact.is_dir() or kind in (".exe", ".zip")):
            raise Failed(f"{self.artefact} is no installer, portable .zip or frozen folder.")
        self.environment |= {"TEMP": str(self.room.tmp), "TMP": str(self.room.tmp)}
        if kind == ".zip":
            self.data = self.folder / "data"  # portable: beside the program
        else:
            self.environment["QWEN_DESKTOP_HOME"] = str(self.data)
        if kind == ".exe" and self._known(_UNINSTALL):
            if not self.replace:
                raise Failed("Qwen Desktop is installed for this user already: uninstall it, or say --replace.")
            place = self._value(_UNINSTALL, "InstallLocation")
            self._remove(Path(place))

    # The artefact -----------------------------------------------------------------------------------------------------

    def install(self) -> Installed:
        self.before = smoke_files.snapshot(self._watched())
        self.type_before = run(["reg", "query", r"HKCU\Software\Classes\.gguf", "/s"], 30).out
        association = ""
        if self.artefact.is_dir():
            shutil.copytree(self.artefact, self.folder)
        elif self.artefact.suffix.lower() == ".zip":
            with zipfile.ZipFile(self.artefact) as archive:
                archive.extractall(self.room.prefix)
        else:
            self.installed = True
            # NSIS takes what follows /D= to the end of the line as it stands, so no list of arguments can be used.
            setup = subprocess.Popen(f'"{self.artefact}" /S /D={self.folder}', env=self.environment)
            code = ended(setup, "The installer", 300)
            if code != 0:
                raise Failed(f"The installer ended with exit code {code}; installers/windows/installer.nsi lists them.")
            association = "system"
        window, console = (self.folder / f"{name}.exe" for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM))
        if not window.is_file() or not console.is_file():
            raise Failed(f"{window.name} and {console.name} are not where they were installed to ({self.folder}).")
        portable = self.artefact.suffix.lower() == ".zip"
        size = smoke_files.size_of([self.folder])
        # A portable app keeps its data in its own folder, which therefore changes.
        folder = None if portable else self.folder
        return Installed([str(window)], [str(console)], folder, size, association=association)

    def _watched(self) -> list[Path]:
        """Where an installer for one user could leave something."""
        roaming, local = Path(os.environ.get("APPDATA", "")), Path(os.environ.get("LOCALAPPDATA", ""))
        menu = roaming / "Microsoft" / "Windows" / "Start Menu" / "Programs"
        return [menu, Path.home() / "Desktop", local / "Programs", local / product.ID, roaming / product.ID]

    def uninstall(self) -> list[str]:
        if self.artefact.suffix.lower() == ".zip":  # people delete the folder; what is theirs lies in data
            for path in self.folder.iterdir():
                if path.name != "data":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            return []
        if self.artefact.is_dir():
            shutil.rmtree(self.folder)
            return []
        self._remove(self.folder)
        self.installed = False
        left = [key for key in _KEYS if self._known(key)]
        if run(["reg", "query", r"HKCU\Software\Classes\.gguf", "/s"], 30).out != self.type_before:
            left.append(r"HKCU\Software\Classes\.gguf is not as it was")
        if self._value(r"HKCU\Software\RegisteredApplications", product.NAME):
            left.append("the entry among the registered applications")
        found = smoke_files.differences(self.before, smoke_files.snapshot(self._watched()))
        left += [f"{path} (new)" for path, how in found.items() if how == "new"]
        if self.folder.exists():
            left.append(str(self.folder))
        return left

    def _remove(self, folder: Path) -> None:
        """Run the uninstaller, which starts a copy of itself and ends at once; wait for what it removes."""
        done = run([str(folder / "uninstall.exe"), "/S"], 120, environment=self.environment)
        if done.code != 0:
            raise Failed(f"The uninstaller ended with exit code {done.code}.")
        until("The end of the uninstaller", lambda: not self._known(_UNINSTALL) and not folder.exists(), 120, every=0.5)

    def _known(self, key: str) -> bool:
        return run(["reg", "query", key], 30).code == 0

    def _value(self, key: str, name: str) -> str:
        done = run(["reg", "query", key, "/v", name], 30)
        words = [line.split(maxsplit=2) for line in done.out.splitlines() if "REG_SZ" in line]
        return done.out.rpartition("REG_SZ")[2].strip() if done.code == 0 and words else ""

    def close(self) -> None:
        self.uncover()
        for process in self.processes():
            with contextlib.suppress(Failed):
                run(["taskkill", "/F", "/PID", str(process)], 30)
        if self.installed:
            with contextlib.suppress(Failed, OSError):
                self._remove(self.folder)
        self.close_files()

    # The window -------------------------------------------------------------------------------------------------------

    def windows(self) -> list[tuple[str, int]]:
        user, process = _user32(), ctypes.c_ulong()
        found: list[tuple[str, int]] = []
        window = None
        while window := user.FindWindowExW(None, window, None, product.NAME):
            if user.IsWindowVisible(window):
                user.GetWindowThreadProcessId(window, ctypes.byref(process))
                found.append((str(window), process.value))
        return found

    def picture(self) -> Picture:
        target = self.room.top / "screen.bmp"
        self._powershell(_SHOOT, SMOKE_TARGET=str(target))
        return from_bmp(target.read_bytes())

    def focus(self, window: str) -> None:
        _user32().SetForegroundWindow(ctypes.c_void_p(int(window)))

    def type(self, text: str) -> None:
        escaped = "".join(f"{{{sign}}}" if sign in "+^%~(){}[]" else sign for sign in text)
        self._powershell(_TYPE, SMOKE_KEYS=escaped + "{ENTER}")

    def press(self, key: str) -> None:
        self._powershell(_TYPE, SMOKE_KEYS=_KEYBOARD[key])

    def close_window(self, window: str) -> bool:
        return bool(_user32().PostMessageW(ctypes.c_void_p(int(window)), _WM_CLOSE, 0, 0))

    def cover(self) -> bool:
        null = subprocess.DEVNULL
        self._covering = subprocess.Popen(
            ["powershell", "-NoProfile", "-Command", _COVER], stdin=null, stdout=null, stderr=null
        )
        user = _user32()
        until("A window over ours", lambda: user.FindWindowW(None, "Smoke test"), 30)
        user.SetForegroundWindow(ctypes.c_void_p(user.FindWindowW(None, "Smoke test")))
        return True

    def in_front(self, window: str) -> bool:
        return bool(_user32().GetForegroundWindow() == int(window))

    def uncover(self) -> None:
        if self._covering is not None:
            self._covering.terminate()
            self._covering.wait(10)
            self._covering = None

    def double_click(self, file: Path) -> None:
        # start asks the shell to open it, as Explorer does: by the class that the registry names for .gguf
        code = ended(self.start(["cmd", "/d", "/c", "start", "", str(file)], "double click"), "cmd /c start", 30)
        if code != 0:
            raise Failed(f"Windows cannot open {file.name}: start ended with exit code {code}.")

    # Processes --------------------------------------------------------------------------------------------------------

    def _powershell(self, script: str, **variables: str) -> str:
        environment = {**os.environ, **variables}  # values go by variables, never into the script's text
        done = run(["powershell", "-NoProfile", "-NonInteractive", "-Command", script], 60, environment=environment)
        if done.code != 0:
            raise Failed(f"PowerShell failed: {done.err.strip()[-300:]}")
        return done.out

    def processes(self) -> list[int]:
        script = (
            "Get-CimInstance Win32_Process | Where-Object { $_.ExecutablePath -and "
            "$_.ExecutablePath.StartsWith($env:SMOKE_FOLDER, 'OrdinalIgnoreCase') -and "
            "$_.Name -ne 'uninstall.exe' } | ForEach-Object { $_.ProcessId }"
        )
        try:
            words = self._powershell(script, SMOKE_FOLDER=str(self.folder)).split()
        except Failed:
            return []
        return [int(word) for word in words if word.isdigit()]

    def memory(self, process: int) -> dict[str, int]:
        script = '$p = Get-Process -Id $env:SMOKE_PID; "$($p.WorkingSet64) $($p.PrivateMemorySize64)"'
        rss, private = self._powershell(script, SMOKE_PID=str(process)).split()
        return {"rss": int(rss), "private": int(private)}

    def mapped(self, process: int) -> list[str]:
        with contextlib.suppress(Failed):
            script = "(Get-Process -Id $env:SMOKE_PID).Modules | ForEach-Object { $_.FileName }"
            return self._powershell(script, SMOKE_PID=str(process)).splitlines()
        return []

    # Where data lies --------------------------------------------------------------------------------------------------

    def data_folders(self) -> list[Path]:
        return [self.data]

    def database(self) -> Path:
        return self.data / "history.sqlite3"

    def settings(self) -> Path:
        return self.data / "settings.toml"

    def log_folder(self) -> Path:
        return self.data / "logs"


def _user32() -> Any:
    user = getattr(ctypes, "windll").user32  # noqa: B009 - mypy knows it on Windows only
    user.FindWindowW.restype = ctypes.c_void_p
    user.FindWindowW.argtypes = [ctypes.c_wchar_p, ctypes.c_wchar_p]
    user.FindWindowExW.restype = ctypes.c_void_p
    user.FindWindowExW.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_wchar_p]
    user.GetForegroundWindow.restype = ctypes.c_void_p
    user.IsWindowVisible.argtypes = [ctypes.c_void_p]
    user.GetWindowThreadProcessId.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return user
