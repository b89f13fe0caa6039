"""One run in a session: asked for, followed on the feed until it ended, shown.

Ctrl-C interrupts the run in the session; a second one leaves it to itself.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from antiphon_client.answers import Lines
from antiphon_client.client import LONGEST_WAIT, Client
from antiphon_client.errors import RpcError
from antiphon_client.follow import Feed, Gap
from antiphon_client.model import Publication
from antiphon_client.screen import Screen

OK, FAILED, TIMED_OUT, LEFT = 0, 1, 124, 130
"""Exit codes; 124 as timeout(1) has it, 130 as a shell counts SIGINT."""

ANSWER_POLL_SECONDS = 0.5
"""While a line is typed, how often to look whether somebody else has answered."""

END_SECONDS = 5.0
"""How long a run that was interrupted for its timeout may take to end."""

_ENDED = ("dead", "closed", "restarting")


class Interrupts:
    """Counts Ctrl-C. It breaks a wait, and nothing else: no publication is shown by half."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting = False
        self._handled = 0

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self._waiting:
            raise KeyboardInterrupt

    def take(self) -> bool:
        """Whether one came that was not taken yet."""
        came, self._handled = self.count > self._handled, self.count
        return came

    @property
    def waiting(self) -> _Wait:
        """Around a wait that Ctrl-C may break, by KeyboardInterrupt; also by one that came before."""
        return _Wait(self)


class _Wait:
    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts._waiting = True
        if self._interrupts.count > self._interrupts._handled:
            self._interrupts._waiting = False
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupts._waiting = False


class Runner:
    """Runs code in one session.

    Args:
        each: called with each publication of the run, in place of showing it.
        lines: where answers to prompts come from; None when nothing can answer.
        timeout: seconds after which the run is interrupted.
    """

    def __init__(
        self,
        client: Client,
        session: str,
        screen: Screen,
        interrupts: Interrupts,
        *,
        each: Callable[[Publication], None] | None = None,
        lines: Lines | None = None,
        timeout: float | None = None,
    ) -> None:
        self._client = client
        self._session = session
        self._screen = screen
        self._interrupts = interrupts
        self._each = each or self._show
        self._lines = lines
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout
        self._prompt: Publication | None = None
        self._error_shown = False
        self._code: int | None = None
        self._timed_out = False

    def run(self, code: str) -> int:
        """Run ``code`` and return the exit code that tells how it ended. Raises what ``Client`` raises."""
        try:
            return self._run(code)
        finally:
            self._prompt_over()

    def _run(self, code: str) -> int:
        feed = Feed(self._client, self._session, self._client.session_info(self._session).latest)
        msg_id = self._client.session_execute(self._session, code).msg_id
        while True:
            cursor = feed.cursor
            try:
                with self._interrupts.waiting:
                    if self._prompt:
                        self._answer(self._prompt)
                    events = feed.read(self._patience())
            except KeyboardInterrupt:
                # It may have come when the cursor had moved already: read those again.
                events, feed.cursor = [], cursor
            if self._interrupts.take() and not self._interrupt():
                return LEFT
            for event in events:
                if isinstance(event, Gap):
                    self._screen.note(f"[{event.first} to {event.last} of the feed are gone]")
                elif self._ends(event, msg_id):
                    self._screen.flush()
                    return self._outcome()
            self._screen.flush()
            if self._past_deadline():
                return TIMED_OUT
            if not events and not self._prompt and self._is_lost():
                return FAILED

    def _ends(self, publication: Publication, msg_id: str) -> bool:
        """Take one publication; whether it is the last of this run."""
        content = publication.content
        kind = publication.msg_type
        if publication.parent != msg_id:
            if kind == "status" and content.get("execution_state") in _ENDED:
                self._screen.note(f"The session ended: {content.get('reason') or 'no reason was told'}")
                self._code = FAILED
                return True
            return False
        if kind == "status" and content.get("execution_state") == "interrupted" and content.get("reason"):
            self._screen.note(
                f"[{content['reason']}: antiphon sessions restart {self._session}; it loses the variables]"
            )
        if kind == "input_request":
            self._prompt = publication
            if self._lines and content.get("password"):
                self._lines.echo.off()
        self._each(publication)
        if kind == "input_answered" and self._prompt and content.get("prompt") == self._prompt.msg_id:
            self._prompt_over()
        elif kind == "execute_reply":
            self._code = OK if content.get("status") == "ok" else FAILED
            if self._code == FAILED and not self._error_shown and self._each == self._show:
                self._screen.traceback(content)
            # A run whose worker died, or that never began, has no "idle" after its reply.
            return content.get("ename") in ("SessionDead", "SessionClosed", "RequestCancelled")
        return kind == "status" and content.get("execution_state") == "idle"

    def _is_lost(self) -> bool:
        """Whether nothing can come any more: asked when a long wait brought nothing."""
        session = self._client.session_info(self._session)
        if session.state not in ("lost", "closed", "dead"):
            return False
        self._screen.note(f"The session is {session.state}. {session.reason}".rstrip())
        return True

    def _outcome(self) -> int:
        if self._timed_out:
            return TIMED_OUT
        return FAILED if self._code is None else self._code

    def _show(self, publication: Publication) -> None:
        content = publication.content
        match publication.msg_type:
            case "stream":
                self._screen.stream(content.get("name", "stdout"), content.get("text", ""))
            case "execute_result" | "display_data" | "update_display_data":
                self._screen.data(self._client.text(publication))
            case "error":
                self._error_shown = True
                self._screen.traceback(content)
            case "input_request":
                self._screen.prompt(content.get("prompt", ""))

    # --- what a person does meanwhile

    def _answer(self, prompt: Publication) -> None:
        """Wait a moment for a typed line and send it; the feed is looked at between two calls."""
        if self._lines is None:
            self._give_up("The code asks for input, and there is none to give.")
            return
        try:
            line = self._lines.next(ANSWER_POLL_SECONDS)
        except EOFError:
            self._give_up("The code asks for input, and there is no more.")
            return
        if line is None:
            return
        self._prompt_over()
        try:
            self._client.session_answer(self._session, prompt.msg_id, line)
        except RpcError as error:
            self._screen.note(f"[the answer came too late: {error}]")

    def _prompt_over(self) -> None:
        self._prompt = None
        if self._lines and self._lines.echo.on():
            # The line feed that ended the password was not shown either.
            self._screen.prompt("\n")

    def _give_up(self, reason: str) -> None:
        self._prompt_over()
        self._screen.note(reason)
        self._client.session_interrupt(self._session)

    def _interrupt(self) -> bool:
        """Interrupt the run; False at the second Ctrl-C."""
        if self._interrupts.count > 1:
            return False
        self._prompt_over()
        if self._screen.err.terminal:
            self._screen.note("[interrupting; press Ctrl-C again to leave]")
        self._client.session_interrupt(self._session)
        return True

    # --- time

    def _patience(self) -> float:
        """How long the next read of the feed may wait."""
        wait = 0.0 if self._prompt else LONGEST_WAIT
        if self._deadline is not None:
            wait = min(wait, max(0.0, self._deadline - time.monotonic()))
        return wait

    def _past_deadline(self) -> bool:
        """At the deadline, interrupt; whether the time after that is over, too."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        if self._timed_out:
            self._screen.note("The code does not react to the interrupt; it goes on running.")
            return True
        self._timed_out = True
        self._deadline = time.monotonic() + END_SECONDS
        self._screen.note(f"The run took longer than {self._timeout:g} seconds and is interrupted.")
        self._client.session_interrupt(self._session)
        return False
