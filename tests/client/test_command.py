"""The ``antiphon`` command against a real server and a real kernel."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from antiphon_client.client import Client
from tests.deadline import DEADLINE

if TYPE_CHECKING:
    from tests.conftest import AntiphonServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command")]


# --- run --------------------------------------------------------------------------------------


def test_run_prints_what_the_code_prints_and_nothing_else(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("run", "-c", "print(6*7)")
    assert (answer.stdout, answer.stderr, answer.returncode) == ("42\n", "", 0)


def test_run_prints_a_result_as_plain_text_and_stderr_apart(shared_server: AntiphonServer) -> None:
    code = "import sys\nprint('a', end='')\nprint('warned', file=sys.stderr)\n{'x': [1, 2]}"
    answer = shared_server.antiphon("run", "-c", code)
    assert answer.stdout == "a\n{'x': [1, 2]}\n"
    assert answer.stderr == "warned\n"


def test_run_ends_with_1_and_the_traceback_when_the_code_fails(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("run", "-c", "print('before')\n1/0")
    assert (answer.stdout, answer.returncode) == ("before\n", 1)
    assert answer.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "\x1b" not in answer.stderr


def test_run_tells_why_a_session_died(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("run", "-c", "import os; os._exit(7)")
    assert answer.returncode == 1
    assert "7" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_run_takes_code_from_a_file_and_from_stdin(shared_server: AntiphonServer, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print('file')")
    assert shared_server.antiphon("run", str(tmp_path / "code.py")).stdout == "file\n"
    assert shared_server.antiphon("run", "-", input="print('stdin')").stdout == "stdin\n"


def test_run_answers_prompts_from_stdin(shared_server: AntiphonServer) -> None:
    code = "a = input('first? ')\nb = input('second? ')\nprint(a + b)"
    answer = shared_server.antiphon("run", "-c", code, input="x\ny\n")
    assert (answer.stdout, answer.returncode) == ("xy\n", 0)
    assert "first? " in answer.stderr


def test_run_ends_when_the_code_asks_and_nobody_can_answer(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("run", "-c", "input('name? ')", "--timeout", "30")
    assert answer.returncode == 1
    assert "asks for input" in answer.stderr


def test_run_is_interrupted_at_its_timeout(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon(
        "run", "--timeout", "1", "-c", "print('on', flush=True)\nimport time\ntime.sleep(60)"
    )
    assert (answer.stdout, answer.returncode) == ("on\n", 124)
    assert "longer than 1 seconds" in answer.stderr


def test_ctrl_c_interrupts_the_run_in_the_session(shared_server: AntiphonServer) -> None:
    code = "print('on', flush=True)\nimport time\ntime.sleep(60)"
    process = subprocess.Popen(
        shared_server.command("run", "-c", code),
        env=shared_server.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert "KeyboardInterrupt" in stderr
    assert "antiphon_client" not in stderr
    assert process.returncode == 1


class Terminal:
    """A pseudo-terminal with ``antiphon`` in it."""

    def __init__(self, server: AntiphonServer, *words: str) -> None:
        self.fd, theirs = os.openpty()
        self.process = subprocess.Popen(
            server.command(*words), env=server.env, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.seen = b""

    def read_until(self, wanted: bytes) -> None:
        deadline = time.monotonic() + DEADLINE
        while wanted not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 65536)

    def read_all(self) -> bytes:
        try:
            while piece := os.read(self.fd, 65536):
                self.seen += piece
        except OSError:  # Linux says so when the other side has closed
            pass
        self.process.wait(DEADLINE)
        return self.seen

    def close(self) -> None:
        os.close(self.fd)
        self.process.kill()
        self.process.wait()


def test_on_a_terminal_control_sequences_are_shown_and_colours_stay(shared_server: AntiphonServer) -> None:
    code = r"print('\x1b]0;title\x07\x1b[2J\x1b[32mgreen')"
    with closing(Terminal(shared_server, "run", "-c", code)) as terminal:
        assert terminal.read_all() == b"^[]0;title^G^[[2J\x1b[32mgreen\r\n\x1b[0m"


def test_on_a_terminal_a_password_is_not_shown(shared_server: AntiphonServer) -> None:
    code = "from getpass import getpass\nprint(len(getpass('word? ')))"
    with closing(Terminal(shared_server, "run", "-c", code)) as terminal:
        terminal.read_until(b"word? ")
        os.write(terminal.fd, b"hidden\n")
        shown = terminal.read_all()
    assert b"6\r\n" in shown
    assert b"hidden" not in shown


def test_run_in_a_worksheet_keeps_its_session(shared_server: AntiphonServer) -> None:
    worksheet = shared_server.antiphon("worksheets", "create", "kept").stdout.strip()
    assert shared_server.antiphon("run", "-w", worksheet, "-c", "x = 5").returncode == 0
    assert shared_server.antiphon("run", "-w", "kept", "-c", "x").stdout == "5\n"
    listed = json.loads(shared_server.antiphon("worksheets", "--json").stdout)
    session = next(each["session"] for each in listed if each["id"] == worksheet)
    assert shared_server.antiphon("run", "-s", session, "-c", "x + 1").stdout == "6\n"
    assert worksheet in shared_server.antiphon("worksheets").stdout


def test_a_worksheet_goes_back_to_what_it_was(shared_server: AntiphonServer) -> None:
    worksheet = shared_server.antiphon("worksheets", "create", "history").stdout.strip()
    shared_server.antiphon("run", "-w", worksheet, "1 + 1")
    first = json.loads(shared_server.antiphon("worksheets", "history", worksheet, "--json").stdout)
    assert first[-1]["first"] == 1
    assert "cell_created" in shared_server.antiphon("worksheets", "history", worksheet).stdout
    assert shared_server.antiphon("worksheets", "restore", worksheet, "1").returncode == 0
    refused = shared_server.antiphon("worksheets", "restore", worksheet, "99999")
    assert (refused.returncode, "no entry 99999" in refused.stderr) == (1, True)


def test_run_says_which_worksheets_have_the_same_title(shared_server: AntiphonServer) -> None:
    ids = [shared_server.antiphon("worksheets", "create", "twin").stdout.strip() for _ in range(2)]
    answer = shared_server.antiphon("run", "-w", "twin", "-c", "1")
    assert answer.returncode == 1
    assert all(id in answer.stderr for id in ids)


def test_run_prints_publications_as_json(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("run", "--json", "-c", "print('hi')")
    publications = [json.loads(line) for line in answer.stdout.splitlines()]
    numbers = [publication["number"] for publication in publications]
    assert numbers == sorted(set(numbers))
    streams = [publication["content"] for publication in publications if publication["msg_type"] == "stream"]
    assert "".join(stream["text"] for stream in streams) == "hi\n"


def test_a_fresh_session_is_closed_after_the_run(shared_server: AntiphonServer) -> None:
    before = {each["uid"] for each in json.loads(shared_server.antiphon("sessions", "--json").stdout)}
    assert shared_server.antiphon("run", "-c", "1").returncode == 0
    after = json.loads(shared_server.antiphon("sessions", "--json").stdout)
    assert {each["uid"] for each in after if each["state"] != "closed"} <= before


# --- feed and sessions ------------------------------------------------------------------------


def test_a_new_session_may_be_another_kernel(shared_server: AntiphonServer) -> None:
    made = shared_server.antiphon("sessions", "new", "--title", "theirs", "--kernel", "python3")
    assert made.returncode == 0, made.stderr
    uid = made.stdout.strip()
    answer = shared_server.antiphon("run", "--session", uid, "-c", "print(type(get_ipython()).__name__)")
    assert answer.stdout == "ZMQInteractiveShell\n"
    assert shared_server.antiphon("sessions", "close", uid).returncode == 0
    refused = shared_server.antiphon("sessions", "new", "--kernel", "fortran")
    assert refused.returncode == 1
    assert "no kernel 'fortran' is installed; there are: " in refused.stderr


@pytest.fixture
def session(shared_server: AntiphonServer) -> str:
    """The UID of a worksheet's session in which something was printed."""
    worksheet = shared_server.antiphon("worksheets", "create", f"of {time.monotonic_ns()}").stdout.strip()
    assert shared_server.antiphon("run", "-w", worksheet, "-c", "print('heard')").returncode == 0
    listed = json.loads(shared_server.antiphon("worksheets", "--json").stdout)
    uid = next(each["session"] for each in listed if each["id"] == worksheet)
    assert isinstance(uid, str)
    return uid


