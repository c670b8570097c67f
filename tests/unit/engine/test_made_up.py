"""States put together by hand: their layout is that of a real one, and what is no such state is refused."""

from __future__ import annotations

import random
import struct

import pytest

from qwen_desktop.engine.made_up import OneToken, UnknownLayoutError, parse, repeated


def state(tokens: int, *, layers: int = 3, transposed: bool = False, mrope: bool = False, rest: bytes = b"") -> bytes:
    """As llama.cpp writes it: keys of 12 bytes a token, values of 8 (four of two bytes), all tokens alike."""
    made = struct.pack("<IiII", 0xAF143C00, 0, 1, tokens)
    for position in range(tokens):
        made += (
            struct.pack("<iI", position, 1) + (struct.pack("<iii", 0, 0, 11) if mrope else b"") + struct.pack("<i", 0)
        )
    made += struct.pack("<II", transposed, layers)
    for layer in range(layers):
        made += struct.pack("<iQ", 1, 12) + bytes(range(layer, layer + 12)) * tokens
    for layer in range(layers):
        values = [bytes((layer, place)) for place in range(4)]
        if transposed:
            made += struct.pack("<iII", 1, 2, 4) + b"".join(value * tokens for value in values)
        else:
            made += struct.pack("<iQ", 1, 8) + b"".join(values) * tokens
    return made + rest


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mrope", [False, True])
@pytest.mark.parametrize("tokens", [1, 2, 300])
def test_one_token_repeated_is_that_many_tokens(transposed: bool, mrope: bool, tokens: int) -> None:
    one = parse(state(1, transposed=transposed, mrope=mrope), recurrent=False)
    assert b"".join(repeated(one, tokens)) == state(tokens, transposed=transposed, mrope=mrope)


def test_a_recurrent_state_stays_as_it_is_but_for_its_position() -> None:
    rest = struct.pack("<IiI", 1, 0, 0) + bytes(range(40))
    one = parse(state(1, rest=rest), recurrent=True)
    made = b"".join(repeated(one, 9))
    assert made == state(9, rest=struct.pack("<IiI", 1, 8, 0) + bytes(range(40)))


def test_other_states_are_refused() -> None:
    whole = state(1)
    for wrong in (b"", whole[:-1], whole[:20], state(2), whole + b"12345678", state(0)):
        with pytest.raises(UnknownLayoutError):
            parse(wrong, recurrent=False)
    with pytest.raises(UnknownLayoutError):
        parse(whole, recurrent=True)  # where is its recurrent part?


@pytest.mark.parametrize("seed", range(200))
def test_damaged_states_are_refused_or_of_the_same_form(seed: int) -> None:
    dice = random.Random(seed)
    damaged = bytearray(state(1, transposed=dice.random() < 0.5))
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    try:
        one = parse(bytes(damaged[: dice.randint(1, len(damaged))]), recurrent=False)
    except UnknownLayoutError:
        return
    assert isinstance(one, OneToken)
    assert sum(map(len, repeated(one, 3))) >= 3 * len(one.place)
