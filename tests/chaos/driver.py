"""Kill the web server and the kernel daemon with -9 under writing and running clients, and count.

``python -m tests.chaos.driver --kills 200 --seed N [--database sqlite|postgresql] [--servers 2]``

Clients keep a ledger: every write that was answered stands in it before the next one is sent; one that
was not answered is sent again, with the same ids, until it is. At the end every process is up, nothing
is open any more, and the ledger is compared with what the server tells:

- each acknowledged write is in the worksheet's log once, and the cells are the fold of the log;
- a reader that followed by its cursors over all kills missed nothing and got nothing twice;
- each accepted run has one outcome, ran at most once, and its outputs are all there and in order.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from antiphon_client.errors import ClientError, NotAntiphon, NotSignedIn, RpcError, ServerUnreachable
from antiphon_client.rpc import Rpc
from antiphon_webserver.changes import apply, units
from antiphon_webserver.secret import new_id
from tests.conftest import AntiphonServer
from tests.webserver.conftest import postgresql

PATIENCE_SECONDS = 120.0
"""Until an answer, and until the last run has ended: for a machine that does much else."""

AWAY = {"KernelUnavailable", "DeadlinePassed"}
"""Errors that say: not now. Everything else that a client is told counts as it stands."""

OUTCOMES = {"ok", "error", "interrupted", "cancelled", "died", "lost"}
OPEN_RUNS = 4
SHORT_LIVES = 2
"""Kernels of one web server that are killed one after the other; a third would be one too many for its
keeper, which then takes something to be wrong with the kernel."""


class Wrong(Exception):
    """Something was lost, doubled or untrue."""


class Chaos:
    """What the clients share: the server, when to end, and what went wrong."""

    def __init__(self, servers: Sequence[AntiphonServer], seed: int) -> None:
        self.servers = servers
        self.seed = seed
        self.ending = threading.Event()
        self.all_read = threading.Event()
        self.moved = threading.Condition()
        self.failures: list[str] = []
        self.lists = servers[0].home / "executed"
        self.worksheet = ""

    def fail(self, sentence: str) -> None:
        self.failures.append(sentence)
        self.ending.set()

    def spawn(self, client: Client) -> None:
        def work() -> None:
            try:
                client.work()
            except Exception as error:
                self.fail(f"{client.name}: {type(error).__name__}: {error}")
            finally:
                client.close()

        client.thread = threading.Thread(target=work, name=client.name)
        client.thread.start()


class Client:
    """One client with its own connection, dice and part of the ledger."""

    def __init__(self, chaos: Chaos, name: str) -> None:
        self.chaos = chaos
        self.name = name
        self.dice = random.Random(f"{chaos.seed} {name}")
        self.thread: threading.Thread | None = None
        self.again = 0
        self._rpc: Rpc | None = None
        self._at = self.dice.randrange(len(chaos.servers))

    def work(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None

    def turn_away(self) -> None:
        """What one server does not answer, the next one may."""
        self.close()
        self._at = (self._at + 1) % len(self.chaos.servers)

    def once(self, method: str, /, wait: float = 0.0, **params: Any) -> Any:
        """Ask once. The address and the token are those of the server that runs now."""
        if wait:
            params["wait"] = wait
        try:
            if self._rpc is None:
                server = self.chaos.servers[self._at]
                self._rpc = Rpc(server.url, server.token)
            return self._rpc.call(method, params, object, wait=wait)
        except (ServerUnreachable, NotAntiphon, NotSignedIn, OSError, ValueError):
            self.turn_away()
            raise

    def call(self, method: str, /, wait: float = 0.0, **params: Any) -> Any:
        """Ask until there is an answer. Raises ``RpcError`` for one that is a refusal."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.once(method, wait, **params)
            except RpcError as error:
                if not isinstance(error, NotSignedIn) and error.name not in AWAY:
                    raise
                last: Exception = error
            except (ClientError, OSError, ValueError) as error:  # the runtime file comes and goes
                last = error
            if self.chaos.failures:
                raise Wrong(f"{method} was given up, as something else had failed: {last}")
            if time.monotonic() > deadline:
                raise Wrong(f"{method} was not answered in {PATIENCE_SECONDS:g} s: {last}")
            self.again += 1
            time.sleep(0.05)


