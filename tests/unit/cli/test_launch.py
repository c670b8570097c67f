"""Window or command is decided right, and without loading typer or Qt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from qwen_desktop import bootstrap
from qwen_desktop.cli import app, launch
from qwen_desktop.ui import startup


def test_no_argument_opens_the_window() -> None:
    assert launch.window([]) == launch.Window(None)
    assert launch.window(["-psn_0_12345"]) == launch.Window(None)


def test_a_file_opens_in_the_window_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named without ending").write_bytes(b"GGUF")
    assert launch.window(["Qwen3 0.6B.GGUF"]) == launch.Window(str(tmp_path / "Qwen3 0.6B.GGUF"))
    assert launch.window(["named without ending"]) == launch.Window(str(tmp_path / "named without ending"))


def test_the_window_leaves_the_folder_of_a_clicked_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setattr(startup, "run", lambda _paths, _build, files: seen.append((Path.cwd(), files)) or 0)
    assert bootstrap.window(["model.gguf"]) == 0
    assert seen == [(Path.home(), (str(tmp_path / "model.gguf"),))]


def test_a_file_named_like_a_command_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat").write_text("")
    assert launch.window(["chat"]) is None


@pytest.mark.parametrize("words", [["chat", "hello"], ["--version"], ["-h"], ["doctor"], ["nonsense"], ["a.gguf", "b"]])
def test_everything_else_is_a_command(words: list[str]) -> None:
    assert launch.window(words) is None


def test_launch_knows_every_command() -> None:
    commands = typer.main.get_command(app.application(None)).commands  # type: ignore[arg-type, attr-defined] - never run
    assert set(commands) == set(launch.COMMANDS)


def test_deciding_loads_nothing_heavy() -> None:
    script = (
        "import sys; from qwen_desktop.cli import launch; launch.window(['a.gguf'])\n"
        "print([name for name in ('typer', 'rich', 'PySide6', 'msgspec', 'llama_cpp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_joining_the_window_loads_nothing_that_only_later_work_needs() -> None:
    ours = ("hub.windows_files", "services.advisor", "store.settings_edit")
    heavy = ("http.client", "urllib.request", "email.message", "httpx2", *(f"qwen_desktop.{name}" for name in ours))
    script = f"import sys, qwen_desktop.services.services; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_paint_loads_nothing_that_only_later_work_needs() -> None:
    heavy = (
        "asyncio",
        "qasync",
        "sqlite3",
        *(f"qwen_desktop.{name}" for name in ("core.chat", "core.parts", "services")),
    )
    script = f"import sys, qwen_desktop.ui.main_window; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
