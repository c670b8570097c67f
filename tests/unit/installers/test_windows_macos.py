"""Windows and macOS packages, as far as any system can look at them: containers, lists of files, scripts, bundles."""

from __future__ import annotations

import ast
import os
import plistlib
import re
import runpy
import shutil
import struct
import sys
import xml.etree.ElementTree as ET
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pytest
from dev_console import ROOT, Failed

from qwen_desktop.core.paths import PORTABLE_MARKER

sys.path.insert(0, str(ROOT / "installers"))

import drawing
import product
import signing
from macos import app, dmg, icns, info, notarise
from windows import icons, nsis, portable, version_info

needs_makensis = pytest.mark.skipif(shutil.which("makensis") is None, reason="makensis is missing")
posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts or symbolic links")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signing secrets, and the same moment in every archive."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for name in [name for name in os.environ if name.startswith(("QWEN_DESKTOP_WINDOWS_", "QWEN_DESKTOP_MACOS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(signing.REQUIRED, raising=False)


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A stand-in for what PyInstaller makes on Windows."""
    folder = tmp_path / "frozen"
    program = bytearray(b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + bytes(0x200))
    program[0x80:0x86] = b"PE\0\0" + struct.pack("<H", 0x8664)
    inside = {"a.dll": b"a", "qwen_desktop/_resources/guide/guide.gguf": b"g" * 5000, "PySide6/pri$ce ü.txt": b""}
    for name, data in {"qwen-desktop.exe": program, "Qwen Desktop.exe": program, "LICENSE.txt": b"l"}.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    for name, data in inside.items():
        place = folder / "_internal" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def _unpacked(data: bytes) -> tuple[int, bytes]:
    """The size and the pixels of a PNG file as ``drawing.png`` writes it."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width == height
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    line = width * 4 + 1
    assert len(rows) == line * height
    return width, b"".join(rows[row * line + 1 : (row + 1) * line] for row in range(height))


# Icons ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn() -> dict[int, bytes]:
    return drawing.pixels(Path(sys.executable), drawing.APP_ICON, sorted({*icons.SIZES, *icns.ENTRIES.values()}))


def test_the_icon_for_windows_has_every_size(drawn: dict[int, bytes]) -> None:
    data = icons.ico({size: drawn[size] for size in icons.SIZES})
    assert struct.unpack("<HHH", data[:6]) == (0, 1, len(icons.SIZES))
    ends = []
    for number, size in enumerate(icons.SIZES):
        width, height, _, _, planes, bits, length, offset = struct.unpack_from("<BBBBHHII", data, 6 + 16 * number)
        assert (width or 256, height or 256, planes, bits) == (size, size, 1, 32)
        body = data[offset : offset + length]
        if size == 256:
            assert _unpacked(body) == (256, drawn[256])
        else:
            assert struct.unpack_from("<IiiHH", body) == (40, size, size * 2, 1, 32)
            assert length == 40 + size * size * 4 + size * ((size + 31) // 32 * 4)
            # the middle of the bottom row of pixels, blue first, is the drawing's own (the file begins at the bottom)
            middle = ((size - 1) * size + size // 2) * 4
            blue, green, red, alpha = body[40 + size // 2 * 4 :][:4]
            assert (red, green, blue, alpha) == tuple(drawn[size][middle : middle + 4])
            # the mask hides the transparent corner and nothing in the middle of the picture
            masks, row = body[40 + size * size * 4 :], (size + 31) // 32 * 4
            assert masks[0] & 0x80
            assert not masks[size // 2 * row + size // 2 // 8] & 0x80 >> size // 2 % 8
        ends.append(offset + length)
    assert ends[-1] == len(data)


def test_the_icon_for_macos_has_every_size(drawn: dict[int, bytes]) -> None:
    data = icns.icns(drawn)
    assert data[:4] == b"icns" and struct.unpack(">I", data[4:8])[0] == len(data)
    found, place = {}, 8
    while place < len(data):
        kind, length = data[place : place + 4].decode(), struct.unpack(">I", data[place + 4 : place + 8])[0]
        found[kind] = _unpacked(data[place + 8 : place + length])[0]
        place += length
    assert found == icns.ENTRIES
    assert {32, 64, 128, 256, 512, 1024} == set(found.values())


def test_the_icon_is_a_picture(drawn: dict[int, bytes]) -> None:
    corner, tile = drawn[256][:4], drawn[256][(128 * 256 + 24) * 4 :][:4]
    assert corner[3] == 0 and tile == bytes((0x51, 0x47, 0xD9, 0xFF))
    picture = icons.banner(drawn[96], 96)
    assert struct.unpack_from("<2sI", picture) == (b"BM", len(picture))


def test_a_python_without_qt_is_told_in_a_sentence(tmp_path: Path) -> None:
    poor = tmp_path / "python"
    poor.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    poor.chmod(0o755)
    if os.name == "nt":
        pytest.skip("the stand-in is a shell script")
    with pytest.raises(Failed, match="PySide6"):
        drawing.pixels(poor, drawing.APP_ICON, [16])


# The installer for Windows --------------------------------------------------------------------------------------------


def test_what_is_removed_is_exactly_what_was_installed(frozen: Path) -> None:
    names = nsis.files(frozen)
    folder, installed, made = "", set(), set()
    for line in nsis.install_list(frozen, names).splitlines():
        if line.startswith("SetOutPath"):
            folder = re.fullmatch(r'SetOutPath "(.+)"', line)[1]  # type: ignore[index]
            made.add(folder)
        else:
            name, source = re.fullmatch(r'File "/oname=(.+?)" "(.+)"', line).groups()  # type: ignore[union-attr]
            assert Path(source).is_file()
            installed.add(f"{folder}\\{name}")
    lines = nsis.uninstall_list(names).splitlines()
    removed = {line[8:-1] for line in lines if line.startswith("Delete ")}
    assert removed == installed and len(removed) == len(names) == 6
    assert "$INSTDIR\\_internal\\PySide6\\pri$$ce ü.txt" in removed
    folders = [line[7:-1] for line in lines if line.startswith("RMDir ")]
    assert made - {"$INSTDIR"} <= set(folders) and "$INSTDIR" not in folders
    for folder in folders:  # the deepest first, never with everything in it
        assert not any(PurePosixPath(later.replace("\\", "/")).is_relative_to(folder.replace("\\", "/"))
                       for later in folders[folders.index(folder) + 1 :])  # fmt: skip
    assert not any(re.search(r"/r\b|\*", line) for line in lines)


def test_a_name_is_defined_before_it_is_used() -> None:
    # makensis takes one that it does not know (yet) for text, without a warning.
    text = (nsis.SCRIPT).read_text(encoding="utf-8")
    defined = re.findall(r"^\s*!define (\w+)", text, re.MULTILINE)
    assert "UNINSTALL_KEY" in defined
    late = [name for name in defined if f"${{{name}}}" in text[: text.index(f"!define {name}")]]
    assert late == []


def test_the_scripts_never_delete_a_whole_folder_at_once() -> None:
    for path in sorted(nsis.SCRIPT.parent.glob("*.ns[ih]")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?im)^\s*RMDir\s+/r|SetShellVarContext all|(Write|Delete)Reg\w+ .*HK(LM|CR)", text), (
            path.name
        )


@pytest.mark.parametrize(
    ("name", "words"),
    [("con.txt", "cannot hold"), ("a:b", "cannot hold"), ("x" * 170, "more than"), ("UNINSTALL.exe", "uninstaller")],
)
@posix_only
def test_what_windows_cannot_hold_is_refused(frozen: Path, name: str, words: str) -> None:
    (frozen / name).write_bytes(b"")
    with pytest.raises(Failed, match=words):
        nsis.files(frozen)


def test_a_folder_from_another_system_is_refused(frozen: Path) -> None:
    (frozen / "qwen-desktop.exe").rename(frozen / "qwen-desktop")
    with pytest.raises(Failed, match=r"qwen-desktop\.exe"):
        nsis.files(frozen)


def test_every_language_has_every_sentence() -> None:
    text = (nsis.SCRIPT.parent / "languages.nsh").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for name, language in re.findall(r"^LangString (\w+) \$\{LANG_(\w+)\} \"[^\"]+\"$", text, re.MULTILINE):
        found.setdefault(language, set()).add(name)
    assert len(found) == 8 and len(re.findall("^LangString", text, re.MULTILINE)) == sum(map(len, found.values()))
    assert all(names == found["ENGLISH"] for names in found.values())
    used = set()
    for path in nsis.SCRIPT.parent.glob("*.ns[ih]"):
        used |= set(re.findall(r"\$\((\w+)\)", path.read_text(encoding="utf-8")))
    assert used == found["ENGLISH"]


@needs_makensis
def test_the_installer_compiles_without_a_warning_and_always_alike(
    frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = nsis.build(frozen, tmp_path / "one", Path(sys.executable))  # -WX makes any warning an error
    assert first.name == f"qwen-desktop-{product.version()}-windows-x64-setup.exe"
    assert f"{first.name} is not signed" in capsys.readouterr().out
    moved = frozen.rename(tmp_path / "elsewhere")
    os.utime(moved / "LICENSE.txt", (1, 1))
    second = nsis.build(moved, tmp_path / "two", Path(sys.executable))
    assert first.read_bytes()[:2] == b"MZ" and first.read_bytes() == second.read_bytes()


@needs_makensis
@posix_only
def test_the_uninstaller_and_then_the_installer_are_signed(
    frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, signer = tmp_path / "log", tmp_path / "sign er"
    signer.write_text(f'#!/bin/sh\nprintf x >> "{log}"\nhead -c 2 "$1" >> "{log}"\n')
    signer.chmod(0o755)
    monkeypatch.setenv(signing.SIGN_COMMAND, f"'{signer}'")
    nsis.build(frozen, tmp_path / "out", Path(sys.executable))
    assert log.read_text() == "xMZxMZ"


def test_the_portable_archive_is_always_alike_and_has_the_marker(frozen: Path, tmp_path: Path) -> None:
    first = portable.build(frozen, tmp_path / "one")
    for path in frozen.rglob("*"):
        os.utime(path, (1, 1))
    second = portable.build(frozen, tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sorted(names) == sorted(f"Qwen Desktop/{name}" for name in [*nsis.files(frozen), PORTABLE_MARKER])
        assert archive.read(f"Qwen Desktop/{PORTABLE_MARKER}").endswith(b".\r\n")
        assert {entry.date_time[:2] for entry in archive.infolist()} == {(2026, 9)}
    assert portable.MARKER == PORTABLE_MARKER
    (frozen / "data").mkdir()
    (frozen / "data" / "x").touch()
    with pytest.raises(Failed, match="portable"):
        portable.build(frozen, tmp_path / "three")


def test_the_version_resource_and_the_manifest_can_be_read(tmp_path: Path) -> None:
    assert version_info.numbers("1.2.3.dev4") == (1, 2, 3, 0) and version_info.numbers("0.1.0rc1") == (0, 1, 0, 0)
    for program in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM):
        version_file, manifest_file = version_info.write(tmp_path, program)
        tree = ast.parse(version_file.read_text(encoding="utf-8"), mode="eval")
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called == {"VSVersionInfo", "FixedFileInfo", "StringFileInfo", "StringTable", "StringStruct",
                          "VarFileInfo", "VarStruct"}  # fmt: skip
        values = [ast.literal_eval(word) for call in ast.walk(tree) if isinstance(call, ast.Call)
                  and getattr(call.func, "id", "") == "StringStruct" for word in call.args]  # fmt: skip
        strings = dict(zip(values[::2], values[1::2], strict=True))
        assert strings["OriginalFilename"] == f"{program}.exe" and strings["ProductVersion"] == product.version()
        root = ET.parse(manifest_file).getroot()  # noqa: S314 - our own file
        settings = {element.tag.partition("}")[2]: element.text for element in root.iter() if element.text}
        assert settings["longPathAware"] == "true" and settings["dpiAwareness"] == "PerMonitorV2"


# macOS ----------------------------------------------------------------------------------------------------------------


def test_the_property_lists_are_valid(tmp_path: Path) -> None:
    found = plistlib.loads(plistlib.dumps(info.values()))
    assert found["CFBundleExecutable"] == "Qwen Desktop" and found["LSMinimumSystemVersion"] == product.MACOS_MINIMUM
    (document,), (kind,) = found["CFBundleDocumentTypes"], found["UTImportedTypeDeclarations"]
    assert document["LSItemContentTypes"] == [kind["UTTypeIdentifier"]] == ["org.ggml.gguf"]
    assert document["LSHandlerRank"] == "Alternate"  # no default is taken from anybody
    for architecture in ("arm64", "x64"):
        path = info.write_entitlements(tmp_path / architecture, architecture)
        assert plistlib.loads(path.read_bytes()) == info.entitlements(architecture)
    assert info.entitlements("arm64") == {}


@pytest.fixture
def bundle(tmp_path: Path, frozen: Path) -> Path:
    """A stand-in for what BUNDLE makes, of fewer files than the frozen folder has by now."""
    contents = tmp_path / app.BUNDLE / "Contents"
    library = b"\xcf\xfa\xed\xfe and code"
    for name, data in {
        "MacOS/Qwen Desktop": library, "MacOS/qwen-desktop": library, "Resources/qwen_desktop/_resources/x": b"x",
        "Resources/app.icns": b"icns", "Frameworks/libllama.dylib": library,
        "Frameworks/PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore": library,
        "Info.plist": plistlib.dumps({**info.values(), "CFBundleIconFile": "app.icns"}),
    }.items():  # fmt: skip
        (contents / name).parent.mkdir(parents=True, exist_ok=True)
        (contents / name).write_bytes(data)
    (contents / "Frameworks" / "qwen_desktop").symlink_to("../Resources/qwen_desktop")
    (contents / "Frameworks" / "gone").symlink_to("../Resources/gone")
    for name in ("Qwen Desktop", "qwen-desktop"):
        (frozen / f"{name}.exe").rename(frozen / name)
    return contents.parent


@posix_only
def test_the_bundle_gets_what_came_into_the_frozen_folder_later(frozen: Path, bundle: Path) -> None:
    (frozen / "_internal" / "licences").mkdir()
    (frozen / "_internal" / "licences" / "a.txt").write_text("a")
    (frozen / "_internal" / "licences" / "b.txt").write_text("b")
    added = app.complete(frozen, bundle)
    contents = bundle / "Contents"
    assert {"LICENSE.txt", "licences/a.txt", "qwen_desktop/_resources/guide/guide.gguf"} <= set(added)
    for name in added:
        assert (contents / "Resources" / name).is_file() and (contents / "Frameworks" / name).is_file()
    assert (contents / "Frameworks" / "licences").is_symlink()
    assert not any(path.is_symlink() and not path.exists() for path in bundle.rglob("*"))
    assert not (contents / "Resources" / "Qwen Desktop").exists()
    assert app.complete(frozen, bundle) == []
    app.check(bundle)
    (contents / "Info.plist").write_bytes(plistlib.dumps({"CFBundleExecutable": "qwen-desktop"}))
    with pytest.raises(Failed, match="CFBundleExecutable"):
        app.check(bundle)


@posix_only
def test_the_bundle_is_signed_once(
    frozen: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signed: list[Path] = []
    monkeypatch.setattr(signing, "macos_app", signed.append)
    for _ in range(2):  # the bundle for itself, and for the disk image
        assert app.build(frozen, tmp_path / "out") == tmp_path / "out" / app.BUNDLE
    assert signed == [tmp_path / "out" / app.BUNDLE]
    assert (bundle / "Contents" / "Frameworks" / "gone").is_symlink()  # PyInstaller's own stays as it was
    assert capsys.readouterr().out.startswith("Qwen Desktop.app: ")
    with pytest.raises(Failed, match="BUNDLE"):
        app.build(tmp_path / "nowhere" / "qwen-desktop", tmp_path / "other")


@posix_only
def test_code_is_signed_from_the_inside_out(bundle: Path) -> None:
    names = [path.relative_to(bundle / "Contents").as_posix() for path in notarise.order(bundle)]
    framework = "Frameworks/PySide6/Qt/lib/QtCore.framework"
    assert names == [
        f"{framework}/Versions/A/QtCore", framework, "Frameworks/libllama.dylib", "MacOS/qwen-desktop",
        "MacOS/Qwen Desktop",
    ]  # fmt: skip


def test_the_disk_images_layout_shows_the_app_and_applications(tmp_path: Path) -> None:
    command = dmg.command(tmp_path / app.BUNDLE, tmp_path / "x.dmg", Path("python"), tmp_path / "i.icns")
    given = dict(str(command[place + 1]).split("=", 1) for place, word in enumerate(command) if word == "-D")
    found = runpy.run_path(str(dmg.SETTINGS), {"defines": given})
    assert set(found["icon_locations"]) == {Path(found["files"][0]).name, *found["symlinks"]}
    assert found["format"] == "ULMO" and found["icon"].endswith("i.icns")
