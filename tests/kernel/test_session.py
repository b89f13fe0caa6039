"""The session as a function: what follows from each event, in which order, and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_kernel import session as sessions
from antiphon_kernel.link import TOO_DEEP, Died, Published, Replied, Started, WorkerEvent
from antiphon_kernel.message import (
    ASIDE,
    NO_LIMITS,
    AnswerReply,
    AnswerRequest,
    CancelReply,
    CancelRequest,
    CloseSessionReply,
    CloseSessionRequest,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommReply,
    CompleteReply,
    CompleteRequest,
    Content,
    CreateSubshellReply,
    CreateSubshellRequest,
    DebugEvent,
    DebugReply,
    DebugRequest,
    DeleteSubshellRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    Header,
    HistoryReply,
    HistoryRequest,
    InputAnswered,
    InputRequest,
    InspectReply,
    InspectRequest,
    InterruptReply,
    InterruptRequest,
    IsCompleteReply,
    IsCompleteRequest,
    ListSubshellReply,
    ListSubshellRequest,
    Message,
    MoveReply,
    MoveRequest,
    Queued,
    QueuedRun,
    RestartSessionReply,
    RestartSessionRequest,
    SessionLimits,
    SessionUID,
    Setting,
    Status,
    Stream,
    SubshellInfo,
)
from antiphon_kernel.session import (
    Adopt,
    AwaitStop,
    Close,
    Effect,
    InterruptWorker,
    KillWorker,
    LimitReached,
    Reply,
    SendToWorker,
    StartWorker,
    StopWorker,
    Unheeded,
    bounds,
)

NOW = "2026-01-01T00:00:00+00:00"


class Play:
    """A session and all that has come out of it so far."""

    def __init__(self, *, started: bool = True, limits: SessionLimits = NO_LIMITS) -> None:
        self.publications: list[Message] = []
        self.replies: list[Reply] = []
        self.effects: list[Effect] = []
        self._take(sessions.open_session(SessionUID("uid"), "name", "nonce", NOW, limits=limits))
        if started:
            self.worker(Started(pid=7))

    def _take(self, outcome: sessions.Outcome) -> sessions.Outcome:
        self.session = outcome.session
        self.publications += outcome.publications
        self.replies += outcome.replies
        self.effects += outcome.effects
        return outcome

    def request(
        self, content: Content, msg_id: str = "", username: str = "ada", subshell: str = ""
    ) -> sessions.Outcome:
        msg_id = msg_id or f"m{len(self.replies)}-{content.msg_type}"
        header = Header(
            msg_id=msg_id,
            msg_type=content.msg_type,
            session="uid",
            username=username,
            date=NOW,
            subshell_id=subshell,
        )
        return self._take(sessions.apply(self.session, Message(header=header, content=content), NOW))

    def run(self, msg_id: str, code: str = "1", subshell: str = "", **options: Any) -> sessions.Outcome:
        return self.request(ExecuteRequest(code=code, **options), msg_id, subshell=subshell)

    def worker(self, *events: WorkerEvent) -> sessions.Outcome:
        return self._take(sessions.apply(self.session, events, NOW))

    def adopt(
        self, *, lost: bool, again: bool = False, incomplete: frozenset[str] = frozenset()
    ) -> sessions.Outcome:
        return self._take(sessions.apply(self.session, sessions.Adopt(lost, again, incomplete), NOW))

    def end(self, msg_id: str, status: Any = "ok", **values: Any) -> sessions.Outcome:
        return self.worker(Replied(parent=msg_id, content=ExecuteReply(status=status, **values)))


def told(publications: Iterable[Message]) -> list[str]:
    """Publications as short words: state, or type; with the msg_id of the parent."""
    words = []
    for publication in publications:
        content = publication.content
        word = content.execution_state if isinstance(content, Status) else content.msg_type
        parent = publication.parent_header
        words.append(f"{word}:{parent.msg_id}" if parent else word)
    return words


def stream(text: str, parent: str = "a", name: Any = "stdout") -> Published:
    return Published(parent=parent, content=Stream(name=name, text=text))


# --- Runs -------------------------------------------------------------------------------------


def test_a_session_starts_its_worker_and_tells() -> None:
    play = Play(started=False)
    assert play.effects == [StartWorker()]
    assert told(play.publications) == ["starting"]
    assert told(play.worker(Started(pid=7)).publications) == ["idle"]
    assert sessions.describe(play.session).pid == 7


def test_a_run_is_told_from_busy_to_idle() -> None:
    play = Play()
    start = play.run("a")
    assert [type(effect) for effect in start.effects] == [SendToWorker]
    play.worker(Published(parent="a", content=ExecuteInput(code="1", execution_count=1)))
    play.worker(stream("hello"))
    end = play.end("a", execution_count=1)
    assert told(play.publications[2:]) == [
        "busy:a",
        "execute_input:a",
        "stream:a",
        "execute_reply:a",
        "idle:a",
    ]
    assert end.replies == [Reply("a", ExecuteReply(status="ok", execution_count=1))]


def test_publications_are_numbered_and_named() -> None:
    play = Play()
    play.run("a")
    play.end("a")
    assert [publication.header.number for publication in play.publications] == [1, 2, 3, 4, 5]
    assert play.publications[4].header == Header(
        msg_id="nonce-5", msg_type="status", session="uid", username="ada", date=NOW, number=5
    )


def test_runs_wait_in_line_and_the_line_can_be_seen() -> None:
    play = Play()
    for msg_id in "abc":
        play.run(msg_id)
    info = sessions.describe(play.session)
    waiting = [QueuedRun(msg_id=msg_id, username="ada", date=NOW, code="1") for msg_id in "bc"]
    assert (info.running, info.running_since, info.queue) == ("a", NOW, tuple(waiting))
    assert [p.content for p in play.publications if isinstance(p.content, Queued)] == [
        Queued(place=0),
        Queued(place=1),
    ]
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a", "busy:b"]


def test_requests_wait_for_a_worker_that_is_starting() -> None:
    play = Play(started=False)
    assert told(play.run("a").publications) == ["queued:a"]
    assert told(play.worker(Started(pid=7)).publications) == ["idle", "busy:a"]


def test_complete_and_inspect_wait_in_line_and_publish_nothing() -> None:
    play = Play()
    play.run("a")
    play.request(CompleteRequest(code="x", cursor_pos=1), "b")
    play.request(InspectRequest(code="x", cursor_pos=1), "c")
    play.end("a")
    reply = CompleteReply(matches=("xx",), cursor_start=0, cursor_end=1)
    first = play.worker(Replied(parent="b", content=reply))
    second = play.worker(Replied(parent="c", content=InspectReply(found=False)))
    assert first.replies == [Reply("b", reply)]
    assert second.replies == [Reply("c", InspectReply(found=False))]
    assert not first.publications
    assert not second.publications


def test_a_failed_run_drops_the_runs_behind_it_and_nothing_else() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    play.request(CompleteRequest(code="x", cursor_pos=1), "c")
    play.run("d")
    end = play.end("a", "error", ename="ValueError")
    assert told(end.publications) == ["execute_reply:a", "idle:a", "execute_reply:b", "execute_reply:d"]
    assert [(reply.parent, getattr(reply.content, "ename", "")) for reply in end.replies] == [
        ("a", "ValueError"),
        ("b", "RequestCancelled"),
        ("d", "RequestCancelled"),
    ]
    assert sessions.describe(play.session).running == "c"


@pytest.mark.parametrize("options", [{"stop_on_error": False}, {"silent": True}])
def test_a_failed_run_can_leave_the_others(options: dict[str, Any]) -> None:
    play = Play()
    play.run("a", **options)
    play.run("b")
    play.end("a", "error")
    assert sessions.describe(play.session).running == "b"


def test_a_full_line_refuses_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "QUEUE_LENGTH", 1)
    play = Play()
    for msg_id in "ab":
        play.run(msg_id)
    [reply] = play.run("c").replies
    assert isinstance(reply.content, ErrorReply)
    assert reply.content.ename == "QueueFull"
    play.end("a")
    assert play.run("c").replies == []


def test_a_line_is_also_bounded_by_the_length_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "QUEUE_CHARACTERS", 10)
    play = Play()
    for msg_id in "ab":
        play.run(msg_id, "x" * 9)
    [reply] = play.run("c", "xx").replies
    assert isinstance(reply.content, ErrorReply)
    assert reply.content.ename == "QueueFull"


# --- The queue --------------------------------------------------------------------------------


def test_a_run_that_waits_is_cancelled_with_one_outcome() -> None:
    play = Play()
    for msg_id in "abc":
        play.run(msg_id)
    outcome = play.request(CancelRequest(msg_id="b"), "x", username="eve")
    reply = ExecuteReply(status="error", ename="RequestCancelled", evalue="cancelled by eve")
    assert outcome.replies == [Reply("b", reply), Reply("x", CancelReply())]
    assert told(outcome.publications) == ["execute_reply:b"]
    assert outcome.effects == []
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a", "busy:c"]
    assert play.run("b").replies == [Reply("b", reply)]


@pytest.mark.parametrize(
    ("msg_id", "reason"),
    [
        ("a", "this request is being carried out; an interrupt stops it"),
        ("z", "this request has been answered"),
        ("never", "no run with this msg_id waits in this line"),
        ("question", "no run with this msg_id waits in this line"),
    ],
)
def test_what_does_not_wait_is_neither_cancelled_nor_moved(msg_id: str, reason: str) -> None:
    play = Play()
    play.run("z")
    play.end("z")
    play.run("a")
    play.request(CompleteRequest(code="x", cursor_pos=1), "question")
    for content in (CancelRequest(msg_id=msg_id), MoveRequest(msg_id=msg_id)):
        outcome = play.request(content)
        [reply] = outcome.replies
        assert reply.content == ErrorReply(ename="NotWaiting", evalue=reason, field="content.msg_id")
        assert (outcome.publications, outcome.effects) == ([], [])


@pytest.mark.parametrize(
    ("moved", "before", "place", "order"),
    [("d", "b", 0, "dbc"), ("b", "", 2, "cdb"), ("b", "d", 1, "cbd"), ("c", "d", 1, "bcd")],
)
def test_a_run_that_waits_is_moved(moved: str, before: str, place: int, order: str) -> None:
    play = Play()
    play.run("a")
    play.run("b")
    play.request(CompleteRequest(code="x", cursor_pos=1), "question")
    play.run("c")
    play.run("d")
    outcome = play.request(MoveRequest(msg_id=moved, before=before), "x")
    assert outcome.replies == [Reply("x", MoveReply())]
    assert [p.content for p in outcome.publications] == [Queued(place=place)]
    assert told(outcome.publications) == [f"queued:{moved}"]
    assert [run.msg_id for run in sessions.describe(play.session).queue] == list(order)


def test_a_run_is_not_moved_before_itself_or_what_does_not_wait() -> None:
    play = Play()
    for msg_id in "abc":
        play.run(msg_id)
    itself = play.request(MoveRequest(msg_id="c", before="c"), "x")
    assert (itself.replies, itself.publications) == ([Reply("x", MoveReply())], [])
    [reply] = play.request(MoveRequest(msg_id="c", before="a"), "y").replies
    assert isinstance(reply.content, ErrorReply)
    assert (reply.content.ename, reply.content.field) == ("NotWaiting", "content.before")


def test_of_a_long_code_that_waits_the_beginning_is_told() -> None:
    play = Play()
    play.run("a")
    play.run("b", "x" * 1000)
    assert sessions.describe(play.session).queue[0].code == "x" * bounds.QUEUED_CODE_CHARACTERS


# --- Repeated requests ------------------------------------------------------------------------


def test_a_repeated_request_is_answered_and_not_run_again() -> None:
    play = Play()
    play.run("a")
    play.end("a", execution_count=1)
    again = play.run("a")
    assert again.replies == [Reply("a", ExecuteReply(status="ok", execution_count=1))]
    assert (again.publications, again.effects) == ([], [])


@pytest.mark.parametrize("waiting", ["a", "b"])
def test_a_request_repeated_before_its_end_waits_for_the_same_answer(waiting: str) -> None:
    play = Play()
    play.run("a")
    play.run("b")
    again = play.run(waiting)
    assert (again.replies, again.publications, again.effects) == ([], [], [])
    assert [run.msg_id for run in sessions.describe(play.session).queue] == ["b"]


def test_the_memory_of_replies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "REPLIES_REMEMBERED", 2)
    play = Play()
    for msg_id in "abc":
        play.run(msg_id)
        play.end(msg_id)
    assert list(play.session.answered) == ["b", "c"]


def test_of_a_large_reply_the_outcome_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "REPLY_REMEMBERED_CHARACTERS", 10)
    play = Play()
    play.run("a")
    first = play.end("a", execution_count=3, user_expressions={"x": "y" * 20})
    assert first.replies[0].content == ExecuteReply(
        status="ok", execution_count=3, user_expressions={"x": "y" * 20}
    )
    assert play.run("a").replies == [Reply("a", ExecuteReply(status="ok", execution_count=3))]


# --- What a worker says -----------------------------------------------------------------------


def test_neighbouring_pieces_of_a_stream_become_one() -> None:
    play = Play()
    play.run("a")
    said = play.worker(stream("1"), stream("2"), stream("x", name="stderr"), stream("3"), stream("4", "b"))
    assert [publication.content for publication in said.publications] == [
        Stream(name="stdout", text="12"),
        Stream(name="stderr", text="x"),
        Stream(name="stdout", text="3"),
        Stream(name="stdout", text="4"),
    ]


def test_streams_are_not_joined_over_something_else() -> None:
    play = Play()
    play.run("a")
    said = play.worker(stream("1"), Published(parent="a", content=DisplayData(data={})), stream("2"))
    assert told(said.publications) == ["stream:a", "display_data:a", "stream:a"]


def test_a_stream_with_metadata_stays_itself() -> None:
    play = Play()
    play.run("a")
    marked = Published(parent="a", content=Stream(name="stdout", text="2"), metadata={"a": 1})
    said = play.worker(stream("1"), marked, stream("3"))
    assert [publication.metadata for publication in said.publications] == [{}, {"a": 1}, {}]


def test_a_flood_is_cut_to_pieces_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "STREAM_CHARACTERS", 4)
    play = Play()
    play.run("a")
    said = play.worker(stream("123"), stream("456789"))
    texts = [p.content.text for p in said.publications if isinstance(p.content, Stream)]
    assert texts == ["1234", "5678", "9"]


def test_late_output_finds_its_parent() -> None:
    play = Play()
    play.run("a")
    play.end("a")
    assert told(play.worker(stream("late")).publications) == ["stream:a"]


def test_output_of_an_unknown_parent_has_none() -> None:
    assert told(Play().worker(stream("?", "never")).publications) == ["stream"]


@pytest.mark.parametrize(
    "content",
    [Status(execution_state="dead"), ExecuteReply(status="ok"), InputAnswered(prompt="p", username="eve")],
)
def test_a_worker_cannot_speak_for_the_session(content: Content) -> None:
    play = Play()
    play.run("a")
    assert play.worker(Published(parent="a", content=content)).publications == []


def test_a_worker_cannot_answer_what_it_was_not_given() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    assert play.end("b") == (play.session, [], [], [])


def test_a_reply_of_a_wrong_type_fails_the_run() -> None:
    play = Play()
    play.run("a")
    end = play.worker(Replied(parent="a", content=InspectReply(found=True)))
    assert [getattr(reply.content, "ename", "") for reply in end.replies] == ["WorkerFailed"]
    assert told(end.publications) == ["execute_reply:a", "idle:a"]


def test_a_run_that_the_worker_could_not_do_fails_with_its_word() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    end = play.worker(Replied(parent="a", content=ErrorReply(ename="QueueFull", evalue="why")))
    assert [
        (r.parent, getattr(r.content, "ename", ""), getattr(r.content, "evalue", "")) for r in end.replies
    ] == [
        ("a", "QueueFull", "why"),
        ("b", "RequestCancelled", "dropped, because a before it failed"),
    ]
    assert told(end.publications) == ["execute_reply:a", "idle:a", "execute_reply:b"]


# --- Interrupt and prompts --------------------------------------------------------------------


def asked() -> tuple[Play, str]:
    play = Play()
    play.run("a")
    said = play.worker(Published(parent="a", content=InputRequest(prompt="name? ")))
    return play, said.publications[0].header.msg_id


def test_interrupt_reaches_the_worker_while_something_runs() -> None:
    play = Play()
    play.run("a")
    outcome = play.request(InterruptRequest(), "i")
    assert outcome.effects == [InterruptWorker(), AwaitStop("a")]
    assert outcome.replies == [Reply("i", InterruptReply())]
    assert told(outcome.publications) == ["interrupted:a"]
    again = play.request(InterruptRequest(), "j")
    assert (again.effects, again.publications) == ([InterruptWorker()], [])
    assert sessions.describe(play.session).interrupted_since == NOW
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a"]
    assert sessions.describe(play.session).interrupted_since == ""


def test_code_that_does_not_stop_is_told_with_what_helps() -> None:
    play = Play()
    play.run("a")
    play.request(InterruptRequest(), "i")
    outcome = play._take(sessions.apply(play.session, Unheeded("a", 5.0), NOW))
    [publication] = outcome.publications
    assert publication.content == Status(
        execution_state="interrupted",
        reason="the code has not stopped 5 s after the interrupt; a restart ends it",
    )
    assert sessions.describe(play.session).reason == publication.content.reason


def test_the_news_of_code_that_stopped_in_time_is_no_news() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    play.request(InterruptRequest(), "i")
    play.end("a")
    assert not sessions.apply(play.session, Unheeded("a", 5.0), NOW).publications


def test_a_limit_interrupts_with_its_reason() -> None:
    play = Play()
    play.run("a")
    reason = "out of time: this run took 5 s, limit 5 s"
    outcome = play._take(sessions.apply(play.session, LimitReached(reason), NOW))
    assert outcome.effects == [StopWorker(reason, "")]
    [publication] = outcome.publications
    assert publication.content == Status(execution_state="interrupted", reason=reason)
    assert told([publication]) == ["interrupted:a"]


def test_a_limit_reached_by_what_runs_in_the_background_changes_no_state() -> None:
    play = Play()
    outcome = sessions.apply(play.session, LimitReached("too many processes: 3, limit 2"), NOW)
    assert (len(outcome.effects), outcome.publications) == (1, [])


def test_a_limit_of_one_line_interrupts_that_one_and_a_session_s_all() -> None:
    play, sub = with_subshell()
    play.run("a")
    play.run("c", subshell=sub)
    outcome = play._take(sessions.apply(play.session, LimitReached("too long", sub), NOW))
    assert (outcome.effects, told(outcome.publications)) == ([StopWorker("too long", sub)], ["interrupted:c"])
    outcome = play._take(sessions.apply(play.session, LimitReached("too many"), NOW))
    assert outcome.effects == [StopWorker("too many", ""), StopWorker("too many", sub)]
    play.end("c")
    outcome = play._take(sessions.apply(play.session, LimitReached("too late", sub), NOW))
    assert told(outcome.publications) == []


def test_a_memory_error_names_the_limit() -> None:
    play = Play(limits=SessionLimits(memory_bytes=2**30))
    play.run("a")
    error = Error(ename="MemoryError", evalue="", traceback=("MemoryError",))
    notice = "this session's limit of memory is 1.0 GiB"
    [publication] = play.worker(Published(parent="a", content=error)).publications
    assert publication.content == Error(
        ename="MemoryError", evalue=notice, traceback=("MemoryError", f"({notice})")
    )
    reply = ExecuteReply(status="error", ename="MemoryError", evalue="for 8 GiB")
    [answer] = play.worker(Replied(parent="a", content=reply)).replies
    assert isinstance(answer.content, ExecuteReply)
    assert answer.content.evalue == f"for 8 GiB; {notice}"


def test_a_memory_error_of_the_compiler_names_no_limit() -> None:
    play = Play(limits=SessionLimits(memory_bytes=2**30))
    play.run("a")
    error = Error(ename="MemoryError", evalue=TOO_DEEP, traceback=("MemoryError",))
    [publication] = play.worker(Published(parent="a", content=error)).publications
    assert publication.content == error


def test_another_kernel_goes_on_waiting_for_interrupted_code() -> None:
    play = Play()
    play.run("a")
    play.request(InterruptRequest(), "i")
    outcome = play._take(sessions.apply(play.session, Adopt(lost=False), NOW))
    assert (outcome.effects, told(outcome.publications)) == ([AwaitStop("a")], ["interrupted:a"])


def test_an_interrupted_question_changes_no_state() -> None:
    play = Play()
    play.request(CompleteRequest(code="x", cursor_pos=1), "a")
    outcome = play.request(InterruptRequest(), "i")
    assert (outcome.effects, outcome.publications) == ([InterruptWorker()], [])


def test_interrupt_with_nothing_running_does_nothing() -> None:
    outcome = Play().request(InterruptRequest(), "i")
    assert (outcome.replies, outcome.effects, outcome.publications) == (
        [Reply("i", InterruptReply())],
        [],
        [],
    )


def test_the_first_answer_counts_and_is_told() -> None:
    play, prompt = asked()
    first = play.request(AnswerRequest(prompt=prompt, value="Ada"), "x")
    assert first.replies == [Reply("x", AnswerReply())]
    assert [type(effect) for effect in first.effects] == [SendToWorker]
    assert first.publications[0].content == InputAnswered(prompt=prompt, username="ada")
    [second] = play.request(AnswerRequest(prompt=prompt, value="Eve"), "y").replies
    assert isinstance(second.content, ErrorReply)
    assert second.content.ename == "NoPrompt"


def test_an_answer_without_a_name_is_not_a_given_up_prompt() -> None:
    play, prompt = asked()
    outcome = play.request(AnswerRequest(prompt=prompt, value=""), username="")
    assert outcome.publications[0].content == InputAnswered(prompt=prompt, username="anonymous")


@pytest.mark.parametrize(
    "give_up",
    [
        lambda play: play.request(InterruptRequest()),
        lambda play: play.worker(Died(reason="gone")),
        lambda play: play.end("a"),
        lambda play: play.request(RestartSessionRequest()),
        lambda play: play.request(CloseSessionRequest()),
        lambda play: play.worker(Published(parent="a", content=InputRequest(prompt="again? "))),
    ],
    ids=["interrupt", "death", "end", "restart", "close", "another"],
)
def test_a_prompt_given_up_is_told_with_nobodys_name(give_up: Any) -> None:
    play, prompt = asked()
    assert give_up(play).publications[0].content == InputAnswered(prompt=prompt)
    [reply] = play.request(AnswerRequest(prompt=prompt, value=""), "late").replies
    assert isinstance(reply.content, ErrorReply)


# --- Death, restart, close --------------------------------------------------------------------


def test_death_answers_everything_with_its_reason() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    play.request(CompleteRequest(code="x", cursor_pos=1), "c")
    death = play.worker(stream("last words"), Died(reason="killed by signal 11"))
    assert told(death.publications) == ["stream:a", "execute_reply:a", "execute_reply:b", "dead"]
    assert [(reply.parent, type(reply.content).__name__) for reply in death.replies] == [
        ("a", "ExecuteReply"),
        ("b", "ExecuteReply"),
        ("c", "ErrorReply"),
    ]
    for reply in death.replies:
        assert isinstance(reply.content, ExecuteReply | ErrorReply)
        assert (reply.content.ename, reply.content.evalue) == ("SessionDead", "killed by signal 11")
    assert sessions.describe(play.session).reason == "killed by signal 11"


def test_a_dead_session_refuses_runs_with_the_reason() -> None:
    play = Play()
    play.worker(Died(reason="gone"))
    assert play.run("a").replies == [Reply("a", ErrorReply(ename="SessionDead", evalue="gone"))]


def test_a_dead_session_is_restarted_and_its_numbers_go_on() -> None:
    play = Play()
    play.worker(Died(reason="gone"))
    begin = play.request(RestartSessionRequest(), "r")
    assert (begin.effects, begin.replies) == ([StartWorker()], [])
    end = play.worker(Started(pid=8))
    assert end.replies == [Reply("r", RestartSessionReply())]
    assert told(play.publications) == ["starting", "idle", "dead", "restarting:r", "idle:r"]
    assert [publication.header.number for publication in play.publications] == [1, 2, 3, 4, 5]
    assert [type(effect) for effect in play.run("a").effects] == [SendToWorker]


def test_a_living_session_ends_its_worker_before_the_next_one_starts() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    begin = play.request(RestartSessionRequest(), "r")
    assert begin.effects == [KillWorker()]
    assert [getattr(reply.content, "ename", "") for reply in begin.replies] == [
        "SessionDead",
        "RequestCancelled",
    ]
    assert play.run("c").replies == []
    assert play.worker(stream("old"), Died(reason="killed")).effects == [StartWorker()]
    assert told(play.worker(Started(pid=8)).publications) == ["idle:r", "busy:c"]


def test_a_second_restart_joins_the_first() -> None:
    play = Play()
    play.request(RestartSessionRequest(), "r")
    assert play.request(RestartSessionRequest(), "s").effects == []
    play.worker(Died(reason="killed"))
    end = play.worker(Started(pid=8))
    assert [reply.parent for reply in end.replies] == ["r", "s"]


def test_a_restart_that_fails_says_so_and_can_be_repeated() -> None:
    play = Play()
    play.worker(Died(reason="gone"))
    play.request(RestartSessionRequest(), "r")
    failed = play.worker(Died(reason="no memory for a process"))
    assert failed.replies == [Reply("r", ErrorReply(ename="WorkerFailed", evalue="no memory for a process"))]
    assert told(failed.publications) == ["dead"]
    assert play.request(RestartSessionRequest(), "r").effects == [StartWorker()]


def test_close_answers_everything_and_is_the_last_word() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    close = play.request(CloseSessionRequest(), "x")
    assert told(close.publications) == ["execute_reply:a", "execute_reply:b", "closed:x"]
    assert close.publications[-1].content == Status(execution_state="closed", reason="closed by ada")
    assert [getattr(reply.content, "ename", "") for reply in close.replies] == ["SessionClosed"] * 2 + [""]
    assert close.replies[-1] == Reply("x", CloseSessionReply())
    assert close.effects == [KillWorker()]
    assert play.worker(stream("after"), Died(reason="killed")).publications == []


def test_the_kernel_closes_with_its_own_reason() -> None:
    play = Play()
    outcome = play._take(sessions.apply(play.session, Close("the kernel was stopped"), NOW))
    assert outcome.publications[-1].content == Status(
        execution_state="closed", reason="the kernel was stopped"
    )


def test_a_closed_session_refuses_everything() -> None:
    play = Play()
    play.request(CloseSessionRequest(), "x")
    for content in (ExecuteRequest(code="1"), InterruptRequest(), RestartSessionRequest()):
        [reply] = play.request(content, f"late-{content.msg_type}").replies
        assert isinstance(reply.content, ErrorReply)
        assert (reply.content.ename, reply.content.evalue) == ("SessionClosed", "closed by ada")


# --- Anything in any order --------------------------------------------------------------------

_IDS = st.sampled_from(["a", "b", "c", "d"])
_STEPS = st.one_of(
    st.tuples(st.just("run"), _IDS),
    st.tuples(st.just("complete"), _IDS),
    st.tuples(st.just("interrupt"), st.just("i")),
    st.tuples(st.just("create"), st.sampled_from(["s1", "s2"])),
    st.tuples(st.just("delete"), st.just("s")),
    st.tuples(st.just("run beside"), st.sampled_from(["e", "f", "g"])),
    st.tuples(st.just("ok"), st.sampled_from(["e", "f", "g"])),
    st.tuples(st.just("ask"), st.sampled_from(["e", "f"])),
    st.tuples(st.just("unheeded"), _IDS),
    st.tuples(st.just("cancel"), _IDS),
    st.tuples(st.just("move"), st.text("abcd", min_size=1, max_size=2)),
    st.tuples(st.just("restart"), st.sampled_from(["r1", "r2"])),
    st.tuples(st.just("answer"), st.just("n")),
    st.tuples(st.just("ok"), _IDS),
    st.tuples(st.just("error"), _IDS),
    st.tuples(st.just("ask"), _IDS),
    st.tuples(st.just("print"), _IDS),
    st.tuples(st.just("started"), st.just("")),
    st.tuples(st.just("died"), st.just("")),
)


def step(play: Play, what: str, msg_id: str) -> None:
    match what:
        case "run":
            play.run(msg_id)
        case "complete":
            play.request(CompleteRequest(code="", cursor_pos=0), f"c-{msg_id}")
        case "interrupt":
            play.request(InterruptRequest(), msg_id)
        case "create":
            play.request(CreateSubshellRequest(), msg_id)
        case "delete":
            play.request(DeleteSubshellRequest(subshell_id=next(iter(play.session.subshells), "none")))
        case "run beside":
            play.run(msg_id, subshell=next(iter(play.session.subshells), ""))
        case "unheeded":
            play._take(sessions.apply(play.session, Unheeded(msg_id, 5.0), NOW))
        case "cancel":
            play.request(CancelRequest(msg_id=msg_id))
        case "move":
            play.request(MoveRequest(msg_id=msg_id[0], before=msg_id[1:]))
        case "restart":
            play.request(RestartSessionRequest(), msg_id)
        case "answer":
            prompts = (line.prompt for line in play.session.lines.values() if line.prompt)
            prompt = next(prompts, None)
            play.request(AnswerRequest(prompt=prompt.msg_id if prompt else "none", value="v"), msg_id)
        case "ok" | "error":
            play.end(msg_id, what)
        case "ask":
            play.worker(Published(parent=msg_id, content=InputRequest(prompt="?")))
        case "print":
            play.worker(
                stream("x", msg_id),
                Published(parent=msg_id, content=Error(ename="", evalue="", traceback=())),
            )
        case "started":
            play.worker(Started(pid=1))
        case "died":
            play.worker(Died(reason="died"))


def queue_told(publications: Iterable[Message]) -> list[str]:
    """The queue as a reader of the feed knows it."""
    lines: dict[str, list[str]] = {}
    for publication in publications:
        content, parent = publication.content, publication.parent_header
        if isinstance(content, Status) and content.execution_state in ("dead", "restarting", "closed"):
            assert not any(lines.values()), "a run that waited was not answered"
        if parent is None or not isinstance(content, Queued | ExecuteReply | Status):
            continue
        queue = lines.setdefault(parent.subshell_id, [])
        if parent.msg_id in queue:
            queue.remove(parent.msg_id)
        if isinstance(content, Queued):
            queue.insert(content.place, parent.msg_id)
    return lines.get(sessions.MAIN, [])


@given(st.lists(_STEPS, max_size=40))
def test_whatever_happens_the_feed_tells_the_queue(steps: list[tuple[str, str]]) -> None:
    play = Play(started=False)
    for what, msg_id in steps:
        step(play, what, msg_id)
        assert queue_told(play.publications) == [run.msg_id for run in sessions.describe(play.session).queue]


@given(st.lists(_STEPS, max_size=40))
def test_whatever_happens_numbers_have_no_gap_and_each_request_one_outcome(
    steps: list[tuple[str, str]],
) -> None:
    play = Play(started=False)
    for what, msg_id in steps:
        step(play, what, msg_id)
    play.request(CloseSessionRequest(), "x")

    numbers = [publication.header.number for publication in play.publications]
    assert numbers == list(range(1, len(numbers) + 1)) == list(range(1, play.session.latest + 1))
    assert told(play.publications)[-1] == "closed:x"

    sent = [effect.request.header.msg_id for effect in play.effects if isinstance(effect, SendToWorker)]
    runs = [msg_id for msg_id in sent if msg_id in "abcd"]
    assert len(runs) == len(set(runs)), "a run was sent twice"

    ended = [
        p.parent_header.msg_id
        for p in play.publications
        if isinstance(p.content, ExecuteReply) and p.parent_header
    ]
    assert len(ended) == len(set(ended)), "a run ended twice"
    assert set(runs) <= set(ended)

    prompts = [p.header.msg_id for p in play.publications if isinstance(p.content, InputRequest)]
    answered = [p.content.prompt for p in play.publications if isinstance(p.content, InputAnswered)]
    assert prompts == answered

    for what, msg_id in steps:
        if what == "run":
            assert any(reply.parent == msg_id for reply in play.replies)


# --- A kernel that was killed -----------------------------------------------------------------


def test_another_kernel_goes_on_with_what_runs_and_what_waits() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    before = play.session
    outcome = play.adopt(lost=False)
    assert told(outcome.publications) == ["busy:a"]
    assert outcome.publications[0].header.number == before.latest + 1
    assert play.session.reason == sessions.ADOPTED
    assert outcome.effects == []
    assert play.session.lines == before.lines
    play.end("a")
    play.end("b")
    assert [reply.parent for reply in play.replies] == ["a", "b"]
    assert play.session.state == "idle"
    play.run("a")
    assert play.replies[-1] == Reply("a", ExecuteReply(status="ok"))


def test_what_was_lost_is_a_number_that_nobody_gets() -> None:
    play = Play()
    before = play.session.latest
    outcome = play.adopt(lost=True)
    assert [publication.header.number for publication in outcome.publications] == [before + 2]


def test_a_worker_whose_reply_may_be_lost_is_asked_again() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    running = play.session.lines[sessions.MAIN].running
    assert running is not None
    outcome = play.adopt(lost=True, again=True)
    assert outcome.effects == [SendToWorker(running)]
    play.end("a")
    play.end("a")  # it had answered before, and the answer was on its way
    assert [reply.parent for reply in play.replies] == ["a"]
    running = play.session.lines[sessions.MAIN].running
    assert running is not None
    assert running.header.msg_id == "b"


def test_a_debugger_whose_reply_may_be_lost_is_not_waited_for() -> None:
    play = Play()
    play.request(DebugRequest(seq=1, command="threads"), "d")
    outcome = play.adopt(lost=True, again=True)
    assert outcome.effects == []
    assert isinstance(play.replies[-1].content, ErrorReply)
    play.request(DebugRequest(seq=2, command="threads"), "e")
    assert SendToWorker in map(type, play.effects[-1:])


def test_another_kernel_asks_an_open_question_again() -> None:
    play, prompt = asked()
    outcome = play.adopt(lost=False)
    assert told(outcome.publications) == ["busy:a", "input_answered:a", "input_request:a"]
    again = outcome.publications[-1]
    assert again.header.msg_id != prompt
    play.request(AnswerRequest(prompt=prompt, value="v"), "x")
    assert isinstance(play.replies[-1].content, ErrorReply)
    play.request(AnswerRequest(prompt=again.header.msg_id, value="v"), "y")
    assert play.replies[-1] == Reply("y", AnswerReply())


@pytest.mark.parametrize("begin", ["starting", "restarting"])
def test_a_worker_that_had_no_code_yet_is_replaced(begin: str) -> None:
    play = Play(started=begin == "restarting")
    if begin == "restarting":
        play.request(RestartSessionRequest(), "r")
    play.run("a")
    assert list(play.adopt(lost=False).effects) == [StartWorker()]
    assert play.session.state == begin
    play.worker(Started(pid=8))
    assert SendToWorker in map(type, play.effects[-1:])


def test_a_dead_session_stays_dead_with_its_reason() -> None:
    play = Play()
    play.worker(Died(reason="died"))
    outcome = play.adopt(lost=False)
    assert told(outcome.publications) == ["dead"]
    assert (play.session.state, play.session.reason, outcome.effects) == ("dead", "died", [])


def test_a_request_that_was_not_kept_whole_fails() -> None:
    play = Play()
    for msg_id in "abc":
        play.run(msg_id)
    outcome = play.adopt(lost=False, incomplete=frozenset("ab"))
    assert told(outcome.publications) == ["busy:a", "execute_reply:b"]
    assert play.session.lines[sessions.MAIN].running is not None
    assert [request.header.msg_id for request in play.session.lines[sessions.MAIN].queue] == ["c"]


# --- Comms ------------------------------------------------------------------------------------


def test_a_comm_message_makes_the_session_busy_and_what_it_leads_to_has_it_as_parent() -> None:
    play = Play()
    play.request(CommMsg(comm_id="c", data={"x": 1}), "a")
    play.worker(Published(parent="a", content=CommMsg(comm_id="c"), buffers=(b"raw",)))
    play.worker(Replied(parent="a", content=CommReply()))
    assert told(play.publications)[2:] == ["busy:a", "comm_msg:a", "idle:a"]
    assert play.publications[-2].buffers == (b"raw",)
    assert play.replies == [Reply("a", CommReply())]


def test_a_comm_message_survives_the_failure_of_the_run_before_it() -> None:
    play = Play()
    play.run("a")
    play.request(CommMsg(comm_id="c"), "b")
    play.end("a", "error", ename="ValueError")
    assert sessions.describe(play.session).running == "b"


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (IsCompleteRequest(code="1"), IsCompleteReply(status="complete")),
        (HistoryRequest(hist_access_type="tail"), HistoryReply(history=())),
        (CommInfoRequest(), CommInfoReply(comms={})),
    ],
    ids=lambda content: content.msg_type,
)
def test_a_question_waits_for_its_turn_and_publishes_nothing(request_: Content, reply: Content) -> None:
    play = Play()
    play.run("a")
    assert play.request(request_, "b").effects == []
    play.end("a")
    latest = play.session.latest
    play.worker(Replied(parent="b", content=reply))
    assert play.replies[-1] == Reply("b", reply)
    assert play.session.latest == latest


def test_comm_messages_that_wait_are_bounded_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "QUEUE_CHARACTERS", 100)
    play = Play()
    play.run("a")
    play.request(CommMsg(comm_id="c", data={"x": "y" * 60}), "b")
    play.request(CommMsg(comm_id="c", data={"x": "y" * 60}), "c")
    refusal = play.replies[-1].content
    assert isinstance(refusal, ErrorReply)
    assert refusal.ename == "QueueFull"


# --- Subshells --------------------------------------------------------------------------------


def with_subshell() -> tuple[Play, str]:
    play = Play()
    [reply] = play.request(CreateSubshellRequest(), "create").replies
    assert isinstance(reply.content, CreateSubshellReply)
    return play, reply.content.subshell_id


def listed(play: Play) -> tuple[str, ...]:
    content = play.request(ListSubshellRequest(), "list").replies[0].content
    assert isinstance(content, ListSubshellReply)
    return content.subshell_id


def refusal_of(outcome: sessions.Outcome) -> tuple[str, str]:
    [reply] = outcome.replies
    assert isinstance(reply.content, ErrorReply)
    return reply.content.ename, reply.content.field


def test_a_subshell_runs_beside_the_main_line_and_each_in_its_own_order() -> None:
    play, sub = with_subshell()
    play.run("a")
    play.run("b")
    play.run("c", subshell=sub)
    play.run("d", subshell=sub)
    info = sessions.describe(play.session)
    assert (info.running, [run.msg_id for run in info.queue]) == ("a", ["b"])
    waiting = QueuedRun(msg_id="d", username="ada", date=NOW, code="1")
    assert info.subshells == {sub: SubshellInfo(running="c", running_since=NOW, queue=(waiting,))}
    assert info.at_work == {"a", "b", "c", "d"}
    assert told(play.end("c").publications) == ["execute_reply:c", "idle:c", "busy:d"]
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a", "busy:b"]


def test_the_latest_status_is_the_session_s_while_another_line_runs() -> None:
    play, sub = with_subshell()
    play.run("a")
    play.run("c", subshell=sub)
    assert told(play.end("c").publications) == ["execute_reply:c", "idle:c", "busy:a"]
    assert play.session.state == "busy"
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a"]
    assert play.session.state == "idle"


def test_completion_in_a_subshell_does_not_wait() -> None:
    play, sub = with_subshell()
    play.run("a")
    asked = play.request(CompleteRequest(code="x", cursor_pos=1), "c", subshell=sub)
    assert [type(effect) for effect in asked.effects] == [SendToWorker]
    reply = CompleteReply(matches=(), cursor_start=1, cursor_end=1)
    assert play.worker(Replied(parent="c", content=reply)).publications == []


def test_subshells_are_listed_and_no_id_comes_twice() -> None:
    play, first = with_subshell()
    play.request(CreateSubshellRequest(), "again")
    second = listed(play)[1]
    assert listed(play) == (first, second)
    play.request(DeleteSubshellRequest(subshell_id=second), "delete")
    play.request(CreateSubshellRequest(), "third")
    assert listed(play)[1] not in (first, second)


def test_a_repeated_create_is_the_same_subshell() -> None:
    play, sub = with_subshell()
    assert play.request(CreateSubshellRequest(), "create").replies == [
        Reply("create", CreateSubshellReply(subshell_id=sub))
    ]
    assert listed(play) == (sub,)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (ExecuteRequest(code="1"), "header.subshell_id"),
        (CompleteRequest(code="", cursor_pos=0), "header.subshell_id"),
        (InterruptRequest(), "header.subshell_id"),
        (DeleteSubshellRequest(subshell_id="none"), "content.subshell_id"),
        (DeleteSubshellRequest(subshell_id=""), "content.subshell_id"),
    ],
)
def test_an_unknown_subshell_is_an_error_that_names_the_field(content: Content, field: str) -> None:
    play, _ = with_subshell()
    assert refusal_of(play.request(content, "x", subshell="none")) == ("UnknownSubshell", field)


def test_subshells_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_SUBSHELLS", 1)
    play, sub = with_subshell()
    assert refusal_of(play.request(CreateSubshellRequest(), "more")) == ("TooManySubshells", "")
    play.run("a", subshell=sub)
    play.request(DeleteSubshellRequest(subshell_id=sub), "delete")
    assert refusal_of(play.request(CreateSubshellRequest(), "more"))[0] == "TooManySubshells"
    play.end("a")
    assert (
        play.request(CreateSubshellRequest(), "more").replies[0].content.msg_type == "create_subshell_reply"
    )


def test_a_session_of_a_foreign_kernel_has_no_subshells() -> None:
    play = Play()
    play.session = msgspec.structs.replace(play.session, setting=Setting(kernel="ir"))
    assert refusal_of(play.request(CreateSubshellRequest(), "more"))[0] == "TooManySubshells"


def test_what_is_asked_aside_waits_for_no_code_and_is_no_subshell() -> None:
    play = Play()
    play.run("a")
    asked = play.request(CompleteRequest(code="x", cursor_pos=1), "c", subshell=ASIDE)
    assert [type(effect) for effect in asked.effects] == [SendToWorker]
    assert (listed(play), sessions.describe(play.session).subshells) == ((), {})
    assert refusal_of(play.run("b", subshell=ASIDE)) == ("UnknownSubshell", "header.subshell_id")
    refused = play.request(DeleteSubshellRequest(subshell_id=ASIDE), "d")
    assert refusal_of(refused) == ("UnknownSubshell", "content.subshell_id")


def test_what_is_asked_aside_can_be_interrupted_alone() -> None:
    play = Play()
    play.run("a")
    assert play.request(InterruptRequest(), "i", subshell=ASIDE).effects == []
    play.request(CompleteRequest(code="x", cursor_pos=1), "c", subshell=ASIDE)
    outcome = play.request(InterruptRequest(), "j", subshell=ASIDE)
    assert [type(effect) for effect in outcome.effects] == [SendToWorker]
    assert outcome.publications == []


def test_of_what_waits_aside_the_oldest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WAITING_ASIDE", 1)
    play = Play()
    play.request(CompleteRequest(code="x", cursor_pos=1), "a", subshell=ASIDE)
    assert play.request(CompleteRequest(code="x", cursor_pos=1), "b", subshell=ASIDE).replies == []
    outcome = play.request(CompleteRequest(code="x", cursor_pos=1), "c", subshell=ASIDE)
    assert (refusal_of(outcome)[0], outcome.replies[0].parent) == ("RequestCancelled", "b")
    assert [request.header.msg_id for request in play.session.lines[ASIDE].pending] == ["a", "c"]


def test_another_kernel_completes_in_its_one_line() -> None:
    play = Play()
    play.session = msgspec.structs.replace(play.session, setting=Setting(kernel="ir"))
    play.run("a")
    assert play.request(CompleteRequest(code="x", cursor_pos=1), "c", subshell=ASIDE).effects == []
    assert [type(effect) for effect in play.end("a").effects] == [SendToWorker]


def test_the_bound_of_what_waits_is_that_of_all_lines_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "QUEUE_LENGTH", 1)
    play, sub = with_subshell()
    for msg_id, line in (("a", ""), ("b", ""), ("c", sub)):
        assert play.run(msg_id, subshell=line).replies == []
    assert refusal_of(play.run("d", subshell=sub))[0] == "QueueFull"


def test_deleting_a_subshell_cancels_what_waits_and_lets_what_runs_end() -> None:
    play, sub = with_subshell()
    play.run("a", subshell=sub)
    play.run("b", subshell=sub)
    delete = play.request(DeleteSubshellRequest(subshell_id=sub), "delete")
    assert [(reply.parent, getattr(reply.content, "ename", "")) for reply in delete.replies] == [
        ("b", "RequestCancelled"),
        ("delete", ""),
    ]
    assert [type(effect) for effect in delete.effects] == [SendToWorker]
    assert listed(play) == ()
    assert refusal_of(play.run("c", subshell=sub))[0] == "UnknownSubshell"
    interrupt = play.request(InterruptRequest(), "i", subshell=sub)
    assert [type(effect) for effect in interrupt.effects] == [SendToWorker, AwaitStop]
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a"]
    assert list(play.session.lines) == [sessions.MAIN]


def test_a_failed_run_drops_the_runs_of_its_own_line() -> None:
    play, sub = with_subshell()
    for msg_id, line in (("a", ""), ("b", ""), ("c", sub), ("d", sub)):
        play.run(msg_id, subshell=line)
    play.end("c", "error", ename="ValueError")
    assert sessions.describe(play.session).at_work == {"a", "b"}
    play.end("a", "error", ename="ValueError")
    assert sessions.describe(play.session).at_work == set()


def test_interrupts_are_for_one_line() -> None:
    play, sub = with_subshell()
    play.run("a")
    play.run("b", subshell=sub)
    assert play.request(InterruptRequest(), "i").effects == [InterruptWorker(), AwaitStop("a")]
    effect, then = play.request(InterruptRequest(), "j", subshell=sub).effects
    assert isinstance(effect, SendToWorker)
    assert effect.request.header.subshell_id == sub
    assert then == AwaitStop("b")


def test_a_status_of_one_line_does_not_hide_that_another_has_not_stopped() -> None:
    play, sub = with_subshell()
    play.run("a", subshell=sub)
    play.request(InterruptRequest(), "i", subshell=sub)
    unheeded = play._take(sessions.apply(play.session, Unheeded("a", 5.0), NOW))
    assert told(unheeded.publications) == ["interrupted:a"]
    assert told(play.run("b").publications) == ["busy:b", "interrupted:a"]
    assert "a restart ends it" in play.session.reason
    assert told(play.end("b").publications) == ["execute_reply:b", "idle:b", "interrupted:a"]
    play.run("c")
    assert told(play.end("a").publications) == ["execute_reply:a", "idle:a", "busy:c"]
    assert play.session.reason == ""
    assert sessions.describe(play.session).subshells[sub].interrupted_since == ""


def test_interrupt_of_an_idle_line_does_nothing_whatever_runs_beside_it() -> None:
    play, sub = with_subshell()
    play.run("b", subshell=sub)
    assert play.request(InterruptRequest(), "i").effects == []


def test_each_line_may_ask_and_an_answer_goes_to_the_one_that_did() -> None:
    play, sub = with_subshell()
    play.run("a")
    play.run("b", subshell=sub)
    play.worker(Published(parent="a", content=InputRequest(prompt="?")))
    play.worker(Published(parent="b", content=InputRequest(prompt="?")))
    first, second = (play.session.lines[name].prompt for name in (sessions.MAIN, sub))
    assert first
    assert second
    [effect] = play.request(AnswerRequest(prompt=second.msg_id, value="v"), "x").effects
    assert isinstance(effect, SendToWorker)
    assert effect.request.header.subshell_id == sub
    [effect] = play.request(AnswerRequest(prompt=first.msg_id, value="v"), "y").effects
    assert isinstance(effect, SendToWorker)
    assert effect.request.header.subshell_id == sessions.MAIN


@pytest.mark.parametrize("end", ["restart", "death"])
def test_subshells_end_with_the_worker(end: str) -> None:
    play, sub = with_subshell()
    for msg_id, line in (("a", ""), ("b", sub), ("c", sub)):
        play.run(msg_id, subshell=line)
    if end == "restart":
        play.request(RestartSessionRequest(), "r")
    play.worker(Died(reason="killed"))
    assert {reply.parent for reply in play.replies} >= {"a", "b", "c"}
    assert (listed(play), sessions.describe(play.session).at_work) == ((), frozenset())


def test_a_subshell_may_be_made_before_the_worker_is_ready() -> None:
    play = Play(started=False)
    play.request(CreateSubshellRequest(), "create")
    [sub] = listed(play)
    play.run("a", subshell=sub)
    play.run("b")
    started = play.worker(Started(pid=7))
    assert told(started.publications) == ["idle", "busy:b", "busy:a"]


def test_what_is_said_late_finds_its_parent_until_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PARENTS_REMEMBERED", 1)
    play, sub = with_subshell()
    play.run("long")
    for msg_id in ("a", "b"):
        play.run(msg_id, subshell=sub)
        play.end(msg_id)
    late = play.worker(stream("1", "b"), stream("2", "a"), stream("3", "long"))
    assert told(late.publications) == ["stream:b", "stream", "stream:long"]


# --- The debugger -----------------------------------------------------------------------------


def test_debug_requests_pass_the_queue_one_after_the_other() -> None:
    play = Play()
    play.run("a")
    play.run("b")
    for number in (1, 2):
        play.request(DebugRequest(seq=number, command="debugInfo"), f"d{number}")
    sent = [effect.request.header.msg_id for effect in play.effects if isinstance(effect, SendToWorker)]
    assert sent == ["a", "d1"]
    reply = DebugReply(seq=1, request_seq=1, success=True, command="debugInfo")
    outcome = play.worker(Replied(parent="d1", content=reply))
    assert outcome.replies == [Reply("d1", reply)]
    assert outcome.effects == [SendToWorker(outcome.effects[0].request)]
    assert play.session.lines[sessions.MAIN].running is not None
    assert "busy" not in told(outcome.publications)


def test_a_debug_event_is_published_with_a_number() -> None:
    play = Play()
    before = play.session.latest
    event = DebugEvent(seq=1, event="stopped")
    outcome = play.worker(Published(parent="", content=event))
    assert [(p.content, p.header.number) for p in outcome.publications] == [(event, before + 1)]


@pytest.mark.parametrize("end", [Died(reason="killed by signal 9"), RestartSessionRequest()])
def test_debug_requests_are_answered_when_the_worker_ends(end: Any) -> None:
    play = Play()
    for number in (1, 2):
        play.request(DebugRequest(seq=number, command="debugInfo"), f"d{number}")
    outcome = play.worker(end) if isinstance(end, Died) else play.request(end, "r")
    assert {reply.parent for reply in outcome.replies} == {"d1", "d2"}
    assert all(isinstance(reply.content, ErrorReply) for reply in outcome.replies)


def test_debug_requests_wait_for_a_worker_that_is_starting() -> None:
    play = Play(started=False)
    play.request(DebugRequest(seq=1, command="debugInfo"), "d")
    assert SendToWorker not in map(type, play.effects)
    assert SendToWorker in map(type, play.worker(Started(pid=7)).effects)


def test_the_debugger_s_line_is_no_subshell() -> None:
    play = Play()
    play.request(DebugRequest(seq=1, command="debugInfo"), "d")
    assert listed(play) == ()
    assert sessions.describe(play.session).subshells == {}
    for content in (ExecuteRequest(code="1"), InterruptRequest()):
        assert refusal_of(play.request(content, "x", subshell=sessions.DEBUG))[0] == "UnknownSubshell"
    assert (
        refusal_of(play.request(DeleteSubshellRequest(subshell_id=sessions.DEBUG), "y"))[0]
        == "UnknownSubshell"
    )


def test_debug_requests_and_subshells_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_SUBSHELLS", 1)
    play = Play()
    play.request(DebugRequest(seq=1, command="debugInfo"), "d")
    [reply] = play.request(CreateSubshellRequest(), "create").replies
    assert isinstance(reply.content, CreateSubshellReply)
    play.run("a", subshell=reply.content.subshell_id)
    play.run("b")
    sent = [effect.request.header.msg_id for effect in play.effects if isinstance(effect, SendToWorker)]
    assert sent == ["d", "a", "b"]


def test_what_waits_for_the_debugger_has_the_bound_of_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "QUEUE_LENGTH", 1)
    play = Play()
    for number in (1, 2):
        assert play.request(DebugRequest(seq=number, command="debugInfo"), f"d{number}").replies == []
    assert refusal_of(play.request(DebugRequest(seq=3, command="debugInfo"), "d3"))[0] == "QueueFull"
