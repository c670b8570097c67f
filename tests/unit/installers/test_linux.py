"""What a packager or a desktop would notice: names that agree, texts without holes, packages equal byte by byte."""

from __future__ import annotations

import configparser
import gzip
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import typer
from dev_console import ROOT, Failed

from qwen_desktop.cli.app import application
from qwen_desktop.core.models import Purpose
from qwen_desktop.core.paths import FOLDER

sys.path.insert(0, str(ROOT / "installers"))

import drawing
import product
from linux import appimage, check, deb, flatpak, icons, texts, tree

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing")
needs_squashfs = pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="mksquashfs is missing")
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux packages are made on Linux")

MIME_NAMESPACE = "{http://www.freedesktop.org/standards/shared-mime-info}"


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same moment in every archive, whatever the last commit is."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Icons are files of a few bytes: drawing them takes a second, and one test draws real ones."""

    def render(source: Path, targets: dict[int, Path], python: Path) -> None:
        for size, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", size, size))

    monkeypatch.setattr(icons, "render", render)


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A stand-in for the frozen folder: two programs, a library, a link, the Vulkan backend."""
    folder = tmp_path / "frozen"
    inside = folder / "_internal"
    (inside / "llama_cpp" / "lib").mkdir(parents=True)
    for name in (product.CONSOLE_PROGRAM, product.WINDOW_PROGRAM):
        (folder / name).write_text('#!/bin/sh\necho "$0 $*"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    (inside / "libdemo.so.1").write_bytes(b"a library")
    (inside / "libdemo.so.1").chmod(0o755)
    (inside / "libdemo.so").symlink_to("libdemo.so.1")
    (inside / "llama_cpp" / "lib" / tree.VULKAN).write_bytes(b"a backend")
    return folder


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


def desktop_entry(text: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser["Desktop Entry"]


# Texts ----------------------------------------------------------------------------------------------------------------


def test_every_template_fills_completely() -> None:
    wanted = {
        "app.desktop.in": {"EXEC": "x", "EXTRA": ""},
        "metainfo.xml.in": {"DESKTOP_ID": "x", "DESCRIPTION": "", "RELEASES": ""},
        "copyright.in": {"NOTICE": "x", "OTHERS": "x", "EXPAT": "x", "ISC": "x"},
        "control.in": dict.fromkeys(
            ("DEB_VERSION", "DEB_ARCHITECTURE", "INSTALLED_KB", "DEPENDS", "RECOMMENDS", "DESCRIPTION"), "x"
        ),
        "changelog.in": {"DEB_VERSION": "x", "MOMENT": "x"},
        "flatpak.yml.in": {"RUNTIME_VERSION": "x", "SOURCE": "x", "SHA256": "x"},
    }
    for path in sorted(texts.DATA.glob("*.in")):
        text = texts.fill(path.name, **wanted.get(path.name, {}))
        assert text.strip(), path.name
        if path.name not in ("AppRun.in", "flatpak.yml.in"):  # they are shell, where a $ is meant
            assert "$" not in text, path.name


def test_a_name_with_special_characters_breaks_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "SUMMARY", 'Fast & <small> "model"')
    parsed(texts.metainfo())
    assert 'Comment=Fast & <small> "model"\n' in texts.desktop("qwen-desktop")


def test_a_template_with_an_unknown_name_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.in").write_text("$NOBODY", encoding="utf-8")
    monkeypatch.setattr(texts, "DATA", tmp_path)
    with pytest.raises(Failed, match=r"wrong\.in names something unknown"):
        texts.fill("wrong.in")


def test_desktop_file_metainfo_and_mime_type_agree() -> None:
    entry = desktop_entry(texts.desktop("qwen-desktop"))
    metainfo = parsed(texts.metainfo())
    mime = parsed(texts.mime()).find(f"{MIME_NAMESPACE}mime-type")
    assert mime is not None
    assert metainfo.findtext("id") == product.APP_ID
    assert metainfo.findtext("launchable") == f"{FOLDER}.desktop"
    assert entry["Icon"] == metainfo.findtext("icon") == FOLDER
    assert entry["MimeType"] == mime.attrib["type"] + ";" == f"{metainfo.findtext('provides/mediatype')};"
    assert entry["Comment"] == metainfo.findtext("summary") == product.SUMMARY
    assert entry["StartupWMClass"] == product.NAME  # what Qt makes of the name that the application object gets


def test_the_desktop_file_carries_the_name_that_the_window_gives() -> None:
    """Wayland finds a window's icon by this name alone."""
    assert product.ID == FOLDER


def test_gguf_files_are_known_by_name_and_content() -> None:
    mime = parsed(texts.mime())
    globs = [element.attrib["pattern"] for element in mime.iter(f"{MIME_NAMESPACE}glob")]
    matches = [element.attrib for element in mime.iter(f"{MIME_NAMESPACE}match")]
    assert globs == ["*.gguf"]
    assert matches == [{"type": "string", "offset": "0", "value": "GGUF"}]


