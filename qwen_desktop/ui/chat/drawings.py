"""What is drawn from its source in messages (formulas, diagrams): made in the job worker, kept here for a while.

A drawing knows neither theme nor size nor pixels: it is made once for a source. Who wants one asks while it lays out;
what is not there yet is asked of the worker, many in one call, the last ones wanted first, and ``ready`` tells later
whose sources are to be laid out again. Without a worker the same function runs here.
"""

from __future__ import annotations

import importlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import ceil
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPixmap, QPixmapCache

from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.slices import Work

log = logging.getLogger(__name__)

#: Bytes of drawings that are kept, and characters of sources of which it is remembered that they cannot be drawn.
_ROOM: Final = 24_000_000
#: Seconds that laying out what was drawn may take, without a pause after it.
_SLOW_S: Final = 0.006


class Drawing(Protocol):
    """Something that was made of a source. Layouts paint it; each kind has its own way."""

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""


class Failed(NamedTuple):
    """There is no drawing of a source, and asking again changes nothing; ``reason`` is a code of the kind, or ""."""

    reason: str = ""


#: Kilobytes of Qt's cache: two pictures of a screen with small pixels, beside all icons.
_CACHE_KB: Final = 32_000
_SMOOTH: Final = QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing


def pixmap(key: str, width: float, height: float, ratio: float, paint: Callable[[QPainter], None]) -> QPixmap:
    """What ``paint`` paints, so many pixels large, on a screen with this ratio. It is kept in Qt's own cache, as icons
    are: to paint all drawings on screen anew takes too long for each frame of a scroll."""
    found = QPixmap()
    if not QPixmapCache.find(key, found):
        found = QPixmap(max(1, ceil(width * ratio)), max(1, ceil(height * ratio)))
        found.setDevicePixelRatio(ratio)
        found.fill(Qt.GlobalColor.transparent)
        painter = QPainter(found)
        painter.setRenderHints(_SMOOTH)
        paint(painter)
        painter.end()
        QPixmapCache.setCacheLimit(max(QPixmapCache.cacheLimit(), _CACHE_KB))
        QPixmapCache.insert(key, found)
    return found


class Kind(NamedTuple):
    """How drawings of one kind are made.

    ``job`` is what ``MarkdownSource`` calls the worker's job, ``place`` ("module:function") the same function. It gets
    a list of (source, options) and gives a list as long, of plain data that ``read`` turns into drawings; whatever
    ``read`` raises, there is none. ``batch`` is how many one call gets, ``patience`` the seconds that it may take.
    """

    job: str
    place: str
    read: Callable[[Any], Drawing | Failed]
    batch: int
    patience: float


_Options: TypeAlias = tuple[tuple[str, Any], ...]
_Key: TypeAlias = tuple[str, str, _Options]


