"""A short run of the driver. The long one: ``make chaos``."""

from __future__ import annotations

import pytest

from tests.chaos.driver import drive
from tests.conftest import AntiphonServer


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_lost_or_doubled_when_servers_are_killed(antiphon_server: AntiphonServer) -> None:
    said: list[str] = []
    wrong = drive(antiphon_server, 6, 20, said.append)
    assert not wrong, "\n".join([*wrong, *said, antiphon_server.said()])
