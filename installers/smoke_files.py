"""What the smoke test reads and compares on the disk: trees before and after, answers in the history, the guide's
facts, desktop entries, and the planted libraries. Pure functions but for the compiler's call."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import sqlite3
import struct
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import product
from dev_console import Failed, output

#: One word, or the same in several languages.
Words = tuple[str, ...]
#: size, time of the last change in nanoseconds, kind ("d", "f", "l")
Entry = tuple[int, int, str]

#: What other programs of a desktop keep in a home while ours runs; not ours, and not looked at.
NOT_OURS = (
    ".cache/fontconfig", ".cache/mesa_shader_cache", ".cache/mesa_shader_cache_db", ".cache/dconf", ".config/dconf",
    ".cache/nvidia", ".nv",
)  # fmt: skip
#: A word of an Exec key: in quotes with escapes, or without either.
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
#: Names of files that a library search or an import would find in the current folder.
PLANTED_LIBRARIES = (
    "libggml-cpu-haswell", "libggml-cpu-x64", "libggml-cpu-sse42", "libggml-cpu", "libggml-base", "libggml", "libllama",
    "libmtmd", "libggml-vulkan", "libggml-blas", "ggml-vulkan", "ggml-cpu-haswell", "ggml-cpu", "llama",
)  # fmt: skip
PLANTED_MODULES = ("qwen_desktop", "llama_cpp", "PySide6", "msgspec", "sitecustomize", "json")


#: What stands in each of ``documents``.
WORDS = "A heron nests by the lake"

# Trees ---------------------------------------------------------------------------------------------------------------


def snapshot(roots: Iterable[Path], *, without: Sequence[str] = ()) -> dict[str, Entry]:
    """Every path below ``roots`` (each root itself too). ``without`` are beginnings of paths that are left out."""
    found: dict[str, Entry] = {}
    waiting = [str(root) for root in roots]
    while waiting:
        path = waiting.pop()
        if without and path.startswith(tuple(without)):
            continue
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            kind = "l" if os.path.islink(path) else "d" if os.path.isdir(path) else "f"  # noqa: PTH114, PTH112 - fast
            found[path] = (status.st_size if kind == "f" else 0, status.st_mtime_ns if kind == "f" else 0, kind)
            if kind == "d":
                with os.scandir(path) as entries:
                    waiting += [entry.path for entry in entries]
    return found


def differences(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> dict[str, str]:
    """Paths that are "new", "gone" or "changed"."""
    found = dict.fromkeys(after.keys() - before.keys(), "new")
    found |= dict.fromkeys(before.keys() - after.keys(), "gone")
    found |= {path: "changed" for path in before.keys() & after.keys() if before[path] != after[path]}
    return dict(sorted(found.items()))


def told(found: Mapping[str, str] | Sequence[str], most: int = 8) -> str:
    """Some of the paths as a sentence names them."""
    words = [f"{path} ({how})" for path, how in found.items()] if isinstance(found, Mapping) else list(found)
    return "; ".join(words[:most]) + (f"; and {len(words) - most} more" if len(words) > most else "")


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of the files among and below ``paths``; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for path in paths:
        for name, (size, _, kind) in snapshot([path]).items():
            if kind == "f":
                status = os.lstat(name)
                seen[(status.st_dev, status.st_ino) if status.st_ino else (0, hash(name))] = size
    return sum(seen.values())


def strangers(home: Path, ours: Sequence[Path], mine: Sequence[Path]) -> list[str]:
    """Files below a home that are in none of the app's folders (``ours``), not made by the test (``mine``) and not
    known to come from other programs."""
    allowed = (*ours, *mine, *(home / name for name in NOT_OURS))
    found = snapshot([home])
    return sorted(
        path
        for path, (_, _, kind) in found.items()
        if kind != "d" and not any(Path(path).is_relative_to(folder) for folder in allowed)
    )


# The guide and the history -------------------------------------------------------------------------------------------


def facts(name: str, folder: Path = product.ROOT / "resources" / "guide" / "facts") -> tuple[Words, ...]:
    """What an answer of the guide about the fact ``name`` must contain: of each entry one word."""
    for path in sorted(folder.glob("*.toml")):
        entry = tomllib.loads(path.read_text(encoding="utf-8")).get(name)
        if entry is not None and entry.get("must"):
            return tuple((word,) if isinstance(word, str) else tuple(word) for word in entry["must"])
    raise Failed(f"The guide's facts in {folder} have no {name}.")


class Stored(NamedTuple):
    """The last message of a history."""

    seq: int
    role: str
    text: str
    status: str
    reason: str
    provenance: dict[str, Any]
    stats: dict[str, Any]
    conversation: str


def last_message(database: Path) -> Stored | None:
    """The newest message, None when there is none (yet). The history is only read."""
    if not database.is_file():
        return None
    columns = "seq, role, parts, status, finish_reason, provenance, stats, conversation_id"
    query = f"SELECT {columns} FROM messages ORDER BY seq DESC LIMIT 1"  # noqa: S608 - of our own words
    # as a URL by hand: Path.as_uri() refuses nothing, but SQLite wants no host on Windows
    address = "file:" + quote(("/" if os.name == "nt" else "") + database.as_posix()) + "?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2)) as connection:
            row = connection.execute(query).fetchone()
    except sqlite3.Error:  # it is just being made, or written
        return None
    if row is None:
        return None
    text = "".join(part.get("text", "") for part in json.loads(row[2]) if part.get("type") == "text")
    provenance, stats = (json.loads(value) if value else {} for value in row[5:7])
    return Stored(row[0], row[1], text, row[3], row[4] or "", provenance, stats, row[7])


def rewrite_last(database: Path, text: str) -> None:
    """Let the newest message be this text. The app must not run."""
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        newest = "seq = (SELECT max(seq) FROM messages)"
        parts = json.dumps([{"type": "text", "text": text}])
        connection.execute(f"UPDATE messages SET parts = ? WHERE {newest}", (parts,))  # noqa: S608 - a literal of ours


def lacking(text: str, must: Iterable[Words]) -> str:
    """Which of ``must`` (see ``facts``) a text does not contain, "" for none."""
    return ", ".join(" or ".join(words) for words in must if not any(word in text for word in words))


def wrong_with(message: Stored, must: Iterable[Words]) -> str:
    """Why a stored message is not the complete answer that was expected; "" when it is."""
    if message.role != "assistant":
        return "no answer was stored"
    if message.status != "done" or message.reason != "stop":
        return f"the answer's state is {message.status} ({message.reason or 'without a reason'})"
    missing = lacking(message.text, must)
    return f"the answer lacks {missing}: {message.text[:200]!r}" if missing else ""


# Desktop entries -----------------------------------------------------------------------------------------------------


def desktop_entry(text: str) -> dict[str, str]:
    """The keys of the group [Desktop Entry], untranslated ones only."""
    found: dict[str, str] = {}
    group = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            group = stripped
        elif group == "[Desktop Entry]" and "=" in stripped and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            if "[" not in key:
                found[key.strip()] = value.strip()
    return found


def exec_line(value: str, files: Sequence[str] = ()) -> list[str]:
    """The command of an ``Exec`` key for these files. Raises ``ValueError`` when it takes no file but gets one."""
    # One level of escapes belongs to the file, the next to the quoting.
    found = _WORD.finditer(value.replace("\\\\", "\\"))
    words = [match[2] if match[1] is None else re.sub(r"\\(.)", r"\1", match[1]) for match in found]
    command: list[str] = []
    taken = False
    for word in words:
        if word in ("%f", "%u", "%F", "%U"):
            taken = True
            chosen = files if word in ("%F", "%U") else files[:1]
            command += [Path(name).as_uri() if word in ("%u", "%U") else name for name in chosen]
        elif word not in ("%i", "%c", "%k"):
            command.append(word.replace("%%", "%"))
    if files and not taken:
        raise ValueError("Exec takes no file (%f)")
    return command


def with_program(text: str, program: Path) -> str:
    """The entry with another program in ``Exec``: how a helper enters a program that lies anywhere. ``TryExec`` and
    ``Exec`` of further actions follow."""
    quoted = '"' + str(program).replace("\\", "\\\\\\\\").replace('"', '\\\\"').replace("`", "\\\\`") + '"'
    quoted = quoted.replace("$", "\\\\$").replace("%", "%%")
    lines = []
    for line in text.splitlines():
        if line.startswith("Exec="):
            rest = [word for word in line[5:].split() if word.startswith(("%", "-"))]
            lines.append(" ".join(["Exec=" + quoted, *rest]))
        elif not line.startswith("TryExec="):
            lines.append(line)
    return "\n".join(lines) + "\n"


# The planted libraries -----------------------------------------------------------------------------------------------

_SOURCE = """
#include <stdio.h>
static void write_marker(void) {{ FILE *file = fopen({marker}, "a"); if (file) {{ fputs("library\\n", file); fclose(file); }} }}
#ifdef _WIN32
#include <windows.h>
BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID unused)
{{ (void)self; (void)unused; if (reason == DLL_PROCESS_ATTACH) write_marker(); return TRUE; }}
#else
__attribute__((constructor)) static void planted(void) {{ write_marker(); }}
#endif
"""  # noqa: E501 - one C function


def plant(folder: Path, marker: Path) -> str:
    """Put libraries and modules into ``folder`` that write ``marker`` when something loads them.

    Returns "" or why there are no libraries. That they would work is tried first: a dead trap shows nothing.
    """
    for name in PLANTED_MODULES:
        text = f"with open({str(marker)!r}, 'a') as file:\n    file.write('module {name}\\n')\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
    if not compiler:
        return "no C compiler is here, so no libraries were planted"
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    source, library = folder / "planted.c", folder / ("planted" + suffix)
    source.write_text(_SOURCE.format(marker=json.dumps(str(marker))), encoding="utf-8")
    flags = [] if sys.platform == "win32" else ["-fPIC"]
    code, text = output([compiler, "-shared", *flags, "-o", library, source], cwd=folder)
    if code != 0:
        return f"the planted library cannot be compiled ({text.strip()[-200:]})"
    output([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(library)!r})"], cwd=folder.parent)
    if not marker.is_file():
        return "the planted library does not work here"
    marker.unlink()
    for name in PLANTED_LIBRARIES:
        shutil.copy2(library, folder / (name + suffix))
        if suffix == ".so":
            shutil.copy2(library, folder / (name + ".so.0"))
    source.unlink()
    library.unlink()
    return ""


# Adapters ------------------------------------------------------------------------------------------------------------


def adapter(*, width: int, layers: int, rank: int = 4) -> bytes:
    """A LoRA adapter (GGUF) with random weights for a model of Qwen3's form, whose queries are ``width`` wide."""
    chance = random.Random(1)  # noqa: S311 - weights

    def text(word: str) -> bytes:
        return struct.pack("<Q", len(word)) + word.encode()

    entries = {"general.architecture": "qwen3", "general.type": "adapter", "adapter.type": "lora"}
    made = [text(key) + struct.pack("<I", 8) + text(value) for key, value in entries.items()]
    made.append(text("adapter.lora.alpha") + struct.pack("<If", 6, 4.0 * rank))
    table, weights = [], b""
    for layer in range(layers):
        for half, shape in (("a", (width, rank)), ("b", (rank, width))):
            name = text(f"blk.{layer}.attn_q.weight.lora_{half}")
            table.append(name + struct.pack("<IQQIQ", 2, *shape, 0, len(weights)))
            weights += struct.pack(f"<{width * rank}f", *(chance.gauss(0, 0.5) for _ in range(width * rank)))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(table), len(made)) + b"".join(made + table)
    return head + bytes(-len(head) % 32) + weights


# Documents -----------------------------------------------------------------------------------------------------------


def documents() -> dict[str, bytes]:
    """The smallest files of the forms that are read with libraries: name -> content, ``WORDS`` in each."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    sheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return {
        "smoke.pdf": _pdf(WORDS),
        "smoke.docx": _zipped({
            "word/document.xml": f'<w:document xmlns:w="{word}"><w:body><w:p><w:r><w:t>{WORDS}</w:t></w:r></w:p>'
            "</w:body></w:document>",
        }),
        "smoke.xlsx": _zipped({
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
            f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{sheet}" xmlns:r="{relations}"><sheets>'
            '<sheet name="One" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
            f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{sheet}"><sheetData><row r="1"><c r="A1" t="inlineStr">'
            f"<is><t>{WORDS}</t></is></c></row></sheetData></worksheet>",
        }),
    }  # fmt: skip


def _zipped(members: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def _pdf(words: str) -> bytes:
    content = f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode("ascii")
    made = bytearray(b"%PDF-1.4\n")
    places = []
    for number, part in enumerate((
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
        b"/Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ), 1):  # fmt: skip
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = len(made)
    made += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % table
    return bytes(made)
