"""Which installed model guesses for a large one, by what the job worker says of pairs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import Problem, UserFacing
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.core.text import Text
from qwen_desktop.services.draft_models import DraftModels


class Jobs:
    """Says which pairs go together: those whose names begin alike."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def call(self, name: str, params: dict[str, Any]) -> Any:
        assert name == "gguf.draft_model"
        path, draft = Path(params["path"]).name, Path(params["draft"]).name
        self.asked.append((path, draft))
        if path[0] != draft[0]:
            raise UserFacing(Text("draft_model.words", f"{draft} cannot guess for {path}"))
        return {"offered": "mid" not in draft, "bytes": 1000 + len(draft)}


def model(folder: Path, name: str, billions: float, **more: Any) -> InstalledModel:
    path = folder / f"{name}.gguf"
    path.write_bytes(name.encode())
    size = int(billions * 1e9)
    return InstalledModel(name, str(path), name, "Q8_0", size, (str(path),), parameters=size, **more)


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, InstalledModel]:
    broken = Problem("environment", Text("gone", "It is gone."))
    models = [
        model(tmp_path, "q-large", 8.2), model(tmp_path, "q-mid", 1.0), model(tmp_path, "q-small", 0.6),
        model(tmp_path, "q-tiny", 0.5, problem=broken), model(tmp_path, "l-small", 0.3), model(tmp_path, "q-4b", 4.0),
        model(tmp_path, "q-vectors", 0.2, kind="embedding"),
    ]  # fmt: skip
    return {each.name: each for each in models}


def test_the_smallest_that_fits_is_taken_and_only_for_large_ones(installed: dict[str, InstalledModel]) -> None:
    jobs = Jobs()
    drafts = DraftModels(jobs, installed.values)  # type: ignore[arg-type]
    large, small = installed["q-large"].path, installed["q-small"].path

    async def work() -> None:
        assert drafts.known_bytes(large, "auto") is None and drafts.known_bytes(large, "off") == 0
        assert [each.name for each in await drafts.offered(large)] == ["q-small"]
        found = await drafts.filled(LoadRequest(large, draft_model="auto"))
        assert found.draft_model == small and drafts.known_bytes(large, "auto") == await drafts.bytes_of(large, "auto")
        assert (drafts.known_bytes(large, "auto") or 0) > 1000
        count = len(jobs.asked)
        for wish, drafting, path in (
            ("off", "auto", ""),
            ("", "auto", ""),
            ("auto", "off", ""),
            ("auto", "auto", small),
        ):
            asked = LoadRequest(large, draft_model=wish, drafts=drafting)  # type: ignore[arg-type]
            assert (await drafts.filled(asked)).draft_model == path
        four = installed["q-4b"].path
        assert (await drafts.filled(LoadRequest(four, draft_model="auto"))).draft_model == ""
        assert await drafts.offered(four) == () and len(jobs.asked) == count  # each pair is looked at once
        await asyncio.to_thread(Path(small).write_bytes, b"another one")
        assert (await drafts.filled(LoadRequest(large, draft_model="auto"))).draft_model == small
        assert len(jobs.asked) == count + 1
        del installed["q-small"]
        assert (await drafts.filled(LoadRequest(large, draft_model="auto"))).draft_model == ""
        assert drafts.known_bytes(large, "auto") == 0

    asyncio.run(work())


def test_a_chosen_one_is_taken_as_it_is_and_found_where_it_was_moved(
    installed: dict[str, InstalledModel], tmp_path: Path
) -> None:
    drafts = DraftModels(Jobs(), installed.values)  # type: ignore[arg-type]
    large, other = installed["q-large"].path, installed["l-small"].path

    async def work() -> None:
        with pytest.raises(UserFacing, match="cannot guess for"):
            await drafts.check(large, other)
        await drafts.check(large, installed["q-mid"].path)
        chosen = LoadRequest(large, draft_model=installed["q-mid"].path)
        assert (await drafts.filled(chosen)).draft_model == installed["q-mid"].path
        moved = LoadRequest(large, draft_model=str(tmp_path / "elsewhere" / "q-mid.gguf"))
        assert (await drafts.filled(moved)).draft_model == installed["q-mid"].path
        gone = LoadRequest(large, draft_model=str(tmp_path / "gone.gguf"))
        assert (await drafts.filled(gone)).draft_model == gone.draft_model  # the load says that it is not there

    asyncio.run(work())