class Writer(Client):
    """Adds, edits, moves and deletes cells; one cell it edits together with the other writers.

    ``edits``: edit id to the token that it inserted and its cell; ``cells``: those that it made;
    ``deleted``: those that it took out again.
    """

    def __init__(self, chaos: Chaos, name: str, shared: str) -> None:
        super().__init__(chaos, name)
        self.shared = shared
        self.texts: dict[str, tuple[int, str]] = {shared: (0, "")}
        self.edits: dict[str, tuple[str, str]] = {}
        self.cells: set[str] = set()
        self.deleted: set[str] = set()

    def work(self) -> None:
        count = 0
        while not self.chaos.ending.is_set():
            count += 1
            own = sorted(self.cells - self.deleted)
            match self.dice.choices(("edit", "create", "move", "delete"), (12, 2, 2, 1))[0]:
                case "create" if len(own) < 12:
                    self.create(own)
                case "move" if len(own) > 1:
                    cell, after = self.dice.sample(own, 2)
                    self.call("cell.move", worksheet=self.chaos.worksheet, cell=cell, after=after)
                case "delete" if len(own) > 6:
                    self.delete(self.dice.choice(own))
                case _:
                    self.edit(self.dice.choice([self.shared, *own]), f"{self.name}-{count}\n")
            time.sleep(0.01)

    def create(self, own: list[str]) -> None:
        cell, source = new_id(), "# ä 🎈\n"
        after = self.dice.choice([None, *own])
        self.call(
            "cell.create",
            worksheet=self.chaos.worksheet,
            after=after,
            cell=cell,
            source=source,
            type="markdown",
        )
        self.cells.add(cell)
        self.texts[cell] = (0, source)

    def delete(self, cell: str) -> None:
        try:
            self.call("cell.delete", worksheet=self.chaos.worksheet, cell=cell)
        except RpcError as error:
            if error.name != "NotFound":  # the first call's answer was lost
                raise
        self.deleted.add(cell)

    def edit(self, cell: str, token: str) -> None:
        while True:
            version, text = self.texts[cell]
            at = self.dice.choice([0, *(i + 1 for i, char in enumerate(text) if char == "\n")])
            before, after = units(text[:at]), units(text[at:])
            changes = [part for part in (before, [0, *token.split("\n")], after) if part]
            edit = new_id()
            try:
                answer = self.call(
                    "cell.edit",
                    worksheet=self.chaos.worksheet,
                    cell=cell,
                    version=version,
                    changes=changes,
                    edit=edit,
                )
            except RpcError as error:
                if error.name != "Conflict":
                    raise
                self.texts[cell] = (error.data["version"], error.data["source"])
                continue
            self.edits[edit] = (cell, token)
            if answer["version"] != version + 1:
                raise Wrong(f"edit {edit} of version {version} made version {answer['version']}")
            self.texts[cell] = (version + 1, text[:at] + token + text[at:])
            return


class Code:
    """Some code that says of itself how it should run: once, with these lines, to that end."""

    def __init__(self, chaos: Chaos, dice: random.Random, token: str) -> None:
        self.token = token
        self.lines = dice.choice((1, 3, 20, 200))
        self.state = dice.choices(("ok", "error"), (12, 1))[0]
        nap = dice.choice((0, 0, 0.02, 0.3, 1.5))
        self.source = (
            f"import time\n"
            f"with open({str(chaos.lists)!r}, 'a') as file:\n"
            f"    print({token!r}, file=file)\n"
            f"for i in range({self.lines}):\n"
            f"    print({token!r}, i, flush=i % 7 == 0)\n"
            f"    time.sleep({nap / self.lines})\n" + ("" if self.state == "ok" else "1 / 0\n")
        )

    @property
    def output(self) -> str:
        return "".join(f"{self.token} {i}\n" for i in range(self.lines))


