"""Mutated documents through every reader: each ends within its limits, with a text or with a sentence.

They go to the process that reads documents in the app, which may crash: then it is counted, and the next one starts.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import msgspec
import psutil
import pytest

from qwen_desktop.core.documents import Document, Limits
from qwen_desktop.core.errors import AppError, Bug, Problem, UserFacing
from qwen_desktop.core.text import Text, clean
from qwen_desktop.process.rpc import Client
from qwen_desktop.process.spawn import worker_command
from tests.document_files import docx, epub, odt, paragraph, pdf, pptx, word_table, xlsx

#: What one small document may take: the limits it is read with, and bytes of the process beside what it begins with.
_LIMITS = Limits(seconds=3, grace_s=5, unpacked=64 << 20, characters=1_000_000, cells=50_000)
_BYTES = 700 << 20
#: How many in ``tools/dev.py long``; "make test" tries as many as its time allows.
_MANY = 10_000
#: So many in any case: on a busy computer its time is too short for one of each kind of ending.
_FEW = 40

_PAGE = (
    "<!DOCTYPE html><html><head><meta charset=utf-8><title>Birds</title><style>p{}</style></head><body><h1>Birds</h1>"
    "<p hidden>no</p><table><tr><th>a<th>b<tr><td>1<td><table><tr><td>x</table></table><ul><li>one<ol><li>two</ol></ul>"
    "<pre>code</pre><blockquote>said<p>more</blockquote><a href='https://example.org'>link</a>&amp;&#x110000;</body>"
)
_MAIL = (
    "From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\r\nTo: b@example.org\r\nSubject: =?utf-8?b?w4RoYQ==?=\r\n"
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    "--B\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n--C\r\nContent-Type: text/plain; charset=koi8-r\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=F0=D2=C9 text=\r\n\r\n--C\r\n"
    "Content-Type: text/html\r\n\r\n"
    "<p>Hello</p>\r\n--C--\r\n--B\r\nContent-Type: application/pdf; name*=utf-8''%C3%A4.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n"
    "y\r\n--B--"
)
_BODY = (
    paragraph("Top", style="Heading1") + paragraph("one", numbering=(1, 0)) + paragraph("sub", numbering=(1, 1))
    + word_table([["a", "b"], ["c", "d"]]) + "<w:p><w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:r><w:t>y</w:t>"
    '<w:footnoteReference w:id="2"/><mc:AlternateContent><mc:Fallback/></mc:AlternateContent></w:r></w:p>'
)  # fmt: skip
_ODT = (
    '<text:h text:outline-level="1">Top</text:h><text:p>a<text:s text:c="3"/>b<text:note><text:note-body><text:p>n'
    "</text:p></text:note-body></text:note></text:p><text:list><text:list-item><text:p>x</text:p></text:list-item>"
    "</text:list><table:table><table:table-row><table:table-cell><text:p>c</text:p></table:table-cell>"
    "</table:table-row></table:table>"
)


def _corpus() -> list[tuple[str, bytes]]:
    return [
        ("a.pdf", pdf(["Hello world", "", "Third page\nwith (two) lines"])),
        ("b.pdf", pdf(["Secret"], lock="x")),
        ("a.docx", docx(_BODY, footnotes={2: "note"})),
        ("a.odt", odt(_ODT)),
        ("a.pptx", pptx([("First", "text"), ("Second", "more")])),
        ("a.xlsx", xlsx({"One": [["a", 1.5, True], ["=1+1", None, "x|y"]], "Two": [[1]]}, hidden=("Two",))),
        ("a.epub", epub([("one.xhtml", "<h1>One</h1><p>Text</p>"), ("two.xhtml", "<p>Two</p>")])),
        ("a.html", _PAGE.encode()),
        ("a.eml", _MAIL.encode()),
        ("a.md", b"# One\n\ntext\n\n```\n# no\n```\n## Two\n"),
        ("a.csv", b'a;b;c\n1;2;"x\ny"\n' * 40),
        ("a.txt", "Привет, как дела?\n".encode("cp1251") + bytes(range(128))),
        ("a.py", b"def f():\n\treturn 1\r\n"),
    ]


_EDGES = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"-1", b"9" * 12, b"<",
          b"</", b"<!--", b"]]>", b"<![CDATA[", b"&", b"&#0;", b">", b'"', b"%00", b"\r\n", b"\xfe\xff", b"PK\x03\x04",
          b"obj", b"stream", b"<<", b">>", b"/Kids [2 0 R]", b"<w:p>", b"<w:tbl>", b"<table>", b"../",
          b"=?x?q?")  # fmt: skip


def _flipped(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 12))):
        at = dice.randrange(max(1, len(changed)))
        match dice.randrange(7):
            case 0 | 1:
                changed[at : at + 1] = dice.randbytes(1)
            case 2:
                edge = dice.choice(_EDGES)
                changed[at : at + len(edge)] = edge
            case 3:
                changed[at:at] = dice.choice(_EDGES)
            case 4:
                del changed[at : at + dice.randrange(1, 60)]
            case 5:
                other = dice.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + dice.randrange(1, 300)]
            case _:
                changed[at:at] = changed[at : at + dice.randrange(1, 30)] * dice.choice((3, 50, 2_000))
    return bytes(changed[: dice.randrange(len(changed) + 1)] if dice.random() < 0.05 else changed)


def _repacked(dice: random.Random, data: bytes) -> bytes:
    """An archive whose parts are changed and that is sound otherwise."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        names = before.namelist()
        changed = set(dice.choices(names, k=dice.choice((1, 1, 2))))
        for name in names:
            part = before.read(name)
            if name in changed and dice.random() < 0.1:
                continue
            after.writestr(name, _flipped(dice, part) if name in changed else part)
    return made.getvalue()


