"""The user's own prompt templates: kept over a restart, in and out of files, whatever these hold."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.prompt_templates import LONGEST_NAME, LONGEST_TEXT, PromptTemplate
from qwen_desktop.services.events import PromptTemplatesChanged
from qwen_desktop.services.prompt_templates import FORMAT, LARGEST_FILE, MOST, PromptTemplates
from qwen_desktop.store.database import Database
from tests.app import App, running_app
from tests.scripted_engine import ScriptedEngine


def run(main: Callable[[App], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with running_app(lambda: ScriptedEngine(lambda _: None)) as app:  # type: ignore[arg-type,return-value]
            await asyncio.wait_for(main(app), 20)

    asyncio.run(whole())


def test_they_are_kept_changed_deleted_and_brought_back() -> None:
    async def main(app: App) -> None:
        templates = app.prompt_templates
        first = await templates.save(PromptTemplate("b", "  zeta \n letter ", "Write {{a}}\r\nnow"))
        assert (first.name, first.text) == ("zeta letter", "Write {{a}}\nnow")
        await templates.save(PromptTemplate("a", "Alpha", "Say {{b}}"))
        await templates.save(structs.replace(first, text="Other"))
        again = Database(app.paths.database_file)
        await again.open(fallback=False)
        assert [t.text for t in await PromptTemplates(again, app.bus).own()] == ["Say {{b}}", "Other"]
        await again.aclose()
        await templates.delete("a")
        assert [t.name for t in await templates.own()] == ["zeta letter"]
        await templates.save(PromptTemplate("a", "Alpha", "Say {{b}}"))
        assert len(await templates.own()) == 2
        assert len(app.events(PromptTemplatesChanged)) == 5

    run(main)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        (" \n", "x", "template.name"),
        ("n" * (LONGEST_NAME + 1), "x", "template.long_name"),
        ("n", "x" * (LONGEST_TEXT + 1), "template.long_text"),
    ],
)
def test_what_cannot_be_is_said(name: str, text: str, code: str) -> None:
    async def main(app: App) -> None:
        with pytest.raises(AppError) as caught:
            await app.prompt_templates.save(PromptTemplate("a", name, text))
        assert caught.value.problem.what.code == code
        assert await app.prompt_templates.own() == ()

    run(main)


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    async def main(app: App) -> None:
        templates, file = app.prompt_templates, tmp_path / "ü templates.json"
        for number, text in enumerate(("Say {{b:x|y}}", 'Quote " \\ \n 😀 {{c}}')):
            await templates.save(PromptTemplate(str(number), f"Name {number}", text))
        before = await templates.own()
        await templates.export(file, before)
        assert await templates.import_file(file) == ()  # they are there already
        for template in before:
            await templates.delete(template.id)
        assert len(await templates.import_file(file)) == 2
        assert [(t.name, t.text) for t in await templates.own()] == [(t.name, t.text) for t in before]

    run(main)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "template.file"),
        (b"\x00\xff\xfe", "template.file"),
        (b"[1, 2]", "template.file"),
        (b"{" * 100_000, "template.file"),
        (json.dumps({"templates": [{"name": "a", "text": "b"}]}).encode(), "template.file"),
        (json.dumps({"format": FORMAT, "version": 1, "templates": []}).encode(), "template.file"),
        (
            json.dumps({"format": FORMAT, "version": 2, "templates": [{"name": "a", "text": "b"}]}).encode(),
            "template.newer",
        ),
        (
            json.dumps(
                {"format": FORMAT, "version": 1, "templates": [{"name": "a", "text": "b"}] * (MOST + 1)}
            ).encode(),
            "template.file",
        ),
        (
            json.dumps(
                {"format": FORMAT, "version": 1, "templates": [{"name": "ok", "text": "b"}, {"name": "", "text": ""}]}
            ).encode(),
            "template.name",
        ),
        (b" " * (LARGEST_FILE + 1), "template.large"),
    ],
)
def test_other_files_are_refused_with_a_sentence_and_nothing_of_them_comes_in(
    tmp_path: Path, data: bytes, code: str
) -> None:
    async def main(app: App) -> None:
        file = tmp_path / "file.json"
        file.write_bytes(data)
        with pytest.raises(AppError) as caught:
            await app.prompt_templates.import_file(file)
        assert caught.value.problem.what.code == code
        assert await app.prompt_templates.own() == ()

    run(main)


def test_missing_files_folders_and_mutated_ones_never_end_in_a_fault(tmp_path: Path) -> None:
    async def main(app: App) -> None:
        templates, chance = app.prompt_templates, random.Random(3)
        for place in (tmp_path / "none.json", tmp_path):
            with pytest.raises(AppError):
                await templates.import_file(place)
        entries = [{"name": "Name", "text": "Say {{b}}"}] * 3
        whole = json.dumps({"format": FORMAT, "version": 1, "templates": entries}).encode()
        file = tmp_path / "mutated.json"
        file.write_bytes(whole)
        with pytest.raises(AppError):
            await templates.export(file / "below.json", ())
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                place = chance.randrange(len(data))
                data[place : place + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
            file.write_bytes(data)
            try:
                await templates.import_file(file)
            except AppError as error:
                assert error.problem.what.code.startswith("template.")

    run(main)