class Runner(Client):
    """Edits a cell of its own and runs it, in one call. ``runs``: what was accepted, by the run's id."""

    def __init__(self, chaos: Chaos, name: str, cell: str, reader: Reader) -> None:
        super().__init__(chaos, name)
        self.cell = cell
        self.reader = reader
        self.runs: dict[str, tuple[str, Code]] = {}

    def work(self) -> None:
        version = 0
        while not self.chaos.ending.is_set():
            code = Code(self.chaos, self.dice, f"{self.name}-{version}")
            run = self.call(
                "cell.run",
                worksheet=self.chaos.worksheet,
                cell=self.cell,
                source=code.source,
                version=version,
                run=new_id(),
            )
            version += 1
            self.runs[run["id"]] = (run["msg_id"], code)
            with self.chaos.moved:
                while self.open > OPEN_RUNS and not self.chaos.ending.is_set():
                    self.chaos.moved.wait(0.5)

    @property
    def open(self) -> int:
        return len(self.runs.keys() - self.reader.ended.keys())


class Caller(Client):
    """Runs code and waits for its outputs, in one call. That has no id: what is not answered is left."""

    def __init__(self, chaos: Chaos, name: str, worksheet: str) -> None:
        super().__init__(chaos, name)
        self.worksheet = worksheet
        self.answered: collections.Counter[str] = collections.Counter()

    def work(self) -> None:
        count = 0
        while not self.chaos.ending.is_set():
            count += 1
            code = Code(self.chaos, self.dice, f"{self.name}-{count}")
            params = {"worksheet": self.worksheet} if self.dice.random() < 0.7 else {}
            try:
                ran = self.once("session.run", code=code.source, timeout=60, **params)
            except RpcError as error:
                if not isinstance(error, NotSignedIn) and error.name not in AWAY:
                    raise
            except (ClientError, OSError, ValueError):
                time.sleep(0.05)
            else:
                self.check(code, ran)

    def check(self, code: Code, ran: dict[str, Any]) -> None:
        self.answered[ran["state"]] += 1
        text = "".join(each["text"] for each in ran["outputs"] if each["output_type"] == "stream")
        if ran["state"] in ("ok", "error"):
            if ran["state"] != code.state or (text != code.output and not ran["reason"]):
                raise Wrong(f"session.run {code.token} is {ran['state']} with {text!r}")
        elif not ran["reason"]:
            raise Wrong(f"session.run {code.token} is {ran['state']} without a reason")


class Reader(Client):
    """Follows the worksheet's log and the feeds of its sessions by cursor alone."""

    def __init__(self, chaos: Chaos, name: str) -> None:
        super().__init__(chaos, name)
        self.entries: list[dict[str, Any]] = []
        self.sessions: list[str] = []
        self.ended: dict[str, dict[str, Any]] = {}
        self.feeds: dict[str, list[dict[str, Any]]] = {}
        self.gone: list[tuple[int, int]] = []

    def work(self) -> None:
        while not self.chaos.all_read.is_set():
            self.read_log()
            for session in self.sessions[-2:]:
                self.read_feed(session)

    def read_log(self, wait: float = 0.2) -> int:
        cursor = len(self.entries)
        page = self.call("worksheet.since", wait, worksheet=self.chaos.worksheet, cursor=cursor)
        for entry in page["entries"]:
            cursor += 1
            if entry["number"] != cursor:
                raise Wrong(f"entry {entry['number']} came where {cursor} was due")
            self.entries.append(entry)
            if entry["kind"] == "session_opened":
                self.sessions.append(entry["session"])
            if entry["kind"] == "run_ended":
                if entry["run"] in self.ended:
                    raise Wrong(f"run {entry['run']} ended twice")
                with self.chaos.moved:
                    self.ended[entry["run"]] = entry
                    self.chaos.moved.notify_all()
        return len(page["entries"])

    def read_feed(self, session: str) -> int:
        feed = self.feeds.setdefault(session, [])
        cursor = feed[-1]["number"] if feed else 0
        page = self.call("feed.since", session=session, cursor=cursor)
        gone = page["gone"]
        for publication in page["publications"]:
            cursor += 1
            if gone and gone[0] == cursor:
                self.gone.append((gone[0], gone[1]))
                cursor = gone[1] + 1
            if publication["number"] != cursor:
                raise Wrong(f"publication {publication['number']} came where {cursor} was due, gone: {gone}")
            feed.append(publication)
        return len(page["publications"])


