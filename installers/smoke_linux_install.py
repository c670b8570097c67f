"""The forms in which the app comes to a Linux, each with how people install and remove it."""

from __future__ import annotations

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import product
import smoke_files
from dev_console import Failed
from smoke_platform import Done, Installed, run

if TYPE_CHECKING:
    from smoke_platform import Platform

#: Where a package may leave something. The lists of dpkg and apt, and logs, change by their own work.
_ROOTS = ("/usr", "/etc", "/opt", "/srv", "/var/lib", "/var/spool", "/var/games")
#: What other packages make anew whenever applications or icons come or go.
_CACHES = ("mimeinfo.cache", "icon-theme.cache")
_NOT_WATCHED = ("/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/usr/share/mime", "/usr/src", "/usr/local")


def form_of(platform: Platform) -> Form:
    """The form that the artefact has. Raises ``Failed`` for an unknown one."""
    path = platform.artefact
    if path.is_file() and path.suffix == ".deb":
        return Deb(platform)
    if path.is_file() and path.suffix == ".AppImage":
        return AppImage(platform)
    if path.is_dir() and (path / "AppRun").exists():
        return AppDir(platform)
    if path.is_dir() and (path / product.CONSOLE_PROGRAM).is_file() and (path / product.WINDOW_PROGRAM).is_file():
        return Frozen(platform)
    raise Failed(f"{path} is no .deb, .AppImage, AppDir or frozen folder.")


