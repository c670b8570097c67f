"""A conversation as one page of HTML that needs nothing else: no scripts, nothing fetched.

What a model wrote becomes HTML through our own parser's blocks alone, each word of it escaped, so that no markup of
its own is left. Formulas and diagrams are drawn as SVG by the same jobs as in the window, pictures stand as data.
For a PDF the page is simpler (Qt's documents know little CSS), and drawings lie beside it (``drawings``).
"""

from __future__ import annotations

import base64
import html
import re
import time
from collections.abc import Iterator, Sequence

from qwen_desktop.core.chat import Message
from qwen_desktop.core.drafts import pasted_texts
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.parts import ImagePart, Role, TextPart, code_text, thinking_text
from qwen_desktop.jobs.diagrams import render as diagrams
from qwen_desktop.jobs.exports import html_style
from qwen_desktop.jobs.exports.form import (
    Contents,
    Look,
    attached,
    broken_off,
    date,
    is_picture,
    models,
    speaker,
    title,
)
from qwen_desktop.jobs.exports.html_style import diagram_colours
from qwen_desktop.jobs.exports.pdf import Drawing
from qwen_desktop.jobs.formulas.data import Formula, Outline
from qwen_desktop.jobs.formulas.rendering import formula
from qwen_desktop.jobs.markdown.blocks import (
    AlertBlock,
    Block,
    CodeBlock,
    MathBlock,
    RuleBlock,
    Runs,
    TableBlock,
    TextBlock,
    TextRun,
    formula_of,
)
from qwen_desktop.jobs.markdown.rendering import COLOURS_S, coloured, parsed

#: What may be fetched or run: nothing. Styles and pictures stand in the page itself.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_HREF = re.compile(r"(?:https?://|mailto:)[^\s<>\"']+", re.IGNORECASE)
_VARIABLE = re.compile(r"var\(--([a-z0-9-]+)\)")
#: Seconds of the processor's time for the drawings of one conversation; from then on their source stands there.
_DRAWINGS_S = 60.0


