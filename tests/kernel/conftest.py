"""What tests of executors share: a session driven by hand, without service and feed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from antiphon_kernel.executors import Executor, Worker
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.executors.inline import InlineExecutor
from antiphon_kernel.link import Died, Published, Replied, Started, WorkerEvent
from antiphon_kernel.message import (
    NO_LIMITS,
    AnswerRequest,
    Content,
    DeleteSubshellRequest,
    ExecuteReply,
    ExecuteRequest,
    Header,
    InterruptRequest,
    Message,
    SessionLimits,
    SessionUID,
    Stream,
)
from tests.deadline import DEADLINE

from .daemons import Daemon

C = TypeVar("C", bound=Content)


class Outcome:
    """What one request led to."""

    def __init__(self) -> None:
        self.events: list[Published] = []
        self.reply: Content | None = None

    def all(self, kind: type[C]) -> list[C]:
        """The publications of one type."""
        return [event.content for event in self.events if isinstance(event.content, kind)]

    def one(self, kind: type[C]) -> C:
        (content,) = self.all(kind)
        return content

    def text(self, name: str = "stdout") -> str:
        return "".join(stream.text for stream in self.all(Stream) if stream.name == name)

    @property
    def executed(self) -> ExecuteReply:
        assert isinstance(self.reply, ExecuteReply), self.reply
        return self.reply


class Driver:
    """A worker and everything that it said."""

    def __init__(self) -> None:
        self.worker: Worker
        self.outcomes: dict[str, Outcome] = {}
        self.started: Started | None = None
        self.died: Died | None = None
        self.replies: list[str] = []
        self._changed = asyncio.Event()

    def hear(self, events: Sequence[WorkerEvent]) -> None:
        for event in events:
            assert self.died is None, f"{event} after death"
            match event:
                case Started():
                    self.started = event
                case Published(parent=parent):
                    self.outcome(parent).events.append(event)
                case Replied(parent=parent, content=content):
                    self.outcome(parent).reply = content
                    self.replies.append(parent)
                case Died():
                    self.died = event
        self._changed.set()

    def outcome(self, msg_id: str) -> Outcome:
        return self.outcomes.setdefault(msg_id, Outcome())

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition on what was said holds."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def send(self, content: Content, buffers: tuple[bytes, ...] = (), subshell: str = "") -> str:
        msg_id = f"request-{len(self.outcomes) + 1}"
        self.outcome(msg_id)
        header = Header(msg_id=msg_id, msg_type=content.msg_type, subshell_id=subshell)
        self.worker.send(Message(header=header, content=content, buffers=buffers))
        return msg_id

    def begin(
        self, code: str, *, allow_stdin: bool = True, silent: bool = False, subshell: str = ""
    ) -> Outcome:
        """Send code; gives what it leads to, which is not there yet."""
        content = ExecuteRequest(code=code, allow_stdin=allow_stdin, silent=silent)
        return self.outcome(self.send(content, subshell=subshell))

    async def run(self, code: str, **options: Any) -> Outcome:
        """Send code and wait for the reply."""
        outcome = self.begin(code, **options)
        await self.until(lambda: outcome.reply is not None or self.died)
        return outcome

    async def ask(self, content: Content, subshell: str = "") -> Content:
        """Send any request and wait for the reply."""
        outcome = await self.request(content, subshell=subshell)
        assert outcome.reply is not None, self.died
        return outcome.reply

    async def request(self, content: Content, buffers: tuple[bytes, ...] = (), subshell: str = "") -> Outcome:
        """Send any request and wait for all that it leads to."""
        outcome = self.outcome(self.send(content, buffers, subshell))
        await self.until(lambda: outcome.reply is not None or self.died)
        return outcome

    def answer(self, value: str, subshell: str = "") -> None:
        self._tell(AnswerRequest(prompt="prompt", value=value), subshell)

    def interrupt(self, subshell: str) -> None:
        self._tell(InterruptRequest(), subshell)

    def delete(self, subshell: str) -> None:
        self._tell(DeleteSubshellRequest(subshell_id=subshell))

    def _tell(self, content: Content, subshell: str = "") -> None:
        header = Header(msg_id=content.msg_type, msg_type=content.msg_type, subshell_id=subshell)
        self.worker.send(Message(header=header, content=content))

    async def death(self) -> str:
        await self.until(lambda: self.died)
        assert self.died is not None
        return self.died.reason


NewSession = Callable[[], Awaitable[Driver]]


async def new_driver(executor: Executor, limits: SessionLimits = NO_LIMITS) -> Driver:
    driver = Driver()
    driver.worker = await executor.start(SessionUID("session"), driver.hear, limits=limits)
    await driver.until(lambda: driver.started or driver.died)
    assert driver.died is None
    return driver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inline_executor() -> AsyncIterator[Executor]:
    executor = InlineExecutor()
    await executor.open()
    yield executor
    await executor.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def forked_executor() -> AsyncIterator[ForkedExecutor]:
    """One zygote for the tests of a file, with nothing preloaded and no spare worker."""
    executor = ForkedExecutor(preload=(), spares=0)
    await executor.open()
    yield executor
    await executor.close()


@pytest.fixture(params=["inline", "forked"])
def executor(request: pytest.FixtureRequest) -> Executor:
    found: Executor = request.getfixturevalue(f"{request.param}_executor")
    return found


async def _session_of(executor: Executor) -> AsyncIterator[Driver]:
    driver = await new_driver(executor)
    yield driver
    driver.worker.kill()
    await driver.death()


@pytest_asyncio.fixture(loop_scope="module")
async def session(executor: Executor) -> AsyncIterator[Driver]:
    """A session of each executor."""
    async for driver in _session_of(executor):
        yield driver


@pytest_asyncio.fixture(loop_scope="module")
async def forked(forked_executor: ForkedExecutor) -> AsyncIterator[Driver]:
    """A session in a process."""
    async for driver in _session_of(forked_executor):
        yield driver


@pytest.fixture
def new_forked(forked_executor: ForkedExecutor) -> NewSession:
    """Makes more sessions in processes of one zygote."""
    return lambda: new_driver(forked_executor)


@pytest.fixture
def directory() -> Iterator[Path]:
    # Short, not pytest's: the path of a Unix socket has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="antiphon-") as name:
        yield Path(name)


@pytest.fixture
def daemon(directory: Path) -> Iterator[Daemon]:
    """A daemon in a directory of its own."""
    daemon = Daemon(directory, "--started-by", "serve")
    yield daemon
    daemon.close()
