"""The Debian package, for Debian 12, Ubuntu 22.04 and everything newer.

It has no maintainer scripts: the databases of desktop files, MIME types, icons and manual pages are brought up to date
by the triggers of their own packages. So nothing of a user's is touched on removal or purge either.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

import product
from dev_console import Failed, duration, say

from linux import depends, texts, tree

ARCHITECTURES = {"x64": "amd64", "arm64": "arm64"}
#: What a package may weigh: MB without and with Vulkan.
LIMITS = (90, 120)
#: Measured on one folder without Vulkan: 72.9 MB with xz -6, 76.3 MB with zstd -19, both in 112 s of one processor.
#: And every dpkg reads xz.
COMPRESSION = ("-Zxz", "-z6")


def version() -> str:
    """The package's version."""
    upstream = re.sub(r"[-.]?(a|alpha|b|beta|rc|dev)[-.]?(?=\d)", r"~\1", product.version())
    return f"{upstream}-1"


def file_name(package: str = product.ID) -> str:
    """The file of a package. GitHub writes a dot for ~ in the names of a release's files, so there is none."""
    return f"{package}_{version()}_{ARCHITECTURES[product.architecture()]}.deb".replace("~", ".")


def build(frozen: Path, out: Path, python: Path) -> Path:
    """Make the package from the frozen folder; ``python`` draws the icons and must have PySide6."""
    tree.check_frozen(frozen)
    name = file_name()
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-deb-") as folder:
        root = Path(folder) / "root"
        tree.lay_out(frozen, root, prefix="/usr", python=python)
        _debian_documents(root, version())
        _control(root, version())
        tree.settle(root)
        pack(root, out / name)
    _judge(out / name, LIMITS[1] if tree.has_vulkan(frozen) else LIMITS[0], time.monotonic() - started)
    return out / name


def _debian_documents(root: Path, number: str) -> None:
    moment = formatdate(product.epoch())
    text = texts.fill("changelog.in", DEB_VERSION=number, MOMENT=moment)
    tree.compressed(root / "usr" / "share" / "doc" / product.ID / "changelog.Debian.gz", text)
    overrides = root / "usr" / "share" / "lintian" / "overrides" / product.ID
    overrides.parent.mkdir(parents=True)
    overrides.write_text(texts.fill("lintian-overrides.in"), encoding="utf-8")


def _control(root: Path, number: str) -> None:
    needs = depends.of(root)
    if needs.glibc > product.GLIBC_CEILING:
        has, wanted = (".".join(map(str, number)) for number in (needs.glibc, product.GLIBC_CEILING))
        say(
            f"warning: this package asks for libc6 >= {has}; one for release must do with {wanted}: "
            "build on an older base."
        )
    text = texts.fill(
        "control.in",
        DEB_VERSION=number,
        DEB_ARCHITECTURE=ARCHITECTURES[product.architecture()],
        INSTALLED_KB=str(kilobytes(root)),
        DEPENDS=", ".join(needs.depends),
        RECOMMENDS=", ".join(["xdg-utils", *needs.recommends]),
        DESCRIPTION=tree.field(" ".join(product.DESCRIPTION[:-1]) + "\n\n" + product.DESCRIPTION[-1]),
    )
    write_control(root, text)


def write_control(root: Path, text: str) -> None:
    """Write ``text`` as the control file of the package that lies in ``root``, and the sums of its files beside it."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    sums = [f"{_md5(path)}  {path.relative_to(root)}\n" for path in files]
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "md5sums").write_text("".join(sums), encoding="utf-8")
    (folder / "control").write_text(text, encoding="utf-8")


def kilobytes(root: Path) -> int:
    """As dpkg-gencontrol counts: each file rounded up to whole KiB, everything else one."""
    paths = [path for path in root.rglob("*") if "DEBIAN" not in path.relative_to(root).parts[:1]]
    return sum(-(-path.stat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1 for path in paths)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def pack(root: Path, target: Path, compression: Sequence[str] = COMPRESSION) -> None:
    """Make the package ``target`` of the tree in ``root``; the same tree gives the same bytes."""
    part = target.with_name(target.name + ".part")
    command = ["dpkg-deb", "--root-owner-group", *compression, "--build", str(root), str(part)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(product.epoch()), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        raise Failed("dpkg-deb is missing: install the package dpkg.") from error
    if done.returncode != 0:
        raise Failed(f"dpkg-deb cannot build the package: {done.stderr.strip()[-500:]}")
    part.replace(target)


def _judge(package: Path, limit: int, seconds: float) -> None:
    megabytes = package.stat().st_size / 1e6
    say(f"{package.name}: {megabytes:.1f} MB in {duration(seconds)}")
    if megabytes > limit:
        say(f"warning: {package.name} is larger than the {limit} MB it may have.")
