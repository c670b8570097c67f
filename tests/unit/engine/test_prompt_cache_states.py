"""States cut into rows and put together again: byte for byte what llama.cpp wrote."""

from __future__ import annotations

import itertools
import random
import struct
from typing import NamedTuple

import pytest

from qwen_desktop.engine.prompt_cache.index import Segment
from qwen_desktop.engine.prompt_cache.states import Assembly, Layout, State, unpack_layout


class Form(NamedTuple):
    """Bytes of a cell's place, whether values are transposed, and what a token has in each layer: the bytes of its
    keys, the bytes of an element of its values and how many."""

    place: int
    transposed: bool
    layers: tuple[tuple[int, int, int], ...]


def made(form: Form, count: int, dice: random.Random) -> bytes:
    """A state as ``kv_state`` says it is laid out."""
    parts = [b"magi", struct.pack("<iII", 3, 1, count)]
    for at in range(count):
        parts += [struct.pack("<iI", at, 1), dice.randbytes(form.place - 12), struct.pack("<i", 3)]
    parts.append(struct.pack("<II", form.transposed, len(form.layers)))
    for keys, _, _ in form.layers:
        parts += [struct.pack("<iQ", 1, keys), dice.randbytes(keys * count)]
    for _, element, width in form.layers:
        head = struct.pack("<iII", 1, element, width) if form.transposed else struct.pack("<iQ", 1, element * width)
        parts += [head, dice.randbytes(element * width * count)]
    return b"".join(parts)


def random_form(dice: random.Random) -> Form:
    layers = tuple((dice.randrange(1, 9), 2, dice.randrange(1, 5)) for _ in range(dice.randrange(1, 4)))
    return Form(dice.choice((12, 24)), dice.random() < 0.5, layers)


@pytest.mark.parametrize("seed", range(60))
def test_a_state_is_put_together_as_it_was(seed: int) -> None:
    """From segments of which some count in part, whole or up to any token."""
    dice = random.Random(seed)
    form, count = random_form(dice), dice.randrange(1, 40)
    whole = made(form, count, dice)
    state = State(whole, count)
    layout = unpack_layout(state.layout.pack())
    borders = sorted({0, count, *(dice.randrange(count) for _ in range(3))})
    for rows in {count, dice.randrange(1, count + 1)}:
        assembly = Assembly(layout, rows)
        for first, end in itertools.pairwise(borders):
            longer = dice.randrange(end, count + 1)  # more was written than counts now
            segment = Segment("0" * 32, b"", longer - first, end - first, 1)
            if first < rows:
                for number, block in enumerate(state.rows(first, longer)):
                    assembly.put(segment, first, number, bytes(block))
        expected = State(bytes(assembly.state), rows)
        assert [bytes(block) for block in expected.rows(0, rows)] == [bytes(block) for block in state.rows(0, rows)]
        if rows == count:
            assert assembly.state[8:16] == whole[8:16] and assembly.state[16:] == whole[16:]


@pytest.mark.parametrize("seed", range(60))
def test_what_is_no_state_is_refused(seed: int) -> None:
    """Never a wrong one: what a mutated state is taken for has as many bytes, and cells in their order."""
    dice = random.Random(seed)
    form, count = random_form(dice), dice.randrange(1, 20)
    state = bytearray(made(form, count, dice))
    head = 16 + count * form.place + 8
    match dice.randrange(4):
        case 0:
            del state[dice.randrange(len(state)) :]
        case 1:
            state += b"x"
        case 2:
            state[dice.randrange(8, 16)] ^= 1 << dice.randrange(8)
        case 3:
            at = dice.randrange(count) * form.place + 16 + dice.randrange(8)
            state[at] ^= 1 << dice.randrange(8)
    with pytest.raises(ValueError):
        State(bytes(state), count)
    assert head < len(made(form, count, dice))


def test_impossible_layouts_are_refused() -> None:
    good = Layout(b"magi", 12, False, ((1, 8),), ((1, 8, 0),))
    assert unpack_layout(good.pack()) == good
    for bad in (
        Layout(b"mag", 12, False, ((1, 8),), ((1, 8, 0),)),
        Layout(b"magi", 13, False, ((1, 8),), ((1, 8, 0),)),
        Layout(b"magi", 12, False, (), ((1, 8, 0),)),
        Layout(b"magi", 12, False, ((1, -8),), ((1, 8, 0),)),
        Layout(b"magi", 12, False, ((1, 1 << 40),), ((1, 8, 0),)),
        Layout(b"magi", 12, True, ((1, 8),), ((1, 8, 0),)),
        Layout(b"magi", 12, False, ((1, 8),), ((1, 8, 1),)),
        Layout(b"magi", 12, True, ((1, 8),), ((1, 1 << 15, 1 << 15),)),
        Layout(b"magi", 12, False, ((1 << 60, 8),), ((1, 8, 0),)),
    ):
        with pytest.raises(ValueError):
            unpack_layout(bad.pack())
    for data in (b"", b"\xc1", b"\x90"):
        with pytest.raises(ValueError):
            unpack_layout(data)
    with pytest.raises(ValueError):
        Assembly(Layout(b"magi", 12, False, ((1, 1 << 20),) * 4096, ()), 1 << 30)


@pytest.mark.parametrize(
    ("segment", "number", "size"),
    [
        (Segment("0", b"", 4, 4, 1), 0, 47),
        (Segment("0", b"", 4, 4, 1), 1, 31),
        (Segment("0", b"", 4, 4, 1), 3, 32),
        (Segment("0", b"", 5, 4, 1), 2, 32),
        (Segment("0", b"", 4, 4, 1), 0, 48),  # zeroes are no places
    ],
)
def test_blocks_that_do_not_fit_are_refused(segment: Segment, number: int, size: int) -> None:
    assembly = Assembly(Layout(b"magi", 12, False, ((1, 8),), ((1, 8, 0),)), 4)
    with pytest.raises(ValueError):
        assembly.put(segment, 0, number, bytes(size))
