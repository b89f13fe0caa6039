"""Comms, history and completeness: what consoles and widgets ask of a session, for every executor."""

from __future__ import annotations

import pytest

from antiphon_kernel.message import (
    CommClose,
    CommInfo,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CommReply,
    Error,
    HistoryReply,
    HistoryRequest,
    IsCompleteReply,
    IsCompleteRequest,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO = """
import comm
comms = []
def opened(new, message):
    comms.append(new)
    new.on_msg(lambda m: new.send({"heard": m["content"]["data"]}, buffers=[bytes(m["buffers"][0])[::-1]]))
    new.on_close(lambda m: print("closed"))
comm.get_comm_manager().register_target("echo", opened)
"""


async def test_a_client_opens_a_comm_and_both_ends_send_buffers(session):
    await session.run(ECHO)
    opened = await session.request(CommOpen(comm_id="c1", target_name="echo"))
    assert (opened.reply, opened.events) == (CommReply(), [])
    told = await session.request(CommMsg(comm_id="c1", data={"x": 1}), buffers=(b"\x00\xff",))
    (event,) = told.events
    assert event.content == CommMsg(comm_id="c1", data={"heard": {"x": 1}})
    assert event.buffers == (b"\xff\x00",)


async def test_closing_a_comm_calls_back_and_forgets_it(session):
    await session.run(ECHO)
    await session.request(CommOpen(comm_id="c1", target_name="echo"))
    closed = await session.request(CommClose(comm_id="c1"))
    assert closed.text() == "closed\n"
    assert await session.ask(CommInfoRequest()) == CommInfoReply(comms={})


async def test_a_target_that_fails_closes_the_comm(session):
    await session.run("import comm; comm.get_comm_manager().register_target('bad', lambda new, m: 1 / 0)")
    outcome = await session.request(CommOpen(comm_id="c1", target_name="bad"))
    assert outcome.all(CommClose) == [CommClose(comm_id="c1")]
    assert outcome.one(Error).ename == "ZeroDivisionError"


async def test_a_comm_of_an_unknown_target_is_closed_again(session):
    outcome = await session.request(CommOpen(comm_id="c1", target_name="nobody"))
    assert outcome.all(CommClose) == [CommClose(comm_id="c1")]
    assert "nobody" in outcome.text("stderr")


async def test_a_failing_callback_shows_its_traceback_and_the_comm_lives_on(session):
    await session.run(ECHO)
    await session.request(CommOpen(comm_id="c1", target_name="echo"))
    failed = await session.request(CommMsg(comm_id="c1"))
    assert failed.reply == CommReply()
    assert failed.one(Error).ename == "IndexError"
    assert (await session.request(CommMsg(comm_id="c1"), buffers=(b"a",))).all(CommMsg)


async def test_code_opens_a_comm_which_is_published_and_listed(session):
    outcome = await session.run(
        "import comm; mine = comm.create_comm('view', data={'a': 1}, buffers=[b'raw'])"
    )
    opened = outcome.one(CommOpen)
    assert (opened.target_name, opened.data) == ("view", {"a": 1})
    assert [event.buffers for event in outcome.events if event.content is opened] == [(b"raw",)]
    info = CommInfoReply(comms={opened.comm_id: CommInfo(target_name="view")})
    assert await session.ask(CommInfoRequest(target_name="view")) == info
    assert await session.ask(CommInfoRequest(target_name="other")) == CommInfoReply(comms={})


async def test_libraries_find_the_request_and_the_comms_at_the_kernel(session):
    outcome = await session.run(
        "import comm; k = get_ipython().kernel\n"
        "print(k.comm_manager is comm.get_comm_manager(), k.get_parent()['header']['msg_id'])"
    )
    parent = outcome.events[0].parent
    assert outcome.text() == f"True {parent}\n"


@pytest.mark.parametrize(
    ("code", "reply"),
    [
        ("1 + 1", IsCompleteReply(status="complete")),
        ("for x in y:", IsCompleteReply(status="incomplete", indent="    ")),
        ("1 +* 2", IsCompleteReply(status="invalid")),
    ],
)
async def test_code_is_complete_or_not(session, code, reply):
    assert await session.ask(IsCompleteRequest(code=code)) == reply


@pytest.mark.parametrize(
    ("request_", "history"),
    [
        (HistoryRequest(hist_access_type="tail", n=2), ((0, 3, "%pwd"), (0, 4, "x = 1"))),
        (HistoryRequest(hist_access_type="tail", n=0), ()),
        (HistoryRequest(hist_access_type="range", start=2, stop=3), ((0, 2, "x"),)),
        (HistoryRequest(hist_access_type="range", start=4), ((0, 4, "x = 1"),)),
        (HistoryRequest(hist_access_type="range", session=1), ()),
        (HistoryRequest(hist_access_type="search", pattern="x*", n=2), ((0, 2, "x"), (0, 4, "x = 1"))),
        (HistoryRequest(hist_access_type="search", pattern="* = 1", unique=True), ((0, 4, "x = 1"),)),
        (HistoryRequest(hist_access_type="tail", n=3, output=True), None),
    ],
)
async def test_history_recalls_inputs(session, request_, history):
    for code in ("x = 1", "x", "%pwd", "x = 1"):
        await session.run(code)
    reply = await session.ask(request_)
    assert isinstance(reply, HistoryReply)
    if history is None:
        assert [line[2][0] for line in reply.history] == ["x", "%pwd", "x = 1"]
        assert reply.history[0][2][1] == "1"
        assert reply.history[2][2][1] is None
    else:
        assert reply.history == history


async def test_history_has_what_was_run_unless_asked_otherwise(session):
    reply = await session.ask(HistoryRequest(hist_access_type="tail", n=3, raw=False))
    assert reply == HistoryReply(history=())
    await session.run("%pwd")
    translated = await session.ask(HistoryRequest(hist_access_type="tail", n=1, raw=False))
    assert "run_line_magic" in translated.history[0][2]
