"""Names of files that are no text, files that are none, and users without a folder, end to end with real processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_desktop.core.paths import resources_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")

PROGRAM = [sys.executable, "-m", "qwen_desktop"]


def run(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in ("QWEN_DESKTOP_HOME",)}
    done = subprocess.run(
        [*PROGRAM, *arguments], env={**kept, **environment}, capture_output=True, timeout=60, check=False
    )
    assert b"Traceback" not in done.stderr and b"Something went wrong" not in done.stderr, done.stderr
    return done


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A home whose name is no text, with a model whose name is none and has two lines."""
    home = tmp_path / "h\udce9m\nolder"
    (home / "models here").mkdir(parents=True)
    shutil.copy(resources_folder() / "guide" / "guide.gguf", home / "models here" / "mod\udce9le\n\u202eb.gguf")
    return home


def test_such_a_model_in_such_a_home_is_listed_answers_and_is_remembered(odd: Path) -> None:
    model = odd / "models here" / "mod\udce9le\n\u202eb.gguf"
    os.mkfifo(odd / "models here" / "mmproj.gguf")  # looked at as a companion: must not wait for anybody
    where = {"HOME": str(odd), "XDG_DATA_HOME": str(odd / "data"), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    added = run("models", "import", str(model), **where)
    assert added.returncode == 0 and added.stdout.count(b"\n") == 1, added
    assert "mod\ufffdle b.gguf" in added.stdout.decode()
    listed = json.loads((odd / "data" / "qwen-desktop" / "library.json").read_bytes())["models"]
    assert [os.fsencode(path) for path in listed] == [os.fsencode(model)]
    answer = run("chat", "--save", "--model", str(model), "hello", **where)
    assert answer.returncode == 0 and answer.stdout.strip(), answer.stderr
    assert (odd / "data" / "qwen-desktop" / "history.sqlite3").is_file()


def test_in_another_locale_the_same_file_has_the_same_name(tmp_path: Path) -> None:
    model = tmp_path / "Модель 水.gguf"
    shutil.copy(resources_folder() / "guide" / "guide.gguf", model)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "QWEN_DESKTOP_HOME": str(tmp_path / "home")}
    assert run("models", "import", str(model), **plain).returncode == 0
    assert list(json.loads((tmp_path / "home" / "library.json").read_bytes())["models"]) == [str(model)]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes somebody else")
def test_a_user_whom_the_system_does_not_know_gets_the_version_and_a_sentence() -> None:
    nobody = [
        "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups",
        "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search",  # to read Python itself
        "env", "-i", f"PATH={os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE=1", "QT_QPA_PLATFORM=offscreen",
    ]  # fmt: skip
    trial = subprocess.run([*nobody, sys.executable, "-c", ""], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip("this system gives no such right")
    words = [["--version"], ["chat", "--help"], ["chat", "hello"], []]
    running = [
        subprocess.Popen([*nobody, *PROGRAM, *call], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for call in words
    ]
    version, usage, chat, window = [(*process.communicate(timeout=60), process.returncode) for process in running]
    assert version[2] == usage[2] == 0 and version[1] == usage[1] == b""
    for _, err, code in (chat, window):
        assert code == 1 and err.startswith(b"This user has no home folder") and err.count(b"\n") == 1
