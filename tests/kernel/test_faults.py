"""What code may do to its own session, each fault with its word on the feed and an untouched neighbour.

One service with forked workers for all of them. A fault is a piece of code; what is expected is how the
run ends (``ends``: "ok", the name of the error, or "SessionDead"), what can be read on the feed (``says``:
patterns for all that was published, in this order) and, where the session lives on, that the next run
works. Every fault must leave a feed without gaps, exactly one ``execute_reply`` for the run, a session
whose state fits, and a neighbour that computes and remembers as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from antiphon_kernel.client import KernelClient
from antiphon_kernel.errors import MalformedMessage, RequestError, SessionClosed
from antiphon_kernel.executors import worker_process
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.message import (
    CommMsg,
    CommOpen,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    InputRequest,
    Message,
    SessionLimits,
    SessionUID,
    Status,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.transports.inprocess import InProcessTransport
from tests.deadline import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="module")


LIMITS = SessionLimits(memory_bytes=400 * 2**20)


class Kernel:
    """A service, a client of it, and the neighbour: a session that no test may harm."""

    def __init__(self, client: KernelClient, neighbour: SessionUID) -> None:
        self.client = client
        self._neighbour = neighbour
        self._runs = 0

    async def run(self, uid: SessionUID, code: str, **options: Any) -> ExecuteReply:
        return await self.client.execute(uid, code, timeout=DEADLINE, **options)

    async def check_neighbour(self) -> None:
        """It has its variable, its numbers and its output."""
        self._runs += 1
        before = (await self.client.session_info(self._neighbour)).latest
        reply = await self.run(self._neighbour, "count += 1\nprint(count)")
        assert reply.status == "ok", reply
        feed = await self.client.feed_since(self._neighbour, before)
        assert [m.header.number for m in feed.publications] == list(range(before + 1, feed.latest + 1))
        texts = [m.content.text for m in feed.publications if isinstance(m.content, Stream)]
        assert "".join(texts) == f"{self._runs}\n"

    async def feed(self, uid: SessionUID) -> list[Message]:
        """All that the session published, which are all numbers from 1 on."""
        messages: list[Message] = []
        latest = 1
        while len(messages) < latest:
            slice_ = await self.client.feed_since(uid, len(messages))
            assert slice_.gone is None
            messages += slice_.publications
            latest = slice_.latest
        assert [m.header.number for m in messages] == list(range(1, latest + 1))
        return messages

    async def until(self, uid: SessionUID, found: Callable[[list[Message]], Any]) -> list[Message]:
        """The feed, as soon as it is like this."""
        seen: list[Message] = []
        async with asyncio.timeout(DEADLINE):
            async for batch in self.client.follow(uid):
                seen += batch.publications
                if found(seen):
                    return seen
        raise AssertionError("the feed ended before")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel() -> AsyncIterator[Kernel]:
    executor = ForkedExecutor(preload=(), spares=2)
    async with (
        Service(
            executor,
            session_limits=LIMITS,
            interrupt_seconds=0.5,
            feed_bytes=2**28,
            feed_count=10**6,
        ) as service,
        KernelClient(InProcessTransport(service), "ada") as client,
    ):
        neighbour = await client.create_session("neighbour")
        await client.execute(neighbour, "count = 0", timeout=DEADLINE)
        yield Kernel(client, neighbour)


@pytest_asyncio.fixture(loop_scope="module")
async def uid(kernel: Kernel) -> AsyncIterator[SessionUID]:
    """A session for one fault."""
    uid = await kernel.client.create_session("fault")
    yield uid
    with contextlib.suppress(SessionClosed):  # by the test itself
        await kernel.client.close_session(uid)
    await kernel.check_neighbour()


def text_of(messages: list[Message]) -> str:
    """All that a reader of the feed can see, as one text."""
    parts: list[str] = []
    for message in messages:
        match message.content:
            case Stream(text=text):
                parts.append(text)
            case DisplayData(data=data, metadata=metadata) | ExecuteResult(data=data, metadata=metadata):
                parts.append(f"{data} {metadata}\n")
            case Error(ename=ename, evalue=evalue):
                parts.append(f"{ename}: {evalue}\n")
            case CommOpen(data=data) | CommMsg(data=data):
                parts.append(f"{data}\n")
            case Status(reason=reason) if reason:
                parts.append(f"{reason}\n")
    return "".join(parts)


class Fault(NamedTuple):
    """``after`` is run next and must be ok; None where the session does not outlive the fault."""

    name: str
    code: str
    ends: str
    says: tuple[str, ...] = ()
    after: str | None = "print('still', 'here')"


def dies(name: str, code: str, *says: str) -> Fault:
    return Fault(name, code, "SessionDead", says, None)


BROKEN = r"the code broke the process that it ran in, perhaps its file descriptors \(status 70\)"

DEATHS = [
    dies("segfault", "import ctypes; print('last'); ctypes.string_at(0)", "last", "killed by SIGSEGV"),
    dies("abort", "import os; print('last'); os.abort()", "last", "killed by SIGABRT"),
    dies("_exit", "import os; print('last'); os._exit(3)", "last", r"exited with status 3 \(os._exit\)"),
    dies("kill -9", "import os; print('last'); os.kill(os.getpid(), 9)", "last", "killed by SIGKILL"),
    dies("terminated", "import os; os.kill(os.getpid(), 15)", "killed by SIGTERM"),
    dies("out of memory", "x = []\nwhile True: x.append(bytearray(10**7))", "out of memory: used .*400 MiB"),
    dies(
        "recursion of C code",
        "import sys; sys.setrecursionlimit(10**9)\n"
        "class A:\n    def __repr__(self): return repr([self])\n"
        "repr(A())",
        "killed by SIGSEGV|out of memory",
    ),
    dies("closed link", "import os; print('last'); os.closerange(3, 1000)", "last", BROKEN),
    dies(
        "replaced link",
        "import os\nnull = os.open('/dev/null', os.O_RDWR)\n"
        "for n in range(3, 20): os.dup2(null, n) if n != null else None",
        BROKEN,
    ),
    dies(
        "garbage on the link",
        "import os\nfor n in os.listdir('/proc/self/fd'):\n"
        "    try: os.write(int(n), b'\\xff' * 100) if int(n) > 2 else None\n    except OSError: pass",
        "it sent what is not the protocol: no frame begins here",
    ),
    dies("builtins gone", "import builtins; vars(builtins).clear()", BROKEN),
    dies("socket patched", "import socket; socket.socket.sendall = None", BROKEN),
]

FORKS = [
    Fault(
        "child prints and returns to the shell",
        "import os\npid = os.fork()\nif pid == 0: print('child')\n"
        "else: print('parent', os.waitpid(pid, 0)[1])",
        "ok",
        ("child", "parent 0"),
    ),
    Fault(
        "child exits",
        "import os\npid = os.fork()\nif pid == 0:\n    print('child')\n    os._exit(3)\n"
        "print('parent', os.waitpid(pid, 0)[1] >> 8)",
        "ok",
        ("child", "parent 3"),
    ),
    Fault(
        "child raises",
        "import os\npid = os.fork()\nif pid == 0: raise ValueError('in the child')\n"
        "print('parent', os.waitpid(pid, 0)[1] >> 8)",
        "ok",
        ("ValueError.*in the child", "parent 1"),
    ),
    Fault(
        "child displays and asks",
        "import os\npid = os.fork()\nif pid == 0: display('shown'); input()\n"
        "print('parent', os.waitpid(pid, 0)[1] >> 8)",
        "ok",
        ("shown", "only be called in the session's own process", "parent 1"),
    ),
    Fault(
        "twenty children",
        "import os\npids = []\nfor n in range(20):\n    pid = os.fork()\n"
        "    if pid == 0: print('child', n); os._exit(0)\n    pids.append(pid)\n"
        "for pid in pids: os.waitpid(pid, 0)\nprint('all')",
        "ok",
        (r"(child \d+\n){20}all",),
    ),
]

DESCRIPTORS = [
    Fault(
        "closed 0, 1, 2",
        "import os, subprocess\nfor n in range(3): os.close(n)\nprint('printed')\n"
        "subprocess.run(['true'])\n"
        "print(subprocess.run(['echo', 'caught'], capture_output=True).stdout)",
        "ok",
        ("printed", "caught"),
    ),
    Fault(
        "write to closed 1", "import os; os.close(1); os.write(1, b'x')", "OSError", ("Bad file descriptor",)
    ),
    Fault(
        "descriptors run out",
        "import os\nopened = []\ntry:\n    while True: opened.append(os.open('/dev/null', 0))\n"
        "except OSError as error: print(error)",
        "ok",
        ("Too many open files",),
        "for n in opened: os.close(n)",
    ),
]

STREAMS = [
    Fault(
        "stdout is a StringIO",
        "import io, sys; sys.stdout = io.StringIO(); print('kept')",
        "ok",
        (),
        "kept = sys.stdout.getvalue(); sys.stdout = sys.__stdout__; print('got', kept)",
    ),
    Fault(
        "stdout is None",
        "import sys; sys.stdout = sys.stderr = None; print('lost'); 'a result'",
        "ok",
        ("a result",),
        "sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__; print('back')",
    ),
    Fault(
        "stdout cannot write",
        "import sys; sys.stdout = sys.stderr = object(); print('lost')",
        "AttributeError",
        ("no attribute 'write'",),
        "sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__; print('back')",
    ),
    Fault("stdout is closed", "import sys; sys.stdout.close(); print('on')", "ok", ("on",)),
    Fault(
        "a million prints", "for n in range(1_000_000): print(n)", "ok", (r"\A0\n1\n2\n", r"999998\n999999\n")
    ),
    Fault("100 MB in one print", "print('x' * 100_000_000, end='y')", "ok", (r"\Ax{65536}", "xy")),
]

A = "class A:\n    def {}(self, *a, **k): {}\n"

SURROGATES = [
    Fault(
        "printed",
        "import sys; print('\\udc80'); print('\\udc81', file=sys.stderr)",
        "ok",
        (r"\\udc80\n\\udc81",),
    ),
    Fault("in a result", A.format("__repr__", "return '\\udc80'") + "A()", "ok", (r"\\udc80",)),
    Fault("in HTML", A.format("_repr_html_", "return '\\udc80'") + "A()", "ok", (r"text/html': '\\\\udc80",)),
    Fault("in an exception", "raise ValueError('\\udc80')", "ValueError", (r"ValueError: \\udc80",)),
    Fault(
        "in a note",
        "e = ValueError(1); e.__notes__ = ['\\udc80', 3]; raise e",
        "ValueError",
        ("ValueError: 1",),
    ),
    Fault(
        "in a file's name",
        "exec(compile('1/0', '\\udc80', 'exec'))",
        "ZeroDivisionError",
        ("division by zero",),
    ),
    Fault(
        "in display data",
        "display({'text/plain': '\\udc80', 'application/json': {'\\udc81': ['\\udc82']}}, raw=True,"
        " metadata={'\\udc83': '\\udc84'}, display_id='\\udc85')",
        "ok",
        (r"udc80.*udc81.*udc82.*udc83.*udc84",),
    ),
    Fault(
        "in a comm",
        "import comm\nc = comm.create_comm(target_name='t', data={'\\udc81': '\\udc82'})\n"
        "c.send({'a': '\\udc83'})",
        "ok",
        (r"udc81.*udc82", "udc83"),
    ),
    Fault("in the next input", "get_ipython().set_next_input('\\udc80')", "ok"),
]

E = "class E(Exception):\n    def {}(self): {}\n"
NO_TEXT = "E: <the exception has no text>"

EXCEPTIONS = [
    Fault("str raises", E.format("__str__", "raise ValueError") + "raise E", "E", (NO_TEXT,)),
    Fault("str is none", E.format("__str__", "return None") + "raise E", "E", (NO_TEXT,)),
    Fault("str recurses", E.format("__str__", "return str(self)") + "raise E", "E", (NO_TEXT,)),
    Fault("repr raises", E.format("__repr__", "raise ValueError") + "raise E('told')", "E", ("E: told",)),
    Fault("str exits", E.format("__str__", "raise SystemExit") + "raise E", "WorkerFailed", ()),
    Fault(
        "name raises",
        "class M(type):\n    __name__ = property(lambda self: 1 / 0)\n"
        "class E(Exception, metaclass=M): pass\nraise E('told')",
        "<the exception has no name>",
        ("<the exception has no name>: told",),
    ),
    Fault(
        "traceback raises",
        "class E(Exception):\n    __traceback__ = property(lambda self: 1 / 0)\nraise E",
        "WorkerFailed",
    ),
    Fault(
        "50 MB", "raise ValueError('x' * 50_000_000)", "ValueError", (r"x{65536}… \(50000000 characters\)",)
    ),
    Fault("its own cause", "e = ValueError('round'); e.__cause__ = e; raise e", "ValueError", ("round",)),
    Fault("no exception", "class B(BaseException): pass\nraise B('base')", "B", ("B: base",)),
    Fault("sys.exit", "import sys; sys.exit(3)", "SystemExit", ("SystemExit: 3",)),
    Fault(
        "sys.exit in a thread",
        "import sys, threading; t = threading.Thread(target=sys.exit); t.start(); t.join()",
        "ok",
    ),
    Fault("cancelled", "import asyncio; raise asyncio.CancelledError", "CancelledError", ("CancelledError",)),
    Fault("GeneratorExit", "raise GeneratorExit('gen')", "GeneratorExit", ("GeneratorExit: gen",)),
    Fault("StopIteration", "import asyncio\nawait asyncio.sleep(0)\nraise StopIteration(3)", "StopIteration"),
    Fault(
        "source that is not text",
        "import os, tempfile\npath = os.path.join(tempfile.mkdtemp(), 'bad.py')\n"
        "with open(path, 'wb') as file: file.write(b'\\xff\\xfe\\x00' * 9 + b'\\n')\n"
        "exec(compile('\\n1/0', path, 'exec'))",
        "ZeroDivisionError",
        ("division by zero",),
    ),
    Fault(
        "line that is not there",
        "def f(): 1 / 0\nf.__code__ = f.__code__.replace(co_firstlineno=10**6)\nf()",
        "ZeroDivisionError",
        ("division by zero",),
    ),
    Fault(
        "source is a directory",
        "exec(compile('1/0', '/', 'exec'))",
        "ZeroDivisionError",
        ("division by zero",),
    ),
    Fault(
        "linecache broken",
        "import linecache; linecache.getlines = None\n1 / 0",
        "WorkerFailed",
        (),
    ),
]

DISPLAYS = [
    Fault(
        "html raises",
        A.format("_repr_html_", "raise ValueError('no html')") + "A()",
        "ok",
        ("ValueError: no html", "A at 0x"),
    ),
    Fault(
        "html exits",
        A.format("_repr_html_", "raise SystemExit('no')") + "A()",
        "SystemExit",
        ("SystemExit: no",),
    ),
    Fault(
        "html is none",
        A.format("_repr_html_", "return None") + "A()",
        "ok",
        (r"\A\{'text/plain': '<__main__.A",),
    ),
    *(
        Fault(
            f"html is {value}",
            A.format("_repr_html_", f"return {value}") + "A()",
            "ok",
            ("invalid type", "A at 0x"),
        )
        for value in ("b'bytes'", "3", "object()", "[1]")
    ),
    Fault(
        "html is beyond a publication",
        A.format("_repr_html_", "return 'x' * 40_000_000") + "A()",
        "ok",
        (r"MessageTooLarge: execute_result was left out: 40\d{6} bytes, limit 33554432",),
    ),
    Fault(
        "html is beyond a frame",
        A.format("_repr_html_", "return 'x' * 80_000_000") + "A()",
        "MessageTooLarge",
        (r"MessageTooLarge: a frame of 80\d{6} bytes; the limit is 67108864",),
    ),
    Fault(
        "repr raises",
        A.format("__repr__", "raise ValueError('no repr')") + "A()",
        "ok",
        ("ValueError: no repr",),
    ),
    Fault("repr recurses", A.format("__repr__", "return repr(self)") + "A()", "ok", ("RecursionError",)),
    Fault("bundle is a number", A.format("_repr_mimebundle_", "return 3") + "A()", "ok", ("A at 0x",)),
    Fault(
        "bundle's metadata is a set", A.format("_repr_mimebundle_", "return {1: 2}, {3}") + "A()", "TypeError"
    ),
    Fault("every attribute is a number", A.format("__getattr__", "return 3") + "A()", "ok", ("A at 0x",)),
    Fault(
        "every attribute raises",
        A.format("__getattribute__", "raise ValueError('none')") + "A()",
        "ok",
        ("ValueError",),
    ),
    Fault(
        "deep JSON",
        "x = {}\nfor n in range(5000): x = {'a': x}\ndisplay({'application/json': x}, raw=True)",
        "RecursionError",
        ("RecursionError",),
    ),
    Fault(
        "deep metadata",
        "x = []\nfor n in range(500): x = [x]\ndisplay({'text/plain': 'shown'}, raw=True, metadata={'x': x})",
        "ok",
        ("shown",),
    ),
    Fault(
        "JSON in itself",
        "x = {}; x['x'] = x\ndisplay({'application/json': x}, raw=True)",
        "ok",
        (r"\{\.\.\.\}",),
    ),
    Fault(
        "NaN and infinity",
        "nan, inf = float('nan'), float('inf')\n"
        "display({'application/json': [nan, inf, -inf, 1.5]}, raw=True, metadata={'n': nan})\n"
        "import comm; comm.create_comm(target_name='t', data={'n': nan}, primary=True);",
        "ok",
        (r"\[None, None, None, 1.5\]\} \{'n': None\}", r"\{'n': None\}"),
    ),
    Fault("ten thousand digits", "10**10000", "ok", ("Exceeds the limit",)),
]

MACHINERY = [
    Fault("recursion", "def f(): f()\nf()", "RecursionError", ("maximum recursion depth",)),
    Fault("recursion in repr of C", "x = []\nfor n in range(100_000): x = [x]\nrepr(x)", "RecursionError"),
    Fault("nested code", "(" * 1000 + ")" * 1000, "SyntaxError", ("too many nested parentheses",)),
    Fault(
        "deep code",
        "-" * 50_000 + "1",
        "MemoryError|RecursionError",
        (r"MemoryError: the code is nested too deeply to be compiled\n|RecursionError",),
    ),
    Fault("a null", "a\0b", "SyntaxError", ("null byte",)),
    Fault(
        "directory gone",
        "import os, tempfile\nd = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); print('gone')",
        "ok",
        ("gone",),
        "import json.tool; print(1)",
    ),
    Fault("displayhook none", "import sys; sys.displayhook = None", "ok", (), "1 + 1"),
    Fault(
        "displayhook raises",
        "import sys\ndef hook(value): raise ValueError('hooked')\nsys.displayhook = hook\n3",
        "ValueError",
        ("ValueError: hooked",),
        "1 + 1",
    ),
    Fault("excepthook none", "import sys; sys.excepthook = None; 1 / 0", "ZeroDivisionError", ("division",)),
    Fault("print none", "import builtins; builtins.print = None", "ok", (), "display('still here')"),
    Fault("open deleted", "import builtins; del builtins.open", "ok"),
    Fault(
        "import none",
        "import builtins\nkept, builtins.__import__ = builtins.__import__, None",
        "ok",
        (),
        None,
    ),
    Fault(
        "isinstance lies", "import builtins; builtins.isinstance = lambda *a: False", "WorkerFailed", (), None
    ),
    Fault("gc disabled", "import gc; gc.disable(); gc.unfreeze(); print(gc.isenabled())", "ok", ("False",)),
    Fault("json patched", "import json; json.dumps = json.loads = json.JSONEncoder = None", "ok"),
    Fault(
        "socket's class patched",
        "import select, socket; socket.socket = select.poll = select.select = None",
        "ok",
    ),
    Fault(
        "asyncio patched",
        "import asyncio; asyncio.Task = asyncio.Queue = asyncio.get_running_loop = None",
        "ok",
    ),
    Fault("msgspec patched", "import msgspec; msgspec.msgpack = msgspec.json = msgspec.Struct = None", "ok"),
    Fault("loop stopped", "import asyncio; asyncio.get_running_loop().stop()", "ok"),
    Fault(
        "loop closed", "import asyncio; asyncio.get_running_loop().close()", "RuntimeError", ("Cannot close",)
    ),
    Fault(
        "tasks cancelled",
        "import asyncio\nfor task in asyncio.all_tasks(): task.cancel()",
        "ok|CancelledError",
    ),
    Fault("modules gone", "import sys; sys.modules.clear()", "ok|.*Error|WorkerFailed", (), None),
    Fault("namespace gone", "globals().clear()", "ok"),
    Fault("shell broken", "get_ipython().run_cell_async = None", "ok", (), None),
    Fault(
        "hooks raise",
        "def bad(*a): raise ValueError('hook')\nget_ipython().events.register('post_execute', bad)",
        "ok",
        ("ValueError: hook",),
    ),
    Fault(
        "error handler raises",
        "def bad(*a, **k): raise ValueError\nget_ipython().set_custom_exc((Exception,), bad)\n1 / 0",
        "ZeroDivisionError",
        ("Custom TB Handler failed", "ZeroDivisionError"),
    ),
    Fault(
        "address space",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1, 1)); bytearray(10**7)",
        "MemoryError",
        ("MemoryError",),
    ),
]

FAULTS = {
    "death": DEATHS,
    "fork": FORKS,
    "descriptor": DESCRIPTORS,
    "stream": STREAMS,
    "surrogate": SURROGATES,
    "exception": EXCEPTIONS,
    "display": DISPLAYS,
    "machinery": MACHINERY,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=f"{kind}: {fault.name}") for kind, faults in FAULTS.items() for fault in faults],
)
async def test_fault_ends_with_a_word_and_an_untouched_neighbour(
    kernel: Kernel, uid: SessionUID, fault: Fault
) -> None:
    reply = await kernel.run(uid, fault.code)
    assert re.fullmatch(fault.ends, reply.ename or reply.status), reply
    if fault.ends == "SessionDead":
        with pytest.raises(RequestError, match=re.escape(reply.evalue)):
            await kernel.run(uid, "1")
        info = await kernel.client.session_info(uid)
        assert (info.execution_state, info.reason) == ("dead", reply.evalue)
    elif fault.after is not None:
        after = await kernel.run(uid, fault.after)
        assert after.status == "ok", after
        assert (await kernel.client.session_info(uid)).execution_state == "idle"
    messages = await kernel.feed(uid)
    assert sum(isinstance(message.content, ExecuteReply) for message in messages) == 1 + (
        fault.after is not None
    )
    text, place = text_of(messages), 0
    for pattern in fault.says:
        found = re.compile(pattern).search(text, place)
        assert found, (pattern, text[place : place + 2000])
        place = found.end()


# --- what a table cannot say


@pytest.mark.slow
async def test_code_that_leaves_no_memory_is_answered_and_so_is_what_follows(
    kernel: Kernel, uid: SessionUID
) -> None:
    """By what, is a matter of luck: a MemoryError, or the end of the session."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1, 1)); kept = []\n"
    await kernel.run(uid, limit + "while True: kept.append(bytearray(40_000))")
    for _ in range(3):
        with contextlib.suppress(RequestError):
            await kernel.run(uid, "1")


