"""What the window needs from below: the services, by their attributes. The bootstrap builds the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from qwen_desktop.core.paths import Paths
    from qwen_desktop.jobs.client import JobWorker
    from qwen_desktop.services.chat import Chat
    from qwen_desktop.services.events import EventBus
    from qwen_desktop.services.history import History
    from qwen_desktop.services.models import Models
    from qwen_desktop.services.preferences import Preferences


class Services(Protocol):
    """The use cases behind the window. All of them live on the window's event loop."""

    @property
    def history(self) -> History: ...
    @property
    def chat(self) -> Chat: ...
    @property
    def models(self) -> Models: ...
    @property
    def preferences(self) -> Preferences: ...
    @property
    def bus(self) -> EventBus: ...
    @property
    def jobs(self) -> JobWorker: ...
    @property
    def paths(self) -> Paths: ...

    async def open(self) -> None:
        """Open the history and repair what a killed run left. Raises ``AppError``."""

    async def aclose(self) -> None:
        """End everything in order, within 3 s."""