class Killer:
    """Kills one process or both, at random moments, and brings the web server back."""

    def __init__(self, chaos: Chaos, kills: int, say: Callable[[str], None]) -> None:
        self.chaos = chaos
        self.left = kills
        self.counts: collections.Counter[str] = collections.Counter()
        self.dice = random.Random(f"{chaos.seed} killer")
        self.say = say

    def work(self) -> None:
        lives = 0
        while self.left > 0 and not self.chaos.ending.is_set():
            self.chaos.ending.wait(self.dice.choice((0.05, 0.3, 1.0, 2.0)) * self.dice.random())
            if lives < SHORT_LIVES and self.dice.random() < 0.6:
                lives += self.kill_kernel()
                continue
            # The first server starts the kernel again, if it is killed.
            server = self.dice.choice(self.chaos.servers)
            lives = 0 if server is self.chaos.servers[0] else lives
            server.kill()
            self.count("web server")
            if len(self.chaos.servers) > 1:
                self.chaos.ending.wait(self.dice.choice((0, 0.5, 2)) * self.dice.random())
            while server is self.chaos.servers[0] and self.left > 0 and self.dice.random() < 0.3:
                if not self.kill_kernel():
                    break
            server.restart()
            self.say(f"{self.left} kills are left")

    def kill_kernel(self) -> int:
        """How many were there to be killed: one or none."""
        try:
            pid = self.chaos.servers[0].kernel_pid
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if str(self.chaos.servers[0].data).encode() not in words:
                return 0
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError, KeyError):
            return 0
        self.count("kernel")
        return 1

    def count(self, what: str) -> None:
        self.left -= 1
        self.counts[what] += 1


