"""Where other programs keep their models, on each system, and how each of them names a file.

Only reading, only known places, and never deep: ``places`` take the environment and the home folder as parameters.
Nothing here opens a model; ``importers`` looks into the headers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import ntpath
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from qwen_desktop.core.files import read_file
from qwen_desktop.core.models import Origin
from qwen_desktop.core.paths import possible
from qwen_desktop.hub.manifest import files_under
from qwen_desktop.hub.names import is_gguf, quant_of

_LONGEST = 1 << 20
_DEEPEST = 5
_MOST_FILES = 20_000
_HASH = re.compile(r"^sha256[:-]([0-9a-f]{64})$")


class Surroundings(Struct, frozen=True):
    """The user's home, environment variables, and ``sys.platform``."""

    home: Path
    environ: Mapping[str, str]
    system: str = "linux"

    def folder(self, variable: str, *fallback: str) -> Path:
        """The folder that an environment variable names, else one under the home."""
        value = self.environ.get(variable, "").strip()
        return Path(value) if value else self.home.joinpath(*fallback)

    @property
    def config(self) -> Path:
        """Where programs keep their settings on this system."""
        if self.system == "win32":
            return self.folder("APPDATA", "AppData", "Roaming")
        if self.system == "darwin":
            return self.home / "Library" / "Application Support"
        return self.folder("XDG_CONFIG_HOME", ".config")

    @property
    def data(self) -> Path:
        """Where programs keep their data on this system."""
        if self.system == "win32":
            return self.folder("LOCALAPPDATA", "AppData", "Local")
        return self.config if self.system == "darwin" else self.folder("XDG_DATA_HOME", ".local", "share")


class FoundFile(Struct, frozen=True):
    """A file that another program calls a model; empty fields are for the header to fill. ``repo`` is what its folders
    are called, which need not be one."""

    path: Path
    origin: Origin
    name: str = ""
    quant: str = ""
    repo: str = ""
    mmproj: str = ""
    licence: str = ""


Finder = Callable[[Surroundings], Iterator[FoundFile]]


def gguf_files(folder: Path, *, deepest: int = _DEEPEST) -> Iterator[Path]:
    """The .gguf files under ``folder`` in order; what cannot be read is passed over, circles of links end."""
    return (path for path in _files(folder, deepest=deepest) if is_gguf(path.name) and _is_file(path))


def _files(folder: Path, *, deepest: int, name: str = "") -> Iterator[Path]:
    """All that is no folder under ``folder``, or what is called ``name``."""
    with contextlib.suppress(OSError, ValueError):
        for path in itertools.islice(files_under(folder, deepest), _MOST_FILES):
            if not name or path.name == name:
                yield path


# LM Studio -----------------------------------------------------------------------------------------------------------


def lm_studio_homes(around: Surroundings) -> list[Path]:
    """Where it may keep everything, the likeliest one first."""
    homes = [around.home / ".lmstudio", around.home / ".cache" / "lm-studio"]
    pointer = _read_text(around.home / ".lmstudio-home-pointer").strip()
    return [Path(pointer), *homes] if pointer else homes


def lm_studio(around: Surroundings) -> Iterator[FoundFile]:
    """``<models>/<publisher>/<repository>/<file>.gguf``; the folder is in its settings, or one of two usual ones."""
    homes = lm_studio_homes(around)
    folders = [home / "models" for home in homes]
    chosen = [_chosen(_read_json(home / "settings.json").get("downloadsFolder"), around) for home in homes]
    for folder in _unique(*reversed(chosen), folders):
        for path in gguf_files(folder):
            parts = path.relative_to(folder).parts
            yield FoundFile(path, "lm_studio", repo="/".join(parts[:2]) if len(parts) > 2 else "")


# Ollama --------------------------------------------------------------------------------------------------------------

_LAYER = "application/vnd.ollama.image."


def ollama(around: Surroundings) -> Iterator[FoundFile]:
    """``manifests/<host>/<owner>/<name>/<tag>`` names ``blobs/sha256-…``, which are GGUFs without an ending."""
    folders = [around.home / ".ollama" / "models"]
    if around.system == "linux":
        folders += [Path("/usr/share/ollama/.ollama/models"), Path("/var/lib/ollama/models")]
        folders.append(Path("/var/snap/ollama/common/models"))
    for folder in _unique(_chosen(around.environ.get("OLLAMA_MODELS"), around), folders):
        manifests = folder / "manifests"
        for path in _files(manifests, deepest=6):
            found = _ollama_model(folder, path.relative_to(manifests).parts, _read_json(path))
            if found is not None:
                yield found


