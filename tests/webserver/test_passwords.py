"""Passwords: right, wrong, none; and what the loop does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from antiphon_webserver.errors import InvalidParams, LimitExceeded
from antiphon_webserver.passwords import AT_ONCE, Passwords, check_password


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(time_cost=1, memory_kib=64)
    yield made
    made.close()


async def test_only_the_right_password_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert stored != await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not await passwords.verify(stored, "")


async def test_without_a_stored_password_as_much_work_is_done() -> None:
    hashed = []

    class Recording(Passwords):
        async def hash(self, password: str) -> str:
            hashed.append(password)
            return await super().hash(password)

    passwords = Recording(threads=False, time_cost=1, memory_kib=64)
    assert not await passwords.verify(None, "anything")
    assert hashed == ["anything"]


async def test_hashing_does_not_hold_the_loop(passwords: Passwords) -> None:
    """More at once than there are threads: all come to their end while the loop serves others."""
    tasks = [asyncio.ensure_future(passwords.hash("correct horse")) for _ in range(2 * AT_ONCE + 1)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    assert len(set(await asyncio.gather(*tasks))) == len(tasks)


async def test_the_default_costs_an_attacker_64_mebibytes() -> None:
    stored = await Passwords(threads=False).hash("correct horse")
    assert "m=65536,t=3" in stored


@pytest.mark.parametrize(("password", "error"), [("1234567", InvalidParams), ("x" * 1025, LimitExceeded)])
def test_a_password_has_a_proper_length(password: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_password(password)


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "pässwörter"])
def test_a_proper_password_is_allowed(password: str) -> None:
    check_password(password)
