"""Normal texts that repeat much and are no loops, written by code from a seed: ``texts`` gives (kind, request, text).

Tables, lists of numbers, records, code with repeated lines, poems with refrains, pictures of characters, and what a
user asked to have repeated.
"""

# ruff: noqa: SIM905

from __future__ import annotations

import base64
import datetime
import itertools
import json
import random
from collections.abc import Callable, Iterator

_NOUNS = (
    "river garden engine window letter market forest pilot bridge island teacher valley piano basket lantern harbour "
    "kitchen mountain orchard sailor clock meadow ladder button pocket village shadow candle feather anchor"
).split()
_VERBS = ("opens carries watches follows paints repairs remembers loses finds sells mends counts hides lifts").split()
_ADJECTIVES = ("quiet yellow narrow patient hollow brave crooked silver early gentle distant heavy clever old").split()
_NAMES = ("Ada Boris Chen Dalia Emil Farah Goran Hana Igor Jun Katya Lars Mina Noor Otto Petra Quentin Rosa").split()
_CITIES = ("Lyon Kazan Wuhan Porto Quito Oslo Perth Izmir Gdansk Cork Turin Leeds Baku Accra Lima Tampa").split()
R = random.Random


def _sentence(r: R) -> str:
    return (
        f"The {r.choice(_ADJECTIVES)} {r.choice(_NOUNS)} {r.choice(_VERBS)} the {r.choice(_ADJECTIVES)} "
        f"{r.choice(_NOUNS)} {r.choice(('at night', 'in spring', 'again', 'by the sea', 'without a word', 'slowly'))}."
    )


def multiplication(r: R) -> str:
    side, mark = r.choice((9, 10, 12)), r.choice("x×*")
    return "\n".join(f"{a} {mark} {b} = {a * b}" for a in range(r.randint(1, 4), 9) for b in range(1, side + 1))


def multiplication_grid(r: R) -> str:
    side = r.choice((9, 10, 12))
    head = "| × | " + " | ".join(map(str, range(1, side + 1))) + " |\n|" + "---|" * (side + 1) + "\n"
    return head + "\n".join(
        f"| {a} | " + " | ".join(str(a * b) for b in range(1, side + 1)) + " |" for a in range(1, side + 1)
    )


def numbers(r: R) -> str:
    start, step = r.choice((1, 1, 100, 990, 1000)), r.choice((1, 1, 2, 5, 10))
    return r.choice(("\n", ", ", " ")).join(str(start + step * i) for i in range(200))


def squares(r: R) -> str:
    power = r.choice((2, 3))
    return "\n".join(f"{i}^{power} = {i**power}" for i in range(1, 90))


def primes(_r: R) -> str:
    return ", ".join(str(n) for n in range(2, 900) if all(n % d for d in range(2, int(n**0.5) + 1)))


def dates(r: R) -> str:
    day = datetime.date(2020 + r.randint(0, 9), r.randint(1, 12), 1)
    form = r.choice(("%Y-%m-%d", "%d.%m.%Y", "%A, %d %B %Y", "- %Y-%m-%d: closed"))
    return "\n".join((day + datetime.timedelta(days=i)).strftime(form) for i in range(70))


def timetable(r: R) -> str:
    lines = ["| Time | Monday | Tuesday | Wednesday | Thursday | Friday |", "|---|---|---|---|---|---|"]
    subjects = ("Maths", "English", "Art", "Free", "Sport", "History", "Free")
    for hour in range(8, 22):
        lines.append(f"| {hour:02}:00 | " + " | ".join(r.choice(subjects) for _ in range(5)) + " |")
    return "\n".join(lines)


def csv(r: R) -> str:
    rows = ["id,name,city,amount,paid"]
    rows += [
        f"{i},{r.choice(_NAMES)},{r.choice(_CITIES)},{r.randint(5, 900)}.{r.randint(0, 99):02},"
        f"{r.choice(('yes', 'no'))}" for i in range(1, 60)
    ]  # fmt: skip
    return "\n".join(rows)


