"""LaTeX to outlines: what is drawn, what stays as it is written, and what must never take long or raise."""

from __future__ import annotations

import logging
import random
import time

import msgspec
import pytest

from qwen_desktop.jobs.formulas import rendering
from qwen_desktop.jobs.formulas.chemistry import chemistry
from qwen_desktop.jobs.formulas.data import Formula, from_builtins
from qwen_desktop.jobs.formulas.latex import prepare
from qwen_desktop.jobs.formulas.rendering import formula, render
from tests.latex import DRAWN, KEPT


def drawn(source: str, *, display: bool = True) -> Formula:
    """A formula that can be drawn."""
    found = formula(source, display=display)
    assert found is not None, source
    return found


def outlines(source: str) -> set[object]:
    """The outlines of a formula's signs, wherever they stand."""
    return {*drawn(source).outlines}


def test_what_models_write_is_drawn_inside_its_bounds():
    for number, source in enumerate(DRAWN):
        for display in (True, False)[: 1 + (number % 4 == 0)]:
            found = drawn(source, display=display)
            assert found.width > 0 and found.ascent + found.descent > 0, source
            assert found.signs or found.words, "it is not empty"
            for sign in found.signs:
                assert -0.3 <= sign.x <= found.width + 0.3, source
                assert -found.ascent - 0.6 <= sign.y <= found.descent + 0.6, source
            for rule in found.rules:
                assert rule.x >= -0.1 and rule.x + rule.width <= found.width + 0.3, source
                assert -found.ascent - 0.1 <= rule.y <= found.descent + 0.1, source


@pytest.mark.parametrize("source", [*KEPT, "", " ", "{}", r"\quad", "\U000f0000", "x" * 6000])
def test_what_is_no_formula_has_none(source):
    assert formula(source, display=True) is None


def test_words_in_other_scripts_are_left_to_the_window():
    found = drawn(r"\text{速度 (v)} = \frac{\text{路程}}{t}")
    assert [(words.text, words.width) for words in found.words] == [("速度", 2.0), ("路程", 2.0 * found.words[1].size)]
    assert drawn(r"\text{שלום עולם}").words[0].text == "שלום עולם", "one text, so that it is ordered as its script asks"
    assert not drawn(r"\text{Скорость} + \alpha").words, "the font has Cyrillic and Greek letters"


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (r"\text{if $x$ is}", r"\text{if }x\text{ is}"),
        (r"\begin{equation} a \end{equation}", "a"),
        (r"\label{x} a \nonumber", "a"),
        (r"\textcolor{red}{a} + {\color{blue} b}", "a + {b}"),
        (r"\mathrm{kg}", r"\text{kg}"),
        (r"\begin{aligned} a &= b \\[4pt] &= c \end{aligned}", r"a &= b \\ &= c"),
        (r"50\%", "50%"),
        (r"\ce{H2O}", r"\mathrm{H}_2\mathrm{O}"),
        (r"\operatorname{max}(x)", r"\max(x)"),
        ("x ≤ α", r"x \le \alpha"),
        (r"1 + \dots + n", r"1 + \cdots + n"),
        (r"\mathop{\mathrm{argmax}}_{\theta} p", r"\operatorname*{argmax}_{\theta} p"),
        (r"\mathop{\sum}_{i} x", r"{\sum}_{i} x"),
        (r"a \not= b", r"a \neq b"),
        (r"\begin{Vmatrix} a \\ b \end{Vmatrix}", r"\left\| \begin{matrix} a \\ b \end{matrix} \right\|"),
        (r"1, \dots, n", r"1, \ldots, n"),
        (r"a \bmod b", r"a \; \operatorname{mod} \; b"),
    ],
)
def test_what_means_the_same_looks_the_same(one, same):
    first, second = drawn(one), drawn(same)
    assert msgspec.structs.replace(first, outlines=()) == msgspec.structs.replace(second, outlines=())
    assert set(first.outlines) == set(second.outlines)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\epsilon", r"\varepsilon"), (r"\phi", r"\varphi"), (r"\mathbf{x}", r"\boldsymbol{x}"), (r"\mathbf{x}", "x"),
        (r"\mathbb{R}", "R"), (r"\mathcal{L}", "L"), (r"\mathrm{d}", "d"), (r"\hat{x}", r"\tilde{x}"),
        (r"\int", r"\iint"), (r"\leftarrow", r"\rightarrow"), (r"\mathsf{T}", r"\mathrm{T}"),
    ],
)  # fmt: skip
def test_what_means_another_thing_looks_otherwise(one, other):
    assert outlines(one) != outlines(other)