def fold(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The cells, in their order, with their texts, after the entries."""
    order: list[str] = []
    texts: dict[str, str] = {}
    for entry in entries:
        match entry["kind"]:
            case "cell_created":
                cell = entry["cell"]
                if cell["id"] in texts:
                    raise Wrong(f"cell {cell['id']} was made twice")
                texts[cell["id"]] = cell["source"]
                order.insert(order.index(entry["after"]) + 1 if entry["after"] else 0, cell["id"])
            case "cell_edited":
                changes = tuple(tuple(p) if isinstance(p, list) else p for p in entry["changes"])
                texts[entry["cell"]] = apply(changes, texts[entry["cell"]])
            case "cell_moved":
                order.remove(entry["cell"])
                order.insert(order.index(entry["after"]) + 1 if entry["after"] else 0, entry["cell"])
            case "cell_deleted":
                order.remove(entry["cell"])
    return [(cell, texts[cell]) for cell in order]


def check_writes(reader: Reader, writers: list[Writer], cells: list[tuple[str, str]]) -> list[str]:
    """What is wrong with the writers' ledgers."""
    wrong = []
    kinds = collections.Counter(
        (entry["kind"], entry["cell"]["id"] if entry["kind"] == "cell_created" else entry.get("cell"))
        for entry in reader.entries
    )
    edits = collections.Counter(
        entry.get("edit") for entry in reader.entries if entry["kind"] == "cell_edited"
    )
    texts = dict(cells)
    for writer in writers:
        wrong += [
            f"edit {edit} is in the log {edits[edit]} times" for edit in writer.edits if edits[edit] != 1
        ]
        wrong += [
            f"cell {cell} was created {kinds['cell_created', cell]} times"
            for cell in writer.cells
            if kinds["cell_created", cell] != 1
        ]
        wrong += [
            f"cell {cell} was deleted {kinds['cell_deleted', cell]} times"
            for cell in writer.cells
            if kinds["cell_deleted", cell] != (cell in writer.deleted)
        ]
        wrong += [
            f"{token.strip()} stands {texts[cell].split(chr(10)).count(token.strip())} times in its cell"
            for cell, token in writer.edits.values()
            if cell not in writer.deleted and texts.get(cell, "").split("\n").count(token.strip()) != 1
        ]
    return wrong


def check_runs(chaos: Chaos, reader: Reader, runners: list[Runner]) -> list[str]:
    """What is wrong with the runs."""
    wrong = []
    executed = collections.Counter(chaos.lists.read_text().split() if chaos.lists.exists() else [])
    wrong += [f"{token} was executed {count} times" for token, count in executed.items() if count > 1]
    texts: collections.defaultdict[str, str] = collections.defaultdict(str)
    for feed in reader.feeds.values():
        for publication in feed:
            if publication["msg_type"] == "stream":
                texts[publication["parent"]] += publication["content"]["text"]
    for runner in runners:
        for run, (msg_id, code) in runner.runs.items():
            ended = reader.ended[run]
            told = f"{code.token} ended as {ended['state']} ({ended['reason']})"
            text = texts[msg_id]
            if ended["state"] not in OUTCOMES:
                wrong.append(told)
            elif ended["state"] in ("ok", "error"):
                if ended["state"] != code.state:
                    wrong.append(f"{told}, not as {code.state}")
                if text != code.output and not ended["reason"]:
                    wrong.append(f"{told} with {len(text)} of {len(code.output)} characters: {text[-80:]!r}")
                if executed[code.token] != 1:
                    wrong.append(f"{told} and was never executed")
            elif not ended["reason"]:
                wrong.append(f"{told}, without a reason")
            elif not code.output.startswith(text):
                wrong.append(f"{told} with other outputs than its own: {text[-80:]!r}")
    return wrong


def compare_feeds(followed: Reader, again: Reader) -> list[str]:
    """Who reads the feeds later gets what who followed them got, but for what is told to be gone: a kernel
    and a web server that are killed at once take what they had not stored yet."""
    wrong = []
    for session, feed in followed.feeds.items():
        later = {publication["number"]: publication for publication in again.feeds.get(session, [])}
        for publication in feed:
            number = publication["number"]
            told = any(first <= number <= last for first, last in again.gone)
            if later.pop(number, None) != publication and not told:
                wrong.append(f"publication {number} of {session} is not there any more, or another one")
        wrong += [f"publication {number} of {session} was not told to who followed" for number in later]
    return wrong


def drive(
    servers: Sequence[AntiphonServer], kills: int, seed: int, say: Callable[[str], None] = print
) -> list[str]:
    """Everything. Gives what is wrong, a sentence each.

    Args:
        servers: running, the first one with its own kernel, which all have; they are this call's alone. They
            may be killed and run afterwards.
        say: hears how it goes on, and what happened in numbers.
    """
    chaos = Chaos(servers, seed)
    reader = Reader(chaos, "reader")
    chaos.worksheet = reader.call("worksheet.create", worksheet=new_id())["id"]
    other = reader.call("worksheet.create", worksheet=new_id())["id"]
    shared = reader.call("worksheet.open", worksheet=chaos.worksheet)["cells"][0]["id"]
    made = [new_id() for _ in range(2)]
    for cell in made:
        reader.call("cell.create", worksheet=chaos.worksheet, cell=cell)
    # A kernel whose first workers are still being made keeps no sessions when it is killed.
    reader.call("session.run", worksheet=chaos.worksheet, code="1")
    writers = [Writer(chaos, f"writer{i}", shared) for i in range(2)]
    runners = [Runner(chaos, f"runner{i}", cell, reader) for i, cell in enumerate(made)]
    caller = Caller(chaos, "caller", other)
    clients: list[Client] = [*writers, *runners, caller]
    killer = Killer(chaos, kills, say)
    try:
        for client in (reader, *clients):
            chaos.spawn(client)
        killer.work()
    except BaseException as error:
        chaos.fail(f"the server: {error}")
    finally:
        chaos.ending.set()
        for client in clients:
            if client.thread is not None:
                client.thread.join()
        deadline = time.monotonic() + PATIENCE_SECONDS
        with chaos.moved:
            while any(runner.open for runner in runners) and not chaos.failures:
                if time.monotonic() > deadline:
                    break
                chaos.moved.wait(1.0)
        chaos.all_read.set()
        if reader.thread is not None:
            reader.thread.join()
    return chaos.failures or finish(chaos, reader, writers, runners, caller, killer, say)


def describe(reader: Reader, runners: list[Runner], still: list[str]) -> list[str]:
    """What is known of runs that never ended: for whoever looks for the reason."""
    rows = {entry["run"]["id"]: entry["run"] for entry in reader.entries if entry["kind"] == "run_created"}
    said = [
        f"{run}: {[r.runs[run][1].token for r in runners if run in r.runs]} {rows.get(run)}" for run in still
    ]
    for session in sorted({rows[run]["session"] for run in still if run in rows}):
        for method in ("session.info", "session.queue"):
            try:
                said.append(f"{method}: {reader.call(method, session=session)}")
            except (RpcError, Wrong) as error:
                said.append(f"{method}: {error!r}")
        feed = reader.feeds.get(session, [])
        said += [
            f"  {each['number']} {each['msg_type']} of {each['parent']}: {each['content']!s:.200}"
            for each in feed[-20:]
        ]
    return said


def finish(
    chaos: Chaos,
    reader: Reader,
    writers: list[Writer],
    runners: list[Runner],
    caller: Caller,
    killer: Killer,
    say: Callable[[str], None],
) -> list[str]:
    still = [run for runner in runners for run in runner.runs if run not in reader.ended]
    if still:
        return [f"{len(still)} runs never ended: {still}", *describe(reader, runners, still)]
    while reader.read_log(0.0):
        pass
    for session in reader.sessions:
        while reader.read_feed(session):
            pass
    opened = reader.call("worksheet.open", worksheet=chaos.worksheet)
    cells = fold(reader.entries)
    wrong = check_writes(reader, writers, cells) + check_runs(chaos, reader, runners)
    if [(cell["id"], cell["source"]) for cell in opened["cells"]] != cells:
        wrong.append("the cells are not the fold of the log")
    again = Reader(chaos, "again")
    while again.read_log(0.0):
        pass
    for session in again.sessions:
        while again.read_feed(session):
            pass
    again.close()
    reader.close()
    if again.entries != reader.entries:
        wrong.append("who reads the log from its beginning gets something else than who followed it")
    wrong += compare_feeds(reader, again)
    states = collections.Counter(reader.ended[run]["state"] for runner in runners for run in runner.runs)
    reasons = collections.Counter(e["reason"] for e in reader.ended.values() if e["reason"])
    say(
        f"kills {dict(killer.counts)}; entries {len(reader.entries)}; edits "
        f"{sum(len(w.edits) for w in writers)}; runs {dict(states)}; session.run {dict(caller.answered)}; "
        f"sessions {len(reader.sessions)}; publications {sum(map(len, reader.feeds.values()))}; "
        f"gone {reader.gone}; asked again {sum(c.again for c in (reader, caller, *writers, *runners))}; "
        f"reasons {dict(reasons)}"
    )
    return wrong


@contextmanager
def running(postgresql: str = "", count: int = 1) -> Iterator[list[AntiphonServer]]:
    """So many web servers on one database and one kernel.

    Args:
        postgresql: the URL of a PostgreSQL whose database is empty; otherwise SQLite.
    """
    options = ["--database", postgresql.replace("postgresql:", "postgresql+psycopg:")] if postgresql else []
    with ExitStack() as stack:
        servers: list[AntiphonServer] = []
        for _ in range(count):
            kernel = ["--kernel", str(servers[0].data / "kernel.json")] if servers else []
            server = AntiphonServer(*options, *kernel)
            stack.callback(server.remove)
            server.start()
            servers.append(server)
        yield servers


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--servers", type=int, default=1, help="more than one need PostgreSQL")
    told = parser.parse_args()
    print(f"seed {told.seed}", flush=True)
    wrong = ["it did not come to an end"]
    with ExitStack() as stack:
        url = stack.enter_context(postgresql()) if told.database == "postgresql" else ""
        servers = stack.enter_context(running(url, told.servers))
        try:
            wrong = drive(servers, told.kills, told.seed, lambda text: print(text, flush=True))
        finally:
            if wrong:
                kept = Path(tempfile.gettempdir(), f"chaos-{told.seed}.log")
                kept.write_text("\n\n".join(server.said() for server in servers))
                print(f"what the servers said: {kept}", file=sys.stderr)
    print("\n".join(wrong) or "nothing is lost, nothing is doubled", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