class Page:
    """One conversation's page. ``contents`` reads what is attached; with ``pdf`` it is that for ``ui.pdf_writer``."""

    def __init__(self, look: Look, contents: Contents, *, pdf: bool = False) -> None:
        self._look = look
        self._contents = contents
        self._pdf = pdf
        #: of a page for PDF
        self.drawings: list[Drawing] = []
        self._until = time.thread_time() + _DRAWINGS_S

    def make(self, record: Record) -> str:
        """The whole page."""
        words = self._look.words
        name = html.escape(title(record, words))
        about = " · ".join(filter(None, (date(record.conversation.created), *models(record))))
        style = html_style.pdf() if self._pdf else html_style.page()
        head = (
            '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n'
            f"<title>{name}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        )
        pieces = [head, f'<h1 dir="auto">{name}</h1>\n<p class="about">{html.escape(about)}</p>\n']
        if instructions := record.conversation.system_prompt.strip():
            pieces.append(
                f'<div class="instructions"><p class="who">{html.escape(words.instructions)}</p>'
                f'<p dir="auto">{_lines(instructions)}</p></div>\n'
            )
        pieces += map(self.message, record.messages)
        pieces.append("</main>\n</body>\n</html>\n")
        return "".join(pieces)

    def message(self, message: Message) -> str:
        """One message with its speaker."""
        who = html.escape(" ".join(speaker(message, self._look.words).split()))
        kind = "user" if message.role is Role.USER else "answer"
        inner = "".join(self.content(message))
        if self._pdf and kind == "user":
            return (
                f'<p class="who">{who}</p>\n<table class="said" width="100%" cellspacing="0" cellpadding="8"><tr><td>'
                f"{inner}</td></tr></table>\n"
            )
        tag = "div" if self._pdf else "article"
        return f'<{tag} class="{kind}">\n<p class="who">{who}</p>\n{inner}</{tag}>\n'

    def content(self, message: Message) -> Iterator[str]:
        """What a message says, without its speaker."""
        words = self._look.words
        if self._look.thoughts and (thought := thinking_text(message.parts).strip()):
            label = html.escape(words.thoughts)
            if self._pdf:
                yield f'<p class="thoughts"><strong>{label}</strong></p>\n<p class="thoughts">{_lines(thought)}</p>\n'
            else:
                yield f"<details><summary>{label}</summary>\n{self.markdown(thought)}</details>\n"
        for text in pasted_texts(message.parts):
            yield f"<pre>{html.escape(text)}</pre>\n"
        for part in message.parts:
            if isinstance(part, TextPart):
                # What a person typed is no Markdown, as in the window.
                if message.role is Role.USER:
                    yield f'<p dir="auto">{_lines(part.text)}</p>\n' if part.text.strip() else ""
                else:
                    yield self.markdown(part.text)
            elif (code := code_text(part)) is not None:
                yield f"<pre><code>{html.escape(code)}</code></pre>\n"
        yield from self._attached(message)
        if message.problem is not None and broken_off(message):
            yield f'<p class="note">{html.escape(message.problem.sentence())}</p>\n'
        elif broken_off(message):
            yield f'<p class="note">{html.escape(words.stopped)}</p>\n'

    def markdown(self, text: str) -> str:
        """A text's blocks."""
        until = time.thread_time() + COLOURS_S
        pieces: list[str] = []
        depth = 0
        for block in parsed(text):
            while depth < block.quote:
                pieces.append("<blockquote>\n")
                depth += 1
            while depth > block.quote:
                pieces.append("</blockquote>\n")
                depth -= 1
            pieces.append(self._block(coloured(block, until)))
        pieces.append("</blockquote>\n" * depth)
        return "".join(pieces)

    # Blocks -----------------------------------------------------------------------------------------------------------

    def _block(self, block: Block) -> str:  # noqa: PLR0911 - one for each kind of block
        inset = f" i{min(block.indent, 9)}" if block.indent else ""
        match block:
            case TextBlock():
                return self._text(block, inset)
            case CodeBlock():
                return self._code(block, inset)
            case TableBlock():
                return self._table(block, inset)
            case MathBlock():
                drawn = self._formula(block.text, display=True)
                if drawn is None:
                    return f'<pre class="code{inset}">{html.escape(block.text)}</pre>\n'
                if self._pdf:
                    return f'<p align="center">{drawn}</p>\n'
                return f'<div class="math{inset}">{drawn}</div>\n'
            case AlertBlock():
                return f'<p class="alert">{html.escape(block.kind.capitalize())}</p>\n'
            case RuleBlock():
                return "<hr>\n"

    def _text(self, block: TextBlock, inset: str) -> str:
        inner = self._runs(block.runs)
        if block.level:
            level = min(6, block.level + 1)  # the conversation's title is the first
            return f'<h{level} dir="auto">{inner}</h{level}>\n'
        if block.verbatim:
            return f'<p dir="auto" class="verbatim">{inner}</p>\n'
        if block.marker:
            marker = html.escape(block.marker)
            space = "&nbsp;&nbsp;" if self._pdf else ""
            return f'<p dir="auto" class="item{inset}"><span class="marker">{marker}</span>{space}{inner}</p>\n'
        return f'<p dir="auto" class="text{inset}">{inner}</p>\n'

    def _code(self, block: CodeBlock, inset: str) -> str:
        if block.language.lower() == "mermaid" and (drawn := self._diagram(block.text)):
            return drawn
        pieces: list[str] = []
        at = 0
        for span in block.spans or ():
            pieces.append(html.escape(block.text[at : span.start]))
            at = span.start + span.length
            role = span.role if re.fullmatch("[a-z_]+", span.role) else ""
            pieces.append(f'<span class="{role}">{html.escape(block.text[span.start : at])}</span>')
        pieces.append(html.escape(block.text[at:]))
        inner = "".join(pieces)
        if self._pdf:
            return (
                f'<table class="codebox" width="100%" cellspacing="0" cellpadding="8"><tr><td><pre>{inner}</pre>'
                "</td></tr></table>\n"
            )
        return f'<pre class="code{inset}"><code>{inner}</code></pre>\n'

    def _table(self, block: TableBlock, inset: str) -> str:
        rows = []
        for number, cells in enumerate(block.rows):
            kind = "td" if number else "th"
            made = []
            for place, cell in enumerate(cells):
                side = block.align[place] if place < len(block.align) else ""
                align = f' align="{side}"' if side in ("left", "center", "right") else ""
                made.append(f'<{kind}{align} dir="auto">{self._runs(cell)}</{kind}>')
            rows.append(f"<tr>{''.join(made)}</tr>\n")
        # A head is said again on each page of paper.
        inner = f"<thead>{rows[0]}</thead>\n{''.join(rows[1:])}" if rows else ""
        if self._pdf:
            return f'<table class="grid" border="1" cellspacing="0" cellpadding="5">\n{inner}</table>\n'
        return f'<div class="scroll{inset}"><table>\n{inner}</table></div>\n'

    def _runs(self, runs: Runs) -> str:
        return "".join(map(self._run, runs))

    def _run(self, run: TextRun) -> str:
        found = formula_of(run)
        if found is not None and (drawn := self._formula(found[0], display=found[1])) is not None:
            return drawn
        if run.image:
            return ""  # the sign of a picture that is never loaded; its description follows
        inner = _lines(run.text)
        for wanted, tag in ((run.code, "code"), (run.strike, "s"), (run.italic, "em"), (run.bold, "strong")):
            if wanted:
                inner = f"<{tag}>{inner}</{tag}>"
        if run.href and _HREF.fullmatch(run.href):
            inner = f'<a href="{html.escape(run.href)}" rel="noopener noreferrer nofollow">{inner}</a>'
        return f"<sup>{inner}</sup>" if run.footnote else inner

    # Drawings and attachments -----------------------------------------------------------------------------------------

    def _formula(self, source: str, *, display: bool) -> str | None:
        if time.thread_time() > self._until:
            return None
        drawn = formula(source, display=display)
        if drawn is None:
            return None
        if self._pdf:
            return self._beside(Drawing(formula_svg(drawn, ""), ems=(drawn.width, drawn.ascent, drawn.descent)), source)
        return formula_svg(drawn, source)

    def _diagram(self, source: str) -> str:
        if time.thread_time() > self._until:
            return ""
        widths = tuple((char, 560, 600) for char in sorted(set(source)) if " " <= char < "\u2e80")
        made = diagrams([(source, {"widths": widths})])[0]
        svg = made.get("svg")
        if not isinstance(svg, str):
            return ""
        label = html.escape(str(made.get("type") or "diagram"))
        if self._pdf:
            colours = diagram_colours("light")
            text = _VARIABLE.sub(lambda found: colours.get(found[1], colours["fg"]), svg)
            size = (float(made["width"]), float(made["height"]))
            return f'<p align="center">{self._beside(Drawing(text, pixels=size), label)}</p>\n'
        text = _VARIABLE.sub(lambda found: f"var(--d-{found[1]})", svg).replace('"var(--d-font)"', '"sans-serif"')
        return f'<div class="diagram" role="img" aria-label="{label}">{_styled(text)}</div>\n'

    def _beside(self, drawing: Drawing, label: str) -> str:
        self.drawings.append(drawing)
        return f'<img src="drawing:{len(self.drawings) - 1}" alt="{html.escape(label)}">'

    def _attached(self, message: Message) -> Iterator[str]:
        names: list[str] = []
        for part in attached(message):
            data = self._contents(part.sha256) if self._look.attachments and is_picture(part) else None
            if data is None or not isinstance(part, ImagePart):
                names.append(part.name or part.media_type)
                continue
            label = html.escape(part.name)
            if self._pdf:
                yield f"<p>{self._beside(Drawing(picture=data), part.name)}</p>\n"
            else:
                code = base64.b64encode(data).decode()
                yield f'<p><img src="data:{part.media_type};base64,{code}" alt="{label}" loading="lazy"></p>\n'
        if names:
            entries = "".join(f'<li dir="auto">{html.escape(name)}</li>' for name in names)
            yield f'<div class="files"><p>{html.escape(self._look.words.attachments)}</p><ul>{entries}</ul></div>\n'


def formula_svg(drawn: Formula, label: str) -> str:
    """A formula as SVG in the text's colour, as large as its text and on its baseline."""
    height = drawn.ascent + drawn.descent
    paths = [_path(outline) for outline in drawn.outlines]
    pieces: list[str] = []
    for sign in drawn.signs:
        scale = sign.size / drawn.units
        place = f"translate({_n(sign.x)} {_n(sign.y)}) scale({scale:.6f})"
        pieces.append(f'<path transform="{place}" d="{paths[sign.outline]}"/>')
    for rule in drawn.rules:
        pieces.append(f'<rect x="{_n(rule.x)}" y="{_n(rule.y)}" width="{_n(rule.width)}" height="{_n(rule.height)}"/>')
    for line in drawn.strokes:
        pieces.append(
            f'<line x1="{_n(line.x1)}" y1="{_n(line.y1)}" x2="{_n(line.x2)}" y2="{_n(line.y2)}" stroke="currentColor" '
            f'stroke-width="{_n(line.thickness)}"/>'
        )
    for words in drawn.words:
        look = (' font-weight="bold"' if words.bold else "") + (' font-style="italic"' if words.italic else "")
        pieces.append(
            f'<text x="{_n(words.x)}" y="{_n(words.y)}" font-size="{_n(words.size * 0.92)}"{look}>'
            f"{html.escape(words.text)}</text>"
        )
    box = f"0 {_n(-drawn.ascent)} {_n(drawn.width)} {_n(height)}"
    style = f"width:{_n(drawn.width)}em;height:{_n(height)}em;vertical-align:{_n(-drawn.descent)}em"
    said = f' role="img" aria-label="{html.escape(label)}"' if label else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="formula" viewBox="{box}" style="{style}" '
        f'fill="currentColor"{said}>{"".join(pieces)}</svg>'
    )


