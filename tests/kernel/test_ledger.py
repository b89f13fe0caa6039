"""A session comes back from its ledger as it was when the daemon was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon_kernel import ledger as ledgers
from antiphon_kernel.ledger import Ledger, is_in_use
from antiphon_kernel.message import CommMsg, ExecuteRequest
from antiphon_kernel.session import MAIN, Outcome, Session
from antiphon_kernel.session.recent import Recent

from .test_session import _STEPS, Play, step, stream


def reread(ledger: Ledger) -> ledgers.Record:
    """As the next daemon does, which gets the descriptor alone."""
    other = Ledger(os.dup(ledger.descriptor))
    try:
        return other.read()
    finally:
        other.close()


def lasting(session: Session) -> Session:
    return msgspec.structs.replace(session, last_activity=session.created, printed=Recent())


class Noted(Play):
    """A session that is noted down as the service does."""

    def __init__(self, *, started: bool = True) -> None:
        self.ledger = Ledger(os.memfd_create("test"))
        self.has_begun = False
        super().__init__(started=started)

    def _take(self, outcome: Outcome) -> Outcome:
        if self.has_begun:
            self.ledger.write(outcome.session)
        else:
            self.ledger.begin(outcome.session)
            self.has_begun = True
        return super()._take(outcome)


@pytest.fixture
def play() -> Iterator[Noted]:
    noted = Noted()
    yield noted
    noted.ledger.close()


@settings(deadline=None)
@given(st.lists(_STEPS, max_size=40), st.booleans())
def test_whatever_happens_the_session_comes_back(steps: list[tuple[str, str]], is_short: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if is_short:
            patch.setattr(ledgers, "JOURNAL_BYTES", 1)
        play = Noted(started=False)
        try:
            for what, msg_id in steps:
                step(play, what, msg_id)
                assert reread(play.ledger).session == lasting(play.session)
        finally:
            play.ledger.close()


def test_a_long_journal_is_begun_anew_and_takes_no_memory_for_ever(
    play: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "JOURNAL_BYTES", 8192)
    for i in range(2000):
        play.run(f"run-{i}")
        play.end(f"run-{i}")
    assert reread(play.ledger).session == lasting(play.session)
    state = os.fstat(play.ledger.descriptor)
    assert state.st_blocks * 512 < 1_000_000 < state.st_size


def test_output_alone_is_a_number(play: Noted) -> None:
    play.run("a")
    size = os.fstat(play.ledger.descriptor).st_size
    play.worker(stream("x"))
    assert os.fstat(play.ledger.descriptor).st_size == size
    assert reread(play.ledger).session.latest == play.session.latest


def test_a_long_request_is_noted_without_its_content(play: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "REQUEST_BYTES", 1000)
    play.run("a")
    play.run("b", "#" * 1000, silent=True)
    play.request(CommMsg(comm_id="c", data={"x": "#" * 1000}), "c")
    record = reread(play.ledger)
    assert record.incomplete == {"b", "c"}
    queue = record.session.lines[MAIN].queue
    assert [request.header.msg_id for request in queue] == ["b", "c"]
    assert queue[0].content == ExecuteRequest(code="")


def test_what_the_daemon_was_about_to_do_is_told(play: Noted) -> None:
    assert not reread(play.ledger).hearing
    play.ledger.hear()
    assert reread(play.ledger).hearing
    play.ledger.heard(unfinished=True)
    assert reread(play.ledger).hearing
    play.ledger.heard(unfinished=False)
    assert not reread(play.ledger).hearing
    play.ledger.capture("request")
    assert reread(play.ledger).captured == "request"


def test_a_request_on_its_way_is_told(play: Noted) -> None:
    outcome = play.run("a")
    play.end("a")
    assert not reread(play.ledger).telling
    play.ledger.write(outcome.session, tells=True)
    assert reread(play.ledger).telling
    assert not reread(play.ledger).half_told
    play.ledger.tell_in_parts()
    play.ledger.write(play.session, tells=True)
    assert reread(play.ledger).half_told
    play.ledger.told()
    assert not reread(play.ledger).telling
    assert not reread(play.ledger).half_told


def test_a_ledger_is_in_use_from_the_first_word_to_the_end() -> None:
    descriptor = os.memfd_create("test")
    try:
        ledger = Ledger(os.dup(descriptor))
        assert not is_in_use(descriptor)
        assert not ledger.is_used
        ledger.begin(Play().session)
        assert is_in_use(descriptor)
        ledger.end()
        assert not is_in_use(descriptor)
        assert ledger.is_used
        ledger.hear()  # written nowhere
        ledger.write(Play().session)
    finally:
        os.close(descriptor)


def test_a_ledger_without_room_is_given_up(play: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.dup(play.ledger.descriptor)
    try:
        monkeypatch.setattr(os, "pwrite", lambda *_: 0)
        play.run("a")
        assert not is_in_use(descriptor)
        play.end("a")
    finally:
        os.close(descriptor)


def test_what_is_no_ledger_is_refused() -> None:
    ledger = Ledger(os.memfd_create("test"))
    try:
        ledger.begin(Play().session)
        os.pwrite(ledger.descriptor, b"nonsense", os.sysconf("SC_PAGE_SIZE"))
        with pytest.raises(ValueError, match="cannot be read"):
            ledger.read()
    finally:
        ledger.close()
