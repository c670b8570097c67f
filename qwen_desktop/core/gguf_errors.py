"""The sentences about a file that cannot be used as a model, each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from qwen_desktop.core.errors import Problem, UserFacing, os_problem
from qwen_desktop.core.gguf_kind import Kind
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

_CHOOSE = Text("gguf.choose", QT_TRANSLATE_NOOP("gguf", "Choose another file."))
_AGAIN = Text("gguf.again", QT_TRANSLATE_NOOP("gguf", "Download it again."))
_CONVERTED = Text(
    "gguf.converted", QT_TRANSLATE_NOOP("gguf", "Look for the same model as GGUF, often from another publisher.")
)
_MAIN = Text("gguf.main", QT_TRANSLATE_NOOP("gguf", "Choose the file of the model that it was made for."))
_CHAT = Text("gguf.chat", QT_TRANSLATE_NOOP("gguf", "Choose a chat model; many have Instruct or Chat in their names."))


def _name(path: PurePath) -> str:
    return path.name or str(path)


def _error(what: Text, hint: Text, details: str = "") -> UserFacing:
    return UserFacing(what, hint, details=details, action="model.open")


class NotChat(UserFacing):
    """A file that is well but made for something else than conversations."""

    def __init__(self, path: PurePath, kind: Kind, *, told: str = "", model: str = "") -> None:
        what, hint = _NOT_CHAT[kind]
        shown = Text(what.code, what.source, {"file": _name(path), "kind": told[:40]})
        if model:
            hint = Text(
                "gguf.belongs", QT_TRANSLATE_NOOP("gguf", "Choose {model}, which it belongs to."), {"model": model}
            )
        super().__init__(shown, hint, action="model.get" if kind is Kind.FOREIGN else "model.open")
        self.kind_of_file = kind


_NOT_CHAT: dict[Kind, tuple[Text, Text]] = {
    Kind.EMBEDDING: (
        Text(
            "gguf.embedding",
            QT_TRANSLATE_NOOP("gguf", "{file} is an embedding model: it compares texts and writes no answers."),
        ),
        _CHAT,
    ),
    Kind.RERANKER: (
        Text(
            "gguf.reranker",
            QT_TRANSLATE_NOOP("gguf", "{file} is a reranker: it sorts what a search has found and writes no answers."),
        ),
        _CHAT,
    ),
    Kind.MMPROJ: (
        Text(
            "gguf.mmproj",
            QT_TRANSLATE_NOOP(
                "gguf", "{file} is the part of a model for pictures or sound (mmproj), no model by itself."
            ),
        ),
        Text(
            "gguf.mmproj.hint",
            QT_TRANSLATE_NOOP("gguf", "Keep it in the folder of its model, and choose the model's own file."),
        ),
    ),
    Kind.ADAPTER: (
        Text(
            "gguf.adapter",
            QT_TRANSLATE_NOOP("gguf", "{file} is an adapter (LoRA): it changes a model and is none by itself."),
        ),
        _MAIN,
    ),
    Kind.IMATRIX: (
        Text(
            "gguf.imatrix",
            QT_TRANSLATE_NOOP("gguf", "{file} is an importance matrix, made for quantizing a model, and no model."),
        ),
        _MAIN,
    ),
    Kind.CONTROL_VECTOR: (
        Text(
            "gguf.control",
            QT_TRANSLATE_NOOP("gguf", "{file} is a control vector: it steers a model and is none by itself."),
        ),
        _MAIN,
    ),
    Kind.DRAFT: (
        Text(
            "gguf.draft",
            QT_TRANSLATE_NOOP("gguf", "{file} is a draft model: it makes another one faster and cannot answer alone."),
        ),
        _MAIN,
    ),
    Kind.PICTURES: (
        Text("gguf.pictures", QT_TRANSLATE_NOOP("gguf", "{file} is a model that makes pictures or films, not text.")),
        _CHAT,
    ),
    Kind.SPEECH: (
        Text(
            "gguf.speech", QT_TRANSLATE_NOOP("gguf", "{file} is a model for speech, not for conversations in writing.")
        ),
        _CHAT,
    ),
    Kind.DIFFUSION: (
        Text(
            "gguf.diffusion",
            QT_TRANSLATE_NOOP(
                "gguf", "{file} is a diffusion model, which writes in a way that this app does not know."
            ),
        ),
        _CHAT,
    ),
    Kind.VOCABULARY: (
        Text("gguf.vocabulary", QT_TRANSLATE_NOOP("gguf", "{file} is a vocabulary only: it holds no weights.")),
        _CHOOSE,
    ),
    Kind.FOREIGN: (
        Text("gguf.foreign", QT_TRANSLATE_NOOP("gguf", "{file} is in a form that only Ollama can read.")),
        Text("gguf.foreign.hint", QT_TRANSLATE_NOOP("gguf", "Download the same model here instead.")),
    ),
    Kind.OTHER: (
        Text(
            "gguf.companion",
            QT_TRANSLATE_NOOP("gguf", "{file} is not a model by itself: it holds a part of kind {kind}."),
        ),
        Text("gguf.companion.hint", QT_TRANSLATE_NOOP("gguf", "Choose the model's main file.")),
    ),
}


def not_gguf(path: PurePath) -> UserFacing:
    """Another kind of file."""
    return _error(
        Text("gguf.other", QT_TRANSLATE_NOOP("gguf", "{file} is not a GGUF model file."), {"file": _name(path)}),
        Text("gguf.other.hint", QT_TRANSLATE_NOOP("gguf", "Choose a file whose name ends in .gguf.")),
    )


def lfs_pointer(path: PurePath) -> UserFacing:
    """A repository was copied without what Git LFS keeps of it."""
    return _error(
        Text(
            "gguf.pointer",
            QT_TRANSLATE_NOOP("gguf", "{file} is not the model but a pointer to it, as Git LFS leaves them."),
            {"file": _name(path)},
        ),
        Text(
            "gguf.pointer.hint",
            QT_TRANSLATE_NOOP("gguf", "Run “git lfs pull” in its folder, or download the file itself."),
        ),
    )


def web_page(path: PurePath) -> UserFacing:
    """What a browser got instead: a page to sign in, a page about the file."""
    return _error(
        Text(
            "gguf.page",
            QT_TRANSLATE_NOOP("gguf", "{file} is a web page that was saved under this name, not a GGUF model file."),
            {"file": _name(path)},
        ),
        Text("gguf.page.hint", QT_TRANSLATE_NOOP("gguf", "Delete it, then download the model's file itself.")),
    )


def text_file(path: PurePath) -> UserFacing:
    """Words: a server's message, notes, a settings file."""
    return _error(
        Text("gguf.text", QT_TRANSLATE_NOOP("gguf", "{file} is a text, not a GGUF model file."), {"file": _name(path)}),
        _CHOOSE,
    )


