"""Where things lie: platformdirs' folders, or all under one folder (portable).

That folder is the one that ``QWEN_DESKTOP_HOME`` names, else ``data`` beside an installed program that has the marker
file of the portable archive beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from msgspec import Struct

APP = "Qwen Desktop"
FOLDER = "qwen-desktop"
#: The portable archive has a file of this name beside its programs.
PORTABLE_MARKER = "portable.txt"


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


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    """Decide the folders for this environment."""
    home = environ.get("QWEN_DESKTOP_HOME", "").strip() or _portable_folder()
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(root, root, root / "cache", root / "logs", root / "run", resources_folder(), portable=True)
    dirs = platformdirs.PlatformDirs(FOLDER, appauthor=False, roaming=False)
    return Paths(
        config=Path(dirs.user_config_dir),
        data=Path(dirs.user_data_dir),
        cache=Path(dirs.user_cache_dir),
        logs=Path(dirs.user_log_dir),
        runtime=Path(dirs.user_data_dir) / "run",
        resources=resources_folder(),
        portable=False,
    )
