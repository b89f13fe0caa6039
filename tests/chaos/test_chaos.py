"""A short walk of the driver: what ``make chaos`` does for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webserver.conftest import postgresql

from .driver import drive, running

pytestmark = pytest.mark.slow

KILLS = 8


def test_kills_lose_and_double_nothing() -> None:
    with running() as servers:
        assert drive(servers, KILLS, 1) == []


@pytest.fixture
def empty_postgresql() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.mark.postgresql
def test_two_servers_go_on_for_each_other(empty_postgresql: str) -> None:
    with running(empty_postgresql, 2) as servers:
        assert drive(servers, KILLS, 2) == []
