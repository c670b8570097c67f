"""Mermaid diagrams: source to SVG, in the job worker.

Pele (``resources/diagrams``, from Obsidian) reads Mermaid and places the shapes. It is JavaScript and runs in QuickJS,
an interpreter without files or network, which is thrown away with whatever went wrong in it and is held to so much
time, memory and stack: a diagram can neither hang nor fill the worker. The source was written by a model, so of the
picture only what ``diagram_svg`` knows to be harmless goes on.

The set-up fetches Pele; ``resources/diagrams/README.md`` says from where and how to renew it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.jobs.diagram_svg import TooLargeError, portable

log = logging.getLogger(__name__)

#: Seconds of the processor's time for one diagram, bytes that all of it may take, and bytes of the stack: a thread of
#: macOS has half a megabyte in all.
LIMIT_S: Final = 4.0
_MEMORY: Final = 192 << 20
_STACK: Final = 200 << 10
#: Characters of a source, edges, and characters of a picture. What is larger nobody can read, and the window would
#: have to draw it.
_LONGEST: Final = 20_000
_EDGES: Final = 400
_LARGEST: Final = 100_000
#: Labels with brackets in them that stand in no quotes: models write them, and Mermaid takes the brackets for shapes.
_BARE: Final = re.compile(
    r"""(?<=\w)(?:\[(?![\[(/\\"])([^"\[\]\n]*[(){}][^"\[\]\n]*)\]|\{(?![{"])([^"{}\n]*[()][^"{}\n]*)\})"""
)
#: What XML cannot hold.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

# The widths of characters are thousandths of the size, [regular, bold]; what is not named is as wide as most are.
_HOST: Final = """
function draw(source, widths, limits) {
  const width = (text, size, style) => {
    let sum = 0;
    for (const char of text) {
      const known = widths[char];
      sum += known ? known[style & 1] : /\\p{Mark}/u.test(char) ? 0 : char.codePointAt(0) >= 0x2e80 ? 1000 : 600;
    }
    return sum * size / 1000;
  };
  try {
    const made = pele.render(source, {
      measurer: {width}, responsive: false, autoDirection: false, links: false, images: false, ...limits,
    });
    return JSON.stringify({svg: made.svg, type: made.type});
  } catch (error) {
    if (!error.code) throw error;
    return JSON.stringify({failed: error.code, line: error.line || 0});
  }
}
"""


def render(diagrams: Sequence[tuple[str, dict[str, Any]]], limit_s: float = LIMIT_S) -> list[dict[str, Any]]:
    """The job "diagram.render": for each (source, options) a picture, or why there is none.

    A picture is ``svg`` (colours stand as ``var(--role)``), ``width`` and ``height`` (pixels at a text of 16) and
    ``type``. Else ``failed`` is one of "syntax" (with the ``line``, counted from 1, or 0), "unknown" (a kind of diagram
    that is none), "large", "late", or "missing" where there is no QuickJS for this system or the set-up got no Pele.
    ``options``: ``widths``, a list of [character, regular, bold], thousandths of the text's size, of the font that it
    will be drawn with.
    """
    try:
        import quickjs  # noqa: PLC0415, F401 - asked here: some systems have no wheel of it

        pele = (resources_folder() / "diagrams" / "pele.js").read_text(encoding="utf-8")
    except (ImportError, FileNotFoundError):
        return [{"failed": "missing"} for _ in diagrams]
    context = None
    made = []
    for source, options in diagrams:
        if len(source) > _LONGEST:
            made.append({"failed": "large"})
            continue
        context = context or _context(pele)
        context.set_time_limit(limit_s)
        try:
            made.append(_drawn(context, source, options))
        except Exception as error:  # QuickJS's own, or a fault of Pele's: what it left behind is not to be trusted
            log.warning("diagram.failed length=%d %s", len(source), type(error).__name__)
            context = None
            late, large = "interrupted" in str(error), isinstance(error, TooLargeError) or "out of memory" in str(error)
            made.append({"failed": "late" if late else "large" if large else "syntax"})
    return made


def _context(pele: str) -> Any:
    import quickjs  # noqa: PLC0415 - see above

    context = quickjs.Context()
    context.set_memory_limit(_MEMORY)
    context.set_max_stack_size(_STACK)
    context.eval(pele)
    context.eval(_HOST)
    return context


def _drawn(context: Any, source: str, options: dict[str, Any]) -> dict[str, Any]:
    clean = _CONTROL.sub("", source.encode("utf-8", "ignore").decode("utf-8"))
    widths = {char: [regular, bold] for char, regular, bold in options.get("widths", ())}
    given = (clean, widths, {"limit": _LONGEST, "maxEdges": _EDGES, "outputLimit": _LARGEST})
    answer: dict[str, Any] = json.loads(context.eval(f"draw({','.join(map(json.dumps, given))})"))
    if "svg" in answer:
        svg, width, height = portable(answer["svg"])
        return {"svg": svg, "width": width, "height": height, "type": answer["type"]}
    code = answer["failed"]
    if code == "syntax" and (quoted := _quoted(clean)) != clean:
        return _drawn(context, quoted, options)
    failed = {"unsupported-diagram": "unknown", "limit": "large"}.get(code, "syntax")
    return {"failed": failed, "line": int(answer["line"])}


def _quoted(source: str) -> str:
    """A flowchart whose labels with brackets in them stand in quotes."""
    if not re.match(r"\s*(?:flowchart|graph)\b", source):
        return source
    return _BARE.sub(lambda found: f'["{found[1]}"]' if found[1] is not None else f'{{"{found[2]}"}}', source)
