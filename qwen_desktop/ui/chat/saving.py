"""Saving something of a message as a file: the user names it, and it is written whole or not at all.

What a model wrote has no say in the name: of the language of its code only the suffix that is known for it is taken.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QWidget

from qwen_desktop.core.files import write_atomic
from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, TableBlock
from qwen_desktop.jobs.markdown.tables import as_csv
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.file_dialogs import ask_where
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext

#: Language as models name it -> suffix of its files.
_SUFFIXES: Final[dict[str, str]] = {
    name: suffix
    for suffix, names in {
        "py": "python py python3", "js": "javascript js node", "ts": "typescript ts", "jsx": "jsx", "tsx": "tsx",
        "java": "java", "kt": "kotlin kt", "swift": "swift", "c": "c", "h": "h", "cpp": "cpp c++ cxx cc",
        "cs": "csharp cs c#", "go": "go golang", "rs": "rust rs", "rb": "ruby rb", "php": "php", "pl": "perl pl",
        "lua": "lua", "r": "r",
        "jl": "julia jl", "hs": "haskell hs", "scala": "scala", "dart": "dart", "ex": "elixir ex", "erl": "erlang erl",
        "clj": "clojure clj", "lisp": "lisp common-lisp", "el": "elisp emacs-lisp",
        "ml": "ocaml ml", "fs": "fsharp f# fs",
        "zig": "zig", "nim": "nim", "sql": "sql mysql postgresql sqlite plpgsql", "sh": "bash sh shell zsh console",
        "ps1": "powershell ps1 pwsh", "bat": "batch bat cmd", "html": "html htm", "css": "css", "scss": "scss",
        "json": "json jsonc", "xml": "xml", "svg": "svg", "yaml": "yaml yml", "toml": "toml", "ini": "ini cfg",
        "csv": "csv", "tsv": "tsv", "md": "markdown md", "tex": "latex tex", "diff": "diff patch", "mmd": "mermaid mmd",
        "vue": "vue", "svelte": "svelte", "graphql": "graphql gql", "proto": "protobuf proto", "tf": "terraform hcl tf",
        "nix": "nix", "vim": "vim", "asm": "asm nasm", "m": "matlab octave", "f90": "fortran f90", "v": "verilog v",
        "dot": "dot graphviz", "gd": "gdscript gd",
    }.items()
    for name in names.split()
}  # fmt: skip
_NAMES: Final = {"dockerfile": "Dockerfile", "makefile": "Makefile", "make": "Makefile", "cmake": "CMakeLists.txt"}


def code_name(language: str) -> str:
    """What a file with code of a language is called first."""
    language = language.lower()
    return _NAMES.get(language) or translate("SaveDialog", "code") + "." + _SUFFIXES.get(language, "txt")


def save_block(ui: UiContext, block: Block, owner: QWidget) -> None:
    """Ask where a table goes, as CSV, or code, and write it."""
    everything = translate("SaveDialog", "All files (*)")
    if isinstance(block, TableBlock):
        name, kind = translate("SaveDialog", "table") + ".csv", translate("SaveDialog", "Table (*.csv)")
        title = translate("SaveDialog", "Save the table")
        _ask(ui, owner, title, name, kind, everything, make=lambda _: as_csv(block))
    elif isinstance(block, CodeBlock):
        text = block.text if block.text.endswith("\n") else f"{block.text}\n"
        title, name = translate("SaveDialog", "Save the code"), code_name(block.language)
        _ask(ui, owner, title, name, everything, make=lambda _: text.encode("utf-8", "replace"))


def save_data(ui: UiContext, owner: QWidget, title: str, name: str, data: bytes) -> None:
    """Ask where a file goes that is there already, and write it."""
    _ask(ui, owner, title, name, translate("SaveDialog", "All files (*)"), make=lambda _: data)


def save_diagram(ui: UiContext, picture: Picture, owner: QWidget) -> None:
    """Ask where a diagram goes and write it as on screen: as PNG where the name ends so, else as SVG."""
    style = Style(ui.theme)

    def make(path: Path) -> bytes:
        return picture.as_png(style) if path.suffix.lower() == ".png" else picture.as_svg(style)

    kinds = translate("SaveDialog", "SVG picture (*.svg)"), translate("SaveDialog", "PNG picture (*.png)")
    _ask(ui, owner, translate("SaveDialog", "Save the diagram"), translate("SaveDialog", "diagram"), *kinds, make=make)


def _ask(ui: UiContext, owner: QWidget, title: str, name: str, *kinds: str, make: Callable[[Path], bytes]) -> None:
    """Ask for a new file, called ``name`` unless the user says otherwise, and write what ``make`` gives for its
    path."""
    ask_where(owner.window(), title, kinds, name, lambda path: _write(ui, Path(path), make, owner))


def _write(ui: UiContext, path: Path, make: Callable[[Path], bytes], owner: QWidget) -> None:
    """Write a file, and say so; a failure is told in a sentence."""
    mode = 0o666 & ~_umask()
    done = texts.fill(translate("SaveDialog", "Saved as {name}."), name=texts.isolated(path.name))
    work = asyncio.to_thread(lambda: write_atomic(path, make(path), mode=mode))
    ui.operations.run(work, owner=owner, on_done=lambda _: ui.notify.toast(done, kind="good"))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
