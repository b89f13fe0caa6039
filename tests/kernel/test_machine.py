"""Random histories of sessions against a small model of them: create, run, cancel, move, interrupt, kill,
restart, close, subshells that are made and deleted, readers that come back with a cursor, kernels that are
killed and others that go on.

The model is what a person would say: the requests of a line are carried out one after the other, a failed
one drops those behind it, a deleted subshell those that wait there, a death, a restart or a close answers all
that wait. After each step, once everything has settled, kernel and model must agree; and whatever happened,
the numbers of a feed have no gap, a request has exactly one outcome for everyone who sent it, and no code ran
twice.
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
    CreateSubshellReply,
    CreateSubshellRequest,
    DeleteSubshellReply,
    DeleteSubshellRequest,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    FeedReply,
    FeedRequest,
    Header,
    InterruptReply,
    InterruptRequest,
    ListSubshellReply,
    ListSubshellRequest,
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
"""Which state a feed may tell after which, if the session has one line."""

BESIDE = FOLLOWERS | {
    "busy": FOLLOWERS["busy"] | {"busy"},
    "interrupted": FOLLOWERS["interrupted"] | {"busy"},
}
"""Where code runs in several, each of them tells."""

SUBSHELLS = 3
"""At once; more of them are not more of anything else."""


class Line:
    """What runs and what waits, as msg_id and kind. One that is ``deleted`` lasts as long as what runs."""

    def __init__(self) -> None:
        self.running = ""
        self.queue: list[tuple[str, str]] = []
        self.deleted = False


class Model:
    """One session as it should be. ``outcomes``: how each accepted run ended, by msg_id."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.state = "idle"
        self.lines = {"": Line()}
        self.former: list[str] = []  # subshells that are no more
        self.outcomes: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.past: list[Message] = []  # what kernels that were killed had published
        self.adoptions: set[int] = set()  # numbers of the first publications of the next ones
        self.is_forgotten = False

    @property
    def subshells(self) -> tuple[str, ...]:
        return tuple(name for name, line in self.lines.items() if name and not line.deleted)

    def takes(self, name: str) -> bool:
        """Whether a run for this line is accepted."""
        return self.state not in ("dead", "closed") and (not name or name in self.subshells)

    def run(self, msg_id: str, kind: str, name: str) -> None:
        self.runs[msg_id] = kind
        self.lines[name].queue.append((msg_id, kind))
        self.go_on(name)

    def go_on(self, name: str) -> None:
        line = self.lines[name]
        while line.queue and not line.running:
            msg_id, kind = line.queue.pop(0)
            if kind == "hang":
                line.running = msg_id
            elif kind == "fail":
                self.fail(line, msg_id, "ZeroDivisionError")
            else:
                self.outcomes[msg_id] = "ok"
        if line.deleted and not line.running:
            del self.lines[name]
            self.former.append(name)
        self.state = "busy" if any(line.running for line in self.lines.values()) else "idle"

    def fail(self, line: Line, msg_id: str, ename: str) -> None:
        self.outcomes[msg_id] = ename
        self.end_all(line, "RequestCancelled")

    def end_all(self, line: Line, ename: str) -> None:
        for msg_id, _ in line.queue:
            self.outcomes[msg_id] = ename
        line.queue = []

    def delete(self, name: str) -> None:
        self.end_all(self.lines[name], "RequestCancelled")
        self.lines[name].deleted = True
        self.go_on(name)

    def cancel(self, name: str, place: int) -> None:
        msg_id, _ = self.lines[name].queue.pop(place)
        self.outcomes[msg_id] = "RequestCancelled"

    def move(self, name: str, place: int, before: int) -> None:
        queue = self.lines[name].queue
        run = queue.pop(place)
        queue.insert(before - (before > place), run)

    def interrupt(self, name: str) -> None:
        line = self.lines[name]
        if line.running:
            msg_id, line.running = line.running, ""
            self.fail(line, msg_id, "KeyboardInterrupt")
            self.go_on(name)

    def end(self, state: str, running: str, queued: str) -> None:
        for line in self.lines.values():
            if line.running:
                self.outcomes[line.running] = running
            self.end_all(line, queued)
        self.former += filter(None, self.lines)
        self.lines = {"": Line()}
        self.state = state


