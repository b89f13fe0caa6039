"""What the package offers, and what importing it does not do."""

from __future__ import annotations

import subprocess
import sys

import pytest

import antiphon_kernel
from tests.deadline import DEADLINE


@pytest.mark.parametrize("name", antiphon_kernel.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(antiphon_kernel, name) is not None


def test_no_other_name_is_invented() -> None:
    with pytest.raises(AttributeError):
        _ = antiphon_kernel.Nothing  # type: ignore[attr-defined]  # that is the point


@pytest.mark.slow
def test_importing_all_public_names_starts_nothing_and_loads_no_socket_library() -> None:
    program = (
        "import sys, threading; from antiphon_kernel import *\n"
        "assert threading.active_count() == 1\n"
        "assert not {'zmq', 'IPython', 'tornado', 'antiphon_webserver'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE)
