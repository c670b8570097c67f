"""What each reader makes of a document of its kind."""

from __future__ import annotations

import datetime
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwen_desktop.core.documents import CODE, MEDIA_TYPES, Kind, guess, patterns
from tests.document_files import docx, epub, odt, paragraph, pdf, pptx, run, word_table, xlsx
from tests.unit.jobs.reading_documents import notes, read, sections

_FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: Words with the signs that forms give a meaning to.
_WORDS = st.text(alphabet=string.ascii_letters + "äß漢字éЖ<>&'\"|*_#[]()", min_size=1, max_size=20)


# PDF -----------------------------------------------------------------------------------------------------------------


def test_pdf_pages_are_sections_and_those_without_text_are_named(tmp_path: Path) -> None:
    found = read(tmp_path, "a.pdf", pdf(["First page\nwith (two) lines", "", "", "Fourth\\page", ""]))
    assert (found.kind, found.media_type, found.pages, found.cut) == (Kind.PDF, "application/pdf", 5, False)
    assert sections(found) == [
        ("Page 1", "[Page 1]\nFirst page\nwith (two) lines\n\n"),
        ("Page 4", "[Page 4]\nFourth\\page\n"),
    ]
    assert "3 pages have no text" in notes(found) and "2–3, 5" in notes(found)


# Word ----------------------------------------------------------------------------------------------------------------


def test_docx_headings_lists_tables_and_footnotes(tmp_path: Path) -> None:
    body = (
        paragraph("Top", style="Heading1")
        + paragraph("Text & more")
        + paragraph("one", numbering=(1, 0))
        + paragraph("sub", numbering=(1, 1))
        + paragraph("two", numbering=(1, 0))
        + paragraph("dot", numbering=(2, 0))
        + paragraph("A style of its own, based on one of headings", style="Own")
        + word_table([["a", "b"], ["c|d", "e"]])
        + f'<w:p>{run("See")}<w:r><w:footnoteReference w:id="7"/></w:r></w:p>'
    )
    found = read(tmp_path, "a.docx", docx(body, footnotes={7: "a note"}))
    assert found.kind is Kind.WORD
    assert sections(found) == [
        ("Top", "# Top\n\nText & more\n\n1. one\n  1. sub\n2. two\n- dot\n\n"),
        (
            "A style of its own, based on one of headings",
            "## A style of its own, based on one of headings\n\n"
            "| a | b |\n| --- | --- |\n| c\\|d | e |\n\nSee[^1]\n\n[^1]: a note\n",
        ),
    ]


def test_docx_shows_what_stands_after_tracked_changes_are_accepted(tmp_path: Path) -> None:
    body = (
        f"<w:p>{run('kept ')}<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins>{run('new')}</w:ins>"
        f"<w:moveFrom>{run(' moved away')}</w:moveFrom><w:moveTo>{run(' moved here')}</w:moveTo></w:p>"
        f"<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{run('goes on ')}</w:p>{paragraph('in the same line')}"
        "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>gone</w:t></w:r></w:p></w:tc></w:tr>"
        f"<w:tr><w:tc>{paragraph('left')}</w:tc><w:tc>{paragraph('right')}</w:tc></w:tr></w:tbl>"
    )
    text = read(tmp_path, "a.docx", docx(body)).text
    assert text == "kept new moved here\n\ngoes on in the same line\n\n| left | right |\n| --- | --- |\n"


def test_docx_text_boxes_once_hidden_text_never(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('in the box')}</w:txbxContent>"
    body = (
        f"<w:p>{run('before')}<w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        f"</mc:AlternateContent></w:r>{run(' after')}<w:r><w:rPr><w:vanish/></w:rPr><w:t>SECRET</w:t></w:r>"
        "<w:r><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t><w:instrText>PAGEREF</w:instrText></w:r></w:p>"
    )
    assert read(tmp_path, "a.docx", docx(body)).text == "before after\tx\ny\n\nin the box\n"


def test_docx_with_its_main_part_elsewhere(tmp_path: Path) -> None:
    assert read(tmp_path, "a.docx", docx(paragraph("found"), main="word/document22.xml")).text == "found\n"


