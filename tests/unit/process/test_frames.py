"""Frames on pipes."""

from __future__ import annotations

import io

import pytest

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
