"""The frozen folder: what is taken out of it, what must be in it, and the build's command line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import PySide6
import pytest
import shiboken6

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "installers"), str(ROOT / "tools")]

import build  # noqa: E402
import dev_cache  # noqa: E402
import dev_pele  # noqa: E402
import freeze  # noqa: E402
import llama  # noqa: E402
import product  # noqa: E402
import verify  # noqa: E402
from dev_console import Failed  # noqa: E402

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are on Linux")


@pytest.fixture(autouse=True)
def same_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    yield


def frozen(folder: Path) -> Path:
    """A folder that has what a frozen one must have."""
    resources = folder / "_internal" / "qwen_desktop" / "_resources"
    for name in (
        "guide/guide.gguf",
        "catalog.json",
        "icons/app.svg",
        "themes/tokens.json",
        "translations/qwen_desktop_en.qm",
        "quality/text.txt",
        "diagrams/pele.js",
        "../../ziamath/fonts/STIXTwoMath-Regular.ttf",
        "../../latex2mathml/unimathsymbols.txt",
        "../../pypdfium2_raw/libpdfium.so",
        "../../PySide6/Qt/plugins/platforms/libqoffscreen.so",
    ):
        (resources / name).parent.mkdir(parents=True, exist_ok=True)
        (resources / name).write_text("here")
    library = folder / "_internal" / "llama_cpp" / "lib" / "libggml-cpu-haswell.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"")
    return folder


def test_a_whole_folder_passes_and_one_without_the_guide_is_refused(tmp_path: Path) -> None:
    folder = frozen(tmp_path)
    freeze.check(folder)
    assert set(verify.kinds(folder)) == {"haswell"}
    (folder / "_internal/ziamath/fonts/STIXTwoMath-Regular.ttf").unlink()
    (folder / "_internal/qwen_desktop/_resources/guide/guide.gguf").unlink()
    (folder / "_internal/qwen_desktop/_resources/quality/text.txt").unlink()
    (folder / "_internal/pypdfium2_raw/libpdfium.so").unlink()
    (folder / "_internal/PySide6/Qt/plugins/platforms/libqoffscreen.so").unlink()
    with pytest.raises(Failed, match="lacks the guide, the text that quality is measured on, the font of formulas,"):
        freeze.check(folder)


def test_a_folder_without_a_processor_backend_is_refused(tmp_path: Path) -> None:
    folder = frozen(tmp_path)
    (folder / "_internal/llama_cpp/lib/libggml-cpu-haswell.so").rename(folder / "_internal/llama_cpp/lib/libllama.so")
    with pytest.raises(Failed, match="processor backend"):
        freeze.check(folder)


def test_cleaning_takes_pips_notes_and_sources_and_gives_all_files_one_moment(tmp_path: Path) -> None:
    folder = frozen(tmp_path)
    notes = folder / "_internal" / "thing-1.0.dist-info"
    notes.mkdir()
    for name in ("RECORD", "direct_url.json", "METADATA"):
        (notes / name).write_text(name)
    (folder / "_internal" / "thing.pyi").write_text("x: int")
    freeze.clean(folder)
    assert sorted(path.name for path in notes.iterdir()) == ["METADATA"]
    assert not (folder / "_internal" / "thing.pyi").exists()
    assert {int(path.stat().st_mtime) for path in [folder, *folder.rglob("*")]} == {1_700_000_000}


@linux_only
def test_libraries_that_nothing_needs_any_more_are_dropped_one_after_the_other(tmp_path: Path) -> None:
    """Qt's binding needs PySide's library, which needs Shiboken's: without the first all of them go."""
    inside = tmp_path / "_internal"
    inside.mkdir()
    found = [next(Path(package.__path__[0]).glob(pattern)) for package, pattern in
             ((PySide6, "libpyside6.*so*"), (shiboken6, "libshiboken6.*so*"))]  # fmt: skip
    for path in found:
        shutil.copy2(path, inside / path.name)
    binding = inside / "PySide6" / "QtNetwork.abi3.so"
    binding.parent.mkdir()
    shutil.copy2(Path(PySide6.__path__[0]) / binding.name, binding)
    freeze.drop_unneeded(inside)
    assert {path.name for path in inside.glob("lib*")} == {path.name for path in found}
    binding.unlink()
    freeze.drop_unneeded(inside)
    assert not list(inside.glob("lib*"))


@linux_only
def test_the_newest_glibc_is_read_from_the_files(tmp_path: Path) -> None:
    library = Path(PySide6.__path__[0]) / "QtNetwork.abi3.so"
    shutil.copy2(library, tmp_path / library.name)
    assert (2, 2) <= freeze.newest_glibc(tmp_path) < (3, 0)
    (tmp_path / library.name).unlink()
    assert freeze.newest_glibc(tmp_path) == (0, 0)


def test_only_a_frozen_folder_is_replaced(tmp_path: Path) -> None:
    freeze.give_way(tmp_path / "nothing")
    old = tmp_path / "old"
    (old / "_internal").mkdir(parents=True)
    freeze.give_way(old)
    assert not old.exists()
    other = tmp_path / "qwen-desktop"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(Failed, match="--out"):
        freeze.give_way(other)
    with pytest.raises(Failed, match="--out"):
        freeze.give_way(product.ROOT.parent)
    assert (other / "letter.txt").read_text() == "mine"