def script(request: Message) -> Iterable[WorkerEvent]:
    """What a worker does with the three kinds of code. How subshells are interrupted the test says."""
    if isinstance(request.content, InterruptRequest | DeleteSubshellRequest):
        return
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

    def note(self, uid: SessionUID, *, starts: bool) -> Ledger:
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
        # By msg_id, or "msg_id again n"; with the name of the line.
        self.asked: dict[str, tuple[Model, str, Content, list[Content]]] = {}
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

    def submit(self, uid: str, content: Content, msg_id: str, answers: list[Content], line: str = "") -> None:
        async def now() -> None:
            header = Header(
                msg_id=msg_id, msg_type=content.msg_type, session=uid, username="ada", subshell_id=line
            )
            self.service.submit(
                Message(header=header, content=content), lambda reply: answers.append(reply.content)
            )

        self.await_(now())

    def ask(self, uid: str, content: Content, line: str = "") -> Content:
        """The answer to what is answered at once, or soon."""
        answers: list[Content] = []
        self.submit(uid, content, f"ask-{next(self.numbers)}", answers, line)
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

    @staticmethod
    def some_line(model: Model, choice: Any) -> str:
        """The main line, a subshell, perhaps one that is no more."""
        return str(choice.choice(["", *model.lines, *model.former[-1:]]))

    def refusal(self, model: Model) -> str:
        """Why a request for a line is not accepted."""
        if model.state == "closed":
            return "UnknownSession" if model.is_forgotten else "SessionClosed"
        return "SessionDead" if model.state == "dead" else "UnknownSubshell"

    @rule(
        model=sessions,
        kind=st.sampled_from(["pass", "pass", "fail", "hang"]),
        choice=st.randoms(use_true_random=False),
    )
    def run(self, model: Model, kind: str, choice: Any) -> None:
        msg_id, name = f"run-{next(self.numbers)}", self.some_line(model, choice)
        content = ExecuteRequest(code=self.codes[kind])
        answers: list[Content] = []
        if model.takes(name):
            self.asked[msg_id] = model, name, content, answers
            model.run(msg_id, kind, name)
            self.submit(model.uid, content, msg_id, answers, name)
        else:
            self.submit(model.uid, content, msg_id, answers, name)
            [answer] = answers
            assert isinstance(answer, ErrorReply)
            assert answer.ename == self.refusal(model)

    @rule(choice=st.randoms(use_true_random=False))
    def repeat(self, choice: Any) -> None:
        if self.asked:
            msg_id = choice.choice(list(self.asked)).partition(" ")[0]
            model, name, content, answers = self.asked[msg_id]
            if model.state != "closed":
                again: list[Content] = []
                self.submit(model.uid, content, msg_id, again, name)
                if answers:
                    assert again == answers[:1]
                else:
                    self.asked[f"{msg_id} again {next(self.numbers)}"] = model, name, content, again

    @rule(model=sessions)
    def create_subshell(self, model: Model) -> None:
        if len(model.lines) > SUBSHELLS:
            return
        reply = self.ask(model.uid, CreateSubshellRequest())
        if model.state in ("dead", "closed"):
            assert isinstance(reply, ErrorReply)
            assert reply.ename == self.refusal(model)
            return
        assert isinstance(reply, CreateSubshellReply)
        assert reply.subshell_id not in (*model.lines, *model.former)
        model.lines[reply.subshell_id] = Line()
        assert self.ask(model.uid, ListSubshellRequest()) == ListSubshellReply(subshell_id=model.subshells)

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def delete_subshell(self, model: Model, choice: Any) -> None:
        if not (name := self.some_line(model, choice)):
            return
        reply = self.ask(model.uid, DeleteSubshellRequest(subshell_id=name))
        if name in model.subshells:
            assert isinstance(reply, DeleteSubshellReply)
            model.delete(name)
        else:
            assert isinstance(reply, ErrorReply)

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def interrupt(self, model: Model, choice: Any) -> None:
        name = self.some_line(model, choice)
        expected = InterruptReply if model.state != "closed" and name in model.lines else ErrorReply
        assert isinstance(self.ask(model.uid, InterruptRequest(), name), expected)
        if name in model.lines:
            if running := model.lines[name].running:
                self.interrupted(model, running)
            model.interrupt(name)

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def cancel(self, model: Model, choice: Any) -> None:
        name = choice.choice(list(model.lines))
        if queue := model.lines[name].queue:
            place = choice.randrange(len(queue))
            reply = self.ask(model.uid, CancelRequest(msg_id=queue[place][0]))
            assert isinstance(reply, CancelReply)
            model.cancel(name, place)

    @rule(model=sessions, choice=st.randoms(use_true_random=False))
    def move(self, model: Model, choice: Any) -> None:
        name = choice.choice(list(model.lines))
        if queue := model.lines[name].queue:
            place, before = choice.randrange(len(queue)), choice.randrange(len(queue) + 1)
            next_one = queue[before][0] if before < len(queue) else ""
            reply = self.ask(model.uid, MoveRequest(msg_id=queue[place][0], before=next_one))
            assert isinstance(reply, MoveReply)
            model.move(name, place, before)

    @rule(model=sessions)
    def kill(self, model: Model) -> None:
        if model.state not in ("dead", "closed"):
            self.kill_worker(model)
            model.end("dead", "SessionDead", "SessionDead")

    def interrupted(self, model: Model, running: str) -> None:
        content = ExecuteReply(status="error", ename="KeyboardInterrupt")
        self.say(model, Replied(parent=running, content=content))

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
        session = live.session
        lines = {
            name: (line.running.header.msg_id if line.running else "", [r.header.msg_id for r in line.queue])
            for name, line in session.lines.items()
        }
        expected = {
            name: (line.running, [msg_id for msg_id, _ in line.queue]) for name, line in model.lines.items()
        }
        if (session.state, lines) != (model.state, expected):
            return False
        # A run that hangs has begun when it has said so.
        return all(
            self.has_said(live, line.running) or self.has_said_before(model, line.running)
            for line in model.lines.values()
            if line.running
        )

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
        for msg_id, (model, _, _, answers) in self.asked.items():
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
            followers = BESIDE if model.former or model.subshells else FOLLOWERS
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
                            content["execution_state"] in followers[state]
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
        for name, (model, line, content, answers) in self.asked.items():
            if not answers:
                self.submit(model.uid, content, name.partition(" ")[0], answers, line)

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

    def interrupted(self, model: Model, running: str) -> None:
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
