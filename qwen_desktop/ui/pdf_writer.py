"""``--worker pdf``: pages of HTML as PDF, by Qt's documents, for the window and for commands.

A process of its own: laying out a long chat takes seconds, and commands have no Qt.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.jobs.exports.pdf import FOLDER, LIST, Drawing, PageWork, Written
from qwen_desktop.process import frames

if TYPE_CHECKING:
    from PySide6.QtGui import QImage, QTextDocument

#: Dots an inch in which pages are laid out, and how much finer drawings are than that.
_DPI, _FINER = 96, 3
#: Millimetres around a page.
_MARGIN_MM = 18
#: The text's size in points, and pixels of its em when laid out.
_POINTS = 10.5
_EM = _POINTS * _DPI / 72
#: The largest picture, in bytes decoded.
_LARGEST_MB = 256
_LONGEST_SIDE = 8000


def main() -> int:
    """Write all pages of the list and send one frame (``Written``). Returns the exit code."""
    if sys.platform != "win32":  # there its own platform needs no screen, and has the system's fonts
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtGui import QGuiApplication, QImageReader  # noqa: PLC0415 - may abort the process

    application = QGuiApplication(["qwen-desktop"])
    QImageReader.setAllocationLimit(_LARGEST_MB)
    work = unpack((Path(os.environ[FOLDER]) / LIST).read_bytes(), list[PageWork])
    written = Written(tuple(_write(page) for page in work))
    with os.fdopen(1, "wb", closefd=False) as stream:
        stream.write(frames.pack(pack(written)))
    del application
    return 0


def _write(page: PageWork) -> int:
    """Write one and return how many pages of paper it has."""
    from PySide6.QtCore import QMarginsF, QPointF, QRectF, QSizeF, Qt, QUrl  # noqa: PLC0415 - see above
    from PySide6.QtGui import (  # noqa: PLC0415
        QColor,
        QFont,
        QFontDatabase,
        QPageLayout,
        QPageSize,
        QPainter,
        QPdfWriter,
        QTextDocument,
    )

    writer = QPdfWriter(page.out)
    writer.setTitle(page.title)
    writer.setCreator("Qwen Desktop")
    writer.setResolution(_DPI)
    size = QPageSize(QPageSize.PageSizeId.A4)
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    writer.setPageLayout(QPageLayout(size, QPageLayout.Orientation.Portrait, margins, QPageLayout.Unit.Millimeter))
    paper = writer.pageLayout().paintRectPixels(_DPI)
    footer = 28
    area = QSizeF(paper.width(), paper.height() - footer)
    document = QTextDocument()
    document.setUndoRedoEnabled(False)
    font = QFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family())
    font.setPointSizeF(_POINTS)
    document.setDefaultFont(font)
    document.documentLayout().setPaintDevice(writer)
    x_height = _EM * 0.52
    for number, drawing in enumerate(page.drawings):
        image = _image(drawing, area.width(), area.height(), x_height)
        if image is not None:
            document.addResource(QTextDocument.ResourceType.ImageResource.value, QUrl(f"drawing:{number}"), image)
    document.setHtml(page.html)
    _place(document, page.drawings)
    document.setDocumentMargin(0)
    document.setPageSize(area)
    total = document.pageCount()
    painter = QPainter(writer)
    small = QFont(font)
    small.setPointSizeF(8)
    for number in range(total):
        if number and not writer.newPage():
            break
        painter.save()
        painter.translate(QPointF(0, -number * area.height()))
        document.drawContents(painter, QRectF(0, number * area.height(), area.width(), area.height()))
        painter.restore()
        painter.setFont(small)
        painter.setPen(QColor("#5A5A66"))
        text = page.numbered.replace("{number}", str(number + 1)).replace("{total}", str(total))
        below = QRectF(0, area.height(), area.width(), footer)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, text)
    good = painter.end()
    return total if good else 0


def _image(drawing: Drawing, widest: float, highest: float, x_height: float) -> QImage | None:
    """A drawing as pixels, ``_FINER`` times as fine as the page, no larger than that."""
    from PySide6.QtCore import QByteArray, QRectF, Qt  # noqa: PLC0415 - see above
    from PySide6.QtGui import QImage, QPainter  # noqa: PLC0415

    if drawing.picture:
        image = QImage.fromData(QByteArray(drawing.picture))
        if image.isNull():
            return None
        scale = min(1.0, widest / image.width(), highest / image.height())
        image.setDevicePixelRatio(1 / scale)
        if scale < 1 / _FINER:
            image = image.scaled(
                round(widest * _FINER),
                round(highest * _FINER),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            image.setDevicePixelRatio(_FINER)
        return image
    from PySide6.QtSvg import QSvgRenderer  # noqa: PLC0415

    top = 0.0
    if drawing.ems is not None:
        wide, ascent, descent = (_EM * value for value in drawing.ems)
        high = ascent + descent
        # What stands in the middle of a line has its own middle at half an x above the baseline.
        top = max(0.0, descent + x_height - ascent)
        room = (ascent + top) + max(descent, ascent + top - x_height)
    else:
        wide, high = drawing.pixels or (1.0, 1.0)
        room = high
    scale = min(1.0, widest / max(wide, 1.0), highest / max(room, 1.0))
    finer = min(_FINER, _LONGEST_SIDE / max(wide, room, 1.0))
    image = QImage(
        max(1, round(wide * scale * finer)), max(1, round(room * scale * finer)), QImage.Format.Format_ARGB32
    )
    image.fill(Qt.GlobalColor.transparent)
    image.setDevicePixelRatio(finer)
    painter = QPainter(image)
    renderer = QSvgRenderer(QByteArray(drawing.svg.encode()))
    renderer.render(painter, QRectF(0, top * scale, wide * scale, high * scale))
    painter.end()
    return image


def _place(document: QTextDocument, drawings: tuple[Drawing, ...]) -> None:
    """Put formulas onto the baseline of their lines (see ``_image``)."""
    from PySide6.QtGui import QTextCharFormat, QTextCursor  # noqa: PLC0415 - see above

    block = document.begin()
    while block.isValid():
        places = []
        iterator = block.begin()
        while not iterator.atEnd():
            fragment = iterator.fragment()
            if fragment.charFormat().isImageFormat():
                name = fragment.charFormat().toImageFormat().name()
                number = name.removeprefix("drawing:")
                if number.isdecimal() and int(number) < len(drawings) and drawings[int(number)].ems is not None:
                    places.append((fragment.position(), fragment.length()))
            iterator += 1
        for position, length in places:
            cursor = QTextCursor(document)
            cursor.setPosition(position)
            cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
            middle = QTextCharFormat()
            middle.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
            cursor.mergeCharFormat(middle)
        block = block.next()
