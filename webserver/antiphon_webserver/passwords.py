"""Passwords: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from .errors import InvalidParams
from .limits import check_chars

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_CHARS = 8

AT_ONCE = 2
"""Each hash takes 64 MiB and a tenth of a second of several cores; the others wait."""

T = TypeVar("T")


class Passwords:
    """Hashes and verifies. Uses no thread and imports nothing before the first password.

    Args:
        threads: False where there are none.
        time_cost, memory_kib: argon2's work; tests use less than the default.
    """

    def __init__(self, *, threads: bool = True, time_cost: int = 3, memory_kib: int = 65_536) -> None:
        self._executor = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password") if threads else None
        self._time_cost = time_cost
        self._memory_kib = memory_kib

    async def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters."""
        return await self._run(lambda: self._hasher().hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right. Without a stored one it is not, and takes as long to say so."""
        if stored is None:
            await self.hash(password)
            return False
        return await self._run(lambda: self._matches(stored, password))

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()

    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=self._time_cost, memory_cost=self._memory_kib)

    def _matches(self, stored: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        try:
            return self._hasher().verify(stored, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._executor is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def check_password(password: str) -> None:
    """Refuse what may not become a password.

    Raises:
        InvalidParams: it is too short.
        LimitExceeded: it is too long.
    """
    if len(password) < MIN_CHARS:
        raise InvalidParams(
            f"password: {len(password)} characters are too few; use at least {MIN_CHARS}.", field="password"
        )
    check_chars("password_chars", password, "The password")