def _ollama_model(folder: Path, place: tuple[str, ...], manifest: Mapping[str, Any]) -> FoundFile | None:
    layers = manifest.get("layers")
    if not isinstance(layers, list) or len(place) < 3:
        return None
    blobs: dict[str, list[Path]] = {}
    for layer in layers:
        if isinstance(layer, dict) and isinstance(layer.get("mediaType"), str):
            digest = _HASH.match(str(layer.get("digest", "")))
            if digest is not None and layer["mediaType"].startswith(_LAYER):
                kind = layer["mediaType"][len(_LAYER) :]
                blobs.setdefault(kind, []).append(folder / "blobs" / f"sha256-{digest[1]}")
    models = [path for path in blobs.get("model", []) if _is_file(path)]
    if not models:
        return None
    host, *middle, tag = place
    repo = "/".join(middle) if host in ("hf.co", "huggingface.co", "modelscope.cn") else ""
    name = "/".join(part for part in middle if part != "library") if not repo else ""
    projector = next((path for path in blobs.get("projector", []) if _is_file(path)), None)
    return FoundFile(
        models[0],
        "ollama",
        name=name if tag == "latest" or not name else f"{name}:{tag}",
        quant=quant_of(tag) or quant_of(tag.replace("-", "_")),
        repo=repo,
        mmproj=str(projector or ""),
    )


# Jan -----------------------------------------------------------------------------------------------------------------


def jan_homes(around: Surroundings) -> list[Path]:
    """Its data folders: that of its settings, and the usual ones."""
    config = around.config / "Jan"
    folders = [config / "data", around.data / "Jan" / "data", around.home / "jan", around.home / "cortexcpp"]
    folders.append(around.home / ".var" / "app" / "ai.jan.Jan" / "data" / "Jan" / "data")
    settings = (config / "data" / "settings.json", config / "settings.json")
    chosen = [_chosen(_read_json(file).get("data_folder"), around) for file in settings]
    return list(_unique(*chosen, folders))


def jan(around: Surroundings) -> Iterator[FoundFile]:
    """``model.yml`` (or the older ``model.json``) beside or above the file, paths counted from the data folder."""
    for data in jan_homes(around):
        told: dict[Path, FoundFile] = {}
        roots = [data / "llamacpp" / "models", data / "models"]
        for root in roots:
            for path in _files(root, deepest=_DEEPEST, name="model.yml"):
                found = _jan_model(data, root, path)
                if found is not None:
                    told[found.path] = found
        yield from told.values()
        companions = {found.mmproj for found in told.values()}
        for root in roots:
            for path in gguf_files(root):
                if path not in told and str(path) not in companions:
                    yield FoundFile(path, "jan", name="" if path.name != "model.gguf" else path.parent.name)


def _jan_model(data: Path, root: Path, path: Path) -> FoundFile | None:
    facts = _simple_yaml(_read_text(path))
    told = facts.get("model_path", "") or facts.get("files", "")
    model = _told_file(told, path.parent, data)
    if model is None:
        return None
    return FoundFile(
        model,
        "jan",
        name=facts.get("name", ""),
        repo="/".join(path.parent.relative_to(root).parts[:2]),
        mmproj=str(_told_file(facts.get("mmproj_path", ""), path.parent, data) or ""),
    )


def _told_file(told: str, *bases: Path) -> Path | None:
    if not told:
        return None
    for base in bases:
        place = base / told.replace("\\", "/") if not ntpath.isabs(told) or posixpath.isabs(told) else Path(told)
        if is_gguf(place.name) and _is_file(place):
            return place
    return None


def _simple_yaml(text: str) -> dict[str, str]:
    """The plain ``key: value`` lines at the left margin, and the first item of a list; all these programs need."""
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines()[:2000]:
        entry = re.match(r"^([A-Za-z_]\w*):\s*(.*?)\s*$", line)
        item = re.match(r"^\s*-\s+(.*?)\s*$", line)
        if entry is not None:
            key = entry[1]
            found[key] = _unquoted(entry[2])
        elif item is not None and key and not found.get(key):
            found[key] = _unquoted(item[1])
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.split(" #", maxsplit=1)[0].rstrip()


