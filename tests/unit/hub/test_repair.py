"""Mending a file whose hash is wrong: which bytes are asked for again, and of whom."""

from __future__ import annotations

from qwen_desktop.hub.download_repair import Repair

BAD, GOOD = 0, 1
#: The file came from both: its second half from the source that sends damaged bytes at 10 and at 90.
PIECES = [(0, 50, GOOD), (50, 100, BAD)]


def fetched(repair: Repair, *different: tuple[int, int]) -> None:
    """Everything in doubt has come again; the pieces of ``different`` were exchanged."""
    while (piece := repair.next([])) is not None:
        start, end = next(((s, e) for s, e in different if s <= piece[0] < e), (piece[0], piece[1]))
        start = max(start, piece[0])
        end = min(min((s for s, _ in different if s > start), default=end), end, piece[1])
        repair.arrived(start, end, int(any(s <= start < e for s, e in different)))


def test_an_exchange_that_made_good_bytes_bad_is_taken_back() -> None:
    repair = Repair()
    repair.begin(PIECES)
    fetched(repair, (10, 20), (90, 100))  # 10: good bytes exchanged for damaged ones; 90: damaged for good ones
    assert repair.must_hash([])
    assert not repair.must_hash([])
    assert repair.over([], [BAD, GOOD])
    now = [(0, 10, GOOD), (10, 20, BAD), (20, 50, GOOD), (50, 90, BAD), (90, 100, GOOD)]
    assert repair.settle(now, [BAD, GOOD])  # first all from the one
    assert repair.only == BAD
    assert repair.next([]) == (90, 100, GOOD)
    assert not repair.over([], [BAD, GOOD])
    fetched(repair, (90, 100))
    assert repair.must_hash([])
    now = [(0, 10, GOOD), (10, 20, BAD), (20, 50, GOOD), (50, 100, BAD)]
    assert repair.settle(now, [BAD, GOOD])  # then all from the other: only what is disputed, and right now
    assert repair.only == GOOD
    asked = []
    while (piece := repair.next([])) is not None:
        asked.append(piece)
        repair.arrived(piece[0], piece[1], 1)
    assert asked == [(10, 20, BAD), (90, 100, BAD)]
    assert repair.must_hash([])
    assert not repair.settle([(0, 100, GOOD)], [BAD, GOOD])


def test_a_single_source_that_sends_the_same_again_is_over_at_once() -> None:
    repair = Repair()
    repair.begin([(0, 100, BAD)])
    fetched(repair)
    assert not repair.must_hash([])
    assert repair.over([], [BAD])
    assert not repair.settle([(0, 100, BAD)], [BAD])


def test_a_source_that_is_lost_meanwhile_is_not_waited_for() -> None:
    repair = Repair()
    repair.begin(PIECES)
    fetched(repair, (10, 20))
    repair.must_hash([])
    assert repair.settle([(0, 10, GOOD), (10, 20, BAD), (20, 100, GOOD)], [GOOD, BAD])
    assert not repair.over([], [GOOD, BAD])
    assert repair.over([], [BAD])