@pytest.mark.parametrize("word", ["exit()", "quit()"])
async def test_exit_ends_the_session_with_its_reason(kernel: Kernel, uid: SessionUID, word: str) -> None:
    assert (await kernel.run(uid, word)).status == "ok"
    seen = await kernel.until(
        uid, lambda seen: seen[-1].content == Status(execution_state="dead", reason="ended by exit()")
    )
    assert seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import atexit, time; atexit.register(time.sleep, 1000); exit()",
        "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start(); exit()",
        "import atexit; atexit.register(lambda: 1 / 0); exit()",
    ],
    ids=["atexit hangs", "thread never ends", "atexit raises"],
)
async def test_nothing_holds_up_the_end(
    kernel: Kernel, uid: SessionUID, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "LEAVE_SECONDS", 0.2)
    await kernel.run(uid, code)
    seen = await kernel.until(uid, lambda seen: getattr(seen[-1].content, "execution_state", "") == "dead")
    assert seen[-1].content == Status(execution_state="dead", reason="ended by exit()")


HANG = "\n        print('on')\n        while True: pass\n"

HANGS = {
    "html": A.format("_repr_html_", HANG) + "A()",
    "repr": A.format("__repr__", HANG) + "A()",
    "sleep": "import time\nprint('on')\ntime.sleep(1000)",
    "post hook": (
        "def wait():\n    print('on')\n    while True: pass\n"
        "get_ipython().events.register('post_execute', wait)"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS.keys())
async def test_hang_is_interrupted_and_the_session_lives(kernel: Kernel, uid: SessionUID, code: str) -> None:
    await kernel.run(uid, "x = 1")
    running = kernel.client.submit(uid, ExecuteRequest(code=code))
    await kernel.until(uid, lambda seen: "on" in text_of(seen))
    await kernel.client.interrupt(uid)
    async with asyncio.timeout(DEADLINE):
        assert isinstance(await running, ExecuteReply)
    assert "KeyboardInterrupt" in text_of(await kernel.feed(uid))
    if "post_execute" in code:
        return  # it hangs again, as it was told to
    assert (await kernel.run(uid, "assert x == 1")).status == "ok"


async def test_user_expression_that_hangs_is_interrupted(kernel: Kernel, uid: SessionUID) -> None:
    await kernel.run(uid, "def wait():\n    print('on')\n    while True: pass")
    running = kernel.client.submit(uid, ExecuteRequest(code="1;", user_expressions={"a": "wait()", "b": "2"}))
    await kernel.until(uid, lambda seen: "on" in text_of(seen))
    await kernel.client.interrupt(uid)
    async with asyncio.timeout(DEADLINE):
        reply = await running
    assert isinstance(reply, ExecuteReply)
    assert reply.user_expressions["a"]["ename"] == "KeyboardInterrupt"
    assert reply.user_expressions["b"]["data"] == {"text/plain": "2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals());",
    ],
    ids=["ignored", "masked"],
)
async def test_a_signal_that_was_blocked_is_let_through_again(
    kernel: Kernel, uid: SessionUID, fault: str
) -> None:
    await kernel.run(uid, fault)
    running = kernel.client.submit(uid, ExecuteRequest(code="print('on')\nwhile True: pass"))
    await kernel.until(uid, lambda seen: "on" in text_of(seen))
    await kernel.client.interrupt(uid)
    async with asyncio.timeout(DEADLINE):
        reply = await running
    assert getattr(reply, "ename", "") == "KeyboardInterrupt"


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "print('on')\nwhile True: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on')\nwhile True: pass",
        "while True:\n    try:\n        print('on')\n        while True: pass\n"
        "    except KeyboardInterrupt: pass",
    ],
    ids=["masked", "ignored", "caught"],
)
async def test_code_that_no_interrupt_stops_is_told_of_and_ends_with_a_restart(
    kernel: Kernel, uid: SessionUID, code: str
) -> None:
    running = kernel.client.submit(uid, ExecuteRequest(code=code))
    await kernel.until(uid, lambda seen: "on" in text_of(seen))
    await kernel.client.interrupt(uid)
    await kernel.until(uid, lambda seen: "a restart ends it" in text_of(seen))
    await kernel.client.restart_session(uid)
    async with asyncio.timeout(DEADLINE):
        reply = await running
    assert (reply.ename, reply.evalue) == ("SessionDead", "restarted by ada")  # type: ignore[union-attr]
    assert (await kernel.run(uid, "1")).status == "ok"