# GPT4All -------------------------------------------------------------------------------------------------------------


def gpt4all(around: Surroundings) -> Iterator[FoundFile]:
    """All in one folder, which its ini file may have changed."""
    usual = around.data / "nomic.ai" / "GPT4All"
    flatpak = around.home / ".var" / "app" / "io.gpt4all.gpt4all"
    folders = [usual, flatpak / "data" / "nomic.ai" / "GPT4All"]
    chosen = []
    for config in (flatpak / "config", around.home / ".config", around.config):
        told = re.search(r"^modelPath=(.+)$", _read_text(config / "nomic.ai" / "GPT4All.ini"), re.MULTILINE)
        chosen.append(_chosen(_qt_text(told[1].strip()) if told is not None else "", around))
    for folder in _unique(*chosen, folders):
        for path in gguf_files(folder, deepest=1):
            if not path.name.startswith("incomplete-"):
                yield FoundFile(path, "gpt4all")


def _qt_text(value: str) -> str:
    """A value of an ini file as Qt writes it: quoted, with backslashes doubled and other letters as ``\\xNNNN``."""
    value = _unquoted(value)
    return re.sub(r"\\(?:x([0-9a-fA-F]{1,4})|(.))", lambda m: chr(int(m[1], 16)) if m[1] is not None else m[2], value)


# Hugging Face's cache ------------------------------------------------------------------------------------------------


def hugging_face(around: Surroundings) -> Iterator[FoundFile]:
    """``models--<owner>--<name>/snapshots/<revision>/…``, links to blobs; the newest revision of each file counts."""
    cache = around.folder("XDG_CACHE_HOME", ".cache") / "huggingface"
    chosen = [_chosen(around.environ.get(name), around) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")]
    homes = [*_chosen(around.environ.get("HF_HOME"), around), cache]
    for folder in _unique(*chosen, [home / "hub" for home in homes]):
        for place in _subfolders(folder):
            parts = place.name.split("--")
            if parts[0] != "models" or len(parts) < 3:
                continue
            repo = f"{parts[1]}/{'--'.join(parts[2:])}"
            done: set[str] = set()
            for snapshot in _snapshots(place):
                for path in gguf_files(snapshot, deepest=3):
                    inside = str(path.relative_to(snapshot))
                    if inside not in done:
                        done.add(inside)
                        yield FoundFile(path, "huggingface_cache", repo=repo)


def _snapshots(place: Path) -> list[Path]:
    """The revisions of a repository: the one that "main" means first, then the others, newest first."""
    main = _read_text(place / "refs" / "main").strip()

    def age(path: Path) -> tuple[bool, float]:
        try:
            return (path.name != main, -path.stat().st_mtime)
        except OSError:
            return (True, 0.0)

    return sorted(_subfolders(place / "snapshots"), key=age)


FINDERS: dict[Origin, Finder] = {
    "lm_studio": lm_studio,
    "ollama": ollama,
    "jan": jan,
    "gpt4all": gpt4all,
    "huggingface_cache": hugging_face,
}


# Reading what may be anything ----------------------------------------------------------------------------------------


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir())[:_MOST_FILES] if _is_folder(path)]
    except (OSError, ValueError):
        return []


#: These never raise, as the methods of ``Path`` may.
_is_file, _is_folder = os.path.isfile, os.path.isdir


def _read_text(path: Path) -> str:
    try:
        return read_file(path, _LONGEST).decode("utf-8-sig", "replace").replace("\x00", "")
    except (OSError, ValueError):
        return ""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chosen(told: object, around: Surroundings) -> list[Path]:
    """The folder that a program's settings or a variable name, none where they do not."""
    text = possible(told.strip()) if isinstance(told, str) else ""
    if text.startswith("~"):
        return [around.home / text[1:].lstrip("/\\")]
    return [Path(text)] if text else []


def _unique(*folders: list[Path]) -> list[Path]:
    """Folders that exist, the first choice first, each once although it may be reached by several names."""
    found: dict[Path, Path] = {}
    for folder in itertools.chain(*folders):
        if _is_folder(folder):
            try:
                found.setdefault(folder.resolve(), folder)
            except (OSError, RuntimeError):
                continue
    return list(found.values())