def test_a_number_is_apart_from_the_formula_or_behind_its_line():
    found = drawn(r"a = b \tag{3.1}")
    assert found.tag == "3.1"
    assert found.width == drawn("a = b").width
    lines = drawn(r"\begin{align} a &= b \tag{1} \\ c &= d \tag{2} \end{align}")
    assert not lines.tag
    assert len(lines.signs) == 12


def test_displayed_formulas_are_larger():
    sum_ = r"\sum_{i=1}^{n} \frac{1}{i}"
    beside, below = drawn(sum_, display=False), drawn(sum_, display=True)
    assert below.ascent + below.descent > 1.4 * (beside.ascent + beside.descent)
    for sign in (r"\bigoplus", r"\bigcup", r"\prod"):
        assert drawn(rf"{sign}_{{iiii}} x").width < drawn(rf"{sign}_{{iiii}} x", display=False).width, sign
    limits = drawn(r"\lim_{x \to 0} x"), drawn(r"\lim_{x \to 0} x", display=False)
    assert limits[0].width < limits[1].width, "what stands below takes no place beside"


def test_signs_have_the_spaces_that_tex_gives_them():
    def width(source: str) -> float:
        return drawn(source).width

    assert width("a=-b") - width("a=b") == pytest.approx(width("-b") - width("b"), abs=0.01), "a sign of its own number"
    assert width("a-b") > width("{a}{-}{b}") + 0.4
    assert width("a=b") > width("{a}{=}{b}") + 0.5
    assert width(r"\sin x") > width(r"\sin") + width("x") + 0.1
    assert width(r"\sin(x)") < width(r"\sin") + width("(x)") + 0.02
    assert width("x^{a=b}") < width("x^{a{=}b}") + 0.01, "none in scripts"


def test_tables_have_their_lines():
    assert len(drawn(r"\begin{array}{|c|c|} \hline a & b \\ \hline c & d \\ \hline \end{array}").rules) == 6
    assert len(drawn(r"\left(\begin{array}{cc|c} 1 & 2 & 3 \\ 4 & 5 & 6 \end{array}\right)").rules) == 1
    assert not drawn(r"\begin{pmatrix} 1 & 2 \end{pmatrix}").rules


@pytest.mark.parametrize(
    ("source", "latex"),
    [
        ("2H2 + O2", r"2\,\mathrm{H}_{2} + \mathrm{O}_{2}"),
        ("SO4^2-", r"\mathrm{SO}_{4}^{2{-}}".replace("SO", "S}\\mathrm{O")),
        ("Na+", r"\mathrm{Na}^{{+}}"),
        ("A ->[heat] B", r"\mathrm{A} \xrightarrow{\text{heat}} \mathrm{B}"),
        ("^{14}_{6}C", r"{}^{14}_{6}\mathrm{C}"),
        ("1/2 O2", r"\frac{1}{2}\,\mathrm{O}_{2}"),
    ],
)
def test_chemistry(source, latex):
    assert chemistry(source) == latex
    assert formula(rf"\ce{{{source}}}") is not None


def test_the_job_gives_plain_data_for_each():
    given = [("x^2", {"display": False}), (r"\nonsense{x}", {}), (r"\sqrt[3]{2}", {"display": True})]
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(render(given)))
    assert data[1] is None
    assert from_builtins(data[0]) == drawn("x^2", display=False)
    assert from_builtins(data[2]) == drawn(r"\sqrt[3]{2}")
    assert any(rule.joined for rule in from_builtins(data[2]).rules)
    assert len(msgspec.msgpack.encode(data[0])) < 1500


@pytest.mark.parametrize(
    "source",
    [
        "x+" * 2400, "\\frac{1}{" * 22 + "x" + "}" * 22, "\\sqrt{1+" * 22 + "x" + "}" * 22, "x^{" * 23 + "y" + "}" * 23,
        "\\left(" * 400, "\\left(" * 100 + "x" + "\\right)" * 100, "{" * 4000, "}" * 4000, "x_" * 2400, "'" * 4000,
        "\\begin{matrix}" * 200, "&" * 4000, "\\\\" * 2000, "\\text{" * 800, "\\" * 4999, "$" * 4000, "\\not" * 1200,
        "\\hspace{1e9em}x", "\\rule{9999em}{9999em}", "\\kern-99999em x", "\\hat{" * 22 + "x" + "}" * 22, "速" * 4000,
        "\\begin{pmatrix}" + "1 & " * 800 + "\\end{pmatrix}", "\\operatorname{" + "x" * 4000 + "}", "\\mathrm{" * 100,
        "\\begin{array}{*{99}{*{99}{c}}} x \\end{array}", "\\binom{" * 300, "\\ce{" + "A->" * 1000 + "}",
    ],
)  # fmt: skip
def test_a_bomb_takes_a_moment_and_does_no_harm(source, monkeypatch):
    monkeypatch.setattr(rendering, "LIMIT_S", 0.2)
    started = time.thread_time()
    found = formula(source, display=True)
    assert time.thread_time() - started < 0.9
    if found is not None:
        assert found.width < 2001
        assert len(found.signs) + len(found.rules) < 6100
        assert found.ascent + found.descent < 201


