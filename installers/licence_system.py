"""Libraries that a Linux build takes from its system: which package they are of, and what its licence file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dev_cache
import product
from dev_console import output


@dataclass(frozen=True)
class Package:
    """An installed package of Debian or a system made from it."""

    name: str
    source: str
    version: str
    vendor: str
    text: str

    @property
    def purl(self) -> str:
        """The package's address in an SBOM."""
        return f"pkg:deb/{self.vendor}/{self.name}@{self.version.replace('+', '%2B')}"


def owners(files: Mapping[str, Path]) -> dict[str, Package]:
    """The packages of those ``files`` (name in the folder -> copy) that equal an installed library byte for byte."""
    if product.system() != "linux" or not files:
        return {}
    libraries = _libraries()
    found = {}
    for name, copy in files.items():
        for path in libraries.get(Path(name).name, []):
            if path.is_file() and dev_cache.sha256_of(path) == dev_cache.sha256_of(copy):
                package = _package(path)
                if package is not None:
                    found[name] = package
                    break
    return found


def _libraries() -> dict[str, list[Path]]:
    """Where the loader finds each library."""
    _, text = output(["/sbin/ldconfig", "-p"])
    found: dict[str, list[Path]] = {}
    for name, path in re.findall(r"^\s*(\S+) \(.*\) => (\S+)$", text, re.MULTILINE):
        found.setdefault(name, []).append(Path(path))
    return found


def _package(path: Path) -> Package | None:
    real = str(path.resolve())
    for place in dict.fromkeys((real, real.removeprefix("/usr"), str(path), f"/usr{path}")):
        code, text = output(["dpkg-query", "-S", place])
        name = text.partition(": ")[0].split(",")[0].strip()
        if code == 0 and name:
            return _described(name)
    return None


def _described(name: str) -> Package | None:
    code, text = output(["dpkg-query", "-W", "-f", "${Package}\t${source:Package}\t${Version}", name])
    if code != 0 or text.count("\t") != 2:
        return None
    package, source, version = text.split("\t")
    file = Path("/usr/share/doc") / package / "copyright"
    said = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return Package(package, source, version, _vendor(), said)


def _vendor() -> str:
    try:
        found = re.search(r'^ID="?([\w-]+)', Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return "debian"
    return found[1] if found else "debian"
