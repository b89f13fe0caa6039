"""The lock between a worker and its executor."""

from __future__ import annotations

import subprocess
import sys

from antiphon_kernel.worker.turn import Turn, make_turn

OTHER = """
import fcntl, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
print("taken", flush=True)
sys.stdin.read()
"""


def test_turn_is_one_process_s_and_its_end_gives_it_back():
    turn = Turn(descriptor := make_turn())
    command = [sys.executable, "-S", "-c", OTHER, str(descriptor)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[descriptor])
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        assert not turn.take_at_once()
    assert turn.take_at_once()
    turn.end()
    turn.close()
