"""Access tokens in the system's own safe (keyring). Where there is none they live until the app ends.

A keyring may look fine and still fail, ask for a password, or hang: every call has a thread of its own with a time
limit, and before the first token is kept something is written, read and removed on trial. The keyring is not touched at
all as long as nothing was ever put there (a file remembers the names, never the tokens). Nothing here is logged but
kinds of failures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

log = logging.getLogger(__name__)

T = TypeVar("T")
Names = frozenset[str]

SERVICE = "qwen-desktop"
#: A person may have to unlock the keyring; after so many seconds it counts as unusable.
PATIENCE_S = 30.0
_LONGEST = 4096
_TRIAL = "trial"


class Backend(Protocol):
    """What is used of ``keyring``."""

    def get_password(self, service: str, name: str, /) -> str | None: ...
    def set_password(self, service: str, name: str, value: str, /) -> None: ...
    def delete_password(self, service: str, name: str, /) -> None: ...


class Secrets:
    """Tokens by name. ``names_file`` remembers which names were put into the keyring."""

    def __init__(
        self, names_file: Path, *, backend: Callable[[], Backend] | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._names_file = names_file
        self._backend = backend or _keyring
        self._patience_s = patience_s
        self._session: dict[str, str] = {}
        self._usable: bool | None = None

    @property
    def persistent(self) -> bool:
        """Whether tokens outlive the app, as far as is known: False once the keyring has failed."""
        return self._usable is not False

    async def get(self, name: str) -> str | None:
        """The token, None when there is none (or the keyring does not answer). Never raises."""
        if name in self._session:
            return self._session[name]
        if self._usable is False or not await asyncio.to_thread(self._may_hold, name):
            return None
        found = await self._ask(lambda safe: safe.get_password(SERVICE, name))
        if found:
            self._session[name] = found
        return found or None

    async def set(self, name: str, value: str) -> bool:
        """Keep a token; returns whether it outlives the app. Raises ``UserFacing`` for one that cannot be one."""
        value = value.strip()
        if not value or len(value) > _LONGEST or not value.isascii() or not value.isprintable() or " " in value:
            raise UserFacing(
                Text("secrets.form", QT_TRANSLATE_NOOP("secrets", "This is not an access token.")),
                Text("secrets.form.hint", QT_TRANSLATE_NOOP("secrets", "Copy it as a whole from the hub's page.")),
            )
        self._session[name] = value
        kept = await self._ask(lambda safe: _keep(safe, name, value))
        if kept:
            await self._remember(name, present=True)
        return bool(kept)

    async def delete(self, name: str) -> None:
        """Forget a token, here and in the keyring. Never raises."""
        self._session.pop(name, None)
        if await asyncio.to_thread(self._may_hold, name):
            await self._ask(lambda safe: _remove(safe, name))
            await self._remember(name, present=False)

    async def _ask(self, call: Callable[[Backend], T]) -> T | None:
        """Run ``call`` in a thread with a time limit; None (and never again in this run) when the keyring fails."""
        if self._usable is False:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T | None] = loop.create_future()

        def settle(value: T | None, failure: str) -> None:
            if failure:
                log.warning("secrets.unusable kind=%s", failure)
                self._usable = False
            if not answer.done():
                answer.set_result(value)

        def work() -> None:
            value, failure = None, ""
            try:
                value = call(self._backend())
            except Exception as error:  # backends let exceptions of their own libraries through
                failure = type(error).__name__
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, value, failure)

        # not the loop's own threads: Python waits for those at its end, and this one may hang for ever
        threading.Thread(target=work, name="keyring", daemon=True).start()
        try:
            async with asyncio.timeout(self._patience_s):
                return await answer
        except TimeoutError:
            log.warning("secrets.unusable kind=timeout")
            self._usable = False
            return None

    def _may_hold(self, name: str) -> bool:
        """Whether the keyring was given a token of this name, or the file does not tell it any more."""
        names = self._names()
        return names is None or name in names

    def _names(self) -> Names | None:
        """The names that were put into the keyring, None where the file is there but does not tell them."""
        try:
            found = json.loads(read_file(self._names_file))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, RecursionError):
            return None
        return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else None

    async def _remember(self, name: str, *, present: bool) -> None:
        def write() -> None:
            names = self._names()
            if names is None:
                return  # it stays unknown: a new list would deny the tokens of other hubs
            names = names | {name} if present else names - {name}
            write_atomic(self._names_file, json.dumps(sorted(names)).encode())

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            log.warning("secrets.names kind=%s", type(error).__name__)


def _keyring() -> Backend:
    import keyring  # noqa: PLC0415 - a tenth of a second, only where a token is

    return keyring


def _keep(safe: Backend, name: str, value: str) -> bool:
    trial = secrets.token_hex(8)
    safe.set_password(SERVICE, _TRIAL, trial)
    if safe.get_password(SERVICE, _TRIAL) != trial:
        raise LookupError
    _remove(safe, _TRIAL)
    safe.set_password(SERVICE, name, value)
    return True


def _remove(safe: Backend, name: str) -> None:
    with contextlib.suppress(Exception):  # what is not there cannot be removed: each backend says so in its own way
        safe.delete_password(SERVICE, name)
