"""PDFs hold their text, in every script, with numbered pages and what was drawn; a writer that fails is a sentence."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest

from qwen_desktop.core.errors import Environment
from qwen_desktop.core.exchange import Record
from qwen_desktop.jobs.exports import pdf
from qwen_desktop.jobs.exports.form import Look
from qwen_desktop.jobs.exports.html_form import Page
from tests.unit.jobs.exports.test_html import record_of

_TEXT = (
    "Some **bold** and $x_i^2$\n\n$$\\frac{a}{b}$$\n\n| alpha | 中文字 |\n|---|---|\n| 1 | これは |\n\n"
    "```python\ndef merge(files):\n    return 'кириллица'\n```\n\n```mermaid\ngraph TD\nA[Go]-->B[End]\n```\n\n"
    + "\n\n".join(f"Paragraph number {number} of many." for number in range(120))
)


def _written(record: Record, folder: Path) -> list[str]:
    page = Page(Look(thoughts=True), lambda _: None, pdf=True)
    html = page.make(record)
    work = pdf.PageWork(str(folder / "x.pdf"), "Heaps", html, "Page {number} of {total}", tuple(page.drawings))
    folder.mkdir(exist_ok=True)
    pdf.write([work], folder, lambda: None)
    document = pypdfium2.PdfDocument(folder / "x.pdf")
    try:
        # Where its lines end, PDFium guesses from where they stand.
        return ["".join(document[n].get_textpage().get_text_range().split()) for n in range(len(document))]
    finally:
        document.close()


def test_a_pdf_has_all_that_was_said_on_numbered_pages(tmp_path: Path) -> None:
    pages = _written(record_of([_TEXT]), tmp_path / "work")
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"Page{number}of{len(pages)}" in page
    whole = "\n".join(pages)
    for words in ("bold", "alpha", "中文字", "これは", "defmerge(files):", "кириллица", "Paragraphnumber119"):
        assert words in whole
    # In the instructions, the thought, and the name and arguments of the tool's call; in the text it was drawn.
    assert whole.count("x_i^2") == 4


def test_a_writer_that_dies_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "worker_command", lambda _: ["/bin/false"])
    with pytest.raises(Environment, match="PDF could not be made"):
        _written(record_of(["x"]), tmp_path / "work")


def test_one_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    class GoneError(Exception):
        pass

    def gone() -> None:
        raise GoneError

    page = pdf.PageWork(str(tmp_path / "x.pdf"), "x", "<p>x</p>" * 200_000, "")
    with pytest.raises(GoneError):
        pdf.write([page], tmp_path, gone)
    assert not (tmp_path / "x.pdf").exists()


def test_a_table_over_several_pages_has_its_head_on_each(tmp_path: Path) -> None:
    rows = "".join(f"| row{number} | x |\n" for number in range(120))
    pages = _written(record_of([f"| alpha | beta |\n|---|---|\n{rows}"]), tmp_path / "work")
    holding = [page for page in pages if "row" in page and "|" not in page]  # where it is no source
    assert len(holding) > 2
    assert all("alphabeta" in page for page in holding)
