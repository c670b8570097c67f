"""Assistants over a real database: kept, changed, moved as files, and what they ask for reaches the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.assistant_files import LARGEST
from qwen_desktop.core.assistants import Assistant, AssistantField, Begun, FieldKind, render
from qwen_desktop.core.chat import Conversation, new_id
from qwen_desktop.core.engine import Adapter, GenerateRequest, Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.core.parts import Role, TextPart, visible_text
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.shipped_assistants import ASSISTANTS
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.assistants import Assistants
from qwen_desktop.services.events import AssistantsChanged, EventBus
from qwen_desktop.store.database import Database
from tests.app import App, run, running_app
from tests.scripted_engine import ScriptedEngine
from tests.smollm2 import model_path

OWN = Assistant(
    "", "Cook", "Cooks.", "utensils", "amber", "Cook {{what}}.\nWithout: {{without}}",
    Sampling(temperature=0.25, top_k=7), ThinkingMode.THINK, 512, 8192, "Some Model",
    (AssistantField("what", "What", FieldKind.CHOICE, ("soup", "pie"), ("soup",)),),
    (Adapter("/a/soup.gguf", 0.5, "0f" * 32), Adapter("/a/off.gguf", 0.0)),
)  # fmt: skip


def names(app: App) -> list[str]:
    return [entry.name for entry in app.assistants.list()]


async def begin(app: App, begun: Begun, model: str | None = None) -> str:
    """Ask in a new chat that is begun so, and wait for its answer."""
    chat = new_id()
    await app.chat.send(
        (TextPart("Hi"),), conversation_id=chat, new=True, thinking=begun.thinking or ThinkingMode.AUTO,
        thinking_budget=begun.thinking_budget, model=FileRef(model) if model else begun.model, begun=begun,
    )  # fmt: skip
    await app.chat.idle()
    return chat


def system(request: GenerateRequest) -> str:
    return "".join(visible_text(message.parts) for message in request.messages if message.role is Role.SYSTEM)


async def conversation(app: App, chat: str) -> Conversation:
    found = await app.history.get(chat)
    assert found is not None
    return found


def test_own_ones_are_kept_over_a_start_and_those_of_the_app_are_only_hidden() -> None:
    async def first() -> str:
        async with running_app(ScriptedEngine) as app:
            kept = await app.assistants.save(OWN)
            await app.assistants.save(structs.replace(kept, name="  Chef  ", context=None))
            copy = await app.assistants.duplicate(ASSISTANTS[0])
            await app.assistants.delete(ASSISTANTS[1].id)
            assert copy.name == f"{ASSISTANTS[0].name} (2)" and not copy.shipped
            assert len(app.events(AssistantsChanged)) == 4
            with pytest.raises(UserFacing, match="comes with the app"):
                await app.assistants.save(ASSISTANTS[0])
            return kept.id

    async def then(identity: str) -> None:
        async with running_app(ScriptedEngine) as app:
            found = app.assistants.get(identity)
            assert found is not None
            described = (*OWN.fields, AssistantField("without", "Without"))
            assert found == structs.replace(OWN, id=identity, name="Chef", context=None, fields=described)
            assert names(app)[-2:] == ["Chef", f"{ASSISTANTS[0].name} (2)"]
            assert ASSISTANTS[1].name not in names(app) and app.assistants.get(ASSISTANTS[1].id) is ASSISTANTS[1]
            await app.assistants.show(ASSISTANTS[1].id)
            assert names(app)[:8] == [entry.name for entry in ASSISTANTS]
        reader = Assistants(Database(None), EventBus(), elsewhere=find_paths().database_file)
        await reader.load()  # as a command that keeps nothing
        assert [entry.name for entry in reader.list()][8:] == ["Chef", f"{ASSISTANTS[0].name} (2)"]

    run(then(run(first())))


def test_deleting_is_undone_in_its_place() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            made = [await app.assistants.save(structs.replace(OWN, name=name)) for name in ("a", "b", "c")]
            change = await app.assistants.delete(made[1].id)
            assert names(app)[8:] == ["a", "c"]
            await change.undo()
            await change.undo()
            assert names(app)[8:] == ["a", "b", "c"]
            hidden = await app.assistants.delete(ASSISTANTS[3].id)
            await hidden.undo()
            assert names(app)[:8] == [entry.name for entry in ASSISTANTS]
            with pytest.raises(UserFacing, match="does not exist any more"):
                await app.assistants.delete("nobody")

    run(main())


def test_a_file_comes_back_under_names_that_are_free_or_not_at_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            cook = await app.assistants.save(OWN)
            file = tmp_path / "two.qwen-assistant.json"
            await app.assistants.export([cook, ASSISTANTS[4], cook], file)
            made = await app.assistants.import_file(file)
            assert [entry.name for entry in made] == ["Cook (2)", "Translator (2)", "Cook (3)"]
            carried = (Adapter("soup.gguf", 0.5, "0f" * 32), Adapter("off.gguf", 0.0))
            assert structs.replace(made[0], id="", name="") == structs.replace(cook, id="", name="", adapters=carried)
            await app.assistants.models_moved(lambda path: path.replace("/a/soup", "/b/soup"))
            moved = app.assistants.get(cook.id)
            assert moved is not None and [each.path for each in moved.adapters] == ["/b/soup.gguf", "/a/off.gguf"]
            before = names(app)
            whole = await asyncio.to_thread(file.read_bytes)
            for data in (whole[: len(whole) // 2], whole.replace(b'"choice"', b'"magic"'), b"x" * (LARGEST + 1)):
                await asyncio.to_thread(file.write_bytes, data)
                with pytest.raises(UserFacing):
                    await app.assistants.import_file(file)
            with pytest.raises((AppError, OSError)):
                await app.assistants.import_file(tmp_path / "missing.json")
            with pytest.raises((AppError, OSError)):
                await app.assistants.import_file(tmp_path)
            assert names(app) == before

    run(main())


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("Tranlator", "Did you mean Translator?"),
        ("xyzzy", "There are: General, Step by step, Coder,"),
        ("m", "Write one of these names: Math tutor, Many languages."),
    ],
)
def test_a_name_that_there_is_not_is_answered_with_those_that_are_close(written: str, sentence: str) -> None:
    service = Assistants(Database(None), EventBus())
    with pytest.raises(UserFacing) as refused:
        service.named(written)
    assert sentence in refused.value.problem.sentence()
    assert service.named(" many  LANGUAGES ").id == service.named("multilingual").id == "shipped.multilingual"
    assert service.named("trans").name == "Translator"


def test_all_that_an_assistant_asks_for_reaches_the_engine_and_stays_with_the_chat() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            await app.preferences.change({"sampling.temperature": 1.0, "sampling.top_p": 0.5, "engine.context": 2048})
            path = app.model_file("model.gguf")
            await app.models.open_file(path)
            soup = app.model_file("soup.gguf")
            both = (Adapter(soup, 0.5, "0f" * 32), Adapter("/a/off.gguf", 0.0))
            cook = await app.assistants.save(structs.replace(OWN, adapters=both))
            begun = app.assistants.begin(cook.id, {"without": ("salt {{what}}",)})
            assert begun.missing == "Some Model" and begun.model is None
            chat = await begin(app, begun)

            def asked() -> tuple[str, Sampling, ThinkingMode, int | None, int | None]:
                last = engine.requests[-1]
                return system(last), last.sampling, last.thinking, last.thinking_budget, engine.loads[-1].context

            def adapters() -> tuple[Adapter, ...]:
                return engine.requests[-1].adapters

            assert adapters() == (Adapter(soup, 0.5),)
            sampling = Sampling(temperature=0.25, top_p=0.5, top_k=7)
            wanted = ("Cook soup.\nWithout: salt {{what}}", sampling, ThinkingMode.THINK, 512, 8192)
            assert asked() == wanted
            # A later version of it changes nothing here.
            await app.assistants.save(structs.replace(cook, system_prompt="Bake.", sampling=Sampling(), context=4096))
            answer = (await app.history.tail(chat, 1))[0]
            await app.chat.regenerate(answer.id)
            await app.chat.idle()
            assert asked() == wanted
            fork, _ = await app.history.fork(answer.id)
            await app.send("More", fork.id, thinking=ThinkingMode.THINK)
            await app.chat.idle()
            assert asked() == wanted and adapters() == (Adapter(soup, 0.5),)
            assert (await conversation(app, fork.id)).assistant_id == cook.id
            await app.assistants.delete(cook.id)
            await app.send("More", chat, thinking=ThinkingMode.THINK)
            await app.chat.idle()
            assert asked() == wanted
            # What is asked for one answer alone counts more.
            await app.chat.regenerate((await app.history.tail(chat, 1))[0].id, sampling=Sampling(temperature=2.0))
            await app.chat.idle()
            assert asked()[1] == structs.replace(sampling, temperature=2.0)
            # Another chat is as the settings say, with the same model.
            await app.ask("Hi")
            assert asked() == ("", Sampling(temperature=1.0, top_p=0.5), ThinkingMode.AUTO, None, 2048)
            assert adapters() == ()

    run(main())


def test_an_answer_goes_on_with_what_its_chat_asks_for() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            path = app.model_file("model.gguf")
            chat = await begin(app, Begun("", "Be brief.", Sampling(temperature=0.5), context=1024), path)
            answer = (await app.history.tail(chat, 1))[0]
            edited = await app.chat.edit(answer.id, (TextPart("Well,"),))
            await app.chat.continue_answer(edited.message_id)
            await app.chat.idle()
            last = engine.requests[-1]
            assert last.go_on and system(last) == "Be brief." and last.sampling.temperature == 0.5
            assert engine.loads[-1].context == 1024 and len(engine.loads) == 1

    run(main())


def test_a_chat_goes_on_with_another_assistant_and_back() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            chat = await begin(app, app.assistants.begin("shipped.translator", {"language": ("Deutsch",)}))
            before = await conversation(app, chat)
            assert before.thinking is ThinkingMode.DIRECT and "Deutsch" in before.system_prompt
            await app.history.set_adapters(chat, (Adapter("/a/style.gguf", 1.5),))
            before = await conversation(app, chat)
            change = await app.history.set_begun(chat, app.assistants.begin("shipped.steps"))
            now = await conversation(app, chat)
            assert (now.assistant_id, now.thinking, now.thinking_budget) == ("shipped.steps", ThinkingMode.THINK, 4096)
            assert now.adapters == ()
            await app.send("More", chat)
            await app.chat.idle()
            assert system(engine.requests[-1]) == render(ASSISTANTS[1], {})
            await change.undo()
            again = await conversation(app, chat)
            assert structs.replace(again, updated=before.updated, leaf_id=before.leaf_id) == before

    run(main())


def test_the_guide_answers_without_the_adapters_of_other_models() -> None:
    engine = ScriptedEngine()

    async def main() -> None:
        async with running_app(lambda: engine) as app:
            chat = await app.ask("One")
            await app.history.set_adapters(chat, (Adapter("/a/b.gguf"),))
            await app.ask("Two", chat)
            assert engine.requests[-1].adapters == ()
            assert (await conversation(app, chat)).adapters == (Adapter("/a/b.gguf"),)

    run(main())


def test_the_model_that_it_would_like_answers_where_it_is_installed() -> None:
    async def main() -> None:
        async with running_app(ScriptedEngine) as app:
            path = app.model_file("coder.gguf")
            model = InstalledModel("c", path, "Qwen3 Coder 30B-A3B", "Q4_K_M", 1, (path,), last_used=1.0)
            older = structs.replace(model, id="o", path=app.model_file("older.gguf"), last_used=0.5)
            other = structs.replace(model, id="e", path=app.model_file("e.gguf"), kind="embedding", last_used=2.0)
            service = Assistants(app.db, app.bus, installed=lambda: (older, model, other))
            await service.load()
            begun = service.begin("shipped.coder")
            assert begun.model == FileRef(path) and begun.missing == ""
            assert service.begin("shipped.maths").missing == "Qwen2.5 Math 7B"
            chat = await begin(app, begun)
            assert (await conversation(app, chat)).model == FileRef(path)

    run(main())


def test_a_real_model_reads_the_instructions_with_the_chats_own_values() -> None:
    async def main() -> None:
        async with running_app(lambda: LocalWorkerEngine(worker_command("engine"))) as app:
            await app.preferences.change({"engine.context": 2048, "sampling.max_tokens": 4})
            await app.models.open_file(str(model_path()))
            cook = await app.assistants.save(structs.replace(OWN, thinking=None, context=768, adapters=()))
            plain = await app.ask("Hi")
            begun = await begin(app, app.assistants.begin(cook.id))
            with_, without = [(await app.history.tail(chat, 1))[0] for chat in (begun, plain)]
            assert with_.stats is not None and without.stats is not None
            assert with_.provenance is not None and without.provenance is not None
            assert with_.stats.prompt_tokens != without.stats.prompt_tokens
            assert (with_.provenance.sampling.temperature, with_.provenance.sampling.top_k) == (0.25, 7)
            assert with_.provenance.settings["context"] == 768 and without.provenance.settings["context"] == 2048
            recipe = with_.provenance.recipe
            assert recipe is not None and recipe.sampling.top_k == 7
            await app.chat.run_again(with_.id)
            await app.chat.idle()
            again = (await app.history.tail(begun, 1))[0]
            assert again.parts == with_.parts and again.provenance is not None
            assert again.provenance.again is not None and again.provenance.again.equal

    run(main(), seconds=60)
