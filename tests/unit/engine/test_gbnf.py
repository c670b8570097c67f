"""GBNF in another notation: the same texts, whatever they are; broken grammars get a sentence."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import time

import llguidance
import pytest

from qwen_desktop.engine import gbnf

JSON = r"""
# as llama.cpp's own example has it
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4})
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""

_tokenizer = llguidance.LLTokenizer("byte")


def accepts(lark: str, text: str) -> bool:
    matcher = llguidance.LLMatcher(_tokenizer, lark, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher.consume_tokens(list(text.encode())) and matcher.is_accepting()


@pytest.mark.parametrize(
    ("grammar", "yes", "no"),
    [
        ('root ::= "yes" | "no"', ["yes", "no"], ["", "yesno", "n"]),
        ("root ::= [a-c]{2,3}", ["ab", "ccc"], ["a", "abca", "ad"]),
        ('root ::= ("a" | "b")+ "!"?', ["a", "bab!"], ["", "!", "a!!"]),
        ("root ::= [^a-z\\n]+", ["A1", "Ж", "😀"], ["a", "\n", ""]),
        ("root ::= .{2} # two of any\n", ["ab", "\n\n", "да"], ["a", "abc"]),
        ('root ::= "\\x41\\u00e9\\U0001F600\\"\\\\"', ['Aé😀"\\'], ["A"]),
        ('root ::= item\n  | item "," root\nitem ::= [0-9]+', ["1", "1,22,3"], ["", "1,", ",1"]),
        ('root ::= "(" root ")" | ""', ["", "()", "((()))"], ["(", "())"]),
        ('root ::= root "+" [0-9] | [0-9]', ["1", "1+2+3"], ["1+", "+1"]),
        # words that could be cut in two ways go character by character
        (
            'root ::= x\nx ::= [a-z]* end | "(" x ")"\nend ::= "abc" | "[" x "]"',
            ["abc", "zzabc", "(aabc)", "a[abc]"],
            ["ab"],
        ),
        ('root ::= a root b | "c"\na ::= "x"+\nb ::= "x"', ["c", "xcx", "xxcx"], ["cx", "xc"]),
        (JSON, ["{}", '{"a": [1, -2.5e3, "ä\\n", {"b": null}]}'], ["", "[]", '{"a"}', '{"a": 01}', '{"a":1,}']),
    ],
)
def test_it_means_the_same(grammar: str, yes: list[str], no: list[str]) -> None:
    lark = gbnf.to_lark(grammar)
    assert [text for text in yes if not accepts(lark, text)] == []
    assert [text for text in no if accepts(lark, text)] == []


def test_random_grammars_have_the_texts_that_a_plain_reader_finds() -> None:
    texts = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]
    both = 0
    for seed in range(25):
        grammar = random_grammar(random.Random(seed))
        lark = gbnf.to_lark(grammar)
        found = Plain(grammar).texts(5)
        if not found:
            continue  # the library says so by an error
        for text in texts:
            assert accepts(lark, text) == (text in found), (grammar, lark, text)
        both += 0 < len(found & set(texts)) < len(texts)
    assert both > 8  # of those that have some of the texts and not others


def random_grammar(choose: random.Random) -> str:
    """Some rules over a and b that may contain each other, all of them able to end."""
    names = ["root", "x", "y"]

    def node(level: int) -> str:
        kind = choose.randrange(8 if level < 3 else 4)
        if kind < 4:
            return choose.choice(['"a"', '"b"', '"ab"', "[ab]", '"ba"', choose.choice(names)])
        if kind < 6:
            return " ".join(node(level + 1) for _ in range(2))
        inner = node(level + 1)
        return f"({inner} | {node(level + 1)})" if kind == 6 else f"({inner}){choose.choice('*+?')}"

    return "\n".join(f'{name} ::= {node(0)} | "{choose.choice("ab")}"' for name in names)


