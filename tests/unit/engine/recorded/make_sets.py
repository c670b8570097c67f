"""Makes ``sets.bin`` from what ``record.py`` recorded, what ``written.py`` writes, and this repository's own files:
``python tests/unit/engine/recorded/make_sets.py RECORDED.json …``. Then it says the guard's figures.

What is a loop is said here without the guard, from the whole text: a stretch of ``LOOP_TOKENS`` at least whose
sentences and lines all stood there before, their digits and marks aside (those of digits alone do not count, and one
new line of ``GAP_TOKENS`` does not end a stretch of ``NORMAL_TOKENS``), or one exact circle of tokens at the end; of
random-weight models only that. Where it begins is the first repeat. A text without a stretch of more than
``NORMAL_TOKENS`` is normal. What lies between (it ran in circles for a while, then ended by itself) is in neither set.
"""

from __future__ import annotations

import bisect
import json
import re
import sys
from pathlib import Path

# ruff: noqa: E402

_ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(_ROOT))

from qwen_desktop.core.gguf import read_header
from qwen_desktop.engine.llama import LlamaLibrary
from tests import gguf_files
from tests.smollm2 import model_path
from tests.unit.engine.recorded import written
from tests.unit.engine.recorded.sets import Case, figures, load, save

LOOP_TOKENS, NORMAL_TOKENS, GAP_TOKENS = 320, 60, 40
#: Of the repository's own files: what is read of them, in characters, from where on.
_OWN = ("README.md", "CHANGELOG.md", "docs/*.md", "Makefile", "pyproject.toml", ".github/workflows/*.yml",
        "qwen_desktop/core/*.py", "qwen_desktop/ui/chat/*.py", "installers/windows/*.nsi", "resources/themes/*",
        "resources/guide/facts/window.toml", "resources/guide/heldout/*.txt")  # fmt: skip
_PIECE = 1600
_SENTENCE = re.compile(r"[^\n.!?]+[\n.!?]*")


def stretches(pieces: list[bytes]) -> list[tuple[int, int]]:
    """Where the text says what it has said before: first token and the one behind the last."""
    at, starts = 0, []
    for piece in pieces:
        starts.append(at)
        at += len(piece)
    text = b"".join(pieces).decode("utf-8", "replace")
    said: set[str] = set()
    found: list[tuple[int, int]] = []
    goes_on = False
    for match in _SENTENCE.finditer(text):
        words = re.sub(r"[\W\d_]+", " ", match[0]).strip().casefold()
        if not words:
            continue
        begin, end = (bisect.bisect_left(starts, len(text[:place].encode())) for place in (match.start(), match.end()))
        if words in said or (match.end() == len(text) and any(s.startswith(words) for s in said)):
            near = found and begin - found[-1][1] <= GAP_TOKENS and found[-1][1] - found[-1][0] >= NORMAL_TOKENS
            if found and (goes_on or near):
                found[-1] = (found[-1][0], end)
            else:
                found.append((begin, end))
            goes_on = True
        else:
            goes_on = False
        said.add(words)
    return found


def _circle(pieces: list[bytes]) -> int:
    """Where the second round of the exact circle at the end begins."""
    size = len(pieces)
    best = size
    for period in range(1, min(400, size // 2)):
        at = size - 1
        while at >= period and pieces[at] == pieces[at - period]:
            at -= 1
        if size - 1 - at >= max(period, 60):
            best = min(best, at + 1)
    return best


def main() -> None:
    """Make the sets and say what the guard does with them."""
    library = LlamaLibrary(lambda _line: None)
    model = library.load(read_header(str(model_path())), 0, lambda _fraction: True)
    words, _, _ = gguf_files.vocabulary(600)
    back = {ord(char): byte for byte, char in gguf_files._byte_alphabet().items()}
    random_pieces = [bytes(map(back.__getitem__, map(ord, w))) if not w.startswith("<|") else b"" for w in words[:574]]

    cases: list[Case] = []
    between = 0
    for path in sys.argv[1:]:
        for answer in json.loads(Path(path).read_text()):
            kind, tokens = answer["kind"], answer["tokens"]
            pieces = [
                model.piece(t) if kind != "random" else random_pieces[t] if t < len(random_pieces) else b""
                for t in tokens
            ]
            question = answer["prompt"].rsplit("user\n", 1)[-1].split("<|im_end|>")[0]
            said_before = [] if kind == "random" else stretches(pieces)
            circle = _circle(pieces)
            longest = max((end - begin for begin, end in said_before), default=0)
            loops = [begin for begin, end in said_before if end - begin >= LOOP_TOKENS]
            if len(pieces) - circle >= LOOP_TOKENS:
                loops.append(circle)
            first = min(loops, default=-1)
            if first >= 0:
                cases.append(Case(kind, question, tuple(pieces), first))
            elif kind != "random" and max(longest, len(pieces) - circle) <= NORMAL_TOKENS and len(pieces) >= 80:
                cases.append(Case(kind, question, tuple(pieces), -1))
            else:
                between += 1

    def add(kind: str, question: str, text: str) -> None:
        cases.append(
            Case(kind, question, tuple(map(model.piece, model.tokenize(text, special=False, begin=False))), -1)
        )

    for kind, question, text in written.texts():
        add(kind, question, text)
    for pattern in _OWN:
        for path in sorted(_ROOT.glob(pattern))[:9]:
            text = path.read_text(encoding="utf-8")
            for start in range(0, min(len(text), 4 * _PIECE), 2 * _PIECE):
                add("own", "Show me the file.", text[start : start + _PIECE])
    save(cases)
    print(f"{between} recorded texts are in neither set")
    for part, told in figures(load()).items():
        print(part, told)


if __name__ == "__main__":
    main()
