"""``doctor`` tells the truth about a good and a bad installation and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import qwen_desktop

PROGRAM = [sys.executable, "-m", "qwen_desktop"]


def doctor() -> tuple[int, dict[str, dict[str, str]], str]:
    """Exit code, the checks by name, and what was said on stderr."""
    done = subprocess.run(
        [*PROGRAM, "doctor", "--json"], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    checks = {row["name"]: row for row in found["checks"]}
    assert found["ok"] is (done.returncode == 0)
    return done.returncode, checks, done.stderr


def test_a_fresh_installation_is_well(home: Path) -> None:
    code, checks, said = doctor()
    assert [row for row in checks.values() if row["state"] == "bad"] == []
    assert code == 0
    assert said == ""
    assert checks["Qwen Desktop"]["value"] == qwen_desktop.__version__
    assert "llama" in checks["llama.cpp"]["value"]
    assert checks["Qt"]["value"].startswith("6.")
    assert str(home) in checks["Data folder"]["value"]
    assert not home.exists() or [path.name for path in home.iterdir()] in ([], ["logs"])


def test_what_is_wrong_is_named_with_what_to_do(home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[engine]\ncontext = 'much'\nmodel = '/nowhere/at/all.gguf'\n")
    (home / "history.sqlite3").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 1000)
    code, checks, said = doctor()
    assert code == 1
    assert said.count("\n") == 1
    assert checks["Settings"]["state"] == "warn"
    assert "context" in checks["Settings"]["hint"]
    assert checks["Model"]["state"] == "bad"
    assert "/nowhere/at/all.gguf" in checks["Model"]["hint"]
    assert checks["History"]["state"] == "bad"
    assert checks["History"]["hint"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="those always have a display")
def test_without_a_display_the_window_says_so_and_names_the_chat() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(PROGRAM, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "qwen-desktop chat" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_printed() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() == f"Qwen Desktop {qwen_desktop.__version__}"
