"""The smoke test's own parts: it must see what is wrong, or it shows nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest

INSTALLERS = Path(__file__).resolve().parents[3] / "installers"
sys.path[:0] = [str(INSTALLERS), str(INSTALLERS.parent / "tools")]

import smoke_files  # noqa: E402 - installers/ is on the path only now
import smoke_platform  # noqa: E402
import smoke_worker  # noqa: E402
from dev_console import Failed  # noqa: E402
from smoke_picture import Picture, from_bmp, from_xwd  # noqa: E402
from smoke_report import Report  # noqa: E402

from qwen_desktop.core.documents import Limits, guess  # noqa: E402
from qwen_desktop.core.gguf import read_header  # noqa: E402
from qwen_desktop.core.gguf.adapters import check_fits, read_adapter  # noqa: E402
from qwen_desktop.jobs.documents.readers import read_document  # noqa: E402
from tests.pele import needs_pele  # noqa: E402


def pixels(*colours: int) -> bytes:
    return struct.pack(f"<{len(colours)}I", *colours)


# Pictures ------------------------------------------------------------------------------------------------------------


def xwd(width: int, height: int, data: bytes, *, bits: int = 32, order: int = 0, colours: int = 2) -> bytes:
    head = [100 + 8, 7, 2, 24, width, height, 0, order, 32, 0, 32, bits, width * 4 + 4, 4, 0, 0, 0, 8, 256, colours]
    rows = b"".join(data[4 * width * at : 4 * width * (at + 1)] + b"pad!" for at in range(height))
    return struct.pack(">25I", *head, *(0,) * 5) + b"Xvfb\0\0\0\0" + b"c" * (12 * colours) + rows


def test_the_screen_of_an_xvfb_is_read() -> None:
    data = pixels(1, 2, 3, 4, 5, 6)
    assert from_xwd(xwd(3, 2, data)) == Picture(3, 2, data)


@pytest.mark.parametrize("change", [{"bits": 16}, {"order": 1}])
def test_other_forms_of_screens_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="another form"):
        from_xwd(xwd(3, 2, pixels(*range(6)), **change))
    with pytest.raises(ValueError, match="ends early"):
        from_xwd(xwd(3, 2, pixels(*range(6)))[:-20])
    with pytest.raises(ValueError, match="no XWD"):
        from_xwd(b"")


@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("bits", [24, 32])
def test_bitmaps_are_read(bits: int, upwards: bool) -> None:
    wanted = pixels(0x112233, 0x445566, 0x778899, 0xAABBCC)
    rows = [wanted[:8], wanted[8:]]
    if bits == 24:  # two pixels take six bytes and two that fill the row
        rows = [row[:3] + row[4:7] + b"\0\0" for row in rows]
    body = b"".join(reversed(rows) if upwards else rows)
    head = struct.pack("<IiiHHIIiiII", 40, 2, 2 if upwards else -2, 1, bits, 0, 0, 0, 0, 0, 0)
    found = from_bmp(b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + head + body)
    assert found.colours() == Picture(2, 2, wanted).colours()
    assert found.pixels[:3] == wanted[:3]
    with pytest.raises(ValueError, match="no bitmap"):
        from_bmp(b"PNG")


def test_only_a_picture_with_content_counts_as_painted() -> None:
    size = 100 * 100
    assert not Picture(100, 100, pixels(*[0xFFFFFF] * size)).painted()
    assert not Picture(100, 100, pixels(*[0xFFFFFF] * (size - 100), *[0x20] * 50, *[0x30] * 50)).painted()
    # a frame whose title has shades and letters, around nothing
    assert not Picture(100, 100, pixels(*[0] * (size - 200), *range(0x100, 0x1C8))).painted()
    # the byte without meaning makes no colours
    assert not Picture(100, 100, pixels(*[0xFFFFFF | (at % 200) << 24 for at in range(size)])).painted()
    assert Picture(100, 100, pixels(*[0xFFFFFF] * (size - 500), *range(500))).painted()


def test_a_change_is_a_share_of_the_pixels() -> None:
    before = Picture(2, 2, pixels(1, 2, 3, 4))
    assert before.changed(before) == 0
    assert before.changed(Picture(2, 2, pixels(1, 2, 3, 5))) == 0.25
    assert before.changed(Picture(4, 1, pixels(1, 2, 3, 4))) == 1


def test_a_saved_picture_is_a_png(tmp_path: Path) -> None:
    Picture(2, 1, pixels(0x112233, 0x445566)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    length = int.from_bytes(data[33:37], "big")
    assert zlib.decompress(data[41 : 41 + length]) == b"\0\x11\x22\x33\x44\x55\x66"


# The worker's words --------------------------------------------------------------------------------------------------


def test_a_workers_answer_is_read() -> None:
    msgspec = pytest.importorskip("msgspec")
    value = {
        "t": "hello", "id": 1, "memory_bytes": 80_000_000, "busy": False, "cpu": "haswell", "none": None, "yes": True,
        "numbers": [0, 127, 128, 255, 256, 65_536, 2**40, -1, -32, -33, -200, -70_000, -(2**40), 1.5],
        "long": "ä" * 300, "short": "x" * 40, "bytes": b"\0" * 10, "deep": {"a": [{}]}, "many": list(range(20)),
        "map": {str(n): n for n in range(20)}, "huge": "y" * 70_000,
    }  # fmt: skip
    assert smoke_worker.unpacked(msgspec.msgpack.encode(value)) == value


@needs_pele
def test_a_worker_is_asked_to_draw_as_the_smoke_test_does(tmp_path: Path) -> None:
    msgspec = pytest.importorskip("msgspec")
    params = {"diagrams": [["flowchart LR\n A[开始] --> B", {}]], "limit_s": 4, "no": None, "yes": True}
    assert msgspec.msgpack.decode(smoke_worker.packed(params)) == params
    command, environment = [sys.executable, "-m", "qwen_desktop"], {**os.environ, "QWEN_DESKTOP_HOME": str(tmp_path)}
    where = {"folder": INSTALLERS.parent, "environment": environment, "seconds": 60.0}
    (made,) = smoke_worker.job(command, "diagram.render", {"diagrams": params["diagrams"]}, **where)
    assert "开始" in made["svg"] and made["width"] > 50
    with pytest.raises(Failed, match=r"no\.such fails"):
        smoke_worker.job(command, "no.such", {}, **where)


@pytest.mark.parametrize("data", [b"", b"\x81", b"\xa5ab", b"\xc1", b"\x01\x02", b"\xcd\x01", b"\x92\x01", b"\xa1\xff"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        smoke_worker.unpacked(data)


def test_a_worker_that_says_nothing_is_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "pass"]
    with pytest.raises(Failed, match="does not answer"):
        smoke_worker.about(command, folder=tmp_path, environment={}, seconds=20)


# Trees ---------------------------------------------------------------------------------------------------------------


def test_what_is_new_gone_and_changed_is_found(tmp_path: Path) -> None:
    for name in ("stays", "goes", "changes", "skipped"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    without = (str(tmp_path / "skipped"),)
    before = smoke_files.snapshot([tmp_path], without=without)
    (tmp_path / "goes").unlink()
    (tmp_path / "changes").write_text("another length", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "skipped").unlink()
    found = smoke_files.differences(before, smoke_files.snapshot([tmp_path], without=without))
    assert {Path(path).name: how for path, how in found.items()} == {
        "goes": "gone", "changes": "changed", "folder": "new", "file": "new",
    }  # fmt: skip
    assert "and 2 more" in smoke_files.told(found, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_are_not_followed_and_a_file_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert smoke_files.size_of([tmp_path]) == 1000
    assert smoke_files.snapshot([tmp_path])[str(tmp_path / "loop")][2] == "l"
    assert smoke_files.snapshot([tmp_path / "missing"]) == {}


def test_files_in_foreign_places_of_a_home_are_found(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "qwen-desktop"
    for name in (".config/qwen-desktop/settings.toml", ".cache/fontconfig/x", "Documents/mine.gguf", ".bad"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert smoke_files.strangers(tmp_path, [own], [tmp_path / "Documents"]) == [str(tmp_path / ".bad")]


def test_the_adapter_is_one_for_the_guide(tmp_path: Path) -> None:
    guide = read_header(INSTALLERS.parent / "resources" / "guide" / "guide.gguf")
    path = tmp_path / "adapter.gguf"
    path.write_bytes(smoke_files.adapter(width=256, layers=6))
    found = read_adapter(path)
    check_fits(found, guide)
    assert (found.rank, len(found.pairs)) == (4, 6)


# The guide and the history -------------------------------------------------------------------------------------------


def test_the_questions_are_about_facts_that_the_guide_has() -> None:
    window = pytest.importorskip("smoke_window")
    wanted = [smoke_files.facts(name) for name in window.QUESTIONS]
    assert wanted[0] == (("Ctrl+N",),)
    assert len(set(wanted)) == len(wanted), "each answer must differ from the others"
    raw: dict[str, Any] = {}
    for path in (INSTALLERS.parent / "resources" / "guide" / "facts").glob("*.toml"):
        raw |= tomllib.loads(path.read_text(encoding="utf-8"))
    assert not any("since" in raw[name] for name in window.QUESTIONS), "the shipped guide may not know it yet"
    with pytest.raises(Failed, match="no such_fact"):
        smoke_files.facts("such_fact")


def history(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    columns = "seq INTEGER PRIMARY KEY, role, parts, status, finish_reason, provenance, stats, conversation_id"
    connection.execute(f"CREATE TABLE messages ({columns})")
    return connection


def test_the_newest_message_is_read(tmp_path: Path) -> None:
    path = tmp_path / "My chats, Чаты #1?.sqlite3"
    assert smoke_files.last_message(path) is None
    connection = history(path)
    connection.commit()
    assert smoke_files.last_message(path) is None
    parts = json.dumps([{"type": "thinking", "text": "Hm."}, {"type": "text", "text": "Press `Ctrl+N`."}])
    with connection:
        connection.execute("INSERT INTO messages VALUES (1, 'user', '[]', 'done', NULL, NULL, NULL, 'c')")
        values = ("assistant", parts, "done", "stop", '{"guide": true}', "{}", "c")
        connection.execute("INSERT INTO messages VALUES (2, ?, ?, ?, ?, ?, ?, ?)", values)
    found = smoke_files.last_message(path)
    connection.close()
    smoke_files.rewrite_last(path, "Other *words*.")
    changed = smoke_files.last_message(path)
    assert found is not None and changed == found._replace(text="Other *words*.")
    assert (found.seq, found.text, found.provenance, found.conversation) == (2, "Press `Ctrl+N`.", {"guide": True}, "c")
    assert smoke_files.wrong_with(found, [("Ctrl+N",), ("Нажмите", "Press")]) == ""
    assert "lacks Ctrl+K, Type or Click:" in smoke_files.wrong_with(found, [("Ctrl+K",), ("Type", "Click"), ("Press",)])
    assert "failed" in smoke_files.wrong_with(found._replace(status="failed"), [])
    assert "length" in smoke_files.wrong_with(found._replace(reason="length"), [])
    assert "no answer" in smoke_files.wrong_with(found._replace(role="user"), [])


def test_a_file_that_is_no_history_has_no_message(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"not a database at all, but long enough to look at" * 40)
    assert smoke_files.last_message(tmp_path / "x.sqlite3") is None


# Desktop entries -----------------------------------------------------------------------------------------------------

ENTRY = """# a comment
[Desktop Entry]
Name=Qwen Desktop
Name[de]=Anders
TryExec=/usr/bin/qwen-desktop
Exec="/usr/lib/qwen-desktop/Qwen Desktop" %f
[Desktop Action new]
Exec=qwen-desktop --new
"""


def test_a_desktop_entry_is_read() -> None:
    entry = smoke_files.desktop_entry(ENTRY)
    assert entry["Name"] == "Qwen Desktop"
    assert smoke_files.exec_line(entry["Exec"], ["/a b.gguf"]) == ["/usr/lib/qwen-desktop/Qwen Desktop", "/a b.gguf"]
    assert smoke_files.exec_line(entry["Exec"]) == ["/usr/lib/qwen-desktop/Qwen Desktop"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("app %F", ["app", "/x", "/y"]),
        ("app %u --flag", ["app", "file:///x", "--flag"]),
        ("app %i 100%% %f", ["app", "100%", "/x"]),
        (r'"/odd \\$ \\"name" %f', ["/odd $ \"name", "/x"]),
    ],
)  # fmt: skip
def test_exec_lines(value: str, expected: list[str]) -> None:
    assert smoke_files.exec_line(value, ["/x", "/y"]) == expected


def test_an_entry_without_a_place_for_files_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no file"):
        smoke_files.exec_line("app", ["/x"])


@pytest.mark.parametrize("program", ["/plain", "/Ein Ördner/App Run", '/odd $ "name" `x` 50%', "/back\\slash"])
def test_an_entry_gets_another_program(program: str) -> None:
    text = smoke_files.with_program(ENTRY, Path(program))
    assert "TryExec" not in text
    assert smoke_files.exec_line(smoke_files.desktop_entry(text)["Exec"], ["/x"]) == [program, "/x"]


# The trap ------------------------------------------------------------------------------------------------------------


def test_the_trap_snaps_when_something_is_loaded(tmp_path: Path) -> None:
    folder, marker = tmp_path / "trap", tmp_path / "marker"
    folder.mkdir()
    problem = smoke_files.plant(folder, marker)
    assert not marker.exists()
    subprocess.run([sys.executable, "-c", "import llama_cpp"], cwd=folder, check=True)
    assert marker.read_text(encoding="utf-8") == "module llama_cpp\n"
    if problem:
        pytest.skip(problem)
    library = next(folder.glob("libllama.*"))
    subprocess.run([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(library)!r})"], check=True)
    assert "library" in marker.read_text(encoding="utf-8")


# Waiting and telling -------------------------------------------------------------------------------------------------


def test_waiting_ends() -> None:
    answers = iter([None, False, 0])
    assert smoke_platform.until("It", lambda: next(answers), 5, every=0) == 0
    with pytest.raises(Failed, match="It did not happen"):
        smoke_platform.until("It", lambda: None, 0.01, every=0)


def test_a_command_that_hangs_or_is_missing_is_a_sentence() -> None:
    with pytest.raises(Failed, match="did not end"):
        smoke_platform.run([sys.executable, "-c", "import time; time.sleep(60)"], 0.3)
    with pytest.raises(Failed, match="cannot be started"):
        smoke_platform.run(["/no/such/program"], 5)


def test_a_report_that_found_faults_has_not_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "window.log"
    log.write_text("\n".join(map(str, range(100))), encoding="utf-8")
    report = Report(tmp_path / "x.deb", as_json=True)
    with report.step("Look"):
        report.size("installed", 5_000_000, 4_000_000)
        report.wrong("It is broken.")
    with report.step("Go on"):
        report.right("fine")
    assert report.over([log]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["faults"]) == (False, ["Look: It is broken"])
    assert found["figures"] == {"installed (MB)": 5.0}
    assert [step["name"] for step in found["steps"]] == ["Look", "Go on"]
    assert "more than the 4 MB" in found["notes"][0]
    assert found["logs"]["window.log"].endswith("99")
    assert Report(tmp_path, as_json=True).over([]) == 0


# Documents -----------------------------------------------------------------------------------------------------------


def test_its_documents_are_what_they_are_called(tmp_path: Path) -> None:
    for name, data in smoke_files.documents().items():
        (tmp_path / name).write_bytes(data)
        found = read_document(str(tmp_path / name), name, Limits())
        assert smoke_files.WORDS in found["text"] and found["media_type"] == guess(name)[1]
