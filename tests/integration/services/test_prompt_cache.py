"""What models have read of conversations: where it is kept, how much, and that it goes with the conversations."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_desktop.core.chat import is_temporary
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.exchange import Imported
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.settings import Settings
from qwen_desktop.engine.prompt_cache.files import DISK_RESERVE, Folder
from qwen_desktop.services import services as assembly
from qwen_desktop.services.prompt_cache import AUTOMATIC, GB, TAG, budget
from tests.app import App, run, running_app
from tests.prompt_cache_files import is_kept, stands_in, write
from tests.scripted_engine import ScriptedEngine

Way = Callable[[App, str], Awaitable[object]]


async def by_folder(app: App, chat: str) -> object:
    folder, _ = await app.arranging.create_folder("Old", holding=[chat])
    return await app.arranging.delete_folder(folder.id, contents=True)


WAYS: dict[str, Way] = {
    "delete": lambda app, chat: app.history.delete(chat),
    "several": lambda app, chat: app.arranging.delete([chat, "unknown"]),
    "folder": by_folder,
    "import taken back": lambda app, chat: app.imports.undo(Imported(ids=(chat,), conversations=1)),
    "off": lambda app, _chat: app.preferences.set("storage.prompt_cache_gb", 0),
    "cleared": lambda app, _chat: app.prompt_cache.clear(),
    "restored": lambda app, _chat: app.prompt_cache.restored(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loaded", [False, True], ids=["no model", "model"])
def test_what_is_deleted_leaves_nothing_on_the_disk_whatever_the_way(way: str, loaded: bool) -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            if loaded:
                await app.models.open_file(app.model_file("m.gguf"))
            chat, other = await app.ask("One"), await app.ask("Two")
            if not loaded:
                await app.engines.unload(app.models.ref)
            folder = app.paths.prompt_cache
            folder.mkdir(parents=True, exist_ok=True)
            row, stays = write(folder, chat), write(folder, other)
            assert stands_in(folder, row) and is_kept(folder, other)
            await WAYS[way](app, chat)
            await until(lambda: not stands_in(folder, row))
            all_of_it = way in ("off", "cleared", "restored")
            await until(lambda: stands_in(folder, stays) is not all_of_it)
            if loaded and way != "restored":
                await until(lambda: bool(engine.forgotten))
                assert engine.forgotten[0] == ("*" if all_of_it else chat) or chat in engine.forgotten

    run(main())


def test_what_was_read_of_the_chats_before_is_gone_before_a_backup_takes_their_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a crash between the two would leave it for good."""
    there: list[bool] = []

    async def main() -> None:
        services = assembly.Services(find_paths())
        folder = services.paths.prompt_cache
        await asyncio.to_thread(folder.mkdir, parents=True)
        row = write(folder, "chat")

        async def pending() -> bool:
            return True

        async def finish() -> bool:
            there.append(stands_in(folder, row))
            return True

        monkeypatch.setattr(services.backups, "pending", pending)
        monkeypatch.setattr(services.backups, "finish_pending", finish)
        await services._finish_restore()
        await services.aclose()

    run(main())
    assert there == [False]


def test_one_that_is_still_being_written_when_it_is_deleted_does_not_come_back() -> None:
    class Writing(ScriptedEngine):
        async def forget(self, keys: tuple[str, ...]) -> None:
            await asyncio.sleep(0.05)  # until it has ended what it was at
            (place,) = [path for path in late.parent.iterdir() if path.is_dir()] or [late]
            place.mkdir(parents=True, exist_ok=True)
            (place / "late.rows").write_bytes(b"said in private")
            await super().forget(keys)

    late = Path()
    engine = Writing()

    async def main() -> None:
        nonlocal late
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            late = Folder(app.paths.prompt_cache).place(chat, "ab" * 16).folder.parent
            late.mkdir(parents=True)
            await app.history.delete(chat)
            await until(lambda: chat in engine.forgotten)
            await until(lambda: not stands_in(app.paths.prompt_cache, b"said in private"))

    run(main())


def test_what_is_deleted_just_before_the_end_is_gone_after_it() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            chat = await app.ask("One")
            folder = app.paths.prompt_cache
            folder.mkdir(parents=True, exist_ok=True)
            row = write(folder, chat)
            await app.history.delete(chat)
        assert not stands_in(folder, row)

    run(main())


def test_the_next_start_removes_what_came_after_a_deletion() -> None:
    """A command may have gone on with a conversation after it was deleted; and so for a deleted message."""

    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            whole, part, other = [await app.ask(text) for text in ("One", "Two", "Three")]
            await app.history.delete(whole)
            answer = (await app.history.tail(part, 1))[0]
            await app.history.delete_message(answer.id)
            await asyncio.sleep(0.1)
        folder = app.paths.prompt_cache
        folder.mkdir(parents=True, exist_ok=True)
        rows = [write(folder, chat) for chat in (whole, part, other)]
        async with running_app(ScriptedEngine) as app:
            await until(lambda: not any(stands_in(folder, row) for row in rows[:2]))
            assert is_kept(folder, other)

    run(main())


def test_a_temporary_chat_is_never_on_the_disk_and_goes_on_in_memory_where_it_is_kept() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            await app.models.open_file(app.model_file("m.gguf"))
            one, two = (await app.history.create_temporary()).id, (await app.history.create_temporary()).id
            await app.ask("One", one)
            await app.ask("Two", two)
            kept = await app.history.keep(one)
            await app.ask("And now?", kept.id)
            assert [asked.keep for asked in engine.requests] == [False, False, True]
            await app.history.delete(two)
            await until(lambda: bool(engine.forgotten))
            assert engine.forgotten == (two,) and is_temporary(two)

    run(main())