def test_one_that_takes_too_long_is_given_up_and_the_next_is_drawn(monkeypatch):
    monkeypatch.setattr(rendering, "LIMIT_S", 0.3)
    started = time.thread_time()
    assert formula("x+" * 2400) is None
    assert time.thread_time() - started < rendering.LIMIT_S + 0.5
    assert formula("x + y") is not None


def test_whatever_is_written_raises_nothing_and_leaves_no_trace(caplog, capsys):
    caplog.set_level(logging.DEBUG)
    chance = random.Random(5)
    pieces = [
        "\\frac", "{", "}", "x", "secret", "_", "^", "&", "\\\\", "\\left", "\\right", "(", ")", "|", "\\text",
        "\\begin{matrix}", "\\end{matrix}", "\\begin{cases}", "\\end{cases}", "\\sqrt", "[", "]", "\\sum", "\\limits",
        "\\mathrm", "\\operatorname", "\\tag", "\\ce", "\\overset", "\\xrightarrow", "\\hline", "\\boxed", "\\not",
        "'", "=", "$", "%",
        "\\", "~", "#", "<", ">", "速", "\ud800", "\x00", "\u202e", "e\u0301", "😀", "\\color", "\\binom", "\\cancel",
        "\\middle", "\\over", "\\begin", "\\end", "\\substack", "1", "-", ",", " ", "&#x41;", "</mi>", "\\underbrace",
    ]  # fmt: skip
    started = time.thread_time()
    made = [formula("".join(chance.choices(pieces, k=chance.randint(1, 14)))) for _ in range(600)]
    assert time.thread_time() - started < 20
    assert sum(one is not None for one in made) > 40
    assert "secret" not in caplog.text
    assert capsys.readouterr() == ("", "")


def test_preparing_takes_time_that_grows_with_the_length():
    started = time.thread_time()
    prepare("x + \\alpha " * 400)
    assert time.thread_time() - started < 0.3


@pytest.mark.parametrize(
    ("bracketed", "letter"),
    [("(a+b)^2", "a+b^2"), (r"\lVert w \rVert^2", "w^2"), ("[x]_i", "x_i"), (r"|x|_1^2", "x_1^2")],
)
def test_scripts_behind_a_bracket_stand_as_behind_a_letter(bracketed, letter):
    one, other = drawn(bracketed), drawn(letter)
    assert one.signs[-1].y == pytest.approx(other.signs[-1].y, abs=0.06)


@pytest.mark.parametrize("kind", ["p", "b", "B", "v", "V", ""])
@pytest.mark.parametrize("script", ["^{-1}", "^T", "_2^2"])
def test_matrices_have_exponents(kind, script):
    matrix = rf"\begin{{{kind}matrix}} a & b \\ c & d \end{{{kind}matrix}}"
    plain, raised = drawn(matrix), drawn(matrix + script)
    assert len(raised.signs) > len(plain.signs) and raised.width > plain.width
    assert min(sign.size for sign in raised.signs) < min(sign.size for sign in plain.signs)


@pytest.mark.parametrize("fence", ["Vert", "ceil", "floor", "vert"])
def test_brackets_grow_only_where_they_are_told_to(fence):
    plain, beside = drawn(rf"\l{fence} w \r{fence}"), drawn(rf"\tfrac{{1}}{{2}} \l{fence} w \r{fence}")
    last = [each.outlines[each.signs[-1].outline] for each in (plain, beside)]
    assert last[0] == last[1], "a fraction beside it does not stretch it"
    for larger in (rf"\bigg\l{fence} w \bigg\r{fence}", rf"\left\l{fence} \frac{{a}}{{b}} \right\r{fence}"):
        assert drawn(larger).ascent > 1.2 * plain.ascent
