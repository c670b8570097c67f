"""The program under services and cron: standard streams that are closed, full, or whose reader has gone."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes them")

PROGRAM = f"{sys.executable} -m qwen_desktop"
CLOSED = [" ".join(words) for words in itertools.product(("", "<&-"), ("", ">&-"), ("", "2>&-"))]


def start(command: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", f"exec {PROGRAM} {command}"],
        stdin=options.get("stdin", subprocess.DEVNULL),  # type: ignore[arg-type]
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )


def ended(process: subprocess.Popen[bytes], data: bytes | None = None) -> tuple[int, str, str]:
    out, err = process.communicate(data, timeout=60)
    assert b"Traceback" not in err and b"Exception ignored" not in err, err
    return process.returncode, out.decode(), err.decode()


def test_in_all_combinations_of_closed_streams_the_answer_is_right_or_a_sentence(home: Path) -> None:
    """The worker's pipes must not land on the numbers of closed streams: the guide answers with two of them closed."""
    chats = [closed for closed in CLOSED if closed.split() == ["<&-", "2>&-"]]
    running = {closed: start(f"{'chat hello' if closed in chats else '--version'} {closed}") for closed in CLOSED}
    for closed, process in running.items():
        code, out, err = ended(process)
        if ">&-" in closed.split():
            assert code == 1 and out == ""
            if "2>&-" not in closed:
                assert err.startswith("The output is closed, so nothing can be printed.") and err.count("\n") == 1
        else:
            assert code == 0 and out.strip() and out.startswith("Qwen Desktop ") is (closed not in chats), closed
        assert err == "" or "2>&-" not in closed


def test_an_output_that_is_full_is_said_and_a_reader_that_went_is_not(home: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    running = {
        words: start(words)
        for words in (
            "--version >/dev/full",
            "chat hi >/dev/full",
            "chat --bad 2>/dev/full",
        )
    }
    for words, process in running.items():
        code, _, err = ended(process)
        if "2>" in words:
            assert (code, err) == (2, "")
        else:
            assert code == 1 and err.startswith("The output cannot be written: No space left on device."), words
            assert err.count("\n") == 1
    process = start("chat hi")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b"" and process.wait(60) == 1


def test_what_is_piped_in_is_understood_or_refused_before_anything_is_sent(home: Path) -> None:
    piped = {
        "utf-16": "How do I start a new chat?".encode("utf-16"),
        "gbk": "你好，世界".encode("gbk"),
        "huge": b"a" * 70_000_000,
    }
    running = {name: start("chat -", stdin=subprocess.PIPE) for name in piped}
    found = {name: ended(process, piped[name]) for name, process in running.items()}
    assert found["utf-16"][0] == 0 and found["utf-16"][1].strip()
    assert found["gbk"][0] == 1 and "is not in UTF-8" in found["gbk"][2]
    assert found["huge"][0] == 1 and found["huge"][2].startswith("The message is longer than 8,000,000 characters.")