def records(r: R) -> str:
    made = [
        {"id": i, "name": r.choice(_NAMES), "at": r.choice(_CITIES), "age": r.randint(1, 99), "paid": r.random() < 0.5}
        for i in range(1, 30)
    ]  # fmt: skip
    return json.dumps(made, indent=r.choice((None, 2)))


def dummy_records(_r: R) -> str:
    return json.dumps([{"id": i, "name": f"Item {i}", "price": i * 10, "in_stock": True} for i in range(1, 45)])


def numbers_array(r: R) -> str:
    return json.dumps([r.choice((r.randint(0, 9), r.randint(0, 255), round(r.random(), 3))) for _ in range(200)])


def getters(r: R) -> str:
    fields = r.sample(_NOUNS, 14)
    return "class Store:\n" + "\n".join(
        f"    def get_{f}(self):\n        return self._{f}\n\n    def set_{f}(self, new):\n        self._{f} = new\n"
        for f in fields
    )


def assertions(r: R) -> str:
    lines = [f"    assert add({(a := r.randint(0, 99))}, {(b := r.randint(0, 99))}) == {a + b}" for _ in range(40)]
    return "def test_add():\n" + "\n".join(lines)


def inserts(r: R) -> str:
    return "\n".join(
        f"INSERT INTO customers (id, name, city) VALUES ({i}, '{r.choice(_NAMES)}', '{r.choice(_CITIES)}');"  # noqa: S608 - nobody runs it
        for i in range(1, 32)
    )


def html(r: R) -> str:
    rows = "".join(
        f'  <tr class="row">\n    <td class="name">{r.choice(_NAMES)}</td>\n    <td>{r.choice(_CITIES)}</td>\n  </tr>\n'
        for _ in range(20)
    )
    return f'<table class="list">\n{rows}</table>'


def options(_r: R) -> str:
    return "<select>\n" + "\n".join(f'  <option value="{i}">{i}</option>' for i in range(1900, 1960)) + "\n</select>"


def css(r: R) -> str:
    return "\n".join(
        f".{r.choice(_NOUNS)}-{i} {{\n  margin: 0;\n  padding: {i}px;\n  color: #{r.randint(0, 0xFFFFFF):06x};\n}}"
        for i in range(24)
    )


def switch(r: R) -> str:
    return "switch (code) {\n" + "\n".join(
        f'  case {i}:\n    return "{r.choice(_NOUNS)}";' for i in range(32)
    ) + "\n}"  # fmt: skip


def code_twice(r: R) -> str:
    names = r.sample(_NOUNS, 8)
    lines = [
        f"def {n}({r.choice(_NOUNS)}, factor={r.randint(1, 99)}):\n    total = factor * {r.randint(2, 9)}\n"
        f"    return [{r.choice(_NOUNS)}(total) for _ in range({r.randint(2, 20)})]\n" for n in names
    ]  # fmt: skip
    code = "\n".join(lines)
    later = code.replace(f"def {names[3]}", f"def new_{names[3]}")
    return (
        f"Here is the code:\n\n```python\n{code}```\n\nOne name should say more. {_sentence(r)} "
        f"So the whole file reads:\n\n```python\n{later}```\n\nThat is all."
    )


def poem(r: R) -> str:
    chorus = "\n".join(_sentence(r) for _ in range(r.choice((2, 4, 4))))
    verses = ["\n".join(_sentence(r) for _ in range(4)) for _ in range(7)]
    return "\n\n".join(f"{verse}\n\n{chorus}" for verse in verses)


def refrain(r: R) -> str:
    line = r.choice(("and the river goes on", "oh, carry me home", "never more, never more"))
    return "\n".join(f"{_sentence(r)[:-1]},\n{line}." for _ in range(26))


def litany(r: R) -> str:
    begin = r.choice(("I have a", "There is a", "We remember the", "Blessed be the"))
    return "\n".join(f"{begin} {r.choice(_ADJECTIVES)} {r.choice(_NOUNS)} that {r.choice(_VERBS)}." for _ in range(45))


