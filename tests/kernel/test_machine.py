"""Random histories of sessions against a small model of them: create, run, cancel, move, interrupt, kill,
restart, close, readers that come back with a cursor, kernels that are killed and others that go on.

The model is what a person would say: requests are carried out one after the other, a failed one drops
those behind it, a death, a restart or a close answers all that wait. After each step, once everything has
settled, kernel and model must agree; and whatever happened, the numbers of a feed have no gap, a request
has exactly one outcome for everyone who sent it, and no code ran twice.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from antiphon_kernel.executors import Executor, Kept, Listener
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.executors.scripted import ScriptedExecutor, ScriptedWorker
from antiphon_kernel.ledger import Ledger
from antiphon_kernel.link import Died, Published, Replied, WorkerEvent
from antiphon_kernel.message import (
    CancelReply,
    CancelRequest,
    CloseSessionRequest,
    Content,
    CreateSessionReply,
    CreateSessionRequest,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    FeedReply,
    FeedRequest,
    Header,
    InterruptReply,
    InterruptRequest,
    Message,
    MoveReply,
    MoveRequest,
    RestartSessionReply,
    RestartSessionRequest,
    SessionInfo,
    SessionInfoReply,
    SessionInfoRequest,
    SessionUID,
    Status,
    Stream,
)
from antiphon_kernel.service import Service

T = TypeVar("T")

FOLLOWERS: dict[str, set[str]] = {
    "": {"starting"},
    "starting": {"idle", "dead", "restarting", "closed"},
    "idle": {"busy", "idle", "dead", "restarting", "closed"},
    "busy": {"interrupted", "idle", "dead", "restarting", "closed"},
    "interrupted": {"interrupted", "idle", "dead", "restarting", "closed"},
    "dead": {"restarting", "closed"},
    "restarting": {"idle", "dead", "closed"},
    "closed": set(),
}
"""Which state a feed may tell after which."""


class Model:
    """One session as it should be. ``outcomes``: how each accepted run ended, by msg_id."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.state = "idle"
        self.running = ""
        self.queue: list[tuple[str, str]] = []
        self.outcomes: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.past: list[Message] = []  # what kernels that were killed had published
        self.adoptions: set[int] = set()  # numbers of the first publications of the next ones
        self.is_forgotten = False

    def run(self, msg_id: str, kind: str) -> None:
        if self.state in ("dead", "closed"):
            return
        self.runs[msg_id] = kind
        self.queue.append((msg_id, kind))
        self.go_on()

    def go_on(self) -> None:
        while self.queue and not self.running:
            msg_id, kind = self.queue.pop(0)
            if kind == "hang":
                self.running = msg_id
            elif kind == "fail":
                self.fail(msg_id, "ZeroDivisionError")
            else:
                self.outcomes[msg_id] = "ok"
        self.state = "busy" if self.running else "idle"

    def fail(self, msg_id: str, ename: str) -> None:
        self.outcomes[msg_id] = ename
        self.end_all("RequestCancelled")

    def end_all(self, ename: str) -> None:
        for msg_id, _ in self.queue:
            self.outcomes[msg_id] = ename
        self.queue = []

    def cancel(self, place: int) -> None:
        msg_id, _ = self.queue.pop(place)
        self.outcomes[msg_id] = "RequestCancelled"

    def move(self, place: int, before: int) -> None:
        run = self.queue.pop(place)
        self.queue.insert(before - (before > place), run)

    def interrupt(self) -> None:
        if self.running:
            msg_id, self.running = self.running, ""
            self.fail(msg_id, "KeyboardInterrupt")
            self.go_on()

    def end(self, state: str, running: str, queued: str) -> None:
        if self.running:
            self.outcomes[self.running] = running
        self.running = ""
        self.end_all(queued)
        self.state = state


def script(request: Message) -> Iterable[WorkerEvent]:
    """What a worker does with the three kinds of code."""
    assert isinstance(request.content, ExecuteRequest)
    parent, kind = request.header.msg_id, request.content.code
    yield Published(parent=parent, content=ExecuteInput(code=kind, execution_count=1))
    yield Published(parent=parent, content=Stream(name="stdout", text=f"{kind}\n"))
    if kind != "hang":
        ename = "ZeroDivisionError" if kind == "fail" else ""
        yield Replied(parent=parent, content=ExecuteReply(status="error" if ename else "ok", ename=ename))