def test_the_feed_is_numbered_without_gaps(shared_server: AntiphonServer, session: str) -> None:
    lines = shared_server.antiphon("feed", session, "--no-follow", "--json").stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(1, len(lines) + 1))
    shown = shared_server.antiphon("feed", session, "--no-follow").stdout
    assert "stream  stdout: heard" in shown
    assert shown.startswith("     1  ")


def test_the_feed_goes_on_from_a_number(shared_server: AntiphonServer, session: str) -> None:
    answer = shared_server.antiphon("feed", session, "--no-follow", "--json", "--since", "3")
    assert json.loads(answer.stdout.splitlines()[0])["number"] == 4


def test_the_feed_follows_until_the_session_is_closed(shared_server: AntiphonServer, session: str) -> None:
    process = subprocess.Popen(
        shared_server.command("feed", session),
        env=shared_server.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("     1  ")
    assert shared_server.antiphon("run", "-s", session, "-c", "print('later')").returncode == 0
    assert shared_server.antiphon("sessions", "close", session).returncode == 0
    stdout, _ = process.communicate(timeout=DEADLINE)
    assert "stdout: later" in stdout
    assert (
        stdout.splitlines()[-1].split()[1:3] == ["status", "closed:"] or "closed" in stdout.splitlines()[-1]
    )
    assert process.returncode == 0


def test_ctrl_c_ends_the_feed_quietly(shared_server: AntiphonServer, session: str) -> None:
    process = subprocess.Popen(
        shared_server.command("feed", session),
        env=shared_server.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=DEADLINE)[1] == ""
    assert process.returncode == 0


def test_a_restart_empties_the_namespace_and_the_feed_goes_on(
    shared_server: AntiphonServer, session: str
) -> None:
    assert shared_server.antiphon("run", "-s", session, "-c", "x = 1").returncode == 0
    assert shared_server.antiphon("sessions", "restart", session).returncode == 0
    answer = shared_server.antiphon("run", "-s", session, "-c", "x")
    assert "NameError" in answer.stderr
    lines = shared_server.antiphon("feed", session, "--no-follow", "--json").stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(1, len(lines) + 1))