def counting_song(r: R) -> str:
    words = ["twelve", "eleven", "ten", "nine", "eight", "seven", "six", "five", "four", "three", "two", "one", "no"]
    noun, verb = r.choice(_NOUNS), r.choice(("sailed away", "fell asleep", "went back home"))
    return "\n\n".join(
        f"{a.title()} little {noun}s standing in a line,\n{a} little {noun}s looking very fine.\n"
        f"One little {noun} {verb} in the sun,\nnow there are {b} and the song goes on."
        for a, b in itertools.pairwise(words)
    )


def gathering_song(r: R) -> str:
    gifts = [
        f"{n} {r.choice(_ADJECTIVES)} {r.choice(_NOUNS)}s" for n in ("a few", "two", "three", "four", "five", "six")
    ]
    ordinals = ["first", "second", "third", "fourth", "fifth", "sixth"]
    return "\n\n".join(
        f"On the {day} day of winter my neighbour brought to me\n" + ",\n".join(reversed(gifts[: i + 1])) + "."
        for i, day in enumerate(ordinals)
    )


def base64_text(r: R) -> str:
    return "\n".join(base64.b64encode(r.randbytes(48)).decode() for _ in range(7))


def hex_dump(r: R) -> str:
    zeros = r.random() < 0.3
    return "\n".join(
        f"{i * 16:08x}  " + " ".join(f"{0 if zeros and r.random() < 0.6 else r.randint(0, 255):02x}" for _ in range(16))
        for i in range(10)
    )


def triangle(r: R) -> str:
    mark, tall = r.choice("*#@o"), r.randint(8, 20)
    return "\n".join(" " * (tall - i) + mark * (2 * i + 1) for i in range(tall))


def box(r: R) -> str:
    wide = r.randint(20, 60)
    inside = [f"| {_sentence(r)[: wide - 4]:<{wide - 4}} |" for _ in range(8)]
    return "\n".join(["+" + "-" * (wide - 2) + "+", *inside, "+" + "-" * (wide - 2) + "+"])


def maze(r: R) -> str:
    return "\n".join("".join(r.choice("# .#") for _ in range(24)) for _ in range(14))


def bars(r: R) -> str:
    return "\n".join(f"{name:<8}|{'█' * r.randint(1, 30)} {r.randint(1, 99)}%" for name in _NAMES)


def board(r: R) -> str:
    return "\n\n".join(
        "\n".join("+---+---+---+\n| " + " | ".join(r.choice("XO ") for _ in range(3)) + " |" for _ in range(3))
        + "\n+---+---+---+" for _ in range(6)
    )  # fmt: skip


def matrix(r: R) -> str:
    side = r.randint(5, 9)
    return "\n".join("[" + ", ".join(str(int(i == j)) for j in range(side)) + "]," for i in range(side))


def log_lines(r: R) -> str:
    at = datetime.datetime(2024, 5, 1, 12, 0, 0)
    lines = []
    for _ in range(26):
        at += datetime.timedelta(seconds=r.randint(1, 9))
        said = r.choice(("request served", "request served", "cache miss", "connection closed", "user logged in"))
        lines.append(f"{at:%Y-%m-%d %H:%M:%S} INFO server: {said} in {r.randint(1, 400)} ms")
    return "\n".join(lines)


def facts(r: R) -> str:
    return "\n".join(
        f"{i}. **{r.choice(_NOUNS).title()}**: {_sentence(r)}" for i in range(1, 31)
    )  # fmt: skip


def steps(r: R) -> str:
    return "\n".join(
        f"Step {i}: Take the {r.choice(_ADJECTIVES)} {r.choice(_NOUNS)} and put it next to the {r.choice(_NOUNS)}."
        for i in range(1, 31)
    )


def dialogue(r: R) -> str:
    answers = ("Yes, of course.", "I do not know.", "Yes, of course.", "No, thank you.", "Let me see.")
    return "\n".join(
        f"Customer: Do you have a {r.choice(_ADJECTIVES)} {r.choice(_NOUNS)}?\nClerk: {r.choice(answers)}"
        for _ in range(26)
    )