class Form(ABC):
    """One form."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.artefact = platform.artefact
        self.room = platform.room

    def check(self) -> None:  # noqa: B027 - most forms need nothing
        """Raise ``Failed`` when it cannot be installed here, before anything is changed."""

    @abstractmethod
    def install(self) -> Installed:
        """Install it."""

    @abstractmethod
    def uninstall(self) -> list[str]:
        """Remove it; what is left of it."""

    def close(self) -> None:  # noqa: B027 - the private folders go with the room
        """After a failure: remove what is still installed."""

    def enter(self, entry: Path, packages: list[Path], program: Path) -> None:
        """Enter a program that lies anywhere into the private session, as AppImage helpers do."""
        share = self.room.home / ".local" / "share"
        for folder in (share / "applications", share / "mime" / "packages"):
            folder.mkdir(parents=True)
        text = smoke_files.with_program(entry.read_text(encoding="utf-8"), program)
        (share / "applications" / entry.name).write_text(text, encoding="utf-8")
        for package in packages:
            shutil.copy2(package, share / "mime" / "packages" / package.name)
        for command in (
            ["update-mime-database", str(share / "mime")],
            ["update-desktop-database", str(share / "applications")],
        ):
            if shutil.which(command[0]) is None:
                raise Failed(f"The smoke test needs {command[0]}: apt-get install shared-mime-info desktop-file-utils.")
            done = run(command, 60, environment=self.platform.environment)
            if done.code != 0:
                raise Failed(f"{command[0]} failed: {done.err.strip()[-300:]}")

    def leave(self) -> None:
        """Take the entries of ``enter`` back."""
        for name in ("applications", "mime"):
            shutil.rmtree(self.room.home / ".local" / "share" / name, ignore_errors=True)


class Frozen(Form):
    """The folder that the other forms are made of; moved to a place with spaces and umlauts in its path."""

    def install(self) -> Installed:
        self.folder = self.room.prefix / self.artefact.name
        shutil.copytree(self.artefact, self.folder, symlinks=True)
        window, console = (self.folder / name for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM))
        return Installed([str(window)], [str(console)], self.folder, smoke_files.size_of([self.folder]))

    def uninstall(self) -> list[str]:
        shutil.rmtree(self.folder)
        return []


class AppDir(Form):
    """An unpacked AppImage, moved likewise. AppRun is its one program."""

    def install(self) -> Installed:
        self.folder = self.room.prefix / self.artefact.name
        shutil.copytree(self.artefact, self.folder, symlinks=True)
        program = self.folder / "AppRun"
        entries = sorted(self.folder.glob("*.desktop"))
        if len(entries) != 1:
            raise Failed(f"An AppDir has one desktop entry at its top, this one has {len(entries)}.")
        self.enter(entries[0], sorted((self.folder / "usr/share/mime/packages").glob("*.xml")), program)
        command = [str(program)]
        return Installed(command, command, self.folder, smoke_files.size_of([self.folder]), association="session")

    def uninstall(self) -> list[str]:
        shutil.rmtree(self.folder)
        self.leave()
        return []


class AppImage(Form):
    """One file. Without FUSE it unpacks itself at each start, which takes some seconds."""

    def install(self) -> Installed:
        file = self.room.prefix / self.artefact.name
        shutil.copy2(self.artefact, file)
        file.chmod(0o755)
        notes = []
        if not (_can_open("/dev/fuse") and any(shutil.which(name) for name in ("fusermount", "fusermount3"))):
            self.platform.environment["APPIMAGE_EXTRACT_AND_RUN"] = "1"
            notes.append("FUSE is missing here: the AppImage unpacks itself at each start, so its times say nothing")
        unpacked = self.room.top / "unpacked"
        unpacked.mkdir()
        for pattern in ("*.desktop", "usr/share/mime/packages/*.xml"):
            environment = self.platform.environment
            done = run([str(file), "--appimage-extract", pattern], 120, folder=unpacked, environment=environment)
            if done.code != 0:
                raise Failed(f"The AppImage cannot be read: {done.err.strip()[-300:]}")
        root = unpacked / "squashfs-root"
        entries = sorted(root.glob("*.desktop"))
        if len(entries) != 1:
            raise Failed(f"An AppImage has one desktop entry at its top, this one has {len(entries)}.")
        self.enter(entries[0], sorted((root / "usr/share/mime/packages").glob("*.xml")), file)
        size = file.stat().st_size
        return Installed([str(file)], [str(file)], self.room.prefix, size, association="session", notes=notes)

    def uninstall(self) -> list[str]:
        (self.room.prefix / self.artefact.name).unlink()
        self.leave()
        return []


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


class Deb(Form):
    """A Debian package, really installed on this machine with apt: as root, or with sudo where it asks nothing."""

    def check(self) -> None:
        self.root: list[str] = []
        self.installed = False
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            if shutil.which("sudo") is None or run(["sudo", "-n", "true"], 20).code != 0:
                raise Failed("A .deb is installed for the whole machine: run the smoke test as root.")
            self.root = ["sudo", "-n"]
        self.name = run(["dpkg-deb", "-f", str(self.artefact), "Package"], 30).out.strip()
        if not self.name:
            raise Failed(f"{self.artefact} is no Debian package.")
        if self._status() == "installed":
            if not self.platform.replace:
                raise Failed(f"{self.name} is installed on this machine already: remove it, or say --replace.")
            self._apt("purge", self.name)

    def _apt(self, *words: str) -> Done:
        # Waiting for the lock: other programs on this machine may install something just now.
        command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300"]
        done = run([*self.root, *command, *words], 600)
        if done.code != 0:
            raise Failed(f"apt-get {words[0]} failed: {(done.err + done.out).strip()[-600:]}")
        return done

    def _status(self) -> str:
        done = run(["dpkg-query", "-W", "-f", "${db:Status-Status}", self.name], 30)
        return done.out.strip() if done.code == 0 else ""

    def _packages(self) -> set[str]:
        return set(run(["dpkg-query", "-W", "-f", "${binary:Package}\\n"], 60).out.split())

    def install(self) -> Installed:
        self.before = smoke_files.snapshot([Path(root) for root in _ROOTS], without=_NOT_WATCHED)
        known = self._packages()
        self.installed = True
        # Without recommended packages: what the package depends on must be enough.
        done = self._apt("install", "--no-install-recommends", str(self.artefact))
        self.more = sorted(self._packages() - known - {self.name})
        notes = [f"apt also installed {', '.join(self.more)}"] if self.more else []
        notes += [f"apt: {line}" for line in done.err.splitlines() if line.startswith("W:") and "sandbox" not in line]
        self.files = [Path(line) for line in run(["dpkg", "-L", self.name], 30).out.splitlines() if line != "/."]
        entries = [path for path in self.files if path.match("/usr/share/applications/*.desktop")]
        if len(entries) != 1:
            raise Failed(f"The package must bring one desktop entry, it brings {len(entries)}.")
        entry = smoke_files.desktop_entry(entries[0].read_text(encoding="utf-8"))
        window = smoke_files.exec_line(entry.get("Exec", ""))
        console = shutil.which(product.CONSOLE_PROGRAM, path="/usr/bin:/bin")
        if not window or console is None:
            raise Failed("The package puts no qwen-desktop into /usr/bin, or its desktop entry has no Exec.")
        size = smoke_files.size_of(path for path in self.files if not path.is_dir())
        folder = next((path for path in self.files if path.name == "_internal"), None)
        return Installed(window, [console], folder.parent if folder else None, size, association="system", notes=notes)

    def uninstall(self) -> list[str]:
        self._apt("remove", self.name)
        configuration = run(["dpkg-query", "-W", "-f", "${Conffiles}", self.name], 30).out
        kept = {line.split()[0] for line in configuration.splitlines() if line.strip()}
        left = [f"{path} (after remove)" for path in self._left() if str(path) not in kept]
        # A package without configuration files is gone for apt already.
        rest = [*([self.name] if self._status() not in ("", "not-installed") else []), *self.more]
        if rest:
            self._apt("purge", *rest)
        self.installed = False
        if self._status() not in ("", "not-installed"):
            left.append(f"the package's state is {self._status()} after purge")
        left += [f"{path} (after purge)" for path in self._left()]
        after = smoke_files.snapshot([Path(root) for root in _ROOTS], without=_NOT_WATCHED)
        found = smoke_files.differences(self.before, after)
        new = [path for path, how in found.items() if how == "new" and "/__pycache__" not in path]
        new = [path for path in new if not path.endswith(_CACHES)]
        return [*left, *(f"{path} (new)" for path in new if not self._owned(path))]

    def _left(self) -> list[Path]:
        """Files of the package that are still there, and folders that were its alone."""
        there = [path for path in self.files if os.path.lexists(path)]
        return [path for path in there if not path.is_dir() or path.is_symlink() or not self._owned(str(path))]

    def _owned(self, path: str) -> bool:
        """Whether some other package has this path (another program may be installing one meanwhile)."""
        done = run(["dpkg", "-S", path], 60)
        owners = {line.partition(": ")[0] for line in done.out.splitlines() if line.endswith(": " + path)}
        return bool({name for line in owners for name in line.split(", ")} - {self.name})

    def close(self) -> None:
        if getattr(self, "installed", False):
            with contextlib.suppress(Failed):
                rest = [self.name] if self._status() not in ("", "not-installed") else []
                self._apt("purge", *rest, *getattr(self, "more", []))
