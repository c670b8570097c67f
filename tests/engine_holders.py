"""What tests of the engines' turns use: an app on a small computer, and holders of leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from qwen_desktop.core.chat import Message
from qwen_desktop.core.model_ref import FileRef, ModelRef
from qwen_desktop.services.leases import Priority
from tests.app import App, run, running_app
from tests.small_computer import Computer


@asynccontextmanager
async def running_on(computer: Computer, **more: object) -> AsyncIterator[App]:
    """The services on this computer. ``more`` are further arguments of ``Engines``."""
    async with running_app(computer, needs=computer.needs, free=computer.free, **more) as app:
        yield app


def on(computer: Computer, test: Callable[[App], Awaitable[None]], **more: object) -> None:
    """Run a test on this computer."""

    async def main() -> None:
        async with running_on(computer, **more) as app:
            await test(app)

    run(main())


class Holder:
    """Holds a lease until it is let go; ``ahead`` is what it was told last of how many must end before it; ``heard`` is
    called whenever there are any."""

    def __init__(
        self,
        app: App,
        ref: ModelRef,
        priority: Priority = Priority.WINDOW,
        *,
        heard: Callable[[], object] = lambda: None,
    ) -> None:
        self._heard = heard
        self.has = asyncio.Event()
        self.release = asyncio.Event()
        self.ahead: int | None = None
        self.task = asyncio.create_task(self._hold(app, ref, priority))

    async def _hold(self, app: App, ref: ModelRef, priority: Priority) -> None:
        async with app.engines.lease(ref, priority=priority, on_load=self._wait):
            self.has.set()
            await self.release.wait()

    def _wait(self, ahead: int) -> None:
        self.ahead = ahead
        if ahead:
            self._heard()

    async def end(self) -> None:
        """Let go."""
        self.release.set()
        await self.task


async def until(reached: Callable[[], object]) -> None:
    """Wait for something that is seen from outside."""
    while not reached():  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.001)


async def say(app: App, ref: ModelRef, text: str = "Go") -> Message:
    """Ask in a new conversation, of this model."""
    app.models._state = app.models._chosen(ref.path if isinstance(ref, FileRef) else "")
    return await app.send(text)


async def answer_to(app: App, question: Message) -> Message:
    """The last message of the chat."""
    return (await app.history.tail(question.conversation_id, 1))[0]


def made_by(message: Message) -> str:
    """The name of the file that made an answer."""
    assert message.provenance is not None
    return Path(message.provenance.model_path).name
