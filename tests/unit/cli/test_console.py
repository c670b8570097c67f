"""Answers go to stdout; a terminal is never controlled by a model; pipes get text and nothing else."""

from __future__ import annotations

import io

import pytest

from qwen_desktop.cli.console import Console, harmless


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07\x1b[2Jgone", "]0;title[2Jgone"),
        ("over\rwritten\x08", "overwritten"),
        ("\x9b31mred", "31mred"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\tb\nc", "a\tb\nc"),
        ("Привет 你好 👩‍💻", "Привет 你好 👩‍💻"),
    ],
)
def test_what_controls_a_terminal_is_taken_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_terminal_gets_the_answer_on_stdout_and_the_thinking_dim_beside_it() -> None:
    out, err = Terminal(), Terminal()
    console = Console(out, err)
    console.loading("Qwen3", 0.5)
    console.thinking("Hm\x1b[31m.")
    console.answer("Be\x1b[2Jcause")
    console.end()
    assert out.getvalue() == "Be[2Jcause\n"
    assert "Loading Qwen3 … 50 %" in err.getvalue()
    assert "\x1b[2mHm[31m." in err.getvalue()
    assert err.getvalue().count("\x1b[2m") == err.getvalue().count("\x1b[22m") == 1


def test_a_pipe_gets_the_answer_as_it_is_and_nothing_beside_it() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err)
    console.loading("Qwen3", 0.5)
    console.thinking("Hm.")
    console.note("By the way.")
    console.answer("A\x1b[1mB\n")
    console.end()
    assert out.getvalue() == "A\x1b[1mB\n"
    assert err.getvalue() == ""


def test_a_warning_stands_on_its_own_line_wherever_stderr_leads() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err, quiet=True)
    console.answer("half")
    console.warn("It broke.")
    assert out.getvalue() == "half\n"
    assert err.getvalue() == "It broke.\n"
