"""Documents that can be attached: their kinds and names, the limits of reading one, and what comes out. Pure data.

The reading itself is done by the job ``document.read`` (``jobs.documents``), which tells a kind by the content first
and by the name second; the names here serve file dialogs, icons and what has no marks of its own (source code).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from qwen_desktop.core.text import Text


class Kind(StrEnum):
    """What a document is to its reader. Pictures and sounds have no text here: a model takes them as they are."""

    TEXT = "text"
    CODE = "code"
    MARKDOWN = "markdown"
    TABLE = "table"
    PDF = "pdf"
    WORD = "word"
    SHEET = "sheet"
    SLIDES = "slides"
    BOOK = "book"
    HTML = "html"
    MAIL = "mail"
    IMAGE = "image"
    AUDIO = "audio"


#: Extensions, in small letters and without the dot, of each kind that has its own media types.
MEDIA_TYPES: Mapping[str, tuple[Kind, str]] = {
    "txt": (Kind.TEXT, "text/plain"),
    "text": (Kind.TEXT, "text/plain"),
    "log": (Kind.TEXT, "text/plain"),
    "md": (Kind.MARKDOWN, "text/markdown"),
    "markdown": (Kind.MARKDOWN, "text/markdown"),
    "mdown": (Kind.MARKDOWN, "text/markdown"),
    "mkd": (Kind.MARKDOWN, "text/markdown"),
    "csv": (Kind.TABLE, "text/csv"),
    "tsv": (Kind.TABLE, "text/tab-separated-values"),
    "tab": (Kind.TABLE, "text/tab-separated-values"),
    "pdf": (Kind.PDF, "application/pdf"),
    "docx": (Kind.WORD, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "docm": (Kind.WORD, "application/vnd.ms-word.document.macroenabled.12"),
    "dotx": (Kind.WORD, "application/vnd.openxmlformats-officedocument.wordprocessingml.template"),
    "odt": (Kind.WORD, "application/vnd.oasis.opendocument.text"),
    "xlsx": (Kind.SHEET, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "xlsm": (Kind.SHEET, "application/vnd.ms-excel.sheet.macroenabled.12"),
    "pptx": (Kind.SLIDES, "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    "epub": (Kind.BOOK, "application/epub+zip"),
    "html": (Kind.HTML, "text/html"),
    "htm": (Kind.HTML, "text/html"),
    "xhtml": (Kind.HTML, "application/xhtml+xml"),
    "eml": (Kind.MAIL, "message/rfc822"),
    "png": (Kind.IMAGE, "image/png"),
    "jpg": (Kind.IMAGE, "image/jpeg"),
    "jpeg": (Kind.IMAGE, "image/jpeg"),
    "webp": (Kind.IMAGE, "image/webp"),
    "gif": (Kind.IMAGE, "image/gif"),
    "bmp": (Kind.IMAGE, "image/bmp"),
    "wav": (Kind.AUDIO, "audio/wav"),
    "mp3": (Kind.AUDIO, "audio/mpeg"),
    "flac": (Kind.AUDIO, "audio/flac"),
    "ogg": (Kind.AUDIO, "audio/ogg"),
    "opus": (Kind.AUDIO, "audio/ogg"),
    "m4a": (Kind.AUDIO, "audio/mp4"),
}

#: Extensions of text that somebody has written for a machine. All of it is read as it stands.
_CODE_WORDS = (
    "asm astro awk bash bat bib c cc cfg clj cls cmake cmd conf cpp cs css cxx dart diff dockerfile el env erl ex exs "
    "f f90 fish fs glsl go gradle graphql groovy h hcl hh hpp hs hxx ini ipynb java jl js json json5 jsonc jsonl jsx "
    "kt kts less lisp lock lua m makefile mjs ml mm nim nix org pas patch php pl plist pm po pro properties proto ps1 "
    "py pyi pyw qml r rb rs rst sass scala scm scss sh sql srt sty svelte svg swift tcl tex tf toml ts tsv tsx ui v "
    "vb vhd vim vtt vue wat wgsl xml xsd xsl xslt yaml yml zig zsh"
)
CODE = frozenset(_CODE_WORDS.split()) - {"tsv"}


def extension(name: str) -> str:
    """What stands behind the last dot of a file's name, in small letters; the whole name of one without a dot
    ("Makefile")."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    return base.rpartition(".")[2]


def guess(name: str) -> tuple[Kind, str]:
    """The kind and media type that a name promises; plain text where it promises nothing."""
    ending = extension(name)
    if ending in CODE:
        return Kind.CODE, "text/plain"
    return MEDIA_TYPES.get(ending, (Kind.TEXT, "text/plain"))


def patterns(*kinds: Kind) -> tuple[str, ...]:
    """File name patterns ("*.pdf") of these kinds, of all that have text when none is named: for file dialogs."""
    wanted = kinds or tuple(kind for kind in Kind if kind not in (Kind.IMAGE, Kind.AUDIO))
    found = [ending for ending, (kind, _) in MEDIA_TYPES.items() if kind in wanted]
    if Kind.CODE in wanted:
        found += sorted(CODE)
    return tuple(f"*.{ending}" for ending in found)


class Limits(Struct, frozen=True):
    """How far a reader goes. What lies behind a limit is left out, and the notes say so.

    ``seconds`` is how long a reader may take before it stops by itself with what it has; one that still runs
    ``grace_s`` later is ended. ``memory`` is what its process may take, in bytes; ``unpacked`` what an archive may
    unpack to, in bytes. A model that reads two million tokens reads some ten million ``characters``.
    """

    seconds: float = 60.0
    grace_s: float = 15.0
    memory: int = 1 << 30
    characters: int = 10_000_000
    unpacked: int = 512 << 20
    members: int = 20_000
    pages: int = 5_000
    cells: int = 2_000_000
    depth: int = 1_000
    sections: int = 20_000


class Section(Struct, frozen=True, array_like=True):
    """A stretch of a document's text, in characters: a page, chapter, sheet, slide, or what stands under a heading.
    Sections follow one another without gaps or overlap."""

    title: str
    start: int
    end: int


class Document(Struct, frozen=True):
    """What was read. ``pages`` is how many the file has (pages or slides, 0 without). ``cut``: not all of it was read;
    ``notes`` say what was left out and what else the reader of the text should know."""

    media_type: str
    kind: Kind
    text: str = ""
    pages: int = 0
    sections: tuple[Section, ...] = ()
    cut: bool = False
    notes: tuple[Text, ...] = ()


class Passage(Struct, frozen=True, array_like=True):
    """A range of a text in characters, and how well it answers what was asked; 0 where nothing was asked."""

    start: int
    end: int
    score: float
