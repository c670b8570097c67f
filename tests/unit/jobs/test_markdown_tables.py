"""What other programs are given of a table."""

from __future__ import annotations

import csv
import io
import time

import pytest

from qwen_desktop.jobs.markdown.blocks import TableBlock, TextRun
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.tables import as_csv, as_html, as_markdown, tabbed


def table(text: str) -> TableBlock:
    """The one table of a text."""
    (block,) = Markdown().blocks(text)
    assert isinstance(block, TableBlock)
    return block


ODD = table('| a, "b" | c |\n|:--|--:|\n| x<br>y | <b>&amp; |\n| `p\\|q` | =1+1 |')


def test_all_forms_hold_all_words() -> None:
    assert tabbed(ODD) == 'a, "b"\tc\nx y\t<b>&\np|q\t=1+1'
    assert as_html(ODD).endswith(
        "<tr><th>a, &quot;b&quot;</th><th>c</th></tr><tr><td>x<br>y</td><td>&lt;b&gt;&amp;</td></tr>"
        "<tr><td>p|q</td><td>=1+1</td></tr></table>"
    )
    assert as_markdown(ODD) == '| a, "b" | c |\n| :-- | --: |\n| x<br>y | <b>& |\n| p\\|q | =1+1 |\n'
    again = table(as_markdown(ODD))
    assert tabbed(again) == tabbed(ODD) and again.align == ODD.align


def test_a_csv_file_is_read_back_by_others() -> None:
    data = as_csv(ODD)
    assert data.startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8"
    assert data.count(b"\r\n") == 3
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [['a, "b"', "c"], ["x\ny", "<b>&"], ["p|q", "'=1+1"]]


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "＝1", " =1", "-", "+x"])
def test_a_spreadsheet_runs_nothing(cell: str) -> None:
    block = TableBlock((((),), ((TextRun(cell),),)), ("",))
    assert as_csv(block).decode("utf-8-sig").split("\r\n")[1].strip('"').startswith("'")


@pytest.mark.parametrize("cell", ["-5", "+3.5", "-1,234.50", "-12 %", "+1e-5", "12", "a=b", "x-y", "−5"])
def test_numbers_and_words_stay_as_they_are(cell: str) -> None:
    assert cell in as_csv(table(f"| h |\n|---|\n| {cell} |")).decode("utf-8-sig").replace('"', "").split("\r\n")


def test_nor_does_it_where_it_parts_cells_at_semicolons() -> None:
    """As Excel does where the comma is for decimals, whatever stands in quotation marks behind a comma."""
    block = TableBlock((((),), ((TextRun("x;=1+1; -2\n+A1\t@B\n;-3"),),)), ("",))
    assert as_csv(block).decode("utf-8-sig").split("\r\n")[1] == "\"x;'=1+1; -2\n'+A1\t'@B\n;-3\""


def test_a_long_number_that_is_none_takes_a_moment() -> None:
    started = time.thread_time()
    as_csv(TableBlock((((TextRun("-" + "1" * 40_000 + "x"),),),), ("",)))
    assert time.thread_time() - started < 1


def test_two_thousand_rows() -> None:
    rows = "".join(f"| row {n} | **{n}** | some words | =A{n} |\n" for n in range(2000))
    block = table("| a | b | c | d |\n|---|---|---|---|\n" + rows)
    started = time.thread_time()
    assert as_csv(block).count(b"\r\n") == 2001 and as_html(block).count("<tr>") == 2001
    assert time.thread_time() - started < 0.5
