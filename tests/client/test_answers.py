import os

import pytest

from antiphon_client.answers import Lines


def test_lines_that_came_together_are_given_one_by_one() -> None:
    read, write = os.pipe()
    os.write(write, "eins\nzwei\nü".encode())
    lines = Lines(read)
    assert [lines.next(0), lines.next(0), lines.next(0)] == ["eins", "zwei", None]
    os.close(write)
    assert lines.next(1) == "ü"
    with pytest.raises(EOFError):
        lines.next(1)
    os.close(read)
