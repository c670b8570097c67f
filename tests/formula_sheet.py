"""A contact sheet of formulas as the window draws them, each above its source, to be looked at: ``python -m
tests.formula_sheet OUT [FILE]`` draws those of ``tests.latex``, or one a line of a file, into OUT-1.png, OUT-2.png …"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter

from qwen_desktop.jobs.formulas.rendering import formula
from qwen_desktop.ui.chat.formulas import FormulaDrawing, Ink
from tests.latex import DRAWN, KEPT

_WIDE, _TALL, _COLUMNS, _ROWS, _EM = 620, 150, 3, 14, 26.0


def _cell(painter: QPainter, box: QRectF, source: str) -> bool:
    """One formula in its box; False where it has none."""
    painter.setPen(QColor("#ddd"))
    painter.drawRect(box)
    font = QFont("DejaVu Sans Mono")
    font.setPixelSize(11)
    painter.setFont(font)
    painter.setPen(QColor("#666"))
    painter.drawText(box.adjusted(6, _TALL - 32, -4, 0), Qt.TextFlag.TextWrapAnywhere, source)
    found = formula(source, display=True)
    if found is None:
        painter.setPen(QColor("#c00"))
        painter.drawText(box.topLeft() + QRectF(14, 40, 0, 0).topLeft(), "its source is shown")
        return False
    em = min(_EM, (_TALL - 48) / max(0.1, found.ascent + found.descent), (_WIDE - 30) / found.width)
    baseline = box.top() + 8 + found.ascent * em
    painter.setPen(QColor("#cde"))
    painter.drawRect(QRectF(box.left() + 14, box.top() + 8, found.width * em, (found.ascent + found.descent) * em))
    words = QFont("Noto Sans CJK SC")
    words.setPixelSize(16)
    FormulaDrawing(found).paint(painter, box.left() + 14, baseline, Ink(em, QColor("#111"), words))
    return True


def main(out: str, sources: list[str]) -> int:
    """Draw them, and say which have no drawing."""
    page = _COLUMNS * _ROWS
    kept: list[str] = []
    for number, start in enumerate(range(0, len(sources), page), 1):
        image = QImage(_WIDE * _COLUMNS, _TALL * _ROWS, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.white)
        painter = QPainter(image)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        for place, source in enumerate(sources[start : start + page]):
            row, column = divmod(place, _COLUMNS)
            if not _cell(painter, QRectF(column * _WIDE, row * _TALL, _WIDE - 1, _TALL - 1), source):
                kept.append(source)
        painter.end()
        image.save(f"{out}-{number}.png")
    print(f"{len(sources) - len(kept)} of {len(sources)} are drawn; these are not:", *kept, sep="\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication(sys.argv[:1])
    lines = Path(sys.argv[2]).read_text("utf-8").splitlines() if len(sys.argv) > 2 else [*DRAWN, *KEPT]
    raise SystemExit(main(sys.argv[1], [line for line in lines if line.strip()]))
