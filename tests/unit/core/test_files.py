"""The one atomic write."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_desktop.core import files
from qwen_desktop.core.errors import os_problem
from qwen_desktop.core.files import NotAFile, open_file, set_aside, write_atomic


def test_it_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.txt"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "b.txt"
    write_atomic(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(files, "_replace", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["b.txt"]


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(tmp_path / "b.txt", b"new")
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == []


posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, pipes and links as POSIX has them")


@posix
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_replaced_beside_itself(tmp_path: Path, absolute: bool) -> None:
    real = tmp_path / "dotfiles" / "settings.toml"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    middle = tmp_path / "middle"
    middle.symlink_to(real if absolute else "dotfiles/settings.toml")
    link = tmp_path / "config" / "settings.toml"
    link.parent.mkdir()
    link.symlink_to("../middle")
    write_atomic(link, b"new")
    assert link.is_symlink() and middle.is_symlink() and not real.is_symlink()
    assert real.read_bytes() == link.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [p.name for p in real.parent.iterdir()] == ["settings.toml"] and len(list(link.parent.iterdir())) == 1


@posix
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o664])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "b.txt"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_an_existing_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_bytes(b"old")
    os.chown(path, 54321, 54322)
    write_atomic(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (54321, 54322)


@posix
def test_links_that_lead_nowhere_fail_and_change_nothing(tmp_path: Path) -> None:
    dangling = tmp_path / "dangling"
    dangling.symlink_to("away/b.txt")
    with pytest.raises(FileNotFoundError) as missing:
        write_atomic(dangling, b"new")
    assert "away" in str(missing.value.filename) and not (tmp_path / "away").exists()
    (tmp_path / "away").mkdir()  # the folder came: the file is made there
    write_atomic(dangling, b"new")
    assert dangling.is_symlink() and (tmp_path / "away" / "b.txt").read_bytes() == b"new"
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    with pytest.raises(OSError, match="symbolic links"):
        write_atomic(one, b"new")
    assert one.is_symlink() and two.is_symlink()
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    with pytest.raises(OSError, match=r".") as device:
        write_atomic(null, b"new")
    assert isinstance(device.value, OSError) and Path("/dev/null").is_char_device() and null.is_symlink()


@posix
def test_what_is_no_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    listening.bind("socket.gguf")
    for path in (pipe, tmp_path / "socket.gguf", Path("/dev/zero")):
        with pytest.raises(NotAFile) as refused:
            open_file(path)
        assert "is no file but a pipe, a socket or a device" in os_problem(refused.value).sentence()
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)
    listening.close()


def test_what_is_set_aside_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    kept = [set_aside(path, data, "damaged") for data in (b"one", b"two", b"one", b"three")]
    assert [p.name for p in kept] == ["b.json.damaged-1", "b.json.damaged-2", "b.json.damaged-1", "b.json.damaged-3"]
    assert [p.read_bytes() for p in kept] == [b"one", b"two", b"one", b"three"]


@posix
def test_the_longest_names_that_a_disk_takes(tmp_path: Path) -> None:
    for name in ("x" * 255, "水" * 85, *(["\udce9" * 255] if sys.platform == "linux" else [])):  # macOS takes text only
        write_atomic(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


@posix
def test_killed_at_any_call_of_the_system_the_old_or_the_new_is_there(tmp_path: Path) -> None:
    """A child ends itself (as a kill would, nothing runs afterwards) before the n-th step of the write."""
    path = tmp_path / "b.txt"
    link = tmp_path / "link"
    link.symlink_to(path)
    script = (
        "import os, sys, tempfile\n"
        "from pathlib import Path\n"
        "from qwen_desktop.core import files\n"
        "count = 0\n"
        "def watched(event, _):\n"
        "    global count\n"
        "    if event.startswith(('open', 'os.', 'tempfile.')):\n"
        "        count += 1\n"
        "        if count == at: os._exit(9)\n"
        "real = os.fsync\n"
        "def fsync(number): watched('os.fsync', ()); real(number)\n"
        "os.fsync = fsync\n"
        "sys.addaudithook(watched)\n"
        "for n in range(1, 40):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        count, at = 0, n\n"
        "        files.write_atomic(Path(sys.argv[1]), b'new' * 5000)\n"
        "        os._exit(0)\n"
        "    at = -1\n"
        "    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "    found = Path(sys.argv[2]).read_bytes()\n"
        "    print(code, found == b'new' * 5000, found == b'old', flush=True)\n"
        "    if code == 0: break\n"
        "    Path(sys.argv[2]).write_bytes(b'old')\n"
    )
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", script.replace("count = 0\n", "count = 0\nat = -1\n", 1), str(link), str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[-1] == ["0", "True", "False"] and len(lines) > 4
    assert all(new == "True" or old == "True" for _, new, old in lines)
    assert any(old == "True" for _, _, old in lines)
    assert link.is_symlink()