def reasoning(r: R) -> str:
    a, b, lines = r.randint(1, 9), r.randint(1, 9), []
    for i in range(3, 24):
        lines.append(f"So f({i}) = f({i - 1}) + f({i - 2}) = {b} + {a} = {a + b}.")
        a, b = b, (a + b) % 997
    return "Let me go through it step by step.\n" + "\n".join(lines) + "\nWait, let me check that again."


def checking(r: R) -> str:
    lines = []
    for n in r.sample(range(100, 999), 22):
        divisor = next((d for d in (2, 3, 5, 7, 11, 13) if n % d == 0), None)
        lines.append(f"Check {n}: " + (f"{n} / {divisor} = {n // divisor}, so it is not prime." if divisor
                                       else "no small divisor, so it may be prime."))  # fmt: skip
    return "\n".join(lines)


def chess(r: R) -> str:
    move = lambda: r.choice("NBRQ ").strip() + r.choice("abcdefgh") + r.choice("12345678")  # noqa: E731
    return " ".join(f"{i}. {move()} {move()}" for i in range(1, 60))


def conjugation(r: R) -> str:
    people = ("I", "you", "he", "we", "you", "they")
    verbs = r.sample(("carry", "paint", "mend", "watch", "follow", "count", "lift", "hide"), 6)
    return "\n\n".join(
        f"**to {verb}**\n" + "\n".join(f"- {p} {'will ' if r.random() < 0.3 else ''}{verb}" for p in people)
        for verb in verbs
    )


def glossary(r: R) -> str:
    return "\n".join(f"- {noun}: {r.choice(('река', 'сад', 'окно', 'письмо', '灯', '桥', '花园', '钟', 'der Garten'))}"
                     for noun in _NOUNS)  # fmt: skip


def bits(r: R) -> str:
    return "\n".join(f"{i:08b} {i}" for i in range(r.randint(0, 99), 130))


def feelings(r: R) -> str:
    said = r.choice(("ha", "na ", "la ", "no, ", "very "))
    return f"{_sentence(r)} {said * r.randint(8, 40)}! {_sentence(r)}"


KINDS: tuple[Callable[[R], str], ...] = (
    multiplication, multiplication_grid, numbers, squares, primes, dates, timetable, csv, records, dummy_records,
    numbers_array, getters, assertions, inserts, html, options, css, switch, code_twice, poem, refrain, litany,
    counting_song, gathering_song, base64_text, hex_dump, triangle, box, maze, bars, board, matrix, log_lines, facts,
    steps, dialogue, reasoning, checking, chess, conjugation, glossary, bits, feelings,
)  # fmt: skip


def wishes(r: R) -> Iterator[tuple[str, str]]:
    """A request for something said many times, and what obeys it."""
    line = _sentence(r)
    word = r.choice(_NOUNS)
    yield f"Write '{line}' fifty times.", "\n".join([line] * 50)
    yield f"Write the sentence {line} 100 times", " ".join([line] * 100)
    yield f"Say {word} 300 times!", " ".join([word] * 300)
    yield f"Please write 50x: {line}", "\n".join(f"{i}. {line}" for i in range(1, 51))
    yield f"Напиши «{word}» пятьдесят раз", "\n".join([f"- {word} {word} {word} {word}"] * 50)
    yield f"把“{word}”写五十遍", "\n".join([f"{word} {word} {word} {word}"] * 50)
    yield f"Schreib {word} hundertmal", "\n".join([f"{word}, {word}, {word}"] * 100)
    yield "Print the alphabet 30 times.", "\n".join(["a b c d e f g h i j k l m n o p q r s t u v w x y z"] * 30)
    yield f"Repeat after me, again and again: {line}", "\n".join([line] * 50)


def texts() -> Iterator[tuple[str, str, str]]:
    """(kind, what was asked, the text) of each; always the same ones."""
    for number, make in enumerate(KINDS):
        for seed in range(5):
            yield make.__name__, "Please write it down for me.", make(random.Random(1000 * number + seed))
    for seed in range(3):
        for asked, text in wishes(random.Random(seed)):
            yield "wish", asked, text
