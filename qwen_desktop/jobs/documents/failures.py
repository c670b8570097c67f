"""What can be wrong with a document, each said in one sentence with what to do about it. Makes errors, raises none."""

from __future__ import annotations

from qwen_desktop.core.errors import Environment, Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

_OTHER = QT_TRANSLATE_NOOP("documents", "Open it in its own program, copy the part that matters, and paste it here.")
#: A note beside what could be read of a damaged document.
BROKEN_OFF = QT_TRANSLATE_NOOP("documents", "It is damaged: what follows could not be read.")

# fmt: off
password = Failure(
    UserFacing, "document.password", "name", QT_TRANSLATE_NOOP("documents", "{name} needs a password."),
    QT_TRANSLATE_NOOP("documents", "Save a copy without a password in its own program, then attach that."),
)
protected = Failure(
    UserFacing, "document.protected", "name",
    QT_TRANSLATE_NOOP("documents", "{name} is copy-protected and can be read only by the program it was sold for."),
    QT_TRANSLATE_NOOP("documents", "Attach a copy without protection."),
)
damaged = Failure(
    UserFacing, "document.damaged", "name",
    QT_TRANSLATE_NOOP("documents", "{name} is damaged or no file of its kind."),
    QT_TRANSLATE_NOOP("documents", "Open it in its own program and save it again, or get another copy."),
)
binary = Failure(
    UserFacing, "document.binary", "name",
    QT_TRANSLATE_NOOP("documents", "{name} is a binary file: there is no text in it to read."),
    QT_TRANSLATE_NOOP("documents", "Choose a document, or save it as text in its own program."),
)
archive = Failure(
    UserFacing, "document.archive", "name",
    QT_TRANSLATE_NOOP("documents", "{name} is an archive: files in it are not read."),
    QT_TRANSLATE_NOOP("documents", "Unpack it, then attach the files that matter."),
)
entities = Failure(
    UserFacing, "document.entities", "name",
    QT_TRANSLATE_NOOP("documents", "{name} defines its own abbreviations (XML entities), which no document needs."),
    QT_TRANSLATE_NOOP("documents", "They can do harm, so it was not read. Save it again in its own program."),
)
bomb = Failure(
    UserFacing, "document.bomb", "name size",
    QT_TRANSLATE_NOOP("documents", "{name} unpacks to more than {size}: too much for a document."), _OTHER,
)
deep = Failure(
    UserFacing, "document.deep", "name",
    QT_TRANSLATE_NOOP("documents", "{name} is nested too deeply to be read."), _OTHER,
)
members = Failure(
    UserFacing, "document.members", "name",
    QT_TRANSLATE_NOOP("documents", "{name} holds too many files for a document."), _OTHER,
)
heavy = Failure(
    UserFacing, "document.heavy", "name",
    QT_TRANSLATE_NOOP("documents", "{name} takes too much memory to read."), _OTHER,
)
late = Failure(
    UserFacing, "document.late", "n name",
    QT_TRANSLATE_NOOP("documents", "{name} could not be read within %n second(s)."), _OTHER,
)
crashed = Failure(
    Environment, "document.crashed", "name",
    QT_TRANSLATE_NOOP("documents", "The reader of documents crashed on {name}."),
    QT_TRANSLATE_NOOP("documents", "The file may be damaged: open it in its own program and save it again."), "retry",
)
empty = Failure(
    UserFacing, "document.empty", "name", QT_TRANSLATE_NOOP("documents", "{name} is empty."),
    QT_TRANSLATE_NOOP("documents", "Choose another file."),
)
textless = Failure(
    UserFacing, "document.textless", "name",
    QT_TRANSLATE_NOOP("documents", "There is no text in {name}."),
    QT_TRANSLATE_NOOP("documents", "Choose another file, or copy its text from its own program."),
)
scanned = Failure(
    UserFacing, "document.scanned", "name",
    QT_TRANSLATE_NOOP("documents", "{name} holds pictures of pages without text: it was scanned."),
    QT_TRANSLATE_NOOP("documents", "Have a program recognize its text (OCR) and save that, then attach it."),
)
other_form = Failure(
    UserFacing, "document.other", "name form",
    QT_TRANSLATE_NOOP("documents", "{name} is in a form that cannot be read here."),
    QT_TRANSLATE_NOOP("documents", "Save it as {form} in its own program, then attach that."),
)
# fmt: on
