"""How exported pages look: in the colours of the app's own theme, light or dark as the reader's system asks."""

from __future__ import annotations

import json
from functools import cache

from qwen_desktop.core.paths import resources_folder

#: The theme's role for each colour of a diagram, as in the window (``ui.chat.diagrams``); all others are text.
_DIAGRAM = {
    "fg": "text", "bg": "surface", "muted": "text_muted", "line": "text_muted", "surface": "sunken",
    "surface-alt": "hover", "border": "text_faint", "accent": "accent", "critical": "bad", "series-1": "accent",
    "series-2": "code_number", "series-3": "good", "series-4": "bad", "series-5": "code_keyword",
    "series-6": "code_function", "series-7": "warn", "series-8": "text_muted", "font": "sans-serif",
}  # fmt: skip
_ROLES = (
    "window", "surface", "sunken", "border", "text", "text_muted", "text_faint", "accent", "user_message",
    "code_keyword", "code_string", "code_number", "code_comment", "code_function",
)  # fmt: skip


@cache
def _theme(name: str) -> dict[str, str]:
    tokens = json.loads((resources_folder() / "themes" / "tokens.json").read_text(encoding="utf-8"))
    found: dict[str, str] = tokens[name]
    return found


def diagram_colours(theme: str) -> dict[str, str]:
    """The colour of each variable of a diagram."""
    colours = _theme(theme)
    return {name: colours.get(role, role) for name, role in _DIAGRAM.items()}


def _variables(theme: str) -> str:
    colours = _theme(theme)
    rows = [f"--{role}:{colours[role]}" for role in _ROLES]
    rows += [f"--d-{name}:{value}" for name, value in diagram_colours(theme).items() if name != "font"]
    return ";".join(rows)


@cache
def page() -> str:
    """The style of a page of HTML."""
    insets = "".join(f".i{n}{{margin-left:{1.7 * n:.1f}em}}\n" for n in range(1, 10))
    return (
        f":root{{color-scheme:light dark;{_variables('light')}}}\n"
        f"@media (prefers-color-scheme: dark){{:root{{{_variables('dark')}}}}}\n{_PAGE}{insets}"
    )


_PAGE = """*{box-sizing:border-box}
body{margin:0;background:var(--window);color:var(--text);font:15px/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:760px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:24px;line-height:1.3;margin:0 0 4px}
h2,h3,h4,h5,h6{font-size:17px;line-height:1.35;margin:1.3em 0 .5em}
h2{font-size:20px}
p{margin:0 0 .8em;overflow-wrap:anywhere}
.about{color:var(--text_muted);font-size:13px;margin-bottom:32px}
.instructions{border-left:3px solid var(--border);padding-left:14px;margin:0 0 28px;color:var(--text_muted)}
.who{font-size:13px;font-weight:600;color:var(--text_muted);margin:0 0 6px}
article{margin:0 0 28px}
article>:last-child,blockquote>:last-child,details>:last-child{margin-bottom:0}
.user{background:var(--user_message);border-radius:14px 14px 4px 14px;padding:12px 16px;margin-left:auto;
width:fit-content;max-width:600px}
.item{position:relative;margin-bottom:.35em}
.marker{position:absolute;right:100%;margin-right:.5em;color:var(--text_muted);white-space:nowrap}
.verbatim{white-space:pre-wrap}
a{color:var(--accent)}
code,pre{font-family:ui-monospace,"Cascadia Mono","SF Mono",Menlo,Consolas,monospace;font-size:13px;
font-variant-ligatures:none}
p code,td code,th code{background:var(--sunken);border-radius:4px;padding:1px 4px}
pre{background:var(--sunken);border:1px solid var(--border);border-radius:10px;padding:12px 14px;overflow-x:auto;
line-height:1.5;margin:0 0 1em}
.scroll{overflow-x:auto;margin-bottom:1em}
table{border-collapse:collapse;font-size:14px}
th,td{border:1px solid var(--border);padding:6px 12px;text-align:start;vertical-align:top}
[align=center]{text-align:center}
[align=right]{text-align:right}
th{background:var(--sunken);font-weight:600}
blockquote{border-left:3px solid var(--border);margin:0 0 1em;padding:2px 0 2px 14px;color:var(--text_muted)}
.alert{font-weight:600;color:var(--accent);margin-bottom:.3em}
hr{border:0;border-top:1px solid var(--border);margin:1.6em 0}
details{border:1px solid var(--border);border-radius:10px;padding:8px 14px;margin:0 0 1em;color:var(--text_muted);
font-size:14px}
summary{cursor:pointer}
details[open] summary{margin-bottom:8px}
img{max-width:100%;height:auto;border-radius:10px;border:1px solid var(--border)}
.formula{display:inline-block;max-width:100%}
.math{text-align:center;overflow-x:auto;margin-bottom:1em;font-size:17px}
.diagram{text-align:center;overflow-x:auto;border:1px solid var(--border);border-radius:10px;padding:16px;
background:var(--surface);margin-bottom:1em}
.diagram svg{max-width:100%;height:auto}
.files{font-size:13px;color:var(--text_muted)}
.files p{margin:0}
.files ul{margin:0;padding-left:1.4em}
.note{color:var(--text_muted);font-size:13px}
.code_keyword{color:var(--code_keyword)}
.code_string{color:var(--code_string)}
.code_number{color:var(--code_number)}
.code_comment{color:var(--code_comment)}
.code_function{color:var(--code_function)}
@media print{main{max-width:none;padding:0}pre{white-space:pre-wrap}article{break-inside:auto}}
"""


@cache
def pdf() -> str:
    """The style of a page for PDF: what Qt's documents know."""
    colours = _theme("light")
    insets = "".join(f".i{n} {{ margin-left: {14 * n}px }}\n" for n in range(1, 10))
    code = "".join(f".{role} {{ color: {colours[role]} }}\n" for role in _ROLES if role.startswith("code_"))
    return f"""body {{ color: {colours["text"]} }}
h1 {{ font-size: 18pt; margin-bottom: 2px }}
h2 {{ font-size: 14pt }}
h3 {{ font-size: 12pt }}
h4, h5, h6 {{ font-size: 11pt }}
p {{ margin-top: 0; margin-bottom: 6px }}
.about {{ color: {colours["text_muted"]}; font-size: 9pt; margin-bottom: 18px }}
.who {{ color: {colours["text_muted"]}; font-weight: 600; font-size: 9pt; margin-top: 14px; margin-bottom: 4px }}
.said td {{ background-color: {colours["user_message"]} }}
.codebox td {{ background-color: {colours["sunken"]} }}
.codebox, .said, .grid {{ margin-top: 4px; margin-bottom: 8px }}
.grid {{ border-color: {colours["border_strong"]}; border-style: solid; border-collapse: collapse }}
th {{ background-color: {colours["sunken"]} }}
pre, code {{ font-family: "monospace"; font-size: 9pt }}
pre {{ white-space: pre-wrap; margin: 0 }}
blockquote {{ color: {colours["text_muted"]}; margin-left: 16px; margin-right: 0 }}
.thoughts, .instructions, .files, .note {{ color: {colours["text_muted"]}; font-size: 9pt }}
.alert {{ font-weight: 600; color: {colours["accent"]} }}
a {{ color: {colours["accent"]} }}
{insets}{code}"""