def test_the_newest_release_is_this_version() -> None:
    releases = parsed(texts.metainfo()).findall("releases/release")
    assert releases[0].attrib["version"] == product.version()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", release.attrib["date"]) for release in releases)


def test_released_and_unreleased_versions_of_the_changelog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = (
        "# Changelog\n\n## [Unreleased]\n\n- New `x`\n  and **y**.\n\n## [0.0.9] - 2026-01-02\n\n### Added\n\n- Old.\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(log, encoding="utf-8")
    monkeypatch.setattr(product, "ROOT", tmp_path)
    monkeypatch.setattr(product, "version", lambda: "0.1.0")
    first, second = texts.releases()
    assert (first.version, first.items, first.dated) == ("0.1.0", ("New `x` and **y**.",), False)
    assert (second.version, second.date, second.items, second.dated) == ("0.0.9", "2026-01-02", ("Old.",), True)
    assert "<li>New <code>x</code> and <em>y</em>.</li>" in texts.metainfo()
    monkeypatch.setattr(product, "version", lambda: "0.0.9")
    assert [release.version for release in texts.releases()] == ["0.0.9"]


def _commands(command: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every command of typer's tree with its words."""
    if hasattr(command, "commands"):
        return [row for word, part in command.commands.items() for row in _commands(part, f"{name} {word}".strip())]
    return [(name, command)]


def test_the_manual_page_names_every_command_and_option() -> None:
    page = texts.manual().replace("\\-", "-").replace("\\~", " ")
    sections = dict(re.findall(r"^\.SS (\S+(?: [a-z]+)?)[^\n]*\n(.*?)(?=^\.S[SH] )", page, re.MULTILINE | re.DOTALL))
    commands = _commands(typer.main.get_command(application(None)))  # type: ignore[arg-type]
    assert {name for name, _ in commands} == set(sections)
    for name, command in commands:
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--") and option != "--help":
                    assert re.search(rf"{option}(?![\w-])", sections[name]), f"{name} {option}"
    assert all(purpose.value in sections["models recommend"] for purpose in Purpose)


# Trees and packages ---------------------------------------------------------------------------------------------------


@linux_only
@pytest.mark.usefixtures("drawn")
def test_the_tree_starts_the_window_by_desktop_file_and_the_commands_by_name(frozen: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    tree.lay_out(frozen, root, prefix="/usr")
    entry = desktop_entry((root / "usr/share/applications/qwen-desktop.desktop").read_text(encoding="utf-8"))
    assert entry["Exec"] == '"/usr/lib/qwen-desktop/Qwen Desktop" %f'
    said = subprocess.run([root / "usr/bin/qwen-desktop", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.endswith("qwen-desktop --version\n")
    assert (root / "usr/lib/qwen-desktop/_internal/libdemo.so").is_symlink()
    manual = gzip.decompress((root / "usr/share/man/man1/qwen-desktop.1.gz").read_bytes()).decode()
    assert manual == texts.manual()
    document = (root / "usr/share/doc/qwen-desktop/copyright").read_text(encoding="utf-8")
    assert "not affiliated with Alibaba Cloud" in document
    assert all(line == "" or line[0] == " " or ": " in line or line.endswith(":") for line in document.splitlines())
    assert not [finding for finding in check.tree(root) if finding.state == "failed"]


def test_icons_are_drawn_in_all_sizes(tmp_path: Path) -> None:
    pytest.importorskip("PySide6.QtSvg")
    targets = {size: tmp_path / f"{size}.png" for size in (16, 48)}
    icons.render(drawing.APP_ICON, targets, Path(sys.executable))
    assert [check.png_size(path) for path in targets.values()] == [(16, 16), (48, 48)]


def test_a_python_without_qt_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="does not run"):
        icons.render(drawing.APP_ICON, {16: tmp_path / "16.png"}, tmp_path / "python")


@linux_only
@needs_dpkg
@pytest.mark.usefixtures("drawn")
def test_the_same_folder_gives_the_same_package(frozen: Path, tmp_path: Path) -> None:
    one = deb.build(frozen, tmp_path / "one", Path(sys.executable))
    for path in frozen.rglob("*"):
        path.touch()
    two = deb.build(frozen, tmp_path / "two", Path(sys.executable))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


@linux_only
@needs_dpkg
@pytest.mark.usefixtures("drawn")
def test_what_dpkg_reads_in_the_package(frozen: Path, tmp_path: Path) -> None:
    package = deb.build(frozen, tmp_path, Path(sys.executable))
    fields = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    assert "Package: qwen-desktop\n" in fields
    assert f"Version: {product.version()}" in fields
    assert "libfontconfig1" in fields
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    modes = {line.split(maxsplit=5)[5]: line[:10] for line in listed.splitlines()}
    assert modes["./usr/lib/qwen-desktop/Qwen Desktop"] == "-rwxr-xr-x"
    assert modes["./usr/lib/qwen-desktop/_internal/libdemo.so.1"] == "-rw-r--r--"
    scripts = subprocess.run(["dpkg-deb", "-I", package], capture_output=True, text=True, check=True).stdout
    assert "postinst" not in scripts and "postrm" not in scripts  # so nothing of a user's can be touched
    overrides = texts.fill("lintian-overrides.in").splitlines()
    for place, line in enumerate(overrides):
        if not line.startswith("#") and place:
            assert any(before.startswith("#") for before in overrides[max(0, place - 2) : place]), line


def test_a_folder_that_is_not_frozen_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="lacks qwen-desktop and Qwen Desktop"):
        deb.build(tmp_path, tmp_path / "out", Path(sys.executable))


@linux_only
@pytest.mark.usefixtures("drawn")
def test_the_appdir_runs_from_any_folder(frozen: Path, tmp_path: Path) -> None:
    folder = appimage.appdir(frozen, tmp_path / "out")
    moved = shutil.move(folder, tmp_path / "somewhere else äöü")
    command = [Path(moved) / "AppRun", "chat", "two words"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    assert said.endswith("qwen-desktop chat two words\n")
    entry = desktop_entry((Path(moved) / "qwen-desktop.desktop").read_text(encoding="utf-8"))
    assert entry["Exec"] == "qwen-desktop %f"
    assert (Path(moved) / f"{entry['Icon']}.svg").is_file() and (Path(moved) / ".DirIcon").is_file()


@linux_only
@pytest.mark.usefixtures("drawn")
def test_the_flatpak_manifest_asks_for_little_and_names_its_archive(frozen: Path, tmp_path: Path) -> None:
    packed = flatpak.build(frozen, tmp_path)
    text = (tmp_path / f"{product.APP_ID}.yml").read_text(encoding="utf-8")
    allowed = re.findall(r"^  - (--\S+)$", text, re.MULTILINE)
    assert not [word for word in allowed if "filesystem" in word or "=all" in word or "session-bus" in word]
    assert f"path: {packed.name}" in text
    address = f"https://example.org/{packed.name}"
    published = flatpak.manifest(packed, tmp_path, url=address)
    assert published.name == f"{product.APP_ID}-{appimage.MACHINES[product.architecture()][0]}.yml"
    assert f"url: {address}" in published.read_text(encoding="utf-8")
    first = packed.read_bytes()
    with tarfile.open(packed) as content:
        owners = {(entry.uid, entry.gid, entry.mtime) for entry in content}
    assert owners == {(0, 0, 1790000000)}
    assert flatpak.archive(tmp_path / f"{appimage.stem()}.AppDir", tmp_path).read_bytes() == first


# AppImage -------------------------------------------------------------------------------------------------------------


def runtime(room: int = 64) -> bytes:
    """A type-2 runtime as far as its ELF header and its section for update information go."""
    names = b"\0.upd_info\0.shstrtab\0"
    place = 64 + room + len(names)
    machine = appimage.MACHINES[product.architecture()][1]
    ident = b"\x7fELF\x02\x01\x01\0AI\x02".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, machine, 1, 0, 0, place, 0, 64, 0, 0, 64, 3, 2)
    rows = [(0,) * 10, (1, 1, 0, 0, 64, room, 0, 0, 0, 0), (11, 3, 0, 0, 64 + room, len(names), 0, 0, 0, 0)]
    return header + bytes(room) + names + b"".join(struct.pack("<IIQQQQIIQQ", *row) for row in rows)


@linux_only
@needs_squashfs
@pytest.mark.usefixtures("drawn")
def test_the_same_appdir_gives_the_same_appimage(frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = tmp_path / "runtime"
    head.write_bytes(runtime())
    monkeypatch.setenv(appimage.RUNTIME, str(head))
    monkeypatch.setenv(appimage.UPDATE_INFO, "zsync|https://example.org/x.zsync")
    folder = appimage.appdir(frozen, tmp_path)
    one, two = (appimage.appimage(folder, tmp_path / name) for name in ("one", "two"))
    assert one is not None and two is not None
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[len(runtime()) :][:4] == b"hsqs"
    assert b"zsync|https://example.org/x.zsync\0" in one.read_bytes()[: len(runtime())]
    assert one.stat().st_mode & 0o111


def test_without_a_runtime_no_appimage_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(appimage.RUNTIME, raising=False)
    assert appimage.appimage(tmp_path, tmp_path) is None


@linux_only
def test_a_wrong_runtime_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = tmp_path / "runtime"
    head.write_bytes(runtime())
    monkeypatch.setenv(appimage.RUNTIME_SHA256, "0" * 64)
    with pytest.raises(Failed, match="not the expected runtime"):
        appimage.appimage(tmp_path, tmp_path, head)
    monkeypatch.delenv(appimage.RUNTIME_SHA256)
    head.write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(Failed, match="no type-2"):
        appimage.appimage(tmp_path, tmp_path, head)
    with pytest.raises(Failed, match="no room"):
        appimage.with_update_info(runtime(8), "zsync|too long for it")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.2.3", "1.2.3-1"), ("1.2.0rc1", "1.2.0~rc1-1"), ("1.2.0-beta.1", "1.2.0~beta1-1"), ("1.2.dev3", "1.2~dev3-1")],
)
def test_a_version_before_a_release_sorts_before_it(
    version: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "version", lambda: version)
    assert deb.version() == expected