class Drawings(Work):
    """The drawings of one transcript."""

    #: A kind, and the sources (a frozenset) of which it is known now what they look like.
    ready = Signal(str, object)

    def __init__(self, markdown: MarkdownSource, kinds: dict[str, Kind], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self._kinds = kinds
        self._kept: OrderedDict[_Key, Drawing | Failed] = OrderedDict()
        self._size = 0
        #: What is wanted and not asked yet, by kind, the newest at the end; and what is being made.
        self._wanted: dict[str, dict[_Key, None]] = {kind: {} for kind in kinds}
        self._making: dict[str, list[_Key]] = {}
        #: What is there and not told yet, by kind, and when that may be told, by ``time.perf_counter``.
        self._drawn: dict[str, set[str]] = {}
        self._not_before = 0.0
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._tell)
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._make)

    @property
    def waiting(self) -> bool:
        """Whether some that were asked for are still to come."""
        return bool(self._making or self._drawn) or any(self._wanted.values())

    def drawing(self, kind: str, source: str, **options: Any) -> Drawing | Failed | None:
        """The drawing of a source; None while it is being made: ``ready`` tells when to ask again. ``options`` are
        plain data that belong to the source: with others it is another drawing."""
        key = (kind, source, tuple(sorted(options.items())))
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        if key not in self._making.get(kind, ()):
            self._wanted[kind].pop(key, None)
            self._wanted[kind][key] = None
            if not self._soon.isActive():
                self._soon.start(0)
        return None

    def clear(self) -> None:
        """Forget what is wanted. What is known stays: a conversation that is opened again looks the same at once."""
        super().clear()
        self._making.clear()
        self._drawn.clear()
        for wanted in self._wanted.values():
            wanted.clear()

    # Making ----------------------------------------------------------------------------------------------------------

    def _make(self) -> None:
        for name, kind in self._kinds.items():
            wanted = self._wanted[name]
            if not wanted or name in self._making:
                continue
            keys = list(wanted)[-kind.batch :]
            for key in keys:
                del wanted[key]
            self._making[name] = keys
            if self._markdown.elsewhere(kind.job):
                self.spawn(self._ask(kind, keys))
            else:
                self.add(object(), self._here(kind, keys), partial(self._done, keys))

    async def _ask(self, kind: Kind, keys: list[_Key]) -> None:
        given = [(source, dict(options)) for _, source, options in keys]
        data = await self._markdown.ask(kind.job, given, read=list, patience=kind.patience)
        if data is None and len(keys) > 1:  # one may be to blame for all
            each = [await self._markdown.ask(kind.job, [one], read=list, patience=kind.patience) for one in given]
            data = [one[0] if one else None for one in each]
        for key, one in zip(keys, data or (), strict=False):
            self._keep(key, _read(kind, one))
        self._done(keys)

    def _here(self, kind: Kind, keys: Iterable[_Key]) -> Iterator[None]:
        module, _, name = kind.place.partition(":")
        function = getattr(importlib.import_module(module), name)
        for key in keys:
            _, source, options = key
            try:
                (one,) = function([(source, dict(options))])
            except Exception as error:  # whatever happens: the source stays readable
                log.warning("drawing.failed kind=%s length=%d %s", key[0], len(source), type(error).__name__)
                one = None
            self._keep(key, _read(kind, one))
            yield

    def _done(self, keys: list[_Key]) -> None:
        name = keys[0][0]
        del self._making[name]
        for key in keys:
            if key not in self._kept:  # the worker gave less than it was asked for
                self._keep(key, Failed())
        if any(self._wanted.values()):
            self._soon.start(0)
        self._drawn.setdefault(name, set()).update(source for _, source, _ in keys)
        self._tell()

    def _tell(self) -> None:
        """Say what is there now. Where all that waited for it took long to be laid out, the next time is only after
        ten times that: hundreds of drawings may come in, a few at a time."""
        started = time.perf_counter()
        if started < self._not_before:
            self._later.start(math.ceil(1000 * (self._not_before - started)))
            return
        drawn, self._drawn = self._drawn, {}
        for name, sources in drawn.items():
            self.ready.emit(name, frozenset(sources))
        took = time.perf_counter() - started
        self._not_before = started + 11 * took if took > _SLOW_S else 0.0

    def _keep(self, key: _Key, made: Drawing | Failed) -> None:
        if key not in self._kept:
            self._kept[key] = made
            self._size += _weight(key, made)
        while self._size > _ROOM and len(self._kept) > 1:
            self._size -= _weight(*self._kept.popitem(last=False))


def _weight(key: _Key, made: Drawing | Failed) -> int:
    return 200 + 2 * len(key[1]) + (0 if isinstance(made, Failed) else made.weight)


def _read(kind: Kind, data: Any) -> Drawing | Failed:
    try:
        return kind.read(data)
    except Exception as error:  # whatever came: the source stays readable
        log.warning("drawing.unreadable job=%s %s", kind.job, type(error).__name__)
        return Failed()