def _path(outline: Outline) -> str:
    pieces: list[str] = []
    at = 0
    for number, step in enumerate(outline.steps):
        if step == "M" and number:
            pieces.append("Z")
        count = {"M": 2, "L": 2, "Q": 4, "C": 6}[step]
        pieces.append(step + " ".join(map(str, outline.points[at : at + count])))
        at += count
    return "".join((*pieces, "Z"))


def _n(number: float) -> str:
    return f"{number:.4f}".rstrip("0").rstrip(".") or "0"


def _styled(svg: str) -> str:
    """Colours that are variables work in styles, not in attributes."""
    return re.sub(r'\b(fill|stroke)="(var\(--d-[a-z0-9-]+\))"', r'style="\1:\2"', _merged(svg))


def _merged(svg: str) -> str:
    """Of an element that has both, fill and stroke come together in one style."""
    both = re.compile(r'<([a-z]+)([^<>]*?)\bfill="(var\(--d-[a-z0-9-]+\))"([^<>]*?)\bstroke="(var\(--d-[a-z0-9-]+\))"')
    turned = re.compile(
        r'<([a-z]+)([^<>]*?)\bstroke="(var\(--d-[a-z0-9-]+\))"([^<>]*?)\bfill="(var\(--d-[a-z0-9-]+\))"'
    )
    svg = both.sub(r'<\1\2style="fill:\3;stroke:\5"\4', svg)
    return turned.sub(r'<\1\2style="stroke:\3;fill:\5"\4', svg)


def _lines(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def fragment(messages: Sequence[Message], look: Look, contents: Contents) -> str:
    """Some answers as HTML for the clipboard: what mail and office programs take over, without styles."""
    page = Page(look, contents, pdf=True)
    page._until = 0.0  # drawings would lie beside it: their source is copied
    inner = "".join(page.message(message) for message in messages)
    if len(messages) == 1:
        inner = "".join(page.content(messages[0]))
    return f'<meta charset="utf-8">{inner}'