def test_an_unknown_kind_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build.main(["rpm"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "rpm" in said
    assert all(kind in said for kind in build.KINDS[product.system()])


@pytest.mark.parametrize(("system", "arch"), [(s, a) for s in ("linux", "windows", "macos") for a in ("x64", "arm64")])
def test_llama_cpp_is_never_built_for_one_processor_alone(system: str, arch: str) -> None:
    options = product.llama_options(system, arch)
    assert options["GGML_NATIVE"] == "OFF"
    assert options["GGML_BACKEND_DL"] == "ON"
    assert options["BUILD_SHARED_LIBS"] == "ON"
    assert "CMAKE_TOOLCHAIN_FILE" not in options  # llama.cpp's own names a processor of 2023
    assert options.get("GGML_METAL", "OFF") == ("ON" if (system, arch) == ("macos", "arm64") else "OFF")
    if (system, arch) == ("windows", "arm64"):
        assert options["GGML_CPU_ARM_ARCH"] == "armv8-a"


def test_a_moment_that_is_no_number_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(Failed, match="SOURCE_DATE_EPOCH"):
        product.epoch()


def test_what_is_missing_is_said_before_the_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "system", lambda: "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "dpkg-deb" else f"/usr/bin/{name}")
    build._need(["appdir"])
    with pytest.raises(Failed, match="dpkg-deb missing"):
        build._need(["deb", "appdir"])
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mksquashfs" else f"/usr/bin/{name}")
    monkeypatch.delenv("QWEN_DESKTOP_APPIMAGE_RUNTIME", raising=False)
    build._need(["appimage"])  # none will be made
    monkeypatch.setenv("QWEN_DESKTOP_APPIMAGE_RUNTIME", "/some/runtime")
    with pytest.raises(Failed, match="squashfs-tools"):
        build._need(["appimage"])
    monkeypatch.setattr(product, "system", lambda: "windows")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    build._need(["zip"])
    with pytest.raises(Failed, match="makensis is missing"):
        build._need(["nsis", "zip"])


def test_a_build_of_llama_cpp_is_kept_under_what_it_was_made_with() -> None:
    options = product.llama_options("linux", "x64")
    assert llama.key(options, "") == llama.key(dict(reversed(options.items())), "")
    assert llama.key(options, "") != llama.key(options | {"GGML_VULKAN": "ON"}, "")
    assert llama.key(options, "") != llama.key(options, "another glslc")


@pytest.mark.skipif(os.name == "nt", reason="the compiler here is a shell script")
@pytest.mark.parametrize("knows", [True, False])
def test_kinds_of_arm_processors_that_the_compiler_does_not_know_are_left_out(
    knows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "ggml" / "src" / "CMakeLists.txt"
    listed.parent.mkdir(parents=True)
    rows = ["armv8.6_2    DOTPROD SVE2", "armv9.2_1    DOTPROD SME", "armv9.2_2    DOTPROD SVE2 SME"]
    whole = "".join(f"            ggml_add_cpu_backend_variant({row})\n" for row in rows)
    listed.write_text(whole)
    monkeypatch.setattr(product, "system", lambda: "linux")
    monkeypatch.setattr(product, "architecture", lambda: "arm64")
    compiler = tmp_path / "compiler"
    compiler.write_text(f"#!/bin/sh\nexit {0 if knows else 1}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert llama.without_sme() is not knows
    llama.fit(tmp_path, sme=knows)
    assert [row for row in rows if row in listed.read_text()] == (rows if knows else rows[:1])
    llama.fit(tmp_path, sme=True)  # another compiler later
    assert listed.read_text() == whole
    monkeypatch.setattr(product, "architecture", lambda: "x64")
    assert not llama.without_sme()


def test_the_source_of_the_pinned_engine_has_a_checksum() -> None:
    assert len(product.SDIST_SHA256[product.engine_version()]) == 64


def test_a_version_is_that_of_the_app() -> None:
    import qwen_desktop  # noqa: PLC0415

    assert product.version() == qwen_desktop.__version__
    assert os.environ["SOURCE_DATE_EPOCH"] == str(product.epoch())


def test_installers_fetch_what_draws_diagrams_and_are_not_built_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(dev_cache.OVERRIDE, str(tmp_path / "cache"))
    monkeypatch.setattr(dev_pele, "FOLDER", tmp_path / "diagrams")
    monkeypatch.setattr(dev_pele, "ARCHIVE", dev_pele.ARCHIVE._replace(url="http://127.0.0.1:1/pele.tgz"))
    monkeypatch.setattr(build, "_need", lambda _: None)
    monkeypatch.setattr(build, "_work", lambda *_, **__: pytest.fail("the long work has begun"))
    assert build.main(["folder", "--out", str(tmp_path)]) == 1
    assert "Pele 1" in (said := capsys.readouterr().err) and "cannot be downloaded" in said
