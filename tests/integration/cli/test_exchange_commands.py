"""``history export`` and ``history import``, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pypdfium2

from tests import foreign_chats
from tests.histories import Place, fill

PROGRAM = [sys.executable, "-m", "qwen_desktop", "history"]


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "QWEN_DESKTOP_HOME": str(home)}
    done = subprocess.run([*PROGRAM, *arguments], env=environment, capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr and b"Something went wrong" not in done.stderr, done.stderr
    return done


def _filled(home: Path) -> list[str]:
    async def make() -> list[str]:
        async with Place(home) as place:
            return await fill(place, 4, chats=5)

    return asyncio.run(make())


def test_a_history_goes_out_of_one_home_and_into_another(tmp_path: Path) -> None:
    _filled(tmp_path / "a")
    out = tmp_path / "a.json"
    made = run(tmp_path / "a", "export", "--all", "--format", "json", "--out", str(out))
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode().strip() == f"{out}: 5 chats."
    came = run(tmp_path / "b", "import", str(out), "--json")
    assert came.returncode == 0, came.stderr
    told = json.loads(came.stdout)
    assert (told["form"], told["conversations"], told["already"], told["reasons"]) == ("Qwen Desktop", 5, 0, [])
    again = run(tmp_path / "b", "export", "--all", "--out", "-")
    assert again.stdout == out.read_bytes()


def test_one_chat_goes_to_standard_output_and_becomes_a_pdf(tmp_path: Path) -> None:
    chat = _filled(tmp_path / "a")[0][:8]
    text = run(tmp_path / "a", "export", chat, "--format", "md", "--out", "-")
    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith(b"---\ntitle: ")
    made = run(tmp_path / "a", "export", chat, "--format", "pdf", "--out", str(tmp_path / "x.pdf"))
    assert made.returncode == 0, made.stderr
    assert len(pypdfium2.PdfDocument(tmp_path / "x.pdf")) >= 1


def test_what_cannot_be_done_is_a_sentence(tmp_path: Path) -> None:
    _filled(tmp_path / "a")
    (tmp_path / "x.json").write_bytes(b"nothing")
    for arguments, code, said in (
        (("export", "--out", "x"), 2, "Name a chat"),
        (("export", "--all", "--format", "pdf", "--out", "-"), 2, "no text"),
        (("export", "--all", "--format", "md", "--out", "-"), 1, "Several chats"),
        (("export", "--folder", "nosuch", "--out", "x.json"), 1, "There is no folder called nosuch."),
        (("import", str(tmp_path / "x.json")), 1, "holds no chats"),
        (("import", str(tmp_path / "none.json")), 1, "does not exist"),
    ):
        done = run(tmp_path / "a", *arguments)
        assert done.returncode == code, done
        assert said in " ".join(done.stderr.decode().replace("│", " ").split())


def test_what_other_programs_wrote_comes_in_and_is_found(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "conversations.json").write_text(json.dumps([foreign_chats.chatgpt()]))
    told = json.loads(run(home, "import", str(tmp_path / "conversations.json"), "--json").stdout)
    assert (told["form"], told["conversations"], told["skipped"]) == ("ChatGPT", 1, 0)
    assert json.loads(run(home, "import", str(tmp_path / "conversations.json"), "--json").stdout)["already"] == 1
    shown = run(home, "show", told["ids"][0]).stdout.decode()
    assert "One, two." in shown and "It says 1 2." not in shown  # the branch that was on show
    found = json.loads(run(home, "search", "pelican", "--json").stdout)
    assert {hit["conversation_id"] for hit in found} == set(told["ids"])
    folder = tmp_path / "lmstudio" / "conversations" / "Work"
    folder.mkdir(parents=True)
    (folder / "1.conversation.json").write_text(json.dumps(foreign_chats.lm_studio()))
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "QWEN_DESKTOP_HOME": str(home)}
    nobody = subprocess.run(
        [*PROGRAM, "import", "--from", "lm-studio"], env=environment, capture_output=True, timeout=60, check=False
    )
    assert nobody.returncode == 1 and b"LM Studio keeps no chats" in nobody.stderr
    folder.parent.parent.rename(tmp_path / ".lmstudio")
    came = subprocess.run(
        [*PROGRAM, "import", "--from", "lm-studio"], env=environment, capture_output=True, timeout=60, check=False
    )
    assert came.returncode == 0 and b"1 chat came in from LM Studio" in came.stdout, came.stderr