def _case(dice: random.Random, corpus: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    name, data = dice.choice(corpus)
    data = _repacked(dice, data) if data.startswith(b"PK") and dice.random() < 0.7 else _flipped(dice, data)
    if dice.random() < 0.05:
        name = dice.choice(corpus)[0]
    return name, data


def _hold(document: Document) -> None:
    """What everybody relies on."""
    assert document.text == clean(document.text) and "\r" not in document.text
    assert len(document.text) <= _LIMITS.characters
    at = 0
    for section in document.sections:
        assert section.start == at < section.end
        at = section.end
    assert not document.sections or at == len(document.text)


async def search(seed: int, folder: Path, go_on: Callable[[int], bool]) -> tuple[Counter[str], float]:
    """Try documents as long as ``go_on`` (of their number so far) says: how many ended in which way, and the seconds of
    the slowest."""
    corpus = _corpus()
    asked = Problem("cancelled", Text("test", "closing"))  # type: ignore[arg-type]
    client = Client(worker_command("documents"), asked)
    ends: Counter[str] = Counter()
    path, slowest = folder / "document", 0.0
    number = 0
    while go_on(number):
        dice = random.Random(f"{seed}:{number}")
        name, data = _case(dice, corpus)
        path.write_bytes(data)
        params = {"path": str(path), "name": name, "limits": msgspec.to_builtins(_LIMITS)}
        await client.start()
        started = time.monotonic()
        try:
            with client.open("read", params, object, object) as call:
                document = await call.finish(None, _LIMITS.seconds + _LIMITS.grace_s)
            found = msgspec.convert(document, Document)
            _hold(found)
            assert all(note.code != "document.unexpected" for note in found.notes)
            ends["read"] += 1
        except Bug as error:
            error.add_note(f"seed {seed}, document {number} ({name}): {error.problem.details}")
            raise
        except UserFacing as refusal:
            problem = refusal.problem
            assert problem.hint is not None and len(problem.sentence()) < 600
            assert not problem.details.startswith("unexpected"), f"{problem.details}: {seed}:{number} ({name})"
            ends[problem.what.code] += 1
        except AppError as error:
            code = error.problem.what.code
            if code == "worker.late":  # the job ends it then
                client.kill()
            ends[f"{code} {seed}:{number} {name}"] += 1
        except AssertionError as error:
            error.add_note(f"seed {seed}, document {number} ({name})")
            raise
        slowest = max(slowest, time.monotonic() - started)
        if client.pid is not None and number % 50 == 0:
            held = psutil.Process(client.pid).memory_info().rss
            assert held < _BYTES, f"seed {seed}, document {number}: {held:,} bytes"
        number += 1
    await client.aclose()
    return ends, slowest


def test_mutated_documents(tmp_path: Path, seconds: float, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(1 << 32)
    deadline = time.monotonic() + seconds
    many = "QWEN_DESKTOP_LONG_S" in os.environ

    def left() -> bool:
        return time.monotonic() < deadline

    ends, slowest = asyncio.run(
        search(seed, tmp_path, lambda number: number < (_MANY if many else _FEW) or (not many and left()))
    )
    with capsys.disabled():
        if many:
            print(f"\n{sum(ends.values()):,} documents with seed {seed}: {dict(ends)}, slowest {slowest:.2f} s")
    assert ends["read"] and ends["document.damaged"], (
        f"seed {seed}: {ends}"
    )  # it must reach what lies behind the checks
    assert not any(end.startswith(("worker.late", "file.")) for end in ends), f"seed {seed}: {ends}"
