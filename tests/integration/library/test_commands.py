"""``qwen-desktop models list``, ``import``, ``options``, ``verify`` and ``remove``."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qwen_desktop.cli import models_library
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.paths import find_paths
from qwen_desktop.hub import deleting
from tests.app import run
from tests.integration.library.rig import Rig, running
from tests.library_files import installed, model, tree


class Ending(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def command(
    user: Path, work: Callable[..., Awaitable[int]], *arguments: Any, as_json: bool = False, **options: Any
) -> Ending:
    """Run one command function over real workers."""

    @contextlib.asynccontextmanager
    async def build(*_: object, **__: object) -> AsyncIterator[Rig]:
        async with running(user) as rig:
            yield rig

    out, err = io.StringIO(), io.StringIO()
    code = run(work(CommandRun(find_paths(), build, Console(out, err), as_json), *arguments, **options))
    return Ending(code, out.getvalue(), err.getvalue())


def test_list(user: Path) -> None:
    nothing = command(user, models_library.list_models)
    assert (nothing.code, nothing.out) == (0, "No models are installed.\n")
    path = installed(find_paths().models)
    shown = command(user, models_library.list_models)
    assert shown.out.startswith("Qwen3 0.6B  Q8_0  0 MB  downloaded  -  Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf\n")
    path.unlink()
    assert "    Qwen3-0.6B-Q8_0.gguf is not in" in command(user, models_library.list_models).out
    found = json.loads(command(user, models_library.list_models, as_json=True).out)
    (it,) = found["models"]
    assert found["folder"] == str(find_paths().models) and it["owned"] and it["template_fault"] is None
    assert it["id"] == "Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf" and "is not in" in it["problem"]


def test_import_and_from_other_programs(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "a-Q8_0.gguf", name="Mine")
    model(user / ".lmstudio" / "models" / "a" / "b" / "c-Q8_0.gguf", name="Studio", seed=2)
    asked = command(user, models_library.import_models)
    assert asked.code == 1 and "--from-apps" in asked.err
    added = command(user, models_library.import_models, files=[path], copy=True)
    assert added.code == 0 and added.out.startswith("Mine  Q8_0") and "local/Mine/a-Q8_0.gguf" in added.out
    found = command(user, models_library.import_models, from_apps=True)
    assert found.code == 0 and found.out.startswith("Studio  Q8_0") and "LM Studio" in found.out
    again = command(user, models_library.import_models, from_apps=True)
    assert (again.code, again.out) == (1, "Nothing new was found.\n")
    with pytest.raises(AppError, match="does not exist"):
        command(user, models_library.import_models, files=[tmp_path / "no.gguf"])


def test_verify(user: Path) -> None:
    path = installed(find_paths().models)
    good = command(user, models_library.verify, "qwen3 0.6b")
    assert (good.code, good.out) == (0, "Qwen3 0.6B is undamaged.\n")
    data = bytearray(path.read_bytes())
    data[-1] ^= 8
    path.write_bytes(data)
    bad = command(user, models_library.verify, "qwen3 0.6b")
    assert bad.code == 1 and bad.err.startswith("Qwen3-0.6B-Q8_0.gguf is damaged. Delete the model")
    with pytest.raises(UserFacing, match="There is no model nonsense"):
        command(user, models_library.verify, "nonsense")


def test_options_of_one_model_and_its_alias(user: Path) -> None:
    installed(find_paths().models)
    installed(find_paths().models, quant="F16", seed=2)
    name = "Qwen3 0.6B:Q8_0"
    before = command(user, models_library.options, name)
    assert before.code == 0 and before.out.count("as the settings say") == 8 and "Alias" in before.out
    wanted = LoadOptions(context=4096, kv_type="q8_0")
    changed = command(user, models_library.options, name, wanted=wanted, alias=" Small.1 ")
    assert changed.code == 0 and "Context size" in changed.out and "4096" in changed.out and "Small.1" in changed.out
    more = command(user, models_library.options, "small.1", wanted=LoadOptions(threads=3), as_json=True)
    told = json.loads(more.out)
    assert told["alias"] == "Small.1" and told["name"] == "Qwen3 0.6B"
    assert told["options"] == {
        "context": 4096, "threads": 3, "gpu_layers": None, "flash_attention": None, "kv_type": "q8_0",
        "streams": None, "experts_on_cpu": None, "draft_model": None,
    }  # fmt: skip
    listed = command(user, models_library.list_models)
    assert "    Alias: Small.1\n    Loaded with: Context size 4096, Threads 3, Precision" in listed.out
    (it,) = [m for m in json.loads(command(user, models_library.list_models, as_json=True).out)["models"] if m["alias"]]
    assert it["options"] == told["options"]
    forgotten = command(user, models_library.options, "SMALL.1", wanted=LoadOptions(gpu_layers=0), reset=True)
    assert forgotten.out.count("as the settings say") == 7 and "Small.1" in forgotten.out
    assert command(user, models_library.options, "small.1", alias="").out.endswith("-\n")
    with pytest.raises(UserFacing, match=r"There is no model small\.1"):
        command(user, models_library.verify, "small.1")


@pytest.mark.parametrize(
    ("wanted", "alias", "sentence"),
    [
        (LoadOptions(context=100), None, "engine.context is 100; it must be a whole number from 512 to"),
        (LoadOptions(kv_type="q3"), "fine", 'engine.kv_type is "q3"; it must be one of "auto", "f16", "k_q8_0"'),
        (LoadOptions(context=4096), "no spaces", "A model cannot be called no spaces"),
        (LoadOptions(context=4096), "-x", "A model cannot be called -x"),
        (LoadOptions(context=4096), "qwen3-0.6b-f16", "qwen3-0.6b-f16 is a name of Qwen3 0.6B already"),
        (None, "other", "other is a name of Qwen3 0.6B already"),
    ],
)
def test_refused_options_change_nothing(
    user: Path, wanted: LoadOptions | None, alias: str | None, sentence: str
) -> None:
    installed(find_paths().models)
    installed(find_paths().models, quant="F16", seed=2)
    command(user, models_library.options, "Qwen3 0.6B:F16", alias="Other")
    with pytest.raises(UserFacing, match=re.escape(sentence)):
        command(user, models_library.options, "Qwen3 0.6B:Q8_0", wanted=wanted, alias=alias)
    after = command(user, models_library.options, "Qwen3 0.6B:Q8_0")
    assert after.out.count("as the settings say") == 8 and after.out.endswith("-\n")


def test_what_it_is_for_is_said_of_a_model_that_answers_nothing(user: Path, tmp_path: Path) -> None:
    vectors = {"qwen3.pooling_type": 3}
    added = command(user, models_library.import_models, files=[model(tmp_path / "vectors.gguf", extra=vectors)])
    assert added.code == 0 and "    For embeddings: qwen-desktop embed --model" in added.out
    installed(find_paths().models, extra={"qwen3.pooling_type": 4})
    listed = command(user, models_library.list_models)
    assert listed.code == 0 and "    For reranking, not to chat" in listed.out
    checked = command(user, models_library.verify, "Qwen3-0.6B-Q8_0.gguf")
    assert checked.code == 0 and "is undamaged" in checked.out


def test_remove_asks_first(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed(find_paths().models)
    installed(find_paths().models, quant="F16", seed=2)
    with pytest.raises(UserFacing, match="the name of 2 models"):
        command(user, models_library.remove, "Qwen3 0.6B")
    unasked = command(user, models_library.remove, "Qwen3 0.6B:Q8_0")
    assert unasked.code == 1 and "--yes agrees" in unasked.err and path.is_file()
    for answer, code in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        ending = command(user, models_library.remove, "Qwen3 0.6B:Q8_0")
        assert ending.code == code and path.is_file() == bool(code)
    assert ending.out == "Qwen3 0.6B is removed.\n"


def test_remove_where_there_is_no_bin(user: Path) -> None:
    path = installed(find_paths().models)
    (user / ".local").write_text("no folder for a bin")
    assert command(user, models_library.remove, path.name, yes=True).code == 0
    assert tree(find_paths().models) == {}


def test_remove_says_before_when_it_is_for_good(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed(find_paths().models)
    no_bin = deleting.no_bin_on(deleting.Drive(4, bin=False), 1)
    monkeypatch.setattr(deleting, "why_no_bin", lambda _paths: no_bin)
    for answer, code in (("n\n", 1), ("y\n", 0)):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        ending = command(user, models_library.remove, "Qwen3 0.6B:Q8_0")
        assert "A network drive has no bin. Delete Qwen3 0.6B (0 MB) for good? [y/N]" in ending.err
        assert ending.code == code and path.is_file() == bool(code)


def test_a_small_model_is_chosen_to_guess_for_another_one(user: Path) -> None:
    """Only one that means the same by each token."""
    installed(find_paths().models, layers=3)
    installed(find_paths().models, quant="F16", seed=2, layers=1)
    other = model(user / "other.gguf", vocab=700)
    assert command(user, models_library.import_models, files=[other]).code == 0
    name = "Qwen3 0.6B:Q8_0"
    chosen = command(user, models_library.options, name, wanted=LoadOptions(draft_model="Qwen3 0.6B:F16"), as_json=True)
    told = json.loads(chosen.out)
    assert Path(told["options"]["draft_model"]).name == "Qwen3-0.6B-F16.gguf" and told["draft_models"] == []
    for wrong, sentence in ((other.name, "does not have the same tokens"), ("nonsense", "no model nonsense")):
        with pytest.raises(UserFacing, match=sentence):
            command(user, models_library.options, name, wanted=LoadOptions(draft_model=wrong))
    with pytest.raises(UserFacing, match="it is not the smaller one"):
        command(user, models_library.options, "Qwen3 0.6B:F16", wanted=LoadOptions(draft_model=name))
    shown = command(user, models_library.options, name)
    assert "Draft model" in shown.out and "Qwen3-0.6B-F16.gguf" in shown.out
    for word in ("auto", "off"):
        told = json.loads(
            command(user, models_library.options, name, wanted=LoadOptions(draft_model=word), as_json=True).out
        )
        assert told["options"]["draft_model"] == word