def safetensors(path: PurePath) -> UserFacing:
    """A model before it is converted."""
    return _error(
        Text(
            "gguf.safetensors",
            QT_TRANSLATE_NOOP("gguf", "{file} holds weights as safetensors, which is not a GGUF model file."),
            {"file": _name(path)},
        ),
        _CONVERTED,
    )


def pytorch(path: PurePath) -> UserFacing:
    """The oldest form of a model."""
    return _error(
        Text(
            "gguf.pytorch",
            QT_TRANSLATE_NOOP("gguf", "{file} holds weights as PyTorch saves them, which is not a GGUF model file."),
            {"file": _name(path)},
        ),
        _CONVERTED,
    )


def old_format(path: PurePath) -> UserFacing:
    """From before August 2023."""
    return _error(
        Text(
            "gguf.old",
            QT_TRANSLATE_NOOP(
                "gguf", "{file} is in the GGML format that came before GGUF and that llama.cpp reads no more."
            ),
            {"file": _name(path)},
        ),
        _CONVERTED,
    )


def archive(path: PurePath) -> UserFacing:
    """ZIP and its like."""
    return _error(
        Text(
            "gguf.archive",
            QT_TRANSLATE_NOOP("gguf", "{file} is an archive, not a GGUF model file."),
            {"file": _name(path)},
        ),
        Text("gguf.archive.hint", QT_TRANSLATE_NOOP("gguf", "Unpack it, then choose the .gguf file that was inside.")),
    )


def piece(path: PurePath, whole: str) -> UserFacing:
    """One of the pieces that a large file was cut into: none of them can be read by itself."""
    return _error(
        Text(
            "gguf.piece",
            QT_TRANSLATE_NOOP("gguf", "{file} is only a piece of the model, which was cut into several files."),
            {"file": _name(path)},
        ),
        Text(
            "gguf.piece.hint",
            QT_TRANSLATE_NOOP(
                "gguf", "Get all its pieces, join them in their order into one file, {whole}, and open that."
            ),
            {"whole": whole},
        ),
    )


def unfinished(path: PurePath) -> UserFacing:
    """Somebody is still fetching it, or stopped to."""
    return _error(
        Text(
            "gguf.unfinished",
            QT_TRANSLATE_NOOP("gguf", "{file} does not hold a whole model: the download is not complete."),
            {"file": _name(path)},
        ),
        Text("gguf.unfinished.hint", QT_TRANSLATE_NOOP("gguf", "Let it come to its end, or download it again.")),
    )


def zeros(path: PurePath) -> UserFacing:
    """Its room was taken, its bytes were never written or are lost."""
    return _error(
        Text(
            "gguf.zeros",
            QT_TRANSLATE_NOOP("gguf", "{file} is not a GGUF model file: it begins with nothing but zeros."),
            {"file": _name(path)},
        ),
        _AGAIN,
    )