@given(words=st.lists(_WORDS.filter(lambda text: text.strip()), min_size=1, max_size=6))
@_FEW
def test_docx_gives_back_what_was_written(tmp_path: Path, words: list[str]) -> None:
    text = read(tmp_path, "a.docx", docx("".join(map(paragraph, words)))).text
    assert text == "\n\n".join(word for word in words).rstrip() + "\n"


def test_odt(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">Head</text:h><text:p>a<text:s text:c="2"/>b<text:tab/>c<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>a note</text:p></text:note-body></text:note>"
        " end</text:p><text:list><text:list-item><text:p>one</text:p>"
        "<text:list><text:list-item><text:p>sub</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell><table:table-cell><text:p>y"
        "</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = read(tmp_path, "a.odt", odt(body))
    assert sections(found) == [
        ("Head", "## Head\n\na  b\tc[^1] end\n\n- one\n  - sub\n\n| x | y |\n| --- | --- |\n\n[^1]: a note\n")
    ]


# Books, slides, sheets -----------------------------------------------------------------------------------------------


def test_epub_chapters_come_in_the_order_of_the_spine_with_the_titles_of_the_contents(tmp_path: Path) -> None:
    book = epub([("z.xhtml", "<h1>One</h1><p>Text&nbsp;&eacute;</p>"), ("a%20b.xhtml", ""), ("a.xhtml", "<p>Two</p>")])
    found = read(tmp_path, "a.epub", book)
    assert found.kind is Kind.BOOK
    assert [title for title, _ in sections(found)] == ["", "Title of z.xhtml", "Title of a.xhtml"]
    assert found.text == "Title: A Book\nAuthor: Ann Author\n\n# One\n\nText é\n\nTwo\n"
    assert "1 chapter is missing" in notes(found)


def test_epub_never_looks_outside_of_itself(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("<p>SECRET</p>")
    hrefs = ["../secret.xhtml", "../../../../../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a.xhtml"]
    found = read(tmp_path, "a.epub", epub([(href, "<p>inside</p>") for href in hrefs]))
    assert "SECRET" not in found.text and "root:" not in found.text and "inside" in found.text


def test_pptx_slides_come_in_the_order_of_the_presentation(tmp_path: Path) -> None:
    found = read(tmp_path, "a.pptx", pptx([("First", "one"), ("Second", "two & three")]))
    assert (found.kind, found.pages) == (Kind.SLIDES, 2)
    assert sections(found) == [
        ("Slide 1: First", "## Slide 1: First\n\none\n\n"),
        ("Slide 2: Second", "## Slide 2: Second\n\ntwo & three\n"),
    ]


def test_xlsx_sheets_dates_and_what_is_hidden_or_was_never_computed(tmp_path: Path) -> None:
    day = datetime.date(2024, 1, 2)
    rows = [
        ["name", "day", "value"],
        ["a|b\nc", day, 0.1 + 0.2],
        [None, None, None],
        ["x", datetime.datetime(2024, 1, 2, 3, 4, 5), True],
        [12.0, None, "=A1"],
    ]
    found = read(tmp_path, "a.xlsx", xlsx({"Numbers": rows, "Aside": [["there"]]}, hidden=("Aside",)))
    assert sections(found) == [
        (
            "Numbers",
            "## Sheet: Numbers\n\n| name | day | value |\n| --- | --- | --- |\n| a\\|b c | 2024-01-02 | 0.3 |\n"
            "| x | 2024-01-02 03:04:05 | TRUE |\n| 12 |  |  |\n\n",
        ),
        ("Aside", "## Sheet: Aside (hidden)\n\n| there |\n| --- |\n"),
    ]
    assert "Aside" in notes(found) and "1 formula has no saved value" in notes(found)


@given(rows=st.lists(st.lists(_WORDS.filter(lambda word: word.strip() == word), min_size=2, max_size=2), min_size=1))
@_FEW
def test_xlsx_gives_back_what_was_written(tmp_path: Path, rows: list[list[str]]) -> None:
    text = read(tmp_path, "a.xlsx", xlsx({"S": [[f"'{cell}" for cell in row] for row in rows]})).text
    lines = [line for line in text.splitlines()[2:] if not line.startswith("| ---")]
    assert lines == [f"| {' | '.join(chr(39) + cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


# Pages and messages --------------------------------------------------------------------------------------------------

_PAGE = """<!DOCTYPE html><html><head><title>T &amp; x</title><script>alert("no")</script><style>no{}</style></head>
<body>
<h1>Head</h1><p>Some <b>bold</b>
text<br>next <a href="https://example.org/a">link</a>, <a href="javascript:no()">no link</a></p>
<div style="display: none">no<div>no</div></div><p hidden>no<p>yes<noscript>no</noscript>
<ul><li>one<li>two<ol start=3><li>three</ol></ul><blockquote><p>said</blockquote>
<table><tr><th>a<th>b<tr><td>1|<td>2</table>
<pre>code
  <i>x</i></pre><p>Use <code>f()</code> <img src=http://example.org/x.png alt="A cat">&lt;end&gt;
<!-- no --><![ no ]></body></html>"""


def test_html_reads_like_the_page_looks(tmp_path: Path) -> None:
    found = read(tmp_path, "a.html", _PAGE.encode())
    assert found.text == (
        "Title: T & x\n\n# Head\n\nSome bold text\nnext [link](https://example.org/a), no link\n\nyes\n\n"
        "- one\n- two\n  3. three\n\n> said\n\n| a | b |\n| --- | --- |\n| 1\\| | 2 |\n\n"
        "```\ncode\n  x\n```\n\nUse `f()` [Image: A cat]<end>\n"
    )
    assert [title for title, _ in sections(found)] == ["", "Head"]


@pytest.mark.parametrize("name", ["page.html", "page.txt", "page"])
def test_html_is_told_by_what_it_is(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, b"\xef\xbb\xbf <!-- saved --> <!DOCTYPE HTML><p>x").kind is Kind.HTML
    assert read(tmp_path, "page.vue", b"<!DOCTYPE html><p>x</p>\n").text == "<!DOCTYPE html><p>x</p>\n"


def test_html_tables_that_only_place_things_are_paragraphs(tmp_path: Path) -> None:
    page = b"<html><table><tr><td>Dear all<td><table><tr><td>a<td>b<tr><td>1<td>2</table></table>"
    assert read(tmp_path, "a.html", page).text == "Dear all\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


@pytest.mark.parametrize(
    ("declared", "encoding"), [("windows-1251", "cp1251"), ("Shift_JIS", "cp932"), ("utf-16", "utf-8")]
)
def test_html_may_say_how_it_is_written(tmp_path: Path, declared: str, encoding: str) -> None:
    text = "Привет" if encoding == "cp1251" else "こんにちは"
    page = f"<html><meta charset='{declared}'><p>{text}</p>"
    assert read(tmp_path, "a.html", page.encode(encoding)).text == f"{text}\n"


_MAIL = b"""From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r
To: a@example.org,\r
 b@example.org\r
Subject: =?utf-8?b?w4RoYQ==?=\r
Date: Mon, 1 Jan 2024 10:00:00 +0000\r
X-Other: no\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=B\r
\r
--B\r
Content-Type: multipart/alternative; boundary=C\r
\r
--C\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Gr=FC=DFe =\r
an alle\r
--C\r
Content-Type: text/html\r
\r
<p>no</p>\r
--C--\r
--B\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\r
Content-Transfer-Encoding: base64\r
\r
AAAA\r
--B\r
Content-Type: message/rfc822\r
\r
Subject: inner\r
\r
text\r
--B--\r
"""


def test_mail_with_attachments(tmp_path: Path) -> None:
    for name in ("a.eml", "a.txt", "message"):
        found = read(tmp_path, name, _MAIL)
        assert found.kind is Kind.MAIL
        assert found.text == (
            "From: Jörg <j@example.org>\nTo: a@example.org, b@example.org\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n"
            "Subject: Äha\n\nGrüße an alle\n\nAttachments:\n\n- ä.pdf (application/pdf, 3 bytes)\n- Message: inner\n"
        )
        assert "2 attachments" in notes(found)
    assert [title for title, _ in sections(found)] == ["Äha", "Attachments"]


def test_mail_in_html_alone(tmp_path: Path) -> None:
    mail = b"From: a@b.c\nSubject: x\nContent-Type: text/html; charset=koi8-r\n\n<p>" + "Привет".encode("koi8-r")
    assert read(tmp_path, "a.eml", mail).text == "From: a@b.c\nSubject: x\n\nПривет\n"


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300))
@_FEW
def test_mail_gives_back_what_was_written(tmp_path: Path, text: str) -> None:
    from email.message import EmailMessage  # noqa: PLC0415

    mail = EmailMessage()
    mail["From"], mail["Subject"] = "a@example.org", "x"
    mail.set_content(text)
    found = read(tmp_path, "a.eml", mail.as_bytes()).text.removeprefix("From: a@example.org\nSubject: x\n")
    assert found.strip() == text.strip()


# Text ----------------------------------------------------------------------------------------------------------------


def test_markdown_headings_are_sections_but_not_those_in_code(tmp_path: Path) -> None:
    text = "before\n\n# One #\n```sh\n# no heading\n```\n## Two\n~~~\n```\n# no\n~~~\n#no\n"
    found = read(tmp_path, "a.md", text.encode())
    assert (found.kind, found.text) == (Kind.MARKDOWN, text)
    assert [title for title, _ in sections(found)] == ["", "One", "Two"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_is_kept_and_its_rows_are_sections(tmp_path: Path, delimiter: str) -> None:
    rows = [f'{n}{delimiter}"a\nb{delimiter}"{delimiter}c' for n in range(450)]
    found = read(tmp_path, "a.csv", "\r\n".join(rows).encode())
    assert found.text == "\n".join(rows)
    assert [title for title, _ in sections(found)] == ["Rows 1–200", "Rows 201–400", "Rows 401–450"]
    assert notes(found) == "A table of 450 rows; columns: 3."


def test_ends_of_lines_and_zeros(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", b"a\rb\r\nc\nd\x00e").text == "a\nb\nc\nde"
    long = "x" * 3_000_000
    assert read(tmp_path, "a.log", long.encode()).text == long


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1))
@_FEW
def test_text_is_kept(tmp_path: Path, text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        found = read(tmp_path, "a.py", text.encode(encoding))
        assert (found.text, found.kind, found.notes) == (text.removeprefix("\ufeff"), Kind.CODE, ())


_SENTENCES = {
    "cp1252": "Müller geht über die Straße, naïve café — “quoted”",
    "cp1251": "Привет, как дела? Это обычный текст.",
    "koi8-r": "Привет, как дела? Это обычный текст.",
    "cp866": "Привет, как дела? Это обычный текст.",
    "cp1253": "Καλημέρα κόσμε, αυτό είναι ένα κείμενο",
    "gb18030": "你好，世界。这是一个普通的中文文本，用来测试编码。",
    "big5": "你好，世界。這是一個普通的中文文本，用來測試編碼。",
    "cp932": "こんにちは、世界。これは日本語のテキストです。",
    "euc-jp": "こんにちは、世界。これは日本語のテキストです。",
    "cp949": "안녕하세요, 세계. 이것은 한국어 텍스트입니다.",
}


@pytest.mark.parametrize("encoding", _SENTENCES)
def test_older_encodings_are_guessed_and_the_guess_is_said(tmp_path: Path, encoding: str) -> None:
    text = f"# plain words before\n{_SENTENCES[encoding]}\nand after\n"
    found = read(tmp_path, "a.txt", text.encode(encoding))
    assert found.text == text and "was read as" in notes(found)


def test_utf16_without_a_mark_and_utf8_with_a_broken_byte(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        assert read(tmp_path, "a.txt", "Plain words, nothing else".encode(encoding)).text == "Plain words, nothing else"
    found = read(tmp_path, "a.txt", ("Grüße aus Köln, schöne Straßen, viele Bäume. " * 5).encode() + b"\xff end")
    assert found.text.endswith("Bäume. \ufffd end") and "could not be read" in notes(found)


def test_pictures_and_sounds_are_told_and_not_read(tmp_path: Path) -> None:
    found = read(tmp_path, "renamed.txt", b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert (found.kind, found.media_type, found.text) == (Kind.IMAGE, "image/png", "")
    assert read(tmp_path, "a", b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(100)).kind is Kind.AUDIO


def test_names() -> None:
    assert guess("Makefile")[0] is guess("a.PY")[0] is guess("/x/.zshrc.sh")[0] is Kind.CODE
    assert guess("a.PDF") == (Kind.PDF, "application/pdf") and guess("what")[0] is Kind.TEXT
    assert {"*.pdf", "*.py", "*.eml"} <= set(patterns()) and "*.png" not in patterns()
    assert patterns(Kind.PDF) == ("*.pdf",)
    assert not CODE & set(MEDIA_TYPES)
