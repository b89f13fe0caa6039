from __future__ import annotations

from antiphon_kernel.jupyter.joining import JOINED_CHARACTERS, Joiner
from antiphon_kernel.message import Content, Header, Message, Status, Stream

RUN, OTHER = (Header(msg_id=name, msg_type="execute_request") for name in ("run", "other"))


def told(content: Content, number: int, parent: Header = RUN) -> Message:
    header = Header(msg_id=f"m{number}", msg_type=content.msg_type, number=number)
    return Message(header=header, parent_header=parent, content=content)


def printed(text: str, number: int = 1, name: str = "stdout", parent: Header = RUN) -> Message:
    return told(Stream(name=name, text=text), number, parent)


def texts(messages: list[Message]) -> list[str]:
    return [message.content.text for message in messages]


def test_pieces_of_a_stream_become_one() -> None:
    joiner = Joiner()
    assert [joiner.take(printed(text, number)) for number, text in enumerate("abc", 1)] == [[], [], []]
    assert joiner.release() == [printed("abc", 1)]
    assert not joiner.is_holding
    assert joiner.release() == []


def test_what_is_no_stream_comes_behind_what_was_held() -> None:
    joiner, idle = Joiner(), told(Status(execution_state="idle"), 2)
    joiner.take(printed("a"))
    assert joiner.take(idle) == [printed("a"), idle]
    assert joiner.take(idle) == [idle]


def test_streams_of_another_name_or_run_stay_apart() -> None:
    joiner = Joiner()
    joiner.take(printed("out"))
    assert texts(joiner.take(printed("err", 2, "stderr"))) == ["out"]
    assert texts(joiner.take(printed("other", 3, "stderr", OTHER))) == ["err"]
    assert texts(joiner.release()) == ["other"]


def test_much_text_waits_for_nothing() -> None:
    joiner = Joiner()
    joiner.take(printed("a"))
    assert texts(joiner.take(printed("b" * JOINED_CHARACTERS, 2))) == ["a" + "b" * JOINED_CHARACTERS]
    assert not joiner.is_holding