def test_switched_off_nothing_is_kept_and_on_again_it_is_with_the_next_load() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            await app.preferences.set("storage.prompt_cache_gb", 0)
            await app.models.open_file(app.model_file("m.gguf"))
            await app.ask("One")
            assert engine.loads[-1].cache_folder == "" and engine.loads[-1].cache_bytes == 0
            assert not engine.requests[-1].keep and not app.paths.prompt_cache.exists()
            await app.preferences.set("storage.prompt_cache_gb", 2)
            count = len(engine.loads)
            await app.ask("Two")
            assert engine.requests[-1].keep and len(engine.loads) == count  # it is not loaded again for that
            await app.engines.unload(app.models.ref)
            await app.ask("Three")
            assert engine.loads[-1].cache_folder == str(app.paths.prompt_cache)
            assert 0 < engine.loads[-1].cache_bytes <= 2 * GB

    run(main())


def test_the_guide_and_runs_that_save_nothing_keep_nothing() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            await app.ask("One")
            assert engine.loads[-1].cache_folder == ""
            app.prompt_cache._keeps = False
            await app.models.open_file(app.model_file("m.gguf"))
            await app.ask("Two")
            assert engine.loads[-1].cache_folder == ""

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_folder_is_for_its_user_alone_and_marked_for_backup_programs() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            await app.models.open_file(app.model_file("m.gguf"))
            await app.ask("One")
            folder = app.paths.prompt_cache
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert folder.is_relative_to(app.paths.cache) and (app.paths.cache / TAG).read_text().startswith(
                "Signature: 8a47"
            )

    run(main())


def test_without_a_folder_all_works_as_well_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            app.paths.cache.parent.mkdir(parents=True, exist_ok=True)
            app.paths.cache.write_text("in the way")
            await app.models.open_file(app.model_file("m.gguf"))
            chat = await app.ask("One")
            assert (await app.history.tail(chat, 1))[0].parts and engine.loads[-1].cache_folder == ""
            assert "prompt_cache.unusable" in caplog.text
            assert not (await app.prompt_cache.state()).usable
            await app.history.delete(chat)
            await app.preferences.set("storage.prompt_cache_gb", 0)
            await asyncio.sleep(0.1)

    with caplog.at_level(logging.INFO):
        run(main())


def test_what_cannot_be_removed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            folder = app.paths.prompt_cache
            folder.mkdir(parents=True)
            write(folder, "one")
            monkeypatch.setattr(Folder, "clear", lambda _self: None)  # as where another program holds the files
            with pytest.raises(AppError, match="Not all of it"):
                await app.prompt_cache.clear()

    run(main())


def test_a_smaller_size_holds_at_once() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            await app.models.open_file(app.model_file("m.gguf"))
            await app.ask("One")
            folder = app.paths.prompt_cache
            for number in range(4):
                write(folder, f"chat {number}", rows=4096, row=os.urandom(128))
            assert (await app.prompt_cache.state()).conversations == 4
            app.prompt_cache._free = lambda _path: DISK_RESERVE + 1_200_000 - Folder(folder).size()[0]
            await app.preferences.set("storage.prompt_cache_gb", 1)
            await until(lambda: Folder(folder).size()[0] < 1_200_000)
            state = await app.prompt_cache.state()
            assert 0 < state.size_bytes <= state.budget_bytes and state.conversations == 2
            assert engine.limits == [state.budget_bytes]

    run(main())


@given(st.none() | st.integers(0, 1000), st.integers(0, 10**13), st.integers(0, 10**14))
def test_there_is_never_more_than_was_chosen_and_the_disk_keeps_a_reserve(
    chosen: int | None, kept: int, free: int
) -> None:
    found = budget(chosen, kept, free)
    assert 0 <= found <= (AUTOMATIC if chosen is None else chosen * GB)
    assert found == 0 or kept + free - found >= DISK_RESERVE
    if chosen is None:
        assert found <= (kept + free) / 10
    assert budget(chosen, kept + 1, free) >= found  # what is kept itself does not make it less


def test_the_automatic_size() -> None:
    assert Settings().storage.prompt_cache_gb is None
    assert budget(None, 0, 500 * GB) == 4 * GB
    assert budget(None, 0, 20 * GB) == 2 * GB
    assert budget(None, 0, GB // 2) == 0
    assert budget(0, 0, 500 * GB) == 0


@pytest.mark.parametrize("chosen", [0, 1, None])
def test_what_a_changed_settings_file_does_not_allow_goes_behind_the_start(chosen: int | None) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            await app.preferences.set("storage.prompt_cache_gb", chosen)
            await until(lambda: not app.prompt_cache._tasks)
            folder = app.paths.prompt_cache
            folder.mkdir(parents=True, exist_ok=True)
            row = write(folder, "one")
            await app.prompt_cache.clean()
            assert stands_in(folder, row) is (chosen != 0)

    run(main())


@pytest.mark.parametrize("slow", [0.0, 5.0])
def test_the_end_of_the_app_leaves_engines_what_time_there_is_and_no_more(
    slow: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, took = 1.0, 0.0

    async def main() -> float:
        nonlocal took

        async def writes() -> None:
            nonlocal took
            began = time.monotonic()
            try:
                await asyncio.sleep(60)
            finally:
                took = time.monotonic() - began

        services = assembly.Services(find_paths())
        await services.database.open()
        monkeypatch.setattr(services.engines, "aclose", writes)
        monkeypatch.setattr(services.chat, "aclose", lambda _seconds: asyncio.sleep(slow))
        began = time.monotonic()
        await services.aclose(seconds)
        return time.monotonic() - began

    assert run(main()) < seconds + 0.3  # a busy machine
    assert took >= (0.7 if not slow else 0.15) * seconds


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of files nobody tells
        await asyncio.sleep(0.01)
