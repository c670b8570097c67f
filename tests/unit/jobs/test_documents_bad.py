"""Documents that are damaged, locked, made to harm or not what they are called: each a sentence, within its limits."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_desktop.core.documents import Document, Kind, Limits
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.jobs.documents.readers import read_document
from tests.document_files import docx, epub, odt, packed, paragraph, pdf, pptx, run, word_table, xlsx
from tests.peak import forget, peak_bytes
from tests.unit.jobs.reading_documents import notes, read, sections

#: What one of these may take, in seconds of the processor and in bytes.
_SECONDS, _BYTES = 4.0, 400 << 20
_SMALL = Limits(seconds=3, unpacked=8 << 20)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def refusal(folder: Path, name: str, data: bytes, limits: Limits | None = None) -> str:
    """The sentence with which a document is refused; it has its name in it, and says what to do."""
    with pytest.raises(UserFacing) as caught:
        read(folder, name, data, limits)
    problem = caught.value.problem
    assert name in str(problem.what) and problem.hint is not None
    return problem.sentence()


# What it is ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.py", "notes"])
def test_a_binary_file_with_the_name_of_text(tmp_path: Path, name: str) -> None:
    assert "binary file" in refusal(tmp_path, name, bytes(range(256)) * 50)
    assert "binary file" in refusal(tmp_path, name, b"\x7fELF" + os.urandom(2000))
    assert "binary file" in refusal(tmp_path, name, b"text " * 40_000 + os.urandom(300_000))  # further on


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.xlsx", "a.epub", "a.odt", "a.pptx"])
def test_what_is_not_of_its_kind(tmp_path: Path, name: str) -> None:
    assert "damaged" in refusal(tmp_path, name, os.urandom(5000))
    assert "archive" in refusal(tmp_path, name, packed({"a.txt": "text"}))
    assert read(tmp_path, name, b"just text").kind is Kind.TEXT
    assert "empty" in refusal(tmp_path, name, b"")


def test_kinds_are_told_by_the_content(tmp_path: Path) -> None:
    for data, kind in (
        (docx(paragraph("x")), Kind.WORD),
        (pdf(["x"]), Kind.PDF),
        (xlsx({"S": [["x"]]}), Kind.SHEET),
        (epub([("a.xhtml", "<p>x")]), Kind.BOOK),
        (odt("<text:p>x</text:p>"), Kind.WORD),
        (pptx([("x", "y")]), Kind.SLIDES),
    ):
        assert read(tmp_path, "renamed.txt", data).kind is kind


def test_forms_that_are_not_read_say_how_to_save_them(tmp_path: Path) -> None:
    for stream, form in (("WordDocument", "DOCX"), ("Workbook", "XLSX"), ("PowerPoint Document", "PPTX")):
        assert f"Save it as {form}" in refusal(tmp_path, "old.bin", _OLE + stream.encode("utf-16-le") + bytes(200))
    assert "Save it as DOCX" in refusal(tmp_path, "a.rtf", rb"{\rtf1 text}")
    assert "Save it as XLSX" in refusal(tmp_path, "a.xlsb", packed({"xl/workbook.bin": "x"}))
    ods = packed({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}, stored=("mimetype",))
    assert "Save it as XLSX" in refusal(tmp_path, "a.ods", ods)
    assert "Unpack it" in refusal(tmp_path, "a.tar.gz", b"\x1f\x8b\x08" + bytes(100))


# Locked --------------------------------------------------------------------------------------------------------------


def _locked_zip() -> bytes:
    """A Word document as ZIP programs encrypt it: the flag that says so is set."""
    data = bytearray(docx(paragraph("x")))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 1)
    return bytes(data)


def test_what_needs_a_password(tmp_path: Path) -> None:
    word = "needs a password"
    assert word in refusal(tmp_path, "a.pdf", pdf(["Secret"], lock="open sesame"))
    assert word in refusal(tmp_path, "a.docx", _OLE + "EncryptedPackage".encode("utf-16-le") + bytes(200))
    assert word in refusal(tmp_path, "a.docx", _locked_zip())
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    locked = packed({"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": manifest,
                     "content.xml": os.urandom(500)})  # fmt: skip
    assert word in refusal(tmp_path, "a.odt", locked)
    rights = "<encryption><EncryptedData><EncryptionMethod Algorithm='{}'/></EncryptedData></encryption>"
    chapters = [("a.xhtml", "<p>x")]
    drm = epub(chapters, more={"META-INF/encryption.xml": rights.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")})
    assert "copy-protected" in refusal(tmp_path, "a.epub", drm)
    fonts = epub(chapters, more={"META-INF/encryption.xml": rights.format("http://www.idpf.org/2008/embedding")})
    assert "x" in read(tmp_path, "a.epub", fonts).text


def test_a_pdf_with_an_empty_password_opens(tmp_path: Path) -> None:
    assert "Open" in read(tmp_path, "a.pdf", pdf(["Open to all"], lock="")).text


# Damaged -------------------------------------------------------------------------------------------------------------


def test_what_is_cut_off(tmp_path: Path) -> None:
    for name, data in (
        ("a.docx", docx(paragraph("x"))),
        ("a.xlsx", xlsx({"S": [[1]]})),
        ("a.epub", epub([("a", "x")])),
    ):
        assert "damaged" in refusal(tmp_path, name, data[: len(data) // 2])
    assert "damaged" in refusal(tmp_path, "a.pdf", pdf(["x"])[:120])
    assert "damaged" in refusal(tmp_path, "a.docx", docx("<w:p><w:oops></w:p>"))
    assert "damaged" in refusal(tmp_path, "a.docx", packed({"word/other.xml": "<a/>"}))


def test_a_pdf_page_that_is_broken_costs_only_itself(tmp_path: Path) -> None:
    data = pdf(["First", "Second", "Third"])
    broken = data.replace(b"6 0 obj\n<< /Type /Page ", b"6 0 obj\n<< /Type /Pagx ")
    assert broken != data
    found = read(tmp_path, "a.pdf", broken)
    assert "First" in found.text and "Third" in found.text


def test_pages_that_were_scanned(tmp_path: Path) -> None:
    assert "it was scanned" in refusal(tmp_path, "a.pdf", pdf(["", "", ""]))


def test_documents_without_text(tmp_path: Path) -> None:
    assert "no text" in refusal(tmp_path, "a.docx", docx(""))
    assert "no text" in refusal(tmp_path, "a.html", b"<html><body><script>x</script></body></html>")
    assert "no text" in refusal(tmp_path, "a.txt", b"  \n \n")


# Made to harm --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bounded() -> Callable[[Callable[[], object]], None]:
    """Do something within the limits of time and memory."""

    def check(act: Callable[[], object]) -> None:
        before, began = forget(), time.process_time()
        act()
        assert time.process_time() - began < _SECONDS
        assert peak_bytes() - before < _BYTES

    return check


_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><w:document xmlns:w="http://schemas.openxmlformats.org/'
    'wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&c;</w:t></w:r></w:p></w:body></w:document>'
)
_OUTSIDE = _LAUGHS.replace('<!ENTITY c "', '<!ENTITY c SYSTEM "file:///etc/passwd"><!ENTITY d "')


@pytest.mark.parametrize("xml", [_LAUGHS, _OUTSIDE])
def test_entities_in_every_form(tmp_path: Path, xml: str) -> None:
    assert "XML entities" in refusal(tmp_path, "a.docx", packed({"word/document.xml": xml}))
    assert "XML entities" in refusal(tmp_path, "a.odt", packed({"mimetype": _ODT_TYPE, "content.xml": xml}))
    assert "XML entities" in refusal(tmp_path, "a.epub", packed({"META-INF/container.xml": xml}))
    assert "XML entities" in refusal(tmp_path, "a.pptx", packed({"ppt/presentation.xml": xml}))
    sheet = _exchanged(xlsx({"S": [["x"]]}), {"xl/worksheets/sheet1.xml": xml})
    assert "XML entities" in refusal(tmp_path, "a.xlsx", sheet)
    page = read(tmp_path, "a.html", xml.replace("<w:t>", "<p>").replace("w:document", "html").encode()).text
    assert "haha" not in page and "root:" not in page


_ODT_TYPE = "application/vnd.oasis.opendocument.text"


def _exchanged(data: bytes, parts: dict[str, str | bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return packed({**{name: archive.read(name) for name in archive.namelist()}, **parts})


def test_archives_that_unpack_to_far_more(tmp_path: Path, bounded: Callable[[Callable[[], object]], None]) -> None:
    spaces = b" " * (40 << 20)
    bombs = {
        "a.docx": packed({"word/document.xml": b"<document>" + spaces}),
        "a.odt": packed({"mimetype": _ODT_TYPE, "content.xml": b"<a>" + spaces}),
        "a.xlsx": _exchanged(xlsx({"S": [["x"]]}), {"xl/sharedStrings.xml": b"<sst>" + spaces}),
    }
    book = epub([("a.xhtml", "x")], more={"OEBPS/a.xhtml": spaces})
    del spaces
    for name, data in bombs.items():
        bounded(lambda name=name, data=data: _refused_as_bomb(tmp_path, name, data))  # type: ignore[misc]
    bounded(lambda: read(tmp_path, "a.epub", book, _SMALL))
    found = read(tmp_path, "a.epub", book, _SMALL)  # its title was readable
    assert found.cut and "unpacks to more than" in notes(found)


def _refused_as_bomb(folder: Path, name: str, data: bytes) -> None:
    assert "unpacks to more than" in refusal(folder, name, data, _SMALL)


def test_what_was_read_before_a_limit_is_kept(tmp_path: Path) -> None:
    body = paragraph("The beginning") + "<w:p/>" * 10 + f"<w:p><w:pPr>{' ' * (12 << 20)}</w:pPr></w:p>"
    found = read(tmp_path, "a.docx", docx(body), _SMALL)
    assert found.cut and found.text == "The beginning\n" and "unpacks to more than 8 MB" in notes(found)


def test_what_members_unpack_to_is_counted_together(tmp_path: Path) -> None:
    chapters = [(f"{n:03}.xhtml", "<p>" + "x" * 500_000) for n in range(20)]
    found = read(tmp_path, "a.epub", epub(chapters), Limits(unpacked=3 << 20))
    assert found.cut and 2_000_000 < len(found.text) < 3 << 20 and "unpacks to more than" in notes(found)


def test_lists_of_members_without_end(tmp_path: Path, bounded: Callable[[Callable[[], object]], None]) -> None:
    many = packed({f"word/{n}.xml": "" for n in range(20_100)})
    bounded(lambda: refusal(tmp_path, "a.docx", many))
    assert "too many files" in refusal(tmp_path, "a.docx", many)
    lying = bytearray(docx(paragraph("x")))
    lying[-10:-6] = (500 << 20).to_bytes(4, "little")  # how long the list of members is
    assert "too many files" in refusal(tmp_path, "a.docx", bytes(lying))


@pytest.mark.parametrize("depth", [1_100, 30_000])
def test_nested_without_end(tmp_path: Path, depth: int, bounded: Callable[[Callable[[], object]], None]) -> None:
    deep = "<w:p>" * depth + "</w:p>" * depth
    bounded(lambda: refusal(tmp_path, "a.docx", docx(deep)))
    assert "nested too deeply" in refusal(tmp_path, "a.docx", docx(deep))
    table = "<table><tr><td>" * depth
    for page in ("<div>" * depth, "<ul><li>x" * depth, "<blockquote>x" * min(depth, 5_000), f"{table}x"):
        bounded(lambda page=page: read(tmp_path, "a.html", f"<html>begin{page}".encode(), Limits(seconds=1)))  # type: ignore[misc]
    mail = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(min(depth, 50_000)))
    bounded(lambda: refusal(tmp_path, "a.eml", f"From: a\r\nTo: b\r\n{mail}".encode()))


def test_html_made_to_be_slow(tmp_path: Path) -> None:
    for piece in ("<a ", "<!--", "<![", "</", "&#", '<a x="', "<p hidden>", "<!", "<?"):
        began = time.monotonic()
        try:
            read(tmp_path, "a.html", b"<html>" + piece.encode() * 100_000, Limits(seconds=0.2))
        except UserFacing as error:
            assert error.problem.hint is not None
        assert time.monotonic() - began < _SECONDS, piece


def test_mail_made_to_be_slow(tmp_path: Path, bounded: Callable[[Callable[[], object]], None]) -> None:
    for mail in (
        b"From: a\r\nSubject: " + b"=?utf-8?q?x?= " * 50_000,
        b"From: a\r\nTo: b\r\n" + b"X: y\r\n" * 50_000,
        b"From: a\r\nContent-Type: text/plain; " + b"x*0=y; " * 100_000 + b"\r\n\r\ntext",
        b"From: a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=3D=\r\n" * 100_000,
    ):
        bounded(lambda mail=mail: read(tmp_path, "a.eml", mail))  # type: ignore[misc]


# Too much ------------------------------------------------------------------------------------------------------------


def test_a_log_of_two_gigabytes(tmp_path: Path, bounded: Callable[[Callable[[], object]], None]) -> None:
    path = tmp_path / "big.log"
    with path.open("wb") as file:
        lines = b"2026-12-01 12:00:00 one line of a log\n" * 1_500_000
        file.write(lines)
        file.seek(1_050_000_000)  # what lies between takes no room on the disk
        file.write(lines[:1_000_000])
        file.seek(2_099_000_004)
        file.write(lines[:1_000_000])
    found: list[Document] = []

    def act() -> None:
        import msgspec  # noqa: PLC0415

        found.append(msgspec.convert(read_document(str(path), "big.log", Limits()), Document))

    bounded(act)
    assert len(found[0].text) == Limits().characters and found[0].cut
    assert notes(found[0]) == "Only the first 10 MB of 2.1 GB were read."


def test_pages_without_end(tmp_path: Path) -> None:
    found = read(tmp_path, "a.pdf", pdf([f"Text {n}" for n in range(30)]), Limits(pages=20))
    assert (found.pages, found.cut) == (30, True)
    assert sections(found)[-1][0] == "Page 20" and notes(found) == "Only the first 20 of its 30 pages were read."


def test_a_hundred_thousand_pages(tmp_path: Path) -> None:
    data = pdf(["x"]).replace(b"/Kids [4 0 R] /Count 1", b"/Kids [" + b"4 0 R " * 100_000 + b"] /Count 100000")
    began = time.monotonic()
    found = read(tmp_path, "a.pdf", data, Limits(seconds=2))
    assert time.monotonic() - began < _SECONDS
    assert found.pages == 100_000 and found.cut and len(found.sections) <= 5_000


def test_rows_and_cells_without_end(tmp_path: Path) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 3001))
    head = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    book = xlsx({"S": [["x"]]})
    many = _exchanged(book, {"xl/worksheets/sheet1.xml": f"{head}{rows}</sheetData></worksheet>"})
    found = read(tmp_path, "a.xlsx", many, Limits(cells=500))
    assert found.cut and "| 500 |" in found.text and "| 501 |" not in found.text
    assert "first 500 cells" in notes(found)
    far = f'{head}<row r="1048576"><c r="XFD1048576"><v>7</v></c></row></sheetData></worksheet>'
    began = time.monotonic()
    read_far = read(tmp_path, "a.xlsx", _exchanged(book, {"xl/worksheets/sheet1.xml": far}), Limits(seconds=3))
    assert time.monotonic() - began < _SECONDS + 3 and len(read_far.text) < 20_000


def test_more_text_than_anybody_reads(tmp_path: Path) -> None:
    few = Limits(characters=5_000)
    word = docx(word_table([["cell"] * 5] * 50) + "".join(paragraph("some words " * 20) for _ in range(100)))
    for name, data in (("a.docx", word), ("a.txt", b"line\n" * 9000), ("a.html", b"<html>" + b"<p>words" * 9000),
                       ("a.csv", b"a,b\n" * 9000), ("a.pdf", pdf(["text " * 20] * 200))):  # fmt: skip
        found = read(tmp_path, name, data, few)
        assert found.cut and len(found.text) <= 5_001 and found.notes
        assert not found.sections or found.sections[-1].end == len(found.text)


def test_time_is_over(tmp_path: Path) -> None:
    slow = docx("".join(f"<w:p>{run('word ' * 10)}</w:p>" for _ in range(60_000)))
    found = read(tmp_path, "a.docx", slow, Limits(seconds=0.3))
    assert found.cut and found.text.startswith("word word") and "longer than" in notes(found)


# Places --------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are other things there")
def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to("circle")
    for path, word in (
        (tmp_path, "folder"),
        (tmp_path / "pipe", "no file but a pipe"),
        (tmp_path / "link", "no file but a pipe, a socket or a device"),
        (tmp_path / "circle", "circle"),
        (tmp_path / "gone.txt", "does not exist"),
        (tmp_path / "gone.txt" / "deeper", "does not exist"),
    ):
        with pytest.raises((AppError, OSError)) as caught:
            read_document(str(path), "a.txt", Limits())
        from qwen_desktop.core.errors import problem_of  # noqa: PLC0415

        assert word in problem_of(caught.value).sentence()


@pytest.mark.expects_errors
def test_what_was_read_before_a_fault_of_ours_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qwen_desktop.jobs.documents import text  # noqa: PLC0415
    from qwen_desktop.jobs.documents.draft import Draft  # noqa: PLC0415

    def stumble(file: object, size: int, draft: Draft) -> None:
        draft.add("before" if size > 5 else "")
        raise KeyError("secret text")

    monkeypatch.setattr(text, "read_text", stumble)
    found = read(tmp_path, "a.txt", b"something")
    assert found.text == "before" and found.cut and "what follows could not be read" in notes(found)
    assert "damaged" in refusal(tmp_path, "a.txt", b"some")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything can be read there, or by root")
def test_what_must_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    with pytest.raises(PermissionError):
        read_document(str(tmp_path / "a.txt"), "a.txt", Limits())