class Plain:
    """All short texts of a grammar, by putting in what is known until nothing new comes."""

    def __init__(self, grammar: str) -> None:
        self._rules = gbnf._Parser(grammar).rules()

    def texts(self, longest: int) -> set[str]:
        known: dict[str, set[str]] = {name: set() for name in self._rules}
        while True:
            now = {name: self._of(node, known, longest) for name, node in self._rules.items()}
            if now == known:
                return known["root"]
            known = now

    def _of(self, node: gbnf._Node, known: dict[str, set[str]], longest: int) -> set[str]:
        match node:
            case gbnf._Chars(ranges):
                return {letter for letter in "ab" if any(a <= ord(letter) <= b for a, b in ranges)}
            case gbnf._Ref(name):
                return known[name]
            case gbnf._Alt(parts):
                return set().union(*(self._of(part, known, longest) for part in parts))
            case gbnf._Seq(parts):
                made = {""}
                for part in parts:
                    made = self._joined(made, self._of(part, known, longest), longest)
                return made
            case gbnf._Rep(part, least, most):
                inner, made, every = self._of(part, known, longest), {""}, {""} if least == 0 else set()
                for count in range(1, longest + 2 if most is None else most + 1):
                    made = self._joined(made, inner, longest)
                    every |= made if count >= least else set()
                return every
        raise AssertionError(node)

    @staticmethod
    def _joined(left: set[str], right: set[str], longest: int) -> set[str]:
        return {a + b for a in left for b in right if len(a + b) <= longest}


@pytest.mark.parametrize(
    ("grammar", "word"),
    [
        ("", "no rule root"),
        ('rot ::= "a"', "no rule root"),
        ("root ::= x", "no rule x"),
        ('root "a"', "line 1, ::= is missing"),
        ('root ::= "a', "not closed"),
        ("root ::= [a", "not closed"),
        ("root ::= ( \"a\"", ") is missing"),
        ('root ::= "a" )', "not expected"),
        ('root ::= "a"\nx ::= "\\q"', "line 2, this is not known behind"),
        ("root ::= [z-a]", "range"),
        ('root ::= "a"{3,1}', "times"),
        ('root ::= "a"{x}', "times"),
        ('root ::= "\\uD800"', "no character"),
        ("root ::= <think>", "tokens"),
        ("root ::= " + "(" * 200 + '"a"' + ")" * 200, "deeper"),
        ('root ::= "' + "a" * 200_000 + '"', "longer"),
        ("".join(f'r{i} ::= "a"\n' for i in range(3000)), "rules"),
        ("root ::= a root | b\n" + "".join(f"{x} ::= {y} {y} {y}\n" for x, y in itertools.pairwise("abcdefghij"))
         + 'j ::= "x" | "y"', "complex"),
        ("root ::= r0\n" + "".join(f'r{i} ::= r{i + 1} "a"\n' for i in range(1900)) + 'r1900 ::= "b"', "deeper"),
        ("root ::= a0\n" + "".join(f'a{i} ::= a{i + 1} | "a" root\n' for i in range(1900)) + 'a1900 ::= ""', "complex"),
    ],
)  # fmt: skip
def test_a_broken_grammar_is_said(grammar: str, word: str) -> None:
    began = time.process_time()
    with pytest.raises(gbnf.GbnfError, match=re.escape(word)):
        gbnf.to_lark(grammar)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(50)) + 'r50 ::= "b"?',
        'root ::= ((((("a"?){0,1000}){0,1000}){0,1000}){0,1000}){0,1000}',
        'root ::= "x" root | ("a"{100000}){100000}',
        "root ::= r0\n" + "".join(f'r{i} ::= "x" r{i + 1}\n' for i in range(97)) + 'r97 ::= "b"',
        "root ::= x\nx ::= " + " | ".join(f"[a-z]{{{i},}} x" for i in range(1, 200)) + ' | "z"',
    ],
)
def test_what_explodes_is_followed_or_refused_in_time(grammar: str) -> None:
    began = time.process_time()
    with contextlib.suppress(gbnf.GbnfError):
        matcher = llguidance.LLMatcher(_tokenizer, gbnf.to_lark(grammar), log_level=0)
        while not matcher.is_stopped():  # also when it gives up
            allowed = [token for token, may in enumerate(matcher.compute_logit_bias()) if may]
            matcher.consume_token(allowed[0])
            assert time.process_time() - began < 5
            if len(allowed) > 1 and allowed[-1] > 255:
                break
    assert time.process_time() - began < 5


def test_mutated_grammars_are_said_or_read() -> None:
    read = 0
    for seed in range(300):
        choose = random.Random(seed)
        text = JSON
        for _ in range(choose.randrange(1, 3)):
            a, b = sorted((choose.randrange(len(text)), choose.randrange(len(text))))
            text = choose.choice(
                (text[:a] + text[b:], text[:b] + text[a:], text[:a] + choose.choice('()[]{}|*"\\<') + text[a:])
            )
        try:
            lark = gbnf.to_lark(text)
        except gbnf.GbnfError as error:
            assert 0 < len(str(error)) < 200
            continue
        read += 1
        matcher = llguidance.LLMatcher(_tokenizer, lark, log_level=0)
        matcher.compute_bitmask()
        assert "panic" not in matcher.get_error()
    assert read > 10