PROGRAM_OF_ITS_OWN = """
import signal, subprocess, sys
script = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
program = subprocess.Popen([sys.executable, "-c", script], stdout=-1, text=True, start_new_session=True)
print("program", program.stdout.readline(), end="")
"""
"""Starts a program that an interrupt does not reach, in a session of the operating system that is its own."""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["restart", "close"])
async def test_an_end_takes_all_that_did_not_heed_the_interrupt(
    kernel: Kernel, uid: SessionUID, end: str
) -> None:
    code = PROGRAM_OF_ITS_OWN + "signal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on')\nprogram.wait()"
    running = kernel.client.submit(uid, ExecuteRequest(code=code))
    seen = await kernel.until(uid, lambda seen: "on" in text_of(seen))
    processes = [
        int(text_of(seen).split("program ")[1].split()[0]),
        (await kernel.client.session_info(uid)).pid,
    ]
    ends = [os.pidfd_open(process) for process in processes]
    await kernel.client.interrupt(uid)
    await kernel.until(uid, lambda seen: "a restart ends it" in text_of(seen))
    if end == "restart":
        await kernel.client.restart_session(uid)
    else:
        await kernel.client.close_session(uid)
    for descriptor in ends:
        await until_ended(descriptor)
    async with asyncio.timeout(DEADLINE):
        reply = await running
    assert getattr(reply, "ename", "") == ("SessionDead" if end == "restart" else "SessionClosed")


