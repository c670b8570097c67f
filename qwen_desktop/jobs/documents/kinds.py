"""What a file is: told by its content first, by its name where the content has no marks."""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

from qwen_desktop.core.documents import CODE, MEDIA_TYPES, Kind, extension, guess
from qwen_desktop.jobs.documents import encodings, failures
from qwen_desktop.jobs.documents.package import Package, is_zip

#: Bytes to judge by.
HEAD = 65_536


class Told(NamedTuple):
    """``reader`` names one of ``readers.READERS``; "" for what has no text here."""

    kind: Kind
    media_type: str
    reader: str


_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
_SOUNDS = (
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd", b"MSCF")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Streams in Microsoft's old container, and in which form the document should be saved.
_OLD = (("WordDocument", "DOCX"), ("Workbook", "XLSX"), ("Book", "XLSX"), ("PowerPoint Document", "PPTX"),
        ("__properties_version1.0", "EML"))  # fmt: skip
_HTML = re.compile(rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,4000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
                   re.IGNORECASE | re.DOTALL)  # fmt: skip
_HEADER = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]{0,60}:[^\r\n]{0,998}(?:\r?\n[ \t][^\r\n]{0,998}){0,99}\r?\n){2,}")
_MAIL = re.compile(rb"^(?:From|To|Subject|Date|Message-ID|Received|Return-Path|Delivered-To|MIME-Version):",
                   re.IGNORECASE | re.MULTILINE)  # fmt: skip


def tell(file: BinaryIO, size: int, name: str) -> Told:
    """What ``file`` is, called ``name``; its place is at the beginning afterwards. Raises ``AppError`` for what no
    reader reads."""
    head = file.read(HEAD)
    found = _by_marks(file, head, name) or _as_text(file, head, size, name)
    file.seek(0)
    return found


def _by_marks(file: BinaryIO, head: bytes, name: str) -> Told | None:
    ending = extension(name)
    pdf = head.lstrip(b"\xef\xbb\xbf\x00\t\r\n\x0c ").startswith(b"%PDF-")
    if pdf or (ending == "pdf" and b"%PDF-" in head[:1024]):
        return _told("pdf", "pdf")
    if is_zip(head):
        return _in_package(Package(file, name), name)
    if head.startswith(_OLE):
        _refuse_old(file, head, name)
    if head.startswith(b"{\\rtf"):
        raise failures.other_form(name, "DOCX")
    media = _media(head)
    if media:
        return media
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        raise failures.archive(name)
    return None


def _media(head: bytes) -> Told | None:
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        picture = head[8:12] == b"WEBP"
        return Told(Kind.IMAGE if picture else Kind.AUDIO, "image/webp" if picture else "audio/wav", "")
    if head[4:8] == b"ftyp" and head[8:12] in (b"M4A ", b"mp42", b"isom"):
        return Told(Kind.AUDIO, "audio/mp4", "") if head[8:11] == b"M4A" else None
    for kind, marks in ((Kind.IMAGE, _IMAGES), (Kind.AUDIO, _SOUNDS)):
        for mark, media_type in marks:
            if head.startswith(mark) and (len(mark) > 2 or encodings.is_binary(head)):
                return Told(kind, media_type, "")
    return None


def _in_package(package: Package, name: str) -> Told:
    names = package.names
    for folder, form in (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")):
        if any(member.startswith(folder) for member in names):
            if form == "xlsx" and "xl/workbook.bin" in names:
                raise failures.other_form(name, "XLSX")
            return _told(form, form, name)
    said = package.start("mimetype", 100).strip()
    if said.startswith(b"application/epub") or "META-INF/container.xml" in names:
        return _told("epub", "epub")
    if said.startswith(b"application/vnd.oasis.opendocument.text"):
        return _told("odt", "odt")
    if said.startswith(b"application/vnd.oasis.opendocument."):
        raise failures.other_form(
            name, "XLSX" if b"spreadsheet" in said else "PPTX" if b"presentation" in said else "PDF"
        )
    raise failures.archive(name)


def _told(form: str, reader: str, name: str = "") -> Told:
    own = MEDIA_TYPES.get(extension(name)) if name else None
    kind, media_type = MEDIA_TYPES[form]
    return Told(kind, own[1] if own is not None and own[0] is kind else media_type, reader)


def _refuse_old(file: BinaryIO, head: bytes, name: str) -> None:
    """Say what Microsoft's old container holds: a document of former times, or a new one that is encrypted."""
    try:
        file.seek((int.from_bytes(head[48:52], "little") + 1) << int.from_bytes(head[30:32], "little") % 16)
        directory = file.read(HEAD)
    except (OSError, OverflowError, ValueError):
        directory = b""
    streams = directory + head
    if "EncryptedPackage".encode("utf-16-le") in streams:
        raise failures.password(name)
    for stream, form in _OLD:
        if stream.encode("utf-16-le") in streams:
            raise failures.other_form(name, form)
    raise failures.binary(name)


def _as_text(file: BinaryIO, head: bytes, size: int, name: str) -> Told:
    samples = [head]
    for place in (size // 2, size - HEAD):
        if place > HEAD:
            file.seek(place & ~3)
            samples.append(file.read(HEAD // 4).replace(b"\0", b""))  # a crash leaves holes of zeros in logs
    wide = encodings.marked(head) or encodings.unmarked_utf16(head)
    kind, media_type = guess(name)
    if not wide and any(map(encodings.is_binary, samples)):
        raise failures.damaged(name) if kind in _PACKED else failures.binary(name)
    ending = extension(name)
    if ending not in CODE and kind is not Kind.MARKDOWN and _HTML.match(head.lstrip(b"\xef\xbb\xbf")):
        return _told("html", "html", name)
    if kind is Kind.MAIL or (ending not in CODE and kind is Kind.TEXT and _is_mail(head)):
        return (
            _told("eml", "eml") if _HEADER.match(head) or _MAIL.search(head) else Told(Kind.TEXT, "text/plain", "text")
        )
    if kind in _PACKED or kind in (Kind.IMAGE, Kind.AUDIO):  # its name lies, but it can be read
        return Told(Kind.TEXT, "text/plain", "text")
    if kind is Kind.HTML:
        return _told("html", "html", name)
    return Told(kind, media_type, {Kind.TABLE: "table", Kind.MARKDOWN: "markdown"}.get(kind, "text"))


_PACKED = (Kind.PDF, Kind.WORD, Kind.SHEET, Kind.SLIDES, Kind.BOOK)


def _is_mail(head: bytes) -> bool:
    found = _HEADER.match(head)
    return found is not None and len({word.lower() for word in _MAIL.findall(found[0])}) >= 4
