"""What follows from measured figures: what may be chosen, what may not, and what a load makes of it."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.packed import from_json, pack, to_json, unpack
from qwen_desktop.core.tuning import (
    DEFAULT_WAY,
    FLOOR,
    OUTWEIGHED,
    ROWS,
    Trial,
    Tuning,
    Way,
    choose,
    filled,
    flash_until,
    noted,
    speed,
    threads_to_try,
)

OFF, ON, KEYS = Way(flash_attention=False), DEFAULT_WAY, Way(flash_attention=False, kv_type="k_q8_0")
DEPTH = 4096


def written(way: Way, threads: int, shallow: float, deep: float) -> list[Trial]:
    return [Trial("write", way, threads, 0, shallow), Trial("write", way, threads, DEPTH, deep)]


def chosen(
    trials: list[Trial], *, own: Way = OFF, threads: int = 2, cores: int = 2, short: bool = False
) -> tuple[Way, int, int, int | None]:
    return choose(trials, own=own, own_threads=threads, cores=cores, depth=DEPTH, short=short)


def result(way: Way, trials: list[Trial] | None = None, threads: int = 2) -> Tuning:
    return Tuning(
        flash_attention=way.flash_attention, kv_type=way.kv_type, threads=threads, read_threads=2, batch_rows=None,
        gpu_layers=0, depth=DEPTH, own=OFF, own_threads=2, cores=2, trials=tuple(trials or ()),
    )  # fmt: skip


# The table in the shape of a small model on two cores: flash attention halves the speed at depth.
TWO_CORES = [*written(OFF, 2, 34.0, 18.6), *written(ON, 2, 34.8, 12.2), *written(OFF, 1, 19.0, 10.0)]


def test_the_own_way_stays_and_its_gain_is_told() -> None:
    way, threads, read, rows = chosen(TWO_CORES)
    assert (way, threads, read, rows) == (OFF, 2, 2, None)
    deep = result(way, TWO_CORES).gains[-1]
    assert deep.depth == DEPTH and deep.write == pytest.approx(18.6 / 12.2) and deep.read == 0


def test_a_way_that_is_clearly_better_replaces_the_own_one() -> None:
    assert chosen([*written(OFF, 2, 34.0, 12.0), *written(ON, 2, 36.0, 18.0)])[0] == ON


def test_noise_changes_nothing() -> None:
    assert chosen([*written(OFF, 2, 34.0, 18.0), *written(ON, 2, 34.5, 18.4)])[0] == OFF
    assert chosen([*written(ON, 2, 34.0, 18.0), *written(OFF, 2, 34.5, 18.4)], own=ON)[0] == ON


def test_what_writes_slower_than_the_defaults_at_one_depth_is_not_chosen() -> None:
    assert chosen([*written(OFF, 2, 30.0, 14.0), *written(ON, 2, 40.0, 12.2)])[0] == ON
    assert chosen([*written(OFF, 2, 40.0, 11.0), *written(ON, 2, 40.0, 12.2)])[0] == ON


def test_a_slower_beginning_is_outweighed_by_a_much_faster_rest() -> None:
    """One thread of a Zen 4 core, seconds of the processor: without flash attention 0.7 at first, 1.9 at 4,096."""
    assert chosen([*written(OFF, 1, 37.9, 9.3), *written(ON, 1, 51.8, 4.9)], threads=1, cores=1)[0] == OFF
    assert chosen([*written(OFF, 1, 37.9, 28.7), *written(ON, 1, 51.8, 28.0)], threads=1, cores=1)[0] == ON


def test_a_slower_beginning_goes_the_other_way() -> None:
    """Where conversations can begin with flash attention nothing is slower than the defaults, and the border lies where
    both ways take the same time for a token."""
    trials = [*written(OFF, 2, 30.0, 18.0), *written(ON, 2, 40.0, 9.0)]
    way = choose(trials, own=OFF, own_threads=2, cores=2, depth=DEPTH, begins=True)[0]
    until = flash_until(trials, 2, DEPTH)
    assert way == OFF and 400 < until < 700

    def seconds(way: Way) -> float:
        first, last = (1 / speed(trials, "write", way, 2, depth) for depth in (0, DEPTH))
        return first + (last - first) * until / DEPTH

    assert seconds(ON) == pytest.approx(seconds(OFF), rel=0.01)
    tuned = replace(result(OFF, trials), flash_until=until)
    assert [gain.write for gain in tuned.gains] == [1.0, 2.0]
    request = filled(LoadRequest("m"), tuned)
    assert (request.flash_attention, request.flash_until) == ("auto", until)
    assert filled(LoadRequest("m", flash_attention="off"), tuned).flash_until == 0


def test_keys_in_eight_bits_do_not_cost_the_faster_beginning() -> None:
    trials = [*written(OFF, 2, 30.0, 18.0), *written(ON, 2, 40.0, 9.0), *written(KEYS, 2, 30.0, 20.0)]
    common = {"own": OFF, "own_threads": 2, "cores": 2, "depth": DEPTH}
    assert choose(trials, **common, begins=True)[0] == OFF  # type: ignore[arg-type]
    assert choose(trials, **common, begins=True, short=True)[0] == KEYS  # type: ignore[arg-type]
    assert choose(trials, **common)[0] == KEYS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ((30.0, 18.0), (30.5, 9.0)),  # no difference at the beginning
        ((30.0, 18.0), (40.0, 20.0)),  # faster everywhere
        ((30.0, 29.0), (31.0, 10.0)),  # for a few tokens only
        ((30.0, 18.0), (40.0, 0.0)),  # not measured
    ],
)
def test_where_it_is_not_worth_it_nothing_changes_over(off: tuple[float, float], on: tuple[float, float]) -> None:
    assert flash_until([*written(OFF, 2, *off), *written(ON, 2, *on)], 2, DEPTH) == 0


def test_nothing_measured_leaves_all_as_it_is() -> None:
    assert chosen([]) == (OFF, 2, 2, None)
    only = [Trial("write", ON, 2, 0, 30.0), Trial("write", OFF, 2, 0, 10.0)]  # not at the depth in question
    assert chosen(only)[0] == OFF


def test_all_cores_must_gain_more_than_one_less() -> None:
    near = [*written(OFF, 7, 30.0, 20.0), *written(OFF, 8, 31.0, 21.0), *written(ON, 8, 30.0, 15.0)]
    assert chosen(near, threads=7, cores=8)[1] == 7
    far = [*written(OFF, 7, 30.0, 20.0), *written(OFF, 8, 36.0, 24.0), *written(ON, 8, 30.0, 15.0)]
    assert chosen(far, threads=7, cores=8)[1] == 8
    fast_ones = [*written(OFF, 7, 30.0, 20.0), *written(OFF, 4, 40.0, 27.0), *written(ON, 8, 30.0, 15.0)]
    assert chosen(fast_ones, threads=7, cores=8)[1] == 4


def test_prompts_get_threads_of_their_own() -> None:
    reads = [Trial("read", OFF, threads, DEPTH, figure, 64) for threads, figure in ((7, 80.0), (8, 95.0))]
    trials = [*written(OFF, 7, 30.0, 20.0), *written(ON, 8, 30.0, 15.0), *reads]
    assert chosen(trials, threads=7, cores=8)[1:3] == (7, 8)


def test_reading_counts_as_much_as_writing() -> None:
    trials = [*written(OFF, 2, 30.0, 21.0), *written(ON, 2, 30.0, 20.0)]
    reads = [Trial("read", OFF, 2, DEPTH, 20.0, 64), Trial("read", ON, 2, DEPTH, 60.0, 64)]
    assert chosen(trials)[0] == OFF
    assert chosen([*trials, *reads])[0] == ON


def test_keys_in_eight_bits_only_where_memory_is_short_or_they_are_faster() -> None:
    slower = [*TWO_CORES, *written(KEYS, 2, 34.2, 17.2)]
    assert chosen(slower)[0] == OFF
    assert chosen(slower, short=True)[0] == KEYS
    assert chosen([*TWO_CORES, *written(KEYS, 2, 34.2, 14.0)], short=True)[0] == OFF  # too much for a quarter
    assert chosen([*TWO_CORES, *written(KEYS, 2, 36.0, 21.0)])[0] == KEYS


@pytest.mark.parametrize(("few", "many", "rows"), [(60, 90, 16), (60, 61, 4), (60, 50, 4), (60, 0, None)])
def test_rows_of_a_batch(few: float, many: float, rows: int | None) -> None:
    trials = [Trial("batch", OFF, 2, 0, float(few), ROWS[0]), Trial("batch", OFF, 2, 0, float(many), ROWS[1])]
    assert chosen([*TWO_CORES, *trials])[3] == rows


@pytest.mark.parametrize("seed", range(300))
def test_never_slower_than_the_defaults_and_never_a_change_for_nothing(seed: int) -> None:
    dice = random.Random(seed)
    cores = dice.randint(1, 16)
    own = dice.choice((OFF, ON))
    threads = cores - 1 if cores > 2 else cores
    trials: list[Trial] = []
    for way in (OFF, ON, KEYS):
        for count in threads_to_try(cores, threads, dice.choice((None, max(1, cores // 2)))):
            if dice.random() < 0.85 or (way, count) == (ON, cores):
                trials += written(way, count, dice.uniform(1, 40), dice.uniform(0.5, 30))
            if dice.random() < 0.5:
                trials.append(Trial("read", way, count, DEPTH, dice.uniform(5, 100), 64))
    dice.shuffle(trials)
    way, write, read, _ = chosen(trials, own=own, threads=threads, cores=cores, short=dice.random() < 0.3)
    assert 1 <= write <= cores and 1 <= read <= cores
    ours, theirs = (
        [speed(trials, "write", *one, depth) for depth in (0, DEPTH)] for one in ((way, write), (ON, cores))
    )
    assert ours[1] >= FLOOR * theirs[1]
    whole = sum(1 / each for each in theirs) / sum(1 / each for each in ours)
    assert ours[0] >= FLOOR * theirs[0] or whole >= OUTWEIGHED
    again = chosen(sorted(trials, key=repr), own=own, threads=threads, cores=cores, short=False)
    assert again == chosen(trials, own=own, threads=threads, cores=cores, short=False)


@pytest.mark.parametrize("seed", range(60))
def test_a_slowed_down_try_never_changes_the_choice(seed: int) -> None:
    """Other programs make single tries slower: the best counts."""
    dice = random.Random(seed)
    trials = [*TWO_CORES, *written(KEYS, 2, 33.5, 17.0)]
    heard: list[Trial] = []
    for trial in trials:
        tries = [replace(trial, tokens_per_s=trial.tokens_per_s * dice.uniform(0.1, 1)) for _ in range(3)] + [trial]
        dice.shuffle(tries)
        for one in tries:
            heard = noted(heard, one)
    assert chosen(heard) == chosen(trials)
    assert all(trial.tries == 4 for trial in heard) and len(heard) == len(trials)


def test_threads_to_try() -> None:
    assert threads_to_try(1, 1, None) == (1,)
    assert threads_to_try(2, 2, None) == (2, 1)
    assert threads_to_try(16, 15, 8) == (16, 15, 8)


def test_a_load_takes_what_was_measured_where_it_leaves_the_choice() -> None:
    request = LoadRequest("/m.gguf", kv_type="auto")
    assert filled(request, None) == LoadRequest("/m.gguf", kv_type="f16")
    quiet = LoadRequest("/m.gguf", flash_attention="on", kv_type="f16", most_threads=3, most_read_threads=2)
    assert filled(request, result(ON, threads=3)) == quiet
    crowded = filled(request, replace(result(ON, threads=3), share=0.5))  # the threads of others were in it
    assert crowded == replace(quiet, most_threads=None, most_read_threads=None)
    for rows, asked, given in ((4, None, 4), (None, None, None), (4, 16, 16)):
        found = replace(result(ON), batch_rows=rows)
        assert filled(replace(request, batch_rows=asked), found).batch_rows == given
    both = filled(request, result(KEYS))
    assert (both.flash_attention, both.kv_type) == ("off", "k_q8_0")


@pytest.mark.parametrize("way", [OFF, ON, KEYS])
@pytest.mark.parametrize("flash", ["auto", "on", "off"])
@pytest.mark.parametrize("kv_type", ["auto", "f16", "q8_0", "k_q8_0"])
def test_what_a_load_names_stays(way: Way, flash: str, kv_type: str) -> None:
    request = LoadRequest("/m.gguf", context=2048, threads=3, flash_attention=flash, kv_type=kv_type)
    made = filled(request, result(way))
    assert flash in (made.flash_attention, "auto")
    assert kv_type in (made.kv_type, "auto")
    assert made.kv_type != "auto"
    assert (made.context, made.threads) == (2048, 3)
    if made.kv_type == "k_q8_0" and kv_type == "auto":  # only together with what it was measured with
        assert made.flash_attention == "off"


def test_a_result_survives_frames_and_files() -> None:
    one = result(KEYS, TWO_CORES)
    assert unpack(pack(one), Tuning) == one
    assert from_json(to_json(one), Tuning) == one
