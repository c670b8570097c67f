"""What an answer says of itself."""

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Message, Provenance, Status
from qwen_desktop.core.engine import FinishReason, Sampling, ThinkingMode
from qwen_desktop.core.parts import Role

MADE = Provenance("", "", "", "", Sampling(), 0, ThinkingMode.AUTO, "")


@pytest.mark.parametrize(
    ("status", "reason", "made", "at_its_end"),
    [
        (Status.DONE, FinishReason.STOP, None, True),
        (Status.DONE, FinishReason.STOP, structs.replace(MADE, edited=True), True),  # edited, and then gone on with
        (Status.DONE, None, structs.replace(MADE, edited=True), False),
        (Status.DONE, FinishReason.STOP, structs.replace(MADE, stopped_loop=True), False),
        (Status.DONE, FinishReason.LENGTH, MADE, False),
        (Status.STOPPED, FinishReason.CANCELLED, MADE, False),
        (Status.INTERRUPTED, None, MADE, False),
        (Status.FAILED, FinishReason.ERROR, MADE, False),
    ],
)
def test_what_did_not_end_by_itself_can_go_on(
    status: Status, reason: FinishReason | None, made: Provenance | None, at_its_end: bool
) -> None:
    answer = Message("a", "c", "q", Role.ASSISTANT, (), 0.0, status, reason, made)
    assert answer.at_its_end is at_its_end
