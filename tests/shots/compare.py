"""Two folders of pictures held against each other, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter

from tests.shots.picture import save
from tests.shots.sheet import SHEET, Sheet

#: In a folder of pictures: what of the machine is in them.
FACTS = "_facts.json"
_MARK = QColor(230, 0, 70)
_GAP, _CAPTION = 8, 22


class Difference(NamedTuple):
    """What two pictures differ in: so many ``pixels`` inside ``box``, which are ``share`` (0 to 1) of all."""

    pixels: int
    box: QRect
    share: float


class Comparison(NamedTuple):
    """The pictures by their place in the folders."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    equal: tuple[str, ...]
    different: dict[str, Difference]

    @property
    def same(self) -> bool:
        """Whether the folders hold the same pictures."""
        return not (self.new or self.gone or self.different)


def compare(old: Path, new: Path, out: Path | None = None) -> Comparison:
    """Hold the pictures of ``new`` against those of ``old``. With ``out`` there is a picture for each difference in
    that folder, and one of all of them; older pictures in it go."""
    before, after = _pictures(old), _pictures(new)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for path in out.rglob("*.png"):
            path.unlink()
    sheet = Sheet(columns=2, cell=QSize(1180, 300))
    equal: list[str] = []
    different: dict[str, Difference] = {}
    for name in sorted(before.keys() & after.keys()):
        if before[name].read_bytes() == after[name].read_bytes():
            equal.append(name)
            continue
        first, second = QImage(str(before[name])), QImage(str(after[name]))
        changed = _changed(first, second)
        if not changed.any():
            equal.append(name)
            continue
        different[name] = _difference(changed)
        if out is not None:
            beside = _side_by_side(first, second, changed)
            place = out / name
            place.parent.mkdir(parents=True, exist_ok=True)
            save(beside, place)
            sheet.add(f"{name}: {described(different[name])}", beside)
    if out is not None and len(sheet):
        sheet.save(out / SHEET, f"{len(sheet)} differences: before, now, what differs")
    new_, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    return Comparison(tuple(new_), tuple(gone), tuple(equal), different)


def described(difference: Difference) -> str:
    """A difference in words."""
    box = difference.box
    share = f"{difference.share * 100:.2f} %" if difference.share >= 0.0001 else "under 0.01 %"
    return f"{difference.pixels} pixels ({share}) in {box.width()} x {box.height()} at {box.x()}, {box.y()}"


def report(found: Comparison) -> Iterator[str]:
    """The comparison line by line, for people."""
    for title, names in (("new", found.new), ("gone", found.gone)):
        for name in names:
            yield f"{title:9} {name}"
    for name, difference in found.different.items():
        yield f"different {name}: {described(difference)}"
    yield (f"{len(found.equal)} equal, {len(found.different)} different, {len(found.new)} new, {len(found.gone)} gone")


def machines(old: Path, new: Path) -> Iterator[str]:
    """What to know where the folders were drawn with another Qt or other fonts: then all differs."""
    for place in sorted({file.parent.relative_to(folder) for folder in (old, new) for file in folder.rglob(FACTS)}):
        first, second = ((folder / place / FACTS) for folder in (old, new))
        if first.is_file() and second.is_file() and first.read_bytes() != second.read_bytes():
            yield f"not comparable: {first} and {second} differ"


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder and of those in it; raises ``ValueError`` when there are none."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*.png") if not p.name.startswith("_")}
    if not found:
        raise ValueError(f"{folder} holds no pictures")
    return found


def _pixels(image: QImage) -> NDArray[np.uint32]:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), dtype=np.uint32).reshape(image.height(), image.bytesPerLine() // 4)
    return rows[:, : image.width()].copy()


def _changed(first: QImage, second: QImage) -> NDArray[np.bool_]:
    """Where two pictures differ, in the area that either takes; where only one of them is, they differ."""
    a, b = _pixels(first), _pixels(second)
    changed = np.ones((max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])), dtype=np.bool_)
    high, wide = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
    changed[:high, :wide] = a[:high, :wide] != b[:high, :wide]
    return changed


def _difference(changed: NDArray[np.bool_]) -> Difference:
    rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
    pixels = int(changed.sum())
    return Difference(pixels, QRect(left, top, right - left + 1, bottom - top + 1), pixels / changed.size)


def _side_by_side(first: QImage, second: QImage, changed: NDArray[np.bool_]) -> QImage:
    """Before, now, and now in pale grey with what differs in colour."""
    high, wide = changed.shape
    marks = np.zeros((high, wide), dtype=np.uint32)
    marks[changed] = _MARK.rgba()
    mask = QImage(marks.tobytes(), wide, high, wide * 4, QImage.Format.Format_ARGB32).copy()
    pale = second.convertToFormat(QImage.Format.Format_Grayscale8)
    image = QImage(3 * wide + 2 * _GAP, high + _CAPTION, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    for number, (name, shown) in enumerate((("before", first), ("now", second), ("what differs", pale))):
        x = number * (wide + _GAP)
        painter.drawText(QRect(x + 4, 0, wide, _CAPTION), Qt.AlignmentFlag.AlignVCenter, name)
        if shown is pale:
            painter.setOpacity(0.35)
        painter.drawImage(x, _CAPTION, shown)
        painter.setOpacity(1)
    x = 2 * (wide + _GAP)
    painter.drawImage(x, _CAPTION, mask)
    painter.setPen(_MARK)
    painter.drawRect(_difference(changed).box.adjusted(-4, -4, 3, 3).translated(x, _CAPTION))
    painter.end()
    return image
