"""What is missing is named in one command of the right package manager."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dev_system
import pytest
from dev_console import Failed

UBUNTU = 'PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\n'
MINT = "ID=linuxmint\nID_LIKE='ubuntu debian'\n"
TUMBLEWEED = 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UBUNTU, "apt"),
        (MINT, "apt"),
        (TUMBLEWEED, "zypper"),
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
        ("ID=nixos\n", ""),
        ("", ""),
    ],
)
def test_the_package_manager_is_known_from_os_release(text: str, expected: str) -> None:
    assert dev_system.manager(text) == expected


def test_a_library_that_is_not_there_is_found_missing() -> None:
    assert dev_system.missing_libraries(["libc.so.6", "libnobody-has-this.so.9"]) == ["libnobody-has-this.so.9"]


def test_all_missing_packages_stand_in_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_system, "this_manager", lambda: "dnf")
    monkeypatch.setattr(dev_system, "is_root", lambda: False)
    libraries = [dev_system.QT_LIBRARIES[name] for name in ("libxcb-randr.so.0", "libxcb-shape.so.0", "libEGL.so.1")]
    with pytest.raises(Failed) as failure:
        dev_system.provide([*libraries, dev_system.COMPILER], "Missing")
    assert str(failure.value) == "Missing: sudo dnf install -y gcc-c++ libglvnd-egl libxcb"


def test_root_on_debian_gets_them_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def run(command: list[str], *, env: dict[str, str]) -> int:
        assert env["DEBIAN_FRONTEND"] == "noninteractive"
        commands.append(" ".join(command))
        return 100 if len(commands) == 1 else 0  # the first attempt fails on stale package lists

    monkeypatch.setattr(dev_system, "this_manager", lambda: "apt")
    monkeypatch.setattr(dev_system, "is_root", lambda: True)
    monkeypatch.setattr(dev_system, "run", run)
    dev_system.provide([dev_system.QT_LIBRARIES["libEGL.so.1"]], "Missing")
    assert "update" in commands[-2]
    assert commands[-1].endswith("libegl1")


def test_a_chinese_font_is_found_without_fontconfigs_tools(tmp_path: Path) -> None:
    (tmp_path / "truetype" / "wqy").mkdir(parents=True)
    (tmp_path / "truetype" / "DejaVuSans.ttf").write_bytes(b"")
    assert not dev_system.has_cjk_font([tmp_path])
    (tmp_path / "truetype" / "wqy" / "wqy-microhei.ttc").write_bytes(b"")
    assert dev_system.has_cjk_font([tmp_path])


def test_a_display_is_asked_for_only_where_one_is_needed() -> None:
    assert not dev_system.has_display({}, "linux")
    assert not dev_system.has_display({"DISPLAY": ""}, "linux")
    assert dev_system.has_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert dev_system.has_display({}, "win32")
    assert dev_system.has_display({}, "darwin")


def test_wayland_libraries_are_asked_for_only_there() -> None:
    assert "libwayland-cursor.so.0" not in dev_system.wanted_libraries({})
    assert "libwayland-cursor.so.0" in dev_system.wanted_libraries({"WAYLAND_DISPLAY": "wayland-0"})


def test_an_old_python_gets_a_sentence_not_a_syntax_error(tmp_path: Path) -> None:
    script = Path(dev_system.__file__).with_name("dev.py")
    pretend = f"import sys; sys.version_info = (3, 9, 2); sys.argv = ['x', 'run']; exec(open({str(script)!r}).read())"
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Qwen Desktop needs Python 3.11 or newer; this is Python 3.9.")