def empty(path: PurePath) -> UserFacing:
    """Nothing in it."""
    return _error(Text("gguf.empty", QT_TRANSLATE_NOOP("gguf", "{file} is empty."), {"file": _name(path)}), _AGAIN)


def folder(path: PurePath) -> UserFacing:
    """A directory."""
    return _error(
        Text("gguf.folder", QT_TRANSLATE_NOOP("gguf", "{file} is a folder, not a file."), {"file": _name(path)}),
        Text("gguf.folder.hint", QT_TRANSLATE_NOOP("gguf", "Choose a .gguf file inside it.")),
    )


def unreadable(path: PurePath, error: Exception) -> UserFacing:
    """Missing, forbidden, or a failing disk: the general sentence for that failure."""
    if not isinstance(error, OSError):
        return _error(
            Text("gguf.name", QT_TRANSLATE_NOOP("gguf", "{file} is not a file name."), {"file": _name(path)}), _CHOOSE
        )
    if not error.filename:
        error.filename = str(path)
    problem: Problem = os_problem(error)
    return _error(problem.what, problem.hint or _CHOOSE)


def truncated(path: PurePath, size: int, needed: int) -> UserFacing:
    """The weights are cut off."""
    return _error(
        Text(
            "gguf.truncated",
            QT_TRANSLATE_NOOP("gguf", "{file} ends after {size} of {needed} bytes: the download is not complete."),
            {"file": _name(path), "size": f"{size:,}", "needed": f"{needed:,}"},
        ),
        _AGAIN,
    )


def ends_in_header(path: PurePath) -> UserFacing:
    """Even the header is cut off (or lies about its lengths)."""
    return _error(
        Text(
            "gguf.short",
            QT_TRANSLATE_NOOP("gguf", "{file} ends inside its header: the download is not complete."),
            {"file": _name(path)},
        ),
        _AGAIN,
    )


def damaged(path: PurePath, reason: Exception) -> UserFacing:
    """The header contradicts itself."""
    return _error(
        Text("gguf.damaged", QT_TRANSLATE_NOOP("gguf", "{file} is damaged: {reason}."), _because(path, reason)), _AGAIN
    )


def _because(path: PurePath, reason: Exception) -> dict[str, str | int | float]:
    return {"file": _name(path), "reason": str(reason)}


def version(path: PurePath, number: int) -> UserFacing:
    """An edition of the format that nobody here reads."""
    return _error(
        Text(
            "gguf.version",
            QT_TRANSLATE_NOOP("gguf", "{file} uses version {version} of the GGUF format, which is not supported."),
            {"file": _name(path), "version": number},
        ),
        Text("gguf.version.hint", QT_TRANSLATE_NOOP("gguf", "Choose a file in version 2 or 3, or update the app.")),
    )


def big_endian(path: PurePath) -> UserFacing:
    """Made for another kind of processor."""
    return _error(
        Text(
            "gguf.big_endian",
            QT_TRANSLATE_NOOP("gguf", "{file} was made for big-endian computers, and this one is not."),
            {"file": _name(path)},
        ),
        Text("gguf.big_endian.hint", QT_TRANSLATE_NOOP("gguf", "Choose the ordinary (little-endian) file.")),
    )


def not_first_part(path: PurePath, first: str) -> UserFacing:
    """A later part of a split model."""
    return _error(
        Text(
            "gguf.part",
            QT_TRANSLATE_NOOP("gguf", "{file} is one part of a model that is split into several files."),
            {"file": _name(path)},
        ),
        Text("gguf.part.hint", QT_TRANSLATE_NOOP("gguf", "Open the first part, {first}."), {"first": first}),
    )


def missing_parts(path: PurePath, missing: Sequence[str]) -> UserFacing:
    """Not all parts are there."""
    some = ", ".join(missing[:3]) + (f" (+{len(missing) - 3})" if len(missing) > 3 else "")
    return _error(
        Text(
            "gguf.parts",
            QT_TRANSLATE_NOOP("gguf", "Parts of {file} are missing: {missing}."),
            {"file": _name(path), "missing": some},
        ),
        Text("gguf.parts.hint", QT_TRANSLATE_NOOP("gguf", "Put all parts into the same folder.")),
    )


def renamed_part(path: PurePath, count: int) -> UserFacing:
    """A part whose name no longer says which."""
    return _error(
        Text(
            "gguf.renamed",
            QT_TRANSLATE_NOOP("gguf", "{file} is one of {count} parts, but its name no longer says which."),
            {"file": _name(path), "count": count},
        ),
        Text("gguf.renamed.hint", QT_TRANSLATE_NOOP("gguf", "Give the parts their original names again.")),
    )
