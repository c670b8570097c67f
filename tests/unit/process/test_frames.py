"""Frames on pipes."""

from __future__ import annotations

import io

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.process import frames


def test_frames_come_back_as_they_were_sent() -> None:
    sent = [b"", b"x", b"y" * 100_000]
    stream = io.BytesIO(b"".join(frames.pack(payload) for payload in sent))
    assert [frames.read(stream) for _ in range(4)] == [*sent, None]


def test_a_writer_that_died_in_a_frame_is_the_end() -> None:
    whole = frames.pack(b"hello")
    for cut in range(1, len(whole)):
        assert frames.read(io.BytesIO(whole[:cut])) is None


def test_impossible_lengths_are_refused() -> None:
    with pytest.raises(frames.FrameError):
        frames.read(io.BytesIO(b"\xff\xff\xff\xff"))
    with pytest.raises(frames.FrameError):
        frames.pack(bytes(frames.LONGEST + 1))


def test_what_is_too_large_to_send_is_said() -> None:
    with pytest.raises(UserFacing, match="80 MB are too much to be worked on at once; 67 MB are the most"):
        frames.pack(bytes(80_000_000))
