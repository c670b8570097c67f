"""Mermaid to a picture: what models write is drawn, nothing harmful gets through, and no diagram holds anybody up."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dev_pele
import pytest

from qwen_desktop.jobs import diagrams as job
from qwen_desktop.jobs.diagram_svg import portable
from qwen_desktop.jobs.diagrams import render
from tests.pele import needs_pele

SVG = "{http://www.w3.org/2000/svg}"
KINDS = {
    "flowchart": 'flowchart LR\n subgraph S["A part"]\n A[Start] --> B{"Is it<br/>so?"}\n end\n B -->|yes| C[(Data)]',
    "sequence": "sequenceDiagram\n actor U\n U->>+S: ask\n alt good\n S-->>-U: answer\n else bad\n S--xU: no\n end\n"
    " Note over U,S: all of it\n loop daily\n U->>U: think\n end",
    "class": "classDiagram\n class Animal {\n <<abstract>>\n +String name\n +eat(food) void\n }\n Animal <|-- Dog : is",
    "state": "stateDiagram-v2\n [*] --> Idle\n state Busy {\n [*] --> Deep\n }\n Idle --> Busy : go\n Busy --> [*]",
    "er": "erDiagram\n CUSTOMER ||--o{ ORDER : places\n ORDER {\n int id PK\n }",
    "gantt": "gantt\n title Plan\n dateFormat YYYY-MM-DD\n section One\n Work :crit, a, 2026-01-05, 4d\n"
    " End :milestone, after a, 0d",
    "pie": 'pie showData\n title Share\n "One" : 3\n "Two" : 1',
    "mindmap": "mindmap\n  root((Middle))\n    One\n      Deep\n    Two",
    "timeline": "timeline\n title Times\n 1936 : Turing\n 1945 : ENIAC : Von Neumann",
    "gitGraph": 'gitGraph\n commit id: "one"\n branch dev\n commit\n checkout main\n merge dev tag: "v1"',
    "journey": "journey\n title Day\n section Morning\n Tea: 5: Me\n Work: 1: Me, Cat",
    "quadrantChart": 'quadrantChart\n title Reach\n x-axis Low --> High\n "A": [0.3, 0.6]',
    "xychart": 'xychart-beta\n title "Sales"\n x-axis [jan, feb]\n bar [5, 6]\n line [5, 6]',
    "c4": 'C4Context\n Person(a, "A person", "who banks")\n System(b, "A bank")\n Rel(a, b, "uses")',
}
#: Two hundred nodes, each joined with many: laying that out takes far more than a tenth of a second.
ENDLESS = "flowchart TD\n" + "\n".join(f"a{(n * 37) % 97} --> a{(n * 61 + 5) % 89}" for n in range(390))


def one(source: str, **options: Any) -> dict[str, Any]:
    (made,) = render([(source, options)])
    return made


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - what we have made


def texts(made: dict[str, Any]) -> list[str]:
    return ["".join(text.itertext()) for text in tree(made["svg"]).iter(f"{SVG}text")]


@needs_pele
def test_kinds_that_models_write_are_drawn() -> None:
    for (kind, source), made in zip(KINDS.items(), render([(source, {}) for source in KINDS.values()]), strict=True):
        assert made.get("type") == kind, made
        assert 50 < made["width"] < 1500 and 50 < made["height"] < 1500
        quoted = re.findall(r'"([^"<]+)"', source)
        assert all(any(word in line for line in texts(made)) for word in quoted), kind


@needs_pele
def test_lines_of_a_label_stand_below_each_other_for_every_program() -> None:
    made = one('flowchart TD\n A["one<br/>two <b>three</b>"]')
    lines = {"".join(text.itertext()): text for text in tree(made["svg"]).iter(f"{SVG}text")}
    assert list(lines) == ["one", "two three"]
    first, second = (float(line.attrib["y"]) for line in lines.values())
    assert second - first > 10 and not lines["one"].findall(f"{SVG}tspan")


@needs_pele
def test_other_scripts_are_drawn() -> None:
    assert texts(one("flowchart TD\n A[开始] -->|是| B[显示主页]")) == ["是", "开始", "显示主页"]
    assert "البداية" in texts(one("flowchart RL\n A[البداية] --> B[عرض الصفحة]"))


@needs_pele
def test_nothing_harmful_gets_through() -> None:
    source = """flowchart TD
    A["<script>alert(1)</script><img src=x onerror=alert(2)> &lt;b&gt;"] --> B["javascript:alert(3)"]
    click A href "javascript:alert(4)"
    click B "https://example.com/track" "tip" _blank
    style A fill:#f00,stroke:red,background:url(https://example.com/a.png)
    """
    made = one(source.replace(",background:url(https://example.com/a.png)", ""))
    for element in tree(made["svg"]).iter():
        assert element.tag.removeprefix(SVG) in {"svg", "g", "path", "rect", "circle", "polygon", "text", "tspan"}
        assert not {"href", "style", "class", "id", "onload", "onerror", "filter"} & element.attrib.keys()
        assert not any(re.search(r"url\s*\(|script:|https?:", value) for value in element.attrib.values())
    assert "example.com" not in made["svg"] and "svg" not in one(source)


@pytest.mark.parametrize(
    ("element", "kept"),
    [
        ('<rect fill="url(https://example.com/a)" width="3"/>', {"width": "3"}),
        ('<rect style="fill:url(#a);stroke:red"/>', {"stroke": "red"}),
        ('<rect onclick="alert(1)" fill="#fff"/>', {"fill": "#fff"}),
        ('<rect fill="image(x)" stroke="URL (x)"/>', {}),
        ('<rect style="rx:var(--_r)" fill="var(--_b)"/>', {"rx": "4", "fill": "var(--border)"}),
    ],
)
def test_attributes_that_are_no_look_are_dropped(element: str, kept: dict[str, str]) -> None:
    root = "--_b:var(--pele-border,#888);--_r:var(--pele-radius,4px)"
    svg, _, _ = portable(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" style="{root}">{element}'
        '<image href="https://example.com/a"/><foreignObject/><script/><style>*{}</style><a><rect/></a></svg>'
    )
    (group,) = tree(svg)
    assert [(child.tag, child.attrib) for child in group] == [(f"{SVG}rect", kept)]


@needs_pele
@pytest.mark.parametrize(
    ("source", "failed", "line"),
    [
        ("flowchart TD\n A[Start --> B{Oops\n B -->|Yes C[Un", "syntax", 2),
        ("sequenceDiagram\n A->>B: fine\n this is none", "syntax", 3),
        ("diagramOfThings\n A -> B", "unknown", 0),
        ("", "unknown", 0),
        ("flowchart TD\n" + "A-->B\n" * 4000, "large", 0),
        ("flowchart TD\n" + "A-->B\n" * 1000, "large", 0),
    ],
)
def test_what_cannot_be_drawn_says_why(source: str, failed: str, line: int) -> None:
    made = one(source)
    assert (made["failed"], made.get("line", 0)) == (failed, line)


@needs_pele
def test_brackets_in_labels_that_models_leave_unquoted_are_drawn() -> None:
    made = one("flowchart TD\n A[f(x) = x^2] --> B{g(x) > 0?}\n B --> C[(Data)]")
    assert {"f(x) = x^2", "g(x) > 0?", "Data"} <= set(texts(made))


@needs_pele
def test_a_diagram_that_never_ends_is_given_up_and_the_next_is_drawn() -> None:
    started = time.perf_counter()
    late, good = render([(ENDLESS, {}), (KINDS["pie"], {})], limit_s=0.1)
    assert late == {"failed": "late"} and "svg" in good
    assert time.perf_counter() - started < 5


@needs_pele
def test_no_depth_of_a_diagram_ends_the_worker() -> None:
    deep = [
        "mindmap\n" + "\n".join(" " * n + f"n{n}" for n in range(1, 190)),
        "stateDiagram-v2\n" + "".join(f"state a{n} {{\n" for n in range(600)) + "x --> y\n" + "}\n" * 600,
        "flowchart TD\n" + "".join(f"subgraph s{n}\n" for n in range(600)) + "x --> y\n" + "end\n" * 600,
        "flowchart TD\n A[" + "(" * 9000,
        "block-beta\n" + "block\n" * 900 + "a\n" + "end\n" * 900,
    ]
    answers: list[dict[str, Any]] = []
    before = threading.stack_size(512 << 10)  # what a thread of macOS has
    try:
        thread = threading.Thread(target=lambda: answers.extend(render([(source, {}) for source in deep])))
        thread.start()
        thread.join(60)
    finally:
        threading.stack_size(before)
    assert len(answers) == len(deep)
    assert all("svg" in answer or answer["failed"] in {"syntax", "large", "late"} for answer in answers)


@needs_pele
def test_random_damage_ends_in_a_picture_or_a_reason() -> None:
    chance = random.Random(14)
    damaged = []
    for source in KINDS.values():
        for _ in range(4):
            letters = list(source)
            for _ in range(chance.randint(1, 6)):
                letters[chance.randrange(len(letters))] = chance.choice("[]{}()|\"'<>&:;-\n\x00\x07\ud800\u202e#%`")
            damaged.append(("".join(letters), {}))
    for made in render(damaged):
        if "svg" in made:
            tree(made["svg"])
        else:
            assert made["failed"] in {"syntax", "unknown", "large"}


@needs_pele
def test_shapes_are_as_wide_as_their_words_in_the_font_that_draws_them() -> None:
    narrow, wide = (one(KINDS["flowchart"], widths=[("S", size, size), ("t", size, size)]) for size in (200, 1500))
    assert wide["width"] > narrow["width"] + 20


@needs_pele
def test_words_can_be_read_on_the_colours_that_a_diagram_brings() -> None:
    made = one("flowchart TD\n A[pale]\n B[deep]\n C[plain]\n style A fill:#fdd\n style B fill:#003366")
    fills = {text.text: text.get("fill") for text in tree(made["svg"]).iter(f"{SVG}text")}
    assert fills == {"pale": "#1c1c22", "deep": "#ffffff", "plain": None}


@needs_pele
def test_what_draws_is_the_released_file_with_its_licence() -> None:
    assert dev_pele.complete()
    script = (dev_pele.FOLDER / "pele.js").read_text(encoding="utf-8")
    assert script.startswith(f"/*! Pele {dev_pele.VERSION} | MIT License |")


def test_where_the_set_up_got_no_pele_it_is_missing_and_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job, "resources_folder", lambda: tmp_path)
    assert render([(KINDS["flowchart"], {}), (KINDS["pie"], {})]) == [{"failed": "missing"}] * 2
    assert not caplog.records


def chart(*values: float) -> str:
    return f"xychart-beta\ny-axis 0 --> 9\nline [{','.join(map(str, values))}]"


@needs_pele
def test_a_line_is_drawn_in_stretches() -> None:
    """Qt needs a second for the outline of one that goes up and down fifty times."""
    (made,) = render([(chart(*(number % 9 for number in range(40))), {})])
    lines = [path.get("d", "") for path in ElementTree.fromstring(made["svg"]).iter(f"{SVG}path")]  # noqa: S314
    stretches = [line[1:].split("L") for line in lines if "L" in line]
    assert len(stretches) == 39 and all(a[1:] == b[:1] for a, b in itertools.pairwise(stretches))


@needs_pele
def test_what_takes_long_to_paint_or_is_endless_is_too_large() -> None:
    calm = [number / 50 for number in range(365)]
    sources = [chart(*calm), chart(*([0, 9] * 200)), "graph TD\nA[" + "x" * 19_000 + "]"]
    made = render([(source, {}) for source in sources])
    assert [each.get("failed", "drawn") for each in made] == ["drawn", "large", "large"]
