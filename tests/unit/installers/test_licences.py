"""Nothing ships without a licence that permits it, and every artefact has a bill of what is in it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INSTALLERS = Path(__file__).resolve().parents[3] / "installers"
sys.path[:0] = [str(INSTALLERS), str(INSTALLERS.parent / "tools")]

import dev_cache  # noqa: E402 - installers/ is on the path only now
import dev_pele  # noqa: E402
import licence_table  # noqa: E402
import licences  # noqa: E402
import product  # noqa: E402
import sbom  # noqa: E402
from dev_console import Failed  # noqa: E402
from licence_notice import Component, notice  # noqa: E402

from qwen_desktop.services import notices  # noqa: E402

ELF = b"\x7fELF and the rest"
MIT = "Permission is hereby granted, free of charge, to whom it may concern."


def package(name: str, licence: str, *files: str, **more: Any) -> dict[str, Any]:
    """A distribution as the probe tells of it."""
    said: dict[str, Any] = {
        "name": name, "version": "1.0", "expression": licence, "licence": "", "classifiers": [], "home": "",
        "files": list(files), "texts": {"licenses/LICENSE": MIT}, "boms": [], "root": "",
    }  # fmt: skip
    return said | more


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., list[Component]]:
    """Lay out a frozen folder with some compiled files, and find its components."""
    source = tmp_path / "source"
    (source / "vendor" / "llama.cpp").mkdir(parents=True)
    (source / "vendor" / "llama.cpp" / "LICENSE").write_text(f"The ggml authors. {MIT}", encoding="utf-8")
    frozen = tmp_path / "frozen"

    def made(*files: str, packages: tuple[dict[str, Any], ...] = ()) -> list[Component]:
        for name in ("qwen-desktop", "_internal/llama_cpp/lib/libggml-cpu-haswell.so", *files):
            path = frozen / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(ELF)
        pyinstaller = package("pyinstaller", "", "PyInstaller/__init__.py")
        probe = {
            "modules": ["json", "small"],
            "distributions": [pyinstaller, *packages],
            "python": {"version": "3.13.9", "licence": "PSF licence"},
            "versions": {"openssl": "3.5.0", "sqlite": "3.50.0", "zlib": "1.3.1", "expat": "2.7.1"},
        }
        found = licences.identify(probe, licences.native_files(frozen), frozen, source)
        licences.check(found)
        return found

    return made


def by_name(components: list[Component]) -> dict[str, Component]:
    return {part.name: part for part in components}


# Licences ------------------------------------------------------------------------------------------------------------


def test_what_is_in_the_folder_is_listed_and_what_is_not_is_left_out(make: Callable[..., list[Component]]) -> None:
    fast = package("fast", "MIT", "fast/_core.so")
    parts = by_name(
        make(
            "_internal/fast/_core.so",
            "_internal/lib-dynload/_ssl.so",
            "_internal/PySide6/Qt/lib/libQt6Core.so.6",
            packages=(
                fast,
                package("small", "MIT", "small/__init__.py"),
                package("unused", "MIT", "unused/__init__.py"),
                package("PySide6_Essentials", "", "PySide6/Qt/lib/libQt6Core.so.6", version="6.11.3", texts={}),
            ),
        )
    )
    assert parts["fast"].files[0][0] == "_internal/fast/_core.so"
    # Windows keeps the capitals of whoever linked a library; ARM's names have dots.
    again = by_name(make("_internal/FAST.dll", "_internal/llama_cpp/lib/libggml-cpu-armv8.2_1.so", packages=(
        package("fast", "MIT", "fast/fast.dll", "fast/_core.so"), package("PySide6_Essentials", "", version="6.11.3"),
    )))  # fmt: skip
    assert "_internal/FAST.dll" in [path for path, _ in again["fast"].files]
    assert any("armv8.2" in path for path, _ in again["llama.cpp"].files)
    assert "small" in parts
    assert "unused" not in parts
    assert parts["Python"].files[0][0] == "_internal/lib-dynload/_ssl.so"
    assert parts["llama.cpp"].files[0][0].endswith("libggml-cpu-haswell.so")
    assert "The ggml authors" in parts["llama.cpp"].texts[0]
    assert parts["OpenSSL"].version == "3.5.0"  # inside Python everywhere
    assert parts["Qt"].version == "6.11.3"
    assert "put your own builds" in parts["Qt"].note
    assert sum("GENERAL PUBLIC LICENSE" in text[:200] for text in parts["Qt"].texts) == 2  # the LGPL adds to the GPL
    assert [path for path, _ in parts["pyinstaller"].files] == ["qwen-desktop"]  # its bootloader
    assert "exception" in parts["pyinstaller"].note


def test_fonts_data_and_scripts_of_others_are_listed_with_their_own_licences(
    make: Callable[..., list[Component]], tmp_path: Path
) -> None:
    row = licence_table.DATA[0]
    diagrams = tmp_path / "frozen" / licences.NOTICE.parent / "diagrams"
    diagrams.mkdir(parents=True)
    (diagrams / "pele.js").write_text("var pele = {}", encoding="utf-8")
    with pytest.raises(Failed, match=r"Pele \(.*diagrams/pele\.js\) comes without the text of its licence"):
        make()
    (diagrams / "LICENSE").write_text("Copyright (c) kepano", encoding="utf-8")
    parts = by_name(
        make(
            f"_internal/{row.path}",
            "_internal/_quickjs.abi3.so",
            packages=(
                package("ziamath", "MIT", row.path),
                package("quickjs-ng", "", "_quickjs.abi3.so"),
                package("latex2mathml", "MIT", "small.py", texts={}),
            ),
        )
    )
    font = parts["STIX Two Math"]
    assert font.licence == "OFL-1.1" and "SIL OPEN FONT LICENSE" in font.texts[0] and "ziamath 1.0" in font.note
    assert font.files[0][0].endswith(row.path) and "unimathsymbols.txt" not in parts
    assert parts["quickjs-ng"].licence == "MIT" and "Fabrice Bellard" in parts["quickjs-ng"].texts[-1]
    assert "Ronie Martinez" in parts["latex2mathml"].texts[0]
    pele = parts["Pele"]
    assert pele.version == dev_pele.VERSION and pele.texts == ("Copyright (c) kepano",)
    assert pele.files == (
        ("_internal/qwen_desktop/_resources/diagrams/pele.js", dev_cache.sha256_of(diagrams / "pele.js")),
    )


def test_pdfium_has_the_texts_of_all_that_is_linked_into_it_and_its_package_only_its_own(
    make: Callable[..., list[Component]],
) -> None:
    library = "pypdfium2_raw/libpdfium.so"
    texts = {
        "licenses/LICENSES/BSD-3-Clause.txt": "Neither the name", "licenses/BUILD_LICENSES/pdfium.txt": "PDFium",
        "licenses/BUILD_LICENSES/lcms.txt": "Little CMS", "licenses/BUILD_LICENSES/android/v.txt": "Of others",
    }  # fmt: skip
    parts = by_name(make(f"_internal/{library}", packages=(package("pypdfium2", "", library, texts=texts),)))
    assert parts["PDFium"].files[0][0] == f"_internal/{library}" and not parts["pypdfium2"].files
    assert {"PDFium", "Little CMS"} <= set(parts["PDFium"].texts)
    own = parts["pypdfium2"].texts
    assert own[0] == "Neither the name" and not set(own[:1]) & set(parts["PDFium"].texts)
    assert not {"PDFium", "Little CMS", "Of others"} & set(own)
    assert "Of others" not in parts["PDFium"].texts
    assert parts["pypdfium2"].licence == "Apache-2.0 AND BSD-3-Clause"


def test_a_library_that_nobody_knows_stops_the_build(make: Callable[..., list[Component]]) -> None:
    with pytest.raises(Failed, match=r"whose these files are: _internal/libmystery\.so\.1"):
        make("_internal/libmystery.so.1")


def test_a_library_under_the_gpl_alone_stops_the_build(make: Callable[..., list[Component]]) -> None:
    with pytest.raises(Failed, match=r"GNU Readline \(_internal/libreadline\.so\.8\) is under GPL-3\.0-or-later"):
        make("_internal/libreadline.so.8")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"expression": "GPL-3.0-only"}, "is under GPL-3.0-only"),
        ({"expression": ""}, "has no licence in its metadata"),
        ({"expression": "Proprietary-1.0"}, "which nobody has judged"),
        ({"texts": {}}, "without the text of its licence"),
    ],
)
def test_a_package_with_a_licence_problem_stops_the_build(
    make: Callable[..., list[Component]], more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Failed, match=re.escape(reason)):
        make(packages=(package("small", "MIT", "small/__init__.py") | more,))


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True),
        ("GPL-2.0-only OR MIT", True),
        ("MIT AND GPL-2.0-only", False),
        ("MIT AND (GPL-2.0-only OR BSD-3-Clause)", True),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", True),
        ("GPL-3.0-or-later WITH Font-exception-2.0", False),
        ("AGPL-3.0-only", False),
        ("(MIT", True),
        ("MIT )", False),
        ("", False),
    ],
)
def test_expressions_are_judged(expression: str, good: bool) -> None:
    assert (licence_table.judged(expression) == "") is good


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"expression": "BSD-2-Clause"}, "BSD-2-Clause"),
        ({"licence": "Apache 2.0"}, "Apache-2.0"),
        ({"classifiers": ["MIT License"]}, "MIT"),
        ({"classifiers": ["BSD License"], "texts": {"L": "… Neither the\nname of …"}}, "BSD-3-Clause"),
        ({"classifiers": ["BSD License"], "texts": {"L": "Redistribution …"}}, "BSD-2-Clause"),
    ],
)
def test_the_licence_is_found_however_metadata_say_it(said: dict[str, Any], wanted: str) -> None:
    assert licences.expression(package("any", "") | said) == wanted


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("PySide6/Qt/plugins/platforms/libqxcb.so", "Qt"),
        ("PySide6/Qt6Core.dll", "Qt"),
        ("PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore", "Qt"),
        ("PySide6/opengl32sw.dll", "Mesa"),
        ("libcrypto-3-x64.dll", "OpenSSL"),
        ("libssl.3.dylib", "OpenSSL"),
        ("sqlite3.dll", "SQLite"),
        ("VCRUNTIME140_1.dll", "Microsoft runtime"),
        ("numpy/.dylibs/libgcc_s.1.1.dylib", "GCC runtime"),
        ("libglib-2.0.so.0", "GLib"),
        ("libxcb-xkb.so.1", "XCB"),
        ("libffi-8.dll", "libffi"),
    ],
)
def test_libraries_of_every_system_are_known(path: str, name: str) -> None:
    assert next(row.name for row in licence_table.NATIVE if row.claims(path)) == name


def test_every_text_that_the_table_names_is_there() -> None:
    named = {row.text for row in (*licence_table.NATIVE, *licence_table.DATA)} | {*licence_table.LACKING.values()}
    for name in named | {file for file, _ in licence_table.IN_FULL.values()}:
        assert name in ("", "Apache-2.0") or (INSTALLERS / "licence_texts" / name).is_file(), name


def test_the_window_reads_back_what_the_build_writes() -> None:
    rule = "=" * 78
    parts = [
        Component("a", "1", "MIT", home="https://a.example", texts=(MIT, f"Second\n{rule}\ntext"), note="A note: so."),
        Component("b", "", "MIT AND Zlib", texts=(MIT.replace(" ", "\n"),), inside=(("c", "2", "MIT"),)),
    ]
    text = notice(parts)
    assert text.count("free of charge") == 1  # the same text with other line ends is there once
    first, second = notices.parse(text)
    assert first == notices.Part("a", "1", "MIT", "https://a.example", "A note: so.", parts[0].texts)
    assert (second.name, second.version, second.texts) == ("b", "", (MIT,))
    assert second.note == "Linked into it: c 2 MIT."


# Bills of materials --------------------------------------------------------------------------------------------------


def test_a_bill_names_the_artefact_its_parts_and_their_licences(
    tmp_path: Path, make: Callable[..., list[Component]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    artefact = tmp_path / "app.deb"
    artefact.write_bytes(b"package")
    parts = make("_internal/fast/_core.so", packages=(package("fast", "MIT", "fast/_core.so"),))
    path = sbom.write(artefact, parts)
    assert path.name == "app.deb.cdx.json"
    first = path.read_bytes()
    bill = json.loads(first)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2025-06-15T15:06:40Z"
    root = bill["metadata"]["component"]
    assert root["hashes"] == [{"alg": "SHA-256", "content": dev_cache.sha256_of(artefact)}]
    fast = next(part for part in bill["components"] if part["name"] == "fast")
    assert (fast["version"], fast["purl"]) == ("1.0", "pkg:pypi/fast@1.0")
    assert fast["licenses"] == [{"expression": "MIT"}]
    assert fast["components"][0]["name"] == "_internal/fast/_core.so"
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(refs) == len(set(refs))
    assert bill["dependencies"][0] == {"ref": root["bom-ref"], "dependsOn": refs}
    assert product.NAME not in [part["name"] for part in bill["components"]]
    sbom.write(artefact, parts)
    assert path.read_bytes() == first  # the same input gives the same bytes
    artefact.write_bytes(b"another")
    sbom.write(artefact, parts)
    assert json.loads(path.read_bytes())["serialNumber"] != bill["serialNumber"]


def test_a_bill_fits_cyclonedx_own_schema(tmp_path: Path, make: Callable[..., list[Component]]) -> None:
    sbom.validate([sbom.write(tmp_path, make())])