async def until_ended(pidfd: int) -> None:
    """Wait for a process, and close its descriptor."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(DEADLINE):
            await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


@pytest.mark.slow
async def test_a_subshell_that_waits_in_c_is_told_of_and_ends_with_a_restart(
    kernel: Kernel, uid: SessionUID
) -> None:
    subshell = await kernel.client.create_subshell(uid)
    # The interrupt may come before it sleeps.
    code = (
        "import time\ntry:\n    print('on')\n    time.sleep(1000)\nexcept KeyboardInterrupt: time.sleep(1000)"
    )
    sleeping = kernel.client.submit(uid, ExecuteRequest(code=code), subshell_id=subshell)
    await kernel.until(uid, lambda seen: "on" in text_of(seen))
    await kernel.client.interrupt(uid, subshell_id=subshell)
    await kernel.until(uid, lambda seen: "a restart ends it" in text_of(seen))
    assert (await kernel.run(uid, "1")).status == "ok"
    info = await kernel.client.session_info(uid)
    assert (info.execution_state, info.running) == ("interrupted", "")
    await kernel.client.restart_session(uid)
    async with asyncio.timeout(DEADLINE):
        assert getattr(await sleeping, "ename", "") == "SessionDead"


@pytest.mark.slow
async def test_daemon_thread_goes_on_printing_for_its_cell(kernel: Kernel, uid: SessionUID) -> None:
    code = (
        "import threading\ngo = threading.Event()\n"
        "def late():\n    go.wait()\n    print('late', flush=True)\n    1 / 0\n"
        "threading.Thread(target=late, daemon=True).start()"
    )
    await kernel.client.execute(uid, code, msg_id="first", timeout=DEADLINE)
    await kernel.run(uid, "go.set()")
    seen = await kernel.until(uid, lambda seen: "ZeroDivisionError" in text_of(seen))
    late = next(m for m in seen if isinstance(m.content, Stream) and "late" in m.content.text)
    assert late.parent_header is not None
    assert late.parent_header.msg_id == "first"


async def test_surrogates_in_what_is_asked_are_answered(kernel: Kernel, uid: SessionUID) -> None:
    with pytest.raises(MalformedMessage):  # a surrogate has no form on the wire
        await kernel.run(uid, "'\udc80'")
    reply = await kernel.run(uid, "x = 1", user_expressions={"a": "'\\udc80' + A", "b": "chr(0xdc80)"})
    assert reply.user_expressions["a"]["ename"] == "NameError"
    assert reply.user_expressions["b"]["data"] == {"text/plain": "'\\udc80'"}
    running = kernel.client.submit(uid, ExecuteRequest(code="input('\\udc80')", allow_stdin=True), msg_id="i")
    seen = await kernel.until(uid, lambda seen: isinstance(seen[-1].content, InputRequest))
    assert seen[-1].content == InputRequest(prompt="\\udc80")
    await kernel.client.answer(uid, seen[-1].header.msg_id, "done")
    async with asyncio.timeout(DEADLINE):
        assert getattr(await running, "status", "") == "ok"


async def test_comm_callback_that_raises_is_told(kernel: Kernel, uid: SessionUID) -> None:
    code = (
        "import sys\ndef opened(comm, message):\n"
        "    comm.on_msg(lambda message: 1 / 0)\n"
        "get_ipython().kernel.comm_manager.register_target('t', opened)"
    )
    await kernel.run(uid, code)
    for content in (
        CommOpen(comm_id="c", target_name="t"),
        CommMsg(comm_id="c", data={}),
        CommOpen(comm_id="d", target_name="unknown"),
    ):
        async with asyncio.timeout(DEADLINE):
            assert not isinstance(await kernel.client.submit(uid, content), ErrorReply)
    text = text_of(await kernel.feed(uid))
    assert "ZeroDivisionError: division by zero" in text
    assert "Nothing in this session takes comms of 'unknown'." in text
    assert (await kernel.run(uid, "1")).status == "ok"
