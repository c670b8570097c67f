"""Where things lie: platformdirs' folders, or all under one folder (portable).

That folder is the one that ``QWEN_DESKTOP_HOME`` names, else ``data`` beside an installed program that has the marker
file of the portable archive beside it.

Names of files are bytes on most systems. Inside the app a path is the string that Python makes of them (bytes that are
no UTF-8 become lone surrogates, and bytes again when the file is opened); ``core.packed`` carries such strings through
frames and JSON, ``text_of_path`` writes them where only text can stand, and ``core.text.shown`` shows them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from msgspec import Struct

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean

APP = "Qwen Desktop"
FOLDER = "qwen-desktop"
#: The portable archive has a file of this name beside its programs.
PORTABLE_MARKER = "portable.txt"

# fmt: off
_no_home = Failure(
    UserFacing, "paths.no_home", "",
    QT_TRANSLATE_NOOP("errors", "This user has no home folder, so there is no place for settings and data."),
    QT_TRANSLATE_NOOP("errors", "Set HOME, or QWEN_DESKTOP_HOME to a folder that can be written."),
)
# fmt: on


class Paths(Struct, frozen=True):
    """The folders of this installation. None of them is created here."""

    config: Path
    data: Path
    cache: Path
    logs: Path
    runtime: Path
    resources: Path
    portable: bool

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.toml"

    @property
    def database_file(self) -> Path:
        return self.data / "history.sqlite3"

    @property
    def blobs(self) -> Path:
        """What is attached to messages, in files named by their SHA-256."""
        return self.data / "blobs"

    @property
    def prompt_cache(self) -> Path:
        """What models have read of conversations: it can be made again, so it is in no backup and on no other
        computer."""
        return self.cache / "prompts"

    @property
    def guide_file(self) -> Path:
        return self.resources / "guide" / "guide.gguf"

    @property
    def crash_file(self) -> Path:
        return self.logs / "crash.log"

    @property
    def models(self) -> Path:
        return self.data / "models"


def resources_folder() -> Path:
    """The resources beside the package: in a checkout ``resources/``, installed ``qwen_desktop/_resources``."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_resources"
    return installed if installed.is_dir() else package.parent / "resources"


def _portable_folder() -> str:
    """``data`` beside the programs of an unpacked portable archive, "" everywhere else."""
    if not getattr(sys, "frozen", False):
        return ""
    folder = Path(sys.executable).parent
    return str(folder / "data") if (folder / PORTABLE_MARKER).is_file() else ""


def home() -> Path | None:
    """The user's own folder; None for one that has none (a service's user, say, without an entry in the system's list
    and without ``HOME``)."""
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return None


def absolute(path: str | Path) -> Path:
    """``path`` from the root, "~" as the user's own folder. It need not exist."""
    return expanded(path).absolute()


def expanded(path: str | Path) -> Path:
    """``path`` with "~" as the user's own folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # "~" of somebody who has no folder, or whom nobody knows: a name like others
        return Path(path)


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Decide the folders for this environment. Raises ``UserFacing`` for a user without a folder."""
    own = environ.get("QWEN_DESKTOP_HOME", "").strip() or _portable_folder()
    if own:
        root = absolute(own)
        return Paths(root, root, root / "cache", root / "logs", root / "run", resources_folder(), portable=True)
    dirs = platformdirs.PlatformDirs(FOLDER, appauthor=False, roaming=False)
    try:
        found = [Path(p) for p in (dirs.user_config_dir, dirs.user_data_dir, dirs.user_cache_dir, dirs.user_log_dir)]
    except RuntimeError:  # "~" leads nowhere; older versions leave it as it is
        found = []
    if not found or not all(path.is_absolute() for path in found):
        raise _no_home()
    config, data, cache, logs = found
    return Paths(config, data, cache, logs, data / "run", resources_folder(), portable=False)


# Paths as text -------------------------------------------------------------------------------------------------------


def possible(path: str) -> str:
    """``path`` as some file can be called: without NULs and without what no bytes stand for."""
    path = path.replace("\x00", "")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return clean(path)
    return path


def text_of_path(path: str) -> str:
    """``path`` where only text can stand: as it is, or as a ``file:`` address when its name is no text."""
    raw = os.fsencode(possible(path))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "file:"
    if not text.startswith("file:"):
        return text
    from urllib.parse import quote_from_bytes  # noqa: PLC0415 - hardly ever

    lead = "//" if path.startswith("/") else "///" if Path(path).is_absolute() else ""
    return f"file:{lead}{quote_from_bytes(raw.replace(os.sep.encode(), b'/'))}"


def path_of_text(text: str) -> str:
    """The path that ``text_of_path`` wrote, or that a person did: a ``file:`` address is understood too."""
    if not text.startswith("file:"):
        return text
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - hardly ever

    place = text.removeprefix("file:")
    if place.startswith("//"):
        place = "/" + place[2:].partition("/")[2]  # the host is this one
        if sys.platform == "win32":
            place = place[1:].replace("/", os.sep)
    return os.fsdecode(unquote_to_bytes(place.encode()))