class KeepingExecutor(ScriptedExecutor):
    """Its workers have ledgers, and outlive a kernel. ``left`` is what the next one gets."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.left: list[Kept] = []

    def make(self, listener: Listener) -> ScriptedWorker:
        worker = super().make(listener)
        worker.ledger = Ledger(os.memfd_create("ledger"))
        return worker

    def note(self) -> Ledger:
        return Ledger(os.memfd_create("ledger"))

    async def open(self) -> Sequence[Kept]:
        left, self.left = self.left, []
        return left


class KernelMachine(RuleBasedStateMachine):
    """Scripted workers. ``codes`` are those of the three kinds of runs, which all print their kind."""

    codes: ClassVar[dict[str, str]] = {"pass": "pass", "fail": "fail", "hang": "hang"}
    deadline: ClassVar[float] = 5.0  # seconds to agree; scripted workers need no time at all
    sessions: Bundle[Model] = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.numbers = itertools.count(1)
        self.models: list[Model] = []
        self.asked: dict[str, tuple[Model, Content, list[Content]]] = {}  # by msg_id, or "msg_id again n"
        self.readers: dict[str, list[Message]] = {}
        self.changed = asyncio.Event()
        self.executor = self.make_executor()
        self.service = Service(self.executor)
        self.service.add_publisher(lambda *_: self.changed.set())
        self.await_(self.service.open())

    def make_executor(self) -> Executor:
        return KeepingExecutor(script)

    def teardown(self) -> None:
        self.await_(self.service.close())
        for model in self.models:
            model.end("closed", "SessionClosed", "SessionClosed")
        self.check_outcomes()
        self.loop.close()

    def await_(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, self.deadline))

    def submit(self, uid: str, content: Content, msg_id: str, answers: list[Content]) -> None:
        async def now() -> None:
            header = Header(msg_id=msg_id, msg_type=content.msg_type, session=uid, username="ada")
            self.service.submit(
                Message(header=header, content=content), lambda reply: answers.append(reply.content)
            )

        self.await_(now())

    def ask(self, uid: str, content: Content) -> Content:
        """The answer to what is answered at once, or soon."""
        answers: list[Content] = []
        self.submit(uid, content, f"ask-{next(self.numbers)}", answers)
        self.await_(self.until(lambda: bool(answers)))
        [answer] = answers
        return answer

    async def until(self, condition: Any) -> None:
        while not condition():
            self.changed.clear()
            # Answers come without a publication too.
            waiting = asyncio.ensure_future(self.changed.wait())
            await asyncio.wait([waiting], timeout=0.01)
            waiting.cancel()

    # --- steps

    @initialize(target=sessions)
    def first(self) -> Model:
        return self.create()

    @rule(target=sessions)
    def create(self) -> Model:
        reply = self.ask("", CreateSessionRequest())
        assert isinstance(reply, CreateSessionReply)
        model = Model(reply.uid)
        self.models.append(model)
        return model

    @rule(model=sessions, kind=st.sampled_from(["pass", "pass", "fail", "hang"]))
    def run(self, model: Model, kind: str) -> None:
        msg_id = f"run-{next(self.numbers)}"
        content = ExecuteRequest(code=self.codes[kind])
        answers: list[Content] = []
        self.asked[msg_id] = model, content, answers
        model.run(msg_id, kind)
        self.submit(model.uid, content, msg_id, answers)
        if model.state in ("dead", "closed"):
            del self.asked[msg_id]
            [answer] = answers
            assert isinstance(answer, ErrorReply)
            closed = "UnknownSession" if model.is_forgotten else "SessionClosed"
            assert answer.ename == ("SessionDead" if model.state == "dead" else closed)

    @rule(choice=st.randoms(use_true_random=False))
    def repeat(self, choice: Any) -> None:
        if self.asked:
            msg_id = choice.choice(list(self.asked)).partition(" ")[0]
            model, content, answers = self.asked[msg_id]
            if model.state != "closed":
                again: list[Content] = []
                self.submit(model.uid, content, msg_id, again)
                if answers:
                    assert again == answers[:1]
                else:
                    self.asked[f"{msg_id} again {next(self.numbers)}"] = model, content, again

    @rule(model=sessions)
    def interrupt(self, model: Model) -> None:
        expected = InterruptReply if model.state != "closed" else ErrorReply
        assert isinstance(self.ask(model.uid, InterruptRequest()), expected)
        if model.running:
            self.interrupted(model)
        model.interrupt()

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def cancel(self, model: Model, choice: Any) -> None:
        if model.queue:
            place = choice.randrange(len(model.queue))
            reply = self.ask(model.uid, CancelRequest(msg_id=model.queue[place][0]))
            assert isinstance(reply, CancelReply)
            model.cancel(place)

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def move(self, model: Model, choice: Any) -> None:
        if model.queue:
            place, before = choice.randrange(len(model.queue)), choice.randrange(len(model.queue) + 1)
            name = model.queue[before][0] if before < len(model.queue) else ""
            reply = self.ask(model.uid, MoveRequest(msg_id=model.queue[place][0], before=name))
            assert isinstance(reply, MoveReply)
            model.move(place, before)

    @rule(model=sessions)
    def kill(self, model: Model) -> None:
        if model.state not in ("dead", "closed"):
            self.kill_worker(model)
            model.end("dead", "SessionDead", "SessionDead")

    def interrupted(self, model: Model) -> None:
        content = ExecuteReply(status="error", ename="KeyboardInterrupt")
        self.say(model, Replied(parent=model.running, content=content))

    def kill_worker(self, model: Model) -> None:
        self.say(model, Died(reason="killed by signal 9"))

    def say(self, model: Model, event: WorkerEvent) -> None:
        """Let a scripted worker say something."""
        hold = self.live(model).hold
        assert hold is not None
        worker = hold.worker
        assert isinstance(worker, ScriptedWorker)

        async def now() -> None:
            worker.say(event)

        self.await_(now())

    def live(self, model: Model) -> Any:
        return self.service._live[SessionUID(model.uid)]

    @rule(model=sessions)
    def restart(self, model: Model) -> None:
        reply = self.ask(model.uid, RestartSessionRequest())
        if model.state == "closed":
            assert isinstance(reply, ErrorReply)
        else:
            assert isinstance(reply, RestartSessionReply)
            model.end("idle", "SessionDead", "RequestCancelled")

    @rule(target=sessions, model=consumes(sessions), keep=st.booleans())
    def close(self, model: Model, keep: bool) -> Any:
        self.ask(model.uid, CloseSessionRequest())
        if model.state != "closed":
            model.end("closed", "SessionClosed", "SessionClosed")
        return multiple(model) if keep else multiple()

    @rule(model=sessions, limit=st.integers(1, 7), back=st.integers(0, 5))
    def read(self, model: Model, limit: int, back: int) -> None:
        """A reader comes back, perhaps with an older cursor than it had, and reads a little."""
        if model.is_forgotten:
            return
        known = self.readers.setdefault(model.uid, [])
        since = max(len(known) - back, len(model.past))
        known += model.past[len(known) :]
        for message in self.feed(model, since, limit).publications:
            record = message
            number = record.header.number
            if number <= len(known):
                assert known[number - 1] == record
            else:
                assert number == len(known) + 1
                known.append(record)  # type: ignore[arg-type]

    def history(self, model: Model) -> list[Any]:
        return [*model.past, *self.feed(model, len(model.past)).publications]

    def feed(self, model: Model, since: int, limit: int = 1000) -> FeedReply:
        reply = self.ask(model.uid, FeedRequest(since=since, limit=limit))
        assert isinstance(reply, FeedReply), reply
        assert reply.gone is None
        assert [record.header.number for record in reply.publications] == list(
            range(since + 1, min(since + limit, reply.latest) + 1)
        )
        return reply

    # --- what must hold

    @invariant()
    def kernel_and_model_agree(self) -> None:
        self.check_sessions()
        self.check_outcomes()
        self.check_feeds()

    def check_sessions(self) -> None:
        for model in self.models:
            if model.state != "closed":
                self.await_(self.until(lambda model=model: self.agrees(model)))

    def info(self, model: Model) -> SessionInfo:
        reply = self.ask(model.uid, SessionInfoRequest())
        assert isinstance(reply, SessionInfoReply), reply
        return reply.session

    def agrees(self, model: Model) -> bool:
        live = self.live(model)
        main = live.session.lines[""]
        running = main.running.header.msg_id if main.running else ""
        if (live.session.state, running) != (model.state, model.running):
            return False
        if [request.header.msg_id for request in main.queue] != [msg_id for msg_id, _ in model.queue]:
            return False
        # A run that hangs has begun when it has said so.
        return not running or self.has_said(live, running) or self.has_said_before(model, running)

    @staticmethod
    def has_said_before(model: Model, msg_id: str) -> bool:
        return any(
            message.header.msg_type == Stream.msg_type
            and message.parent_header is not None
            and message.parent_header.msg_id == msg_id
            for message in model.past
        )

    @staticmethod
    def has_said(live: Any, msg_id: str) -> bool:
        publications, _, _ = live.feed.since(0, 10**6, 10**9)
        return any(
            isinstance(message.content, Stream) and message.parent_header.msg_id == msg_id
            for message in publications
        )

    def check_outcomes(self) -> None:
        for msg_id, (model, _, answers) in self.asked.items():
            outcome = model.outcomes.get(msg_id.partition(" ")[0])
            if outcome is None:
                assert answers == []
                continue
            self.await_(self.until(lambda answers=answers: bool(answers)))
            [answer] = answers
            assert isinstance(answer, ExecuteReply), answer
            assert (answer.ename or answer.status) == outcome, (msg_id, answer)

    def check_feeds(self) -> None:
        for model in self.models:
            state = ""
            told: dict[str, str] = {}
            began: list[str] = []
            for record in self.history(model):
                content = record.content
                parent = record.parent_header.msg_id if record.parent_header else ""
                match record.header.msg_type:
                    case Status.msg_type:
                        if record.header.number in model.adoptions:
                            assert content["execution_state"] == state
                        assert record.header.number in model.adoptions or (
                            content["execution_state"] in FOLLOWERS[state]
                        ), (state, content)
                        state = content["execution_state"]
                        assert content.get("reason") or state not in ("dead", "closed", "restarting")
                    case ExecuteReply.msg_type:
                        assert parent not in told
                        told[parent] = content.get("ename") or content["status"]
                    case ExecuteInput.msg_type:
                        began.append(parent)
            assert state == model.state
            assert told == model.outcomes
            assert len(set(began)) == len(began)
            assert set(began) <= set(model.runs)


class OutlivingMachine(KernelMachine):
    """Kernels that are killed, and others that go on. Clients repeat what they still wait for, and readers
    have all that was told: nothing is lost, no number is left out, nothing runs twice."""

    @rule()
    def kernel_is_killed(self) -> None:
        executor, killed = self.executor, self.service
        assert isinstance(executor, KeepingExecutor)
        for model in self.models:
            model.past = self.history(model)
            model.adoptions.add(len(model.past) + 1)
        self.await_(self.stop(killed))
        for live in killed._live.values():
            assert live.ledger is not None
            ledger = Ledger(os.dup(live.ledger.descriptor))
            live.ledger.close()
            lives = live.hold is not None and not live.hold.gone
            worker = live.hold.worker if live.hold is not None and lives else None
            assert worker is None or isinstance(worker, ScriptedWorker)
            if worker is not None:
                worker.ledger = ledger
            executor.left.append(Kept(ledger.read(), ledger, worker, ""))
        for model in self.models:
            model.is_forgotten = model.state == "closed"
        self.models = [model for model in self.models if not model.is_forgotten]
        self.asked = {name: asked for name, asked in self.asked.items() if not asked[0].is_forgotten}
        self.service = Service(executor)
        self.service.add_publisher(lambda *_: self.changed.set())
        self.await_(self.service.open())
        for name, (model, content, answers) in self.asked.items():
            if not answers:
                self.submit(model.uid, content, name.partition(" ")[0], answers)

    async def stop(self, service: Service) -> None:
        """As if its process were gone: nothing of it runs any more."""
        for task in service._tasks:
            task.cancel()
        await asyncio.gather(*service._tasks, return_exceptions=True)
        for live in service._live.values():
            if live.hold is not None:
                live.hold.relax()


# To shrink takes longer than to read the history, where each step waits for the kernel to agree.
HISTORIES = int(os.environ.get("HISTORIES", "0"))
"""So many of each machine, other ones each time (``make histories``), in place of a few that are the same."""

UNCHANGING = settings(
    deadline=None,
    derandomize=not HISTORIES,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

TestOutliving = pytest.mark.slow(OutlivingMachine.TestCase)
TestOutliving.settings = settings(UNCHANGING, max_examples=HISTORIES or 25, stateful_step_count=40)

TestScripted = pytest.mark.slow(KernelMachine.TestCase)
TestScripted.settings = settings(UNCHANGING, max_examples=HISTORIES or 60, stateful_step_count=50)


class ForkedMachine(KernelMachine):
    """Real workers, of one zygote for each history, and a neighbour that counts."""

    codes: ClassVar[dict[str, str]] = {
        "pass": "print('pass')",
        "fail": "print('fail'); 1 / 0",
        "hang": "import time\nprint('hang')\ntime.sleep(1000)",
    }

    deadline: ClassVar[float] = 60.0

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.neighbour = Model(self.ask("", CreateSessionRequest()).uid)  # type: ignore[attr-defined]

    def make_executor(self) -> Executor:
        return ForkedExecutor(preload=(), spares=1, warm=False)

    def interrupted(self, model: Model) -> None:
        pass

    def kill_worker(self, model: Model) -> None:
        os.kill(self.info(model).pid, signal.SIGKILL)

    @rule()
    def neighbour_counts(self) -> None:
        self.count += 1
        code = f"n = globals().get('n', 0) + 1\nassert n == {self.count}"
        reply = self.ask(self.neighbour.uid, ExecuteRequest(code=code))
        assert isinstance(reply, ExecuteReply)
        assert reply.status == "ok", reply


TestForked = pytest.mark.slow(ForkedMachine.TestCase)
TestForked.settings = settings(UNCHANGING, max_examples=HISTORIES or 4, stateful_step_count=40)