def test_a_session_tells_what_it_uses(shared_server: AntiphonServer, session: str) -> None:
    answer = shared_server.antiphon("sessions", "info", session)
    lines = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines())
    assert (lines["Session"], lines["State"]) == (session, "idle")
    assert " of " in lines["Memory"]
    assert lines["Processes"] == "1 of 1000"
    told = json.loads(shared_server.antiphon("sessions", "info", session, "--json").stdout)
    assert told["use"]["limits"]["processes"] == 1000
    assert told["use"]["last_activity"]


def test_options_of_a_kernel_are_for_one_that_is_started(
    tmp_path: Path, shared_server: AntiphonServer
) -> None:
    file = tmp_path / "kernel.json"
    file.write_text("{}")
    answer = shared_server.antiphon("serve", "--kernel", str(file), "--idle-limit", "2h")
    assert answer.returncode == 2
    assert "--idle-limit is for a kernel that is started" in answer.stderr


def test_interrupt_ends_what_runs(shared_server: AntiphonServer, session: str) -> None:
    process = subprocess.Popen(
        shared_server.command(
            "run", "-s", session, "-c", "print('on', flush=True)\nimport time\ntime.sleep(60)"
        ),
        env=shared_server.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert shared_server.antiphon("sessions", "interrupt", session).returncode == 0
    assert "KeyboardInterrupt" in process.communicate(timeout=DEADLINE)[1]


def begin(server: AntiphonServer, *words: str) -> subprocess.Popen[str]:
    """Begin a command; returns when it has printed its first line."""
    process = subprocess.Popen(
        server.command(*words),
        env=server.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def test_the_queue_is_shown_and_changed(shared_server: AntiphonServer, session: str) -> None:
    hang = "print('on', flush=True)\nimport time\ntime.sleep(600)"
    running = begin(shared_server, "run", "-s", session, "-c", hang)
    waiting = [begin(shared_server, "run", "--json", "-s", session, "-c", code) for code in ("'b'", "'c'")]

    def queue() -> dict[str, Any]:
        return json.loads(shared_server.antiphon("sessions", "queue", session, "--json").stdout)

    told = queue()
    ids = {run["code"]: run["msg_id"] for run in told["queue"]}
    assert (list(ids), bool(told["running"]), bool(told["running_since"])) == (["'b'", "'c'"], True, True)
    move = shared_server.antiphon("sessions", "move", session, ids["'c'"], "--before", ids["'b'"])
    assert (move.returncode, [run["code"] for run in queue()["queue"]]) == (0, ["'c'", "'b'"])
    assert shared_server.antiphon("sessions", "cancel", session, ids["'b'"]).returncode == 0
    assert waiting[0].wait(DEADLINE) == 1
    shown = shared_server.antiphon("sessions", "queue", session).stdout
    assert "running" in shown
    assert ids["'c'"] in shown
    assert ids["'b'"] not in shown
    again = shared_server.antiphon("sessions", "cancel", session, ids["'b'"])
    assert (again.returncode, "answered" in again.stderr) == (1, True)
    shared_server.antiphon("sessions", "restart", session)
    for process in (running, *waiting):
        process.communicate(timeout=DEADLINE)


def test_files_go_there_and_back(shared_server: AntiphonServer, session: str, tmp_path: Path) -> None:
    def files(*words: str) -> subprocess.CompletedProcess[str]:
        return shared_server.antiphon("files", words[0], session, *words[1:])

    folder = f"folder-{session[:8]}"
    here = tmp_path / "bytes"
    here.write_bytes(os.urandom(1_300_000))  # three parts
    assert files("mkdir", folder).returncode == 0
    assert files("put", str(here), f"{folder}/there").returncode == 0
    taken = files("put", str(here), f"{folder}/there")
    assert (taken.returncode, "there is something of this name" in taken.stderr) == (1, True)
    assert files("mv", f"{folder}/there", f"{folder}/moved").returncode == 0
    (entry,) = json.loads(files("ls", folder, "--json").stdout)
    assert (entry["name"], entry["kind"], entry["size"]) == ("moved", "file", 1_300_000)
    assert files("get", f"{folder}/moved", "-o", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == here.read_bytes()
    out = files("get", "../../etc/passwd", "-o", str(tmp_path / "passwd"))
    assert (out.returncode, (tmp_path / "passwd").exists()) == (1, False)
    assert files("rm", f"{folder}/moved").returncode == files("rm", folder).returncode == 0


def test_variables_are_shown_while_code_runs(shared_server: AntiphonServer, session: str) -> None:
    code = "import time\nxs, name = [1, 2, 3], '\\x1b[31mred'\nprint('on', flush=True)\ntime.sleep(600)"
    running = begin(shared_server, "run", "-s", session, "-c", code)
    lines = shared_server.antiphon("sessions", "variables", session).stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["name", "str", "8"], ["xs", "list", "3"]]
    rows = shared_server.antiphon(
        "sessions", "variables", session, "xs", "--start", "1", "--rows", "1"
    ).stdout
    assert rows.splitlines()[1:] == ["1      int   2", "Rows 1 to 1 of 3; others: --start, --rows."]
    told = shared_server.antiphon("sessions", "variables", session, "--search", "X", "--json").stdout
    assert [variable["name"] for variable in json.loads(told)] == ["xs"]
    gone = shared_server.antiphon("sessions", "variables", session, "nix")
    assert (gone.returncode, "no variable nix" in gone.stderr) == (1, True)
    shared_server.antiphon("sessions", "restart", session)
    running.communicate(timeout=DEADLINE)


def test_code_that_ignores_ctrl_c_is_told_of_with_the_command_that_ends_it(
    shared_server: AntiphonServer, session: str
) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code = deaf + "print('on', flush=True)\ntime.sleep(600)"
    process = begin(shared_server, "run", "-s", session, "-c", code)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    command = f"antiphon sessions restart {session}"
    told = process.stderr.readline()
    while command not in told:
        assert told, "it ended without telling"
        told = process.stderr.readline()
    assert shared_server.antiphon(*command.split()[1:]).returncode == 0
    assert process.wait(DEADLINE) == 1
    process.communicate()


# --- accounts ---------------------------------------------------------------------------------


def test_a_second_person_gets_a_link_and_a_worksheet(shared_server: AntiphonServer) -> None:
    made = shared_server.antiphon("accounts", "create", "grace")
    again = shared_server.antiphon("accounts", "create", "grace")
    assert (again.returncode, "there is an account of this name" in again.stderr) == (1, True)
    links = {made.stdout, shared_server.antiphon("accounts", "link", "grace").stdout}
    links.add(shared_server.antiphon("login", "--link").stdout)
    assert len(links) == 3
    assert all(link.startswith(f"{shared_server.url}/#link=") for link in links)
    worksheet = shared_server.antiphon("worksheets", "create", "ours").stdout.strip()
    answer = shared_server.antiphon("worksheets", "share", worksheet, "grace", "edit")
    assert (answer.stdout, answer.stderr) == ("grace may edit.\n", "")
    assert "grace" in shared_server.antiphon("accounts").stdout


def test_login_links_that_nobody_used_do_not_stand_in_the_way_of_the_next(
    shared_server: AntiphonServer,
) -> None:
    with Client(shared_server.url, shared_server.token) as client:
        assert len({client.account_link().url for _ in range(25)}) == 25


def test_a_token_from_the_environment_is_used_for_another_address(shared_server: AntiphonServer) -> None:
    words = ("--server", shared_server.url, "run", "-c", "print(1)")
    elsewhere = {"ANTIPHON_DATA": "/nonexistent"}
    refused = shared_server.antiphon(*words, **elsewhere)
    assert (refused.returncode, "antiphon login" in refused.stderr) == (1, True)
    assert shared_server.antiphon(*words, ANTIPHON_TOKEN=shared_server.token, **elsewhere).stdout == "1\n"
    wrong = shared_server.antiphon(*words, **{**elsewhere, "ANTIPHON_TOKEN": "wrong"})
    assert (wrong.returncode, "antiphon login" in wrong.stderr) == (1, True)


# --- serve, stop, kernel ----------------------------------------------------------------------


def test_serve_ends_what_it_started_and_says_so(antiphon_server: AntiphonServer) -> None:
    kernel = antiphon_server.kernel_pid
    process = antiphon_server.process
    assert process is not None
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "Antiphon has stopped.\n"
    assert process.wait(DEADLINE) == 0
    assert not alive(kernel)
    assert antiphon_server.errors == ""
    assert not (antiphon_server.data / "server.json").exists()


def test_all_that_a_cell_put_out_is_printed_however_long_and_can_be_deleted(
    shared_server: AntiphonServer, tmp_path: Path
) -> None:
    (tmp_path / "long.py").write_text("# %%\nfor n in range(10):\n    print(str(n) * 1_000_000)\n'end'")
    sheet = shared_server.antiphon("worksheets", "import", str(tmp_path / "long.py")).stdout.strip()
    none = shared_server.antiphon("worksheets", "output", sheet, "1")
    assert (none.returncode, "has not run" in none.stderr) == (1, True)
    assert shared_server.antiphon("worksheets", "run", sheet).returncode == 0
    answer = shared_server.antiphon("worksheets", "output", sheet, "1")
    assert answer.stdout == "".join(f"{str(n) * 1_000_000}\n" for n in range(10)) + "'end'\n"
    assert "bytes of output are deleted" in shared_server.antiphon("worksheets", "clear", sheet, "1").stdout
    assert shared_server.antiphon("worksheets", "output", sheet, "1").stdout == ""


def test_the_next_serve_finds_the_kernel_of_one_that_was_killed(antiphon_server: AntiphonServer) -> None:
    worksheet = antiphon_server.antiphon("worksheets", "create", "w").stdout.strip()
    assert antiphon_server.antiphon("run", "-w", worksheet, "-c", "x = 'kept'").returncode == 0
    kernel = antiphon_server.kernel_pid
    antiphon_server.kill()
    assert alive(kernel)
    refused = antiphon_server.antiphon("run", "-c", "1")
    assert (refused.returncode, "antiphon serve" in refused.stderr) == (1, True)
    antiphon_server.restart()
    assert antiphon_server.kernel_pid == kernel
    assert antiphon_server.antiphon("run", "-w", worksheet, "-c", "x").stdout == "'kept'\n"
    antiphon_server.stop()
    assert not alive(kernel)


def test_stop_ends_both_and_says_what_it_ended(antiphon_server: AntiphonServer) -> None:
    kernel = antiphon_server.kernel_pid
    # The server is this test's child: somebody must wait for it, or it stays as a zombie.
    waiting = threading.Thread(target=antiphon_server.process.wait)
    waiting.start()
    answer = antiphon_server.antiphon("stop")
    waiting.join(DEADLINE)
    assert answer.stdout == "Stopped the web server and the kernel.\n"
    assert not alive(kernel)
    again = antiphon_server.antiphon("stop")
    assert (again.returncode, "Nothing of Antiphon is running" in again.stderr) == (1, True)


def test_stop_ends_the_kernel_that_a_killed_server_left(antiphon_server: AntiphonServer) -> None:
    kernel = antiphon_server.kernel_pid
    antiphon_server.kill()
    assert antiphon_server.antiphon("stop").stdout == "Stopped the kernel.\n"
    assert not alive(kernel)


def test_stop_ends_the_sessions_that_a_killed_kernel_left(antiphon_server: AntiphonServer) -> None:
    worksheet = antiphon_server.antiphon("worksheets", "create", "w").stdout.strip()
    code = "import os; os.getpid()"
    worker = int(antiphon_server.antiphon("run", "-w", worksheet, "-c", code).stdout)
    end = os.pidfd_open(worker)
    kernel = antiphon_server.kernel_pid
    antiphon_server.kill()
    os.kill(kernel, signal.SIGKILL)
    assert not select.select([end], [], [], 0)[0]
    answer = antiphon_server.antiphon("stop")
    assert answer.stdout == "Stopped 1 session that a killed kernel had left.\n", answer.stderr
    assert select.select([end], [], [], 0)[0]
    os.close(end)
    again = antiphon_server.antiphon("stop")
    assert (again.returncode, "Nothing of Antiphon is running" in again.stderr) == (1, True)


def test_serve_replaces_a_kernel_that_was_killed(antiphon_server: AntiphonServer) -> None:
    kernel = antiphon_server.kernel_pid
    worksheet = antiphon_server.antiphon("worksheets", "create", "w").stdout.strip()
    assert antiphon_server.antiphon("run", "-w", worksheet, "-c", "x = 'kept'").returncode == 0
    os.kill(kernel, signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE
    while antiphon_server.kernel_pid in (0, kernel):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "A new one is started" in antiphon_server.errors
    assert antiphon_server.antiphon("run", "-c", "print(1)").stdout == "1\n"
    assert antiphon_server.antiphon("run", "-w", worksheet, "-c", "x").stdout == "'kept'\n"
    replaced = antiphon_server.kernel_pid
    antiphon_server.stop()
    assert not alive(replaced)


def test_serve_waits_for_a_kernel_that_another_one_was_starting(antiphon_server: AntiphonServer) -> None:
    antiphon_server.stop()
    with (antiphon_server.data / "kernel.lock").open("a") as lock:
        # As by a daemon that has not written its connection file yet, and never will.
        fcntl.flock(lock, fcntl.LOCK_EX)
        begun = subprocess.Popen(
            [*antiphon_server.command("serve"), "--port", "0", "--no-browser"],
            env=antiphon_server.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            log = antiphon_server.data / "kernel.log"
            wait_for(log)
            deadline = time.monotonic() + DEADLINE
            while "already running" not in log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert begun.stdout is not None
            with begun.stdout:
                assert "ready" in begun.stdout.readline()
            assert alive(antiphon_server.kernel_pid)
        finally:
            begun.terminate()
            begun.wait(DEADLINE)


def test_serve_leaves_a_kernel_that_was_started_by_itself(antiphon_server: AntiphonServer) -> None:
    antiphon_server.stop()
    kernel = subprocess.Popen(
        antiphon_server.command("kernel"), env=antiphon_server.env, stdin=subprocess.DEVNULL
    )
    try:
        wait_for(antiphon_server.data / "kernel.json")
        antiphon_server.restart()
        assert antiphon_server.kernel_pid == kernel.pid
        assert antiphon_server.antiphon("run", "-c", "print(1)").stdout == "1\n"
        assert "already running" in antiphon_server.antiphon("kernel").stderr
        antiphon_server.stop()
        assert kernel.poll() is None
    finally:
        kernel.terminate()
        assert kernel.wait(DEADLINE) in (0, -signal.SIGTERM)


def test_a_second_serve_on_the_same_data_says_where_the_first_is(shared_server: AntiphonServer) -> None:
    answer = shared_server.antiphon("serve", "--port", "0", "--no-browser")
    assert answer.returncode == 1
    assert shared_server.url in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_sentence_and_leaves_nothing_behind(
    shared_server: AntiphonServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = shared_server.antiphon(
            "serve", "--port", str(port), "--no-browser", "--data", str(tmp_path / "data")
        )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"antiphon: Port {port} is in use")
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "data" / "kernel.json").exists()


@pytest.mark.parametrize(
    ("kind", "words"), [("file", "is a file"), ("open", "chmod 700"), ("below", "Choose another")]
)
def test_a_data_directory_that_cannot_be_used_is_one_sentence(
    shared_server: AntiphonServer, tmp_path: Path, kind: str, words: str
) -> None:
    data = tmp_path / "data"
    if kind == "open":
        data.mkdir(mode=0o755)
        (data / "something").touch()
    else:
        data.touch()
    answer = shared_server.antiphon(
        "serve", "--port", "0", "--no-browser", "--data", str(data / "deeper" if kind == "below" else data)
    )
    assert answer.returncode == 1
    assert words in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_the_runtime_files_are_for_this_user_alone(shared_server: AntiphonServer) -> None:
    assert shared_server.data.stat().st_mode & 0o777 == 0o700
    for name in ("server.json", "kernel.json", "serve.lock", "kernel.log"):
        assert (shared_server.data / name).stat().st_mode & 0o077 == 0, name


def test_serve_prints_one_line_with_the_login_link(shared_server: AntiphonServer) -> None:
    assert shared_server.line.startswith(f"Antiphon is ready: {shared_server.url}/#link=")
    assert shared_server.errors == ""


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.02)


def test_links_and_tokens_are_made_listed_and_ended(shared_server: AntiphonServer) -> None:
    sheet = shared_server.antiphon("worksheets", "create", "linked").stdout.strip()
    url = shared_server.antiphon("worksheets", "share", sheet, "--link", "run", "--uses", "3").stdout.strip()
    assert url.startswith(f"{shared_server.url}/w/{sheet}#visit=")
    (link,) = json.loads(shared_server.antiphon("worksheets", "links", sheet, "--json").stdout)
    assert (link["role"], link["most_uses"], link["uses"]) == ("run", 3, 0)
    shared_server.antiphon("worksheets", "unlink", sheet, link["id"])
    assert json.loads(shared_server.antiphon("worksheets", "links", sheet, "--json").stdout) == []
    wrong = shared_server.antiphon("worksheets", "share", sheet, "ben", "run", "--link", "run")
    assert (wrong.returncode, "give no ACCOUNT" in wrong.stderr) == (2, True)

    made = shared_server.antiphon("tokens", "create", "nightly", "--scope", "run", "--worksheet", "linked")
    tokens = json.loads(shared_server.antiphon("tokens", "--json").stdout)
    (token,) = [each for each in tokens if each["label"] == "nightly"]
    assert (token["scope"], token["worksheet"]) == ("run", sheet)
    assert made.stdout.strip() not in str(tokens)
    shared_server.antiphon("tokens", "revoke", token["id"])
    assert "nightly" not in shared_server.antiphon("tokens").stdout


def test_cells_are_listed_with_their_marks_and_run(shared_server: AntiphonServer, tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("# %%\nx = 1\n# %%\nprint(x)\n# %% [markdown]\n# text\n# %%\n1 / 0\n# %%\nx = 5\n")
    sheet = shared_server.antiphon("worksheets", "import", str(script), "--title", "cells").stdout.strip()

    def cells() -> list[tuple[str, list[str]]]:
        told = json.loads(shared_server.antiphon("worksheets", "cells", sheet, "--json").stdout)
        return [(cell["state"], cell["marks"]) for cell in told]

    assert cells() == [("-", [])] * 5
    done = shared_server.antiphon("worksheets", "run", sheet)
    assert done.returncode == 1
    assert "not run: cell 4 before it raised an error" in done.stdout
    assert [state for state, _ in cells()] == ["ok", "ok", "-", "error", "cancelled"]
    assert shared_server.antiphon("worksheets", "run", sheet, "--above", "2").returncode == 0
    assert cells()[:2] == [("ok", []), ("ok", ["outdated"])]
    assert "outdated" in shared_server.antiphon("worksheets", "cells", sheet).stdout
    stale = shared_server.antiphon("worksheets", "run", sheet, "--stale")
    assert (stale.returncode, [line.split()[:2] for line in stale.stdout.splitlines()[1:]]) == (
        0,
        [["2", "ok"], ["5", "ok"]],
    )
    assert cells()[:2] == [("ok", []), ("ok", [])]
    assert (
        shared_server.antiphon("worksheets", "run", sheet, "--stale").stderr == "There is nothing to run.\n"
    )
    refused = shared_server.antiphon("worksheets", "run", sheet, "--below", "99")
    assert "There is no cell '99'" in refused.stderr


def test_comments_are_written_answered_settled_and_deleted(
    shared_server: AntiphonServer, tmp_path: Path
) -> None:
    (tmp_path / "s.py").write_text("# %%\nx = 1\n# %%\nx = 2\n")
    made = shared_server.antiphon("worksheets", "import", str(tmp_path / "s.py"), "--title", "talk")
    sheet = made.stdout.strip()

    def comments(*args: str) -> str:
        answer = shared_server.antiphon("comments", *args)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    thread = comments("add", sheet, "2", "Why *2*?")
    answer = comments("reply", sheet, thread, "Because.")
    comments("edit", sheet, answer, "Because\nof 1.")
    first, second = comments("list", sheet).splitlines()[1:]
    assert (first.split()[:2], first.endswith("Why *2*?")) == (["2", thread], True)
    assert (second.split()[0], second.endswith("Because of 1.")) == (answer, True)
    comments("resolve", sheet, thread)
    assert json.loads(comments("list", sheet, "--json")) == []
    assert "resolved" in comments("list", sheet, "--all")
    comments("resolve", sheet, thread, "--reopen")
    comments("delete", sheet, answer)
    assert "(deleted)" in comments("list", sheet)
    comments("restore", sheet, answer)
    assert "Because of 1." in comments("list", sheet)
