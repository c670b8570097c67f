"""Moving the models folder through real processes: progress, stop, SIGKILL."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.history import History
from qwen_desktop.services.models import Models
from qwen_desktop.store.database import Database
from tests.app import any_file, run
from tests.integration.library.move_child import slow_transfers
from tests.integration.library.rig import running
from tests.library_files import installed, mmproj, tree
from tests.scripted_engine import ScriptedEngine

CHILD = Path(__file__).with_name("move_child.py")


class Progress:
    """Keeps what is reported; ``enough`` is set after so many reports."""

    def __init__(self, reports: int) -> None:
        self.done: list[int] = []
        self.enough = asyncio.Event()
        self._reports = reports

    def __call__(self, done: int, total: int) -> None:
        assert done <= total
        self.done.append(done)
        if len(self.done) >= self._reports:
            self.enough.set()


def library_of_three(root: Path) -> Path:
    """Three models under ``root``; returns the first file of one."""
    path = installed(root, mmproj=mmproj(root / "Qwen" / "Qwen3-0.6B-GGUF" / "mmproj-F16.gguf"))
    for number in (2, 3):
        installed(root, f"Model-{number}-GGUF", seed=number)
    return path


def test_the_folder_moves_with_progress_and_what_is_chosen_goes_along(user: Path, tmp_path: Path) -> None:
    target = tmp_path / "drive"
    engine = ScriptedEngine()

    async def main() -> None:
        async with running(user, slow_transfers()) as app:
            old = app.library.folder
            path = library_of_three(old)
            before = tree(old)
            engines = Engines(lambda: engine, app.preferences, app.bus, app.paths)
            models = Models(engines, app.preferences, app.bus, app.paths, check=any_file)
            await models.open_file(path)
            await app.library.scan()
            app.library.touch(str(path))
            seen = Progress(1)
            paused: list[bool] = []

            async def pause() -> None:
                paused.append(app.library.moving)

            app.library.before_move(pause)
            db = Database(app.paths.database_file)
            await db.open()
            history = History(db, app.bus)
            chat = await history.create("A chat")
            await history.set_model(chat.id, FileRef(str(path)))
            app.library.on_move(engines.moved)
            app.library.after_move(history.models_moved)
            moving = asyncio.create_task(app.library.move_folder(target, seen))
            await seen.enough.wait()
            assert len(app.library.models()) == 3 and app.library.moving
            with pytest.raises(UserFacing, match="is being moved"):
                await app.library.delete(app.library.models()[0].id)
            await moving
            assert paused == [True] and not app.library.moving
            assert seen.done == sorted(seen.done) and len(seen.done) > 20
            assert tree(target) == before and not old.exists()
            assert app.library.folder == target and all(m.problem is None for m in app.library.models())
            assert models.state.path == str(target / path.relative_to(old))
            await engines.load(models.ref)  # the next message finds the file in its new place
            assert engine.loads[-1].path == models.state.path
            assert engines.resident() == (models.state.path,)  # it is not in memory twice
            moved = app.library.find(models.state.path)
            assert moved is not None and moved.last_used > 0  # what was noted of it came along
            followed = await history.get(chat.id)
            assert followed is not None and followed.model == FileRef(models.state.path)
            await db.aclose()
            await models.aclose()
            await engines.aclose()

    run(main())


def test_stopping_takes_it_back_at_once(user: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(user, slow_transfers()) as app:
            library_of_three(app.library.folder)
            before = tree(app.library.folder)
            await app.library.scan()
            seen = Progress(30)
            moving = asyncio.create_task(app.library.move_folder(tmp_path / "drive", seen))
            await seen.enough.wait()
            assert tree(tmp_path / "drive")
            began = time.monotonic()
            moving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await moving
            assert time.monotonic() - began < 2
            assert tree(app.library.folder) == before and tree(tmp_path / "drive") == {}
            assert app.library.folder == app.paths.models and not list(app.paths.data.glob("models-move.json"))
            assert all(m.problem is None for m in app.library.models())

    run(main())


def test_closing_the_app_leaves_it_for_the_next_start(user: Path, tmp_path: Path) -> None:
    target = tmp_path / "drive"

    async def main() -> None:
        async with running(user, slow_transfers()) as app:
            library_of_three(app.library.folder)
            before = tree(app.library.folder)
            await app.library.scan()
            seen = Progress(30)
            moving = asyncio.create_task(app.library.move_folder(target, seen))
            await seen.enough.wait()
        await asyncio.wait({moving})
        assert moving.exception() is not None and (app.paths.data / "models-move.json").exists()
        async with running(user) as app:
            await app.library.restore()
            assert tree(target) == before and app.library.folder == target and len(app.library.models()) == 3

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
@pytest.mark.parametrize("number", range(5))
def test_killed_in_the_middle_and_started_again(number: int, user: Path, tmp_path: Path) -> None:
    chance = random.Random(number)
    paths = find_paths()
    library_of_three(paths.models)
    before, target = tree(paths.models), tmp_path / "drive"
    child = subprocess.Popen([sys.executable, str(CHILD), str(user), str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        for _ in range(chance.randrange(1, 90)):
            if child.stdout.readline() == "moved\n":
                break
        workers = psutil.Process(child.pid).children(recursive=True)
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    psutil.wait_procs(workers, timeout=10)

    async def main() -> None:
        async with running(user) as app:
            await app.library.restore()
            assert tree(app.library.folder) == before
            assert [m.problem for m in app.library.models()] == [None] * 3
            other = target if app.library.folder == app.paths.models else app.paths.models
            assert tree(other) == {} and not (app.paths.data / "models-move.json").exists()
            assert app.told == []

    run(main())


def test_another_folder_by_the_settings_is_looked_at(user: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            installed(app.paths.models)
            installed(tmp_path / "other", "Other-GGUF", seed=2)
            (first,) = await app.library.scan()
            app.library.touch(first.path)
            await app.preferences.set("downloads.folder", str(tmp_path / "other"))
            for _ in range(200):
                if [m.name for m in app.library.models()] == ["Other"]:
                    break
                await asyncio.sleep(0.02)
            assert [m.name for m in app.library.models()] == ["Other"]
            await app.preferences.set("downloads.folder", "")
            (again,) = await app.library.scan()
            assert again.last_used > 0  # what was noted there is not lost by looking elsewhere
            await app.preferences.set("downloads.folder", "~nobody-of-this-name/models")
            assert app.library.folder == app.paths.models

    run(main())
