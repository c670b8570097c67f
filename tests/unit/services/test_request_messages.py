"""What the model gets to read."""

from __future__ import annotations

import itertools
import random

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.parts import ImagePart, Part, Role, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from qwen_desktop.services.request_messages import cut_of, request_messages


def user(number: int, *parts: Part) -> Message:
    return Message(f"u{number}", "c", None, Role.USER, parts or (TextPart(f"q{number}"),), 0.0)


def answer(number: int, status: Status = Status.DONE, *parts: Part, cut: str | None = None) -> Message:
    parts = parts or (TextPart(f"a{number}"),)
    return Message(f"a{number}", "c", None, Role.ASSISTANT, parts, 0.0, status, context_cut=cut)


def test_a_plain_chat_goes_as_it_is_without_what_was_thought() -> None:
    thought = answer(1, Status.DONE, ThinkingPart("hm"), TextPart("a1"))
    found = request_messages([user(1), thought, user(2)], "Be brief.")
    assert [(m.role, m.id) for m in found] == [
        (Role.SYSTEM, "system"),
        (Role.USER, "u1"),
        (Role.ASSISTANT, "a1"),
        (Role.USER, "u2"),
    ]
    assert found[0].parts == (TextPart("Be brief."),) and found[2].parts == thought.parts[1:]


def test_stopped_and_interrupted_answers_are_sent_failed_and_empty_ones_not() -> None:
    branch = [
        user(1), answer(1, Status.STOPPED), user(2), answer(2, Status.INTERRUPTED),
        user(3), answer(3, Status.FAILED), user(4), answer(4, Status.STOPPED, ThinkingPart("only this")), user(5),
    ]  # fmt: skip
    found = request_messages(branch, " \n")
    assert [m.id for m in found] == ["u1", "a1", "u2", "a2", "u3"]
    assert found[-1].parts == (TextPart("q3\n\nq4\n\nq5"),)


def test_joined_questions_keep_their_pictures_in_order() -> None:
    picture = ImagePart("aa", "image/png")
    found = request_messages([user(1, TextPart("look"), picture), user(2), user(3, picture)], "")
    assert found[0].parts == (TextPart("look"), picture, TextPart("q2"), picture)


def test_what_tools_gave_back_is_told_and_not_said() -> None:
    call, result = ToolCallPart("1", "look_up", "{}"), ToolResultPart("1", "Water.")
    asked = answer(1, Status.DONE, ThinkingPart("hm"), TextPart("wait"), call, result, result, TextPart("Water it is."))
    found = request_messages([user(1), asked, user(2)], "")
    assert [(m.role, m.id) for m in found] == [
        (Role.USER, "u1"),
        (Role.ASSISTANT, "a1"),
        (Role.TOOL, "a1"),
        (Role.ASSISTANT, "a1"),
        (Role.USER, "u2"),
    ]
    assert found[1].parts == asked.parts[1:3] and found[2].parts == (result, result)


def test_roles_alternate_whatever_has_happened() -> None:
    chance = random.Random(3)
    for _ in range(200):
        branch: list[Message] = []
        for number in range(chance.randint(0, 8)):
            if chance.random() < 0.8:
                branch.append(user(number))
            branch.append(answer(number, chance.choice(list(Status))))
        branch.append(user(99))
        found = request_messages(branch, "")
        roles = [message.role for message in found]
        assert roles[0] is Role.USER and roles[-1] is Role.USER
        assert all(one is not two for one, two in itertools.pairwise(roles))
        assert "q99" in str(found[-1].parts)


def test_the_newest_cut_counts_while_its_message_is_there() -> None:
    branch = [user(1), answer(1), user(2), answer(2, cut="u2"), user(3), answer(3), user(4)]
    messages = request_messages(branch, "")
    assert cut_of(branch, messages) == "u2"
    branch[5] = answer(3, cut="u3")
    assert cut_of(branch, messages) == "u3"
    assert cut_of(branch, messages[6:]) is None
    assert cut_of([user(1)], messages) is None
