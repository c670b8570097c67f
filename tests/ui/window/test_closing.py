"""Whatever is open may be closed while its work runs, in every order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtWidgets import QApplication

from tests.app import running_app
from tests.closing import Slow, visit
from tests.scripted_engine import Script, ScriptedEngine
from tests.ui.models import scripted

if TYPE_CHECKING:
    from qwen_desktop.ui.event_loop import EventLoop


@pytest.mark.parametrize(
    ("seed", "stories"),
    [
        (1, "open_import open_import_files open_details open_machine open_licences"),
        (2, "open_chat open_rename open_model_menu open_model_file open_catalogue open_delete"),
        (3, ""),
    ],
)
@pytest.mark.expects_errors  # they are among what ``visit`` returns
async def test_nothing_that_is_closed_while_it_works_is_heard_of_again(
    loop: EventLoop, qapp: QApplication, tmp_path: Path, seed: int, stories: str
) -> None:
    script = Script(text="word " * 40, rate=400)
    async with running_app(lambda: ScriptedEngine(script, load_s=0.02)) as app:
        scripted.attach(app)
        services: Any = app
        services.library.items = scripted.installed()
        services.library.candidates = scripted.candidates()
        services.downloads.add(*scripted.every_state())
        Slow(services, random.Random(seed))
        assert await visit(services, qapp, seed, tmp_path, stories=stories) == []
    qapp.setStyleSheet("")
