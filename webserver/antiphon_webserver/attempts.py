"""How often somebody may try to sign in. Pure: the clock is handed in.

Each account and each address has a bucket that holds ``BURST`` attempts and fills up again by one
every ``SECONDS_EACH``. A right password empties nothing, so that signing in often is no trouble;
a wrong one takes a token from both buckets.
"""

from __future__ import annotations

from collections import OrderedDict

from .errors import TooManyAttempts

BURST = 10
"""Wrong passwords in a row before waiting begins: more than a person who searches memory needs."""

SECONDS_EACH = 30.0
"""One more attempt after this many seconds: 2,880 a day for one account, hopeless against any password."""

VISITS = 200
"""Visits by links from one address before waiting begins: a class comes from one, all at once."""

VISIT_SECONDS_EACH = 3.0

MAX_BUCKETS = 10_000
"""Accounts and addresses remembered. The one that was not tried for longest is forgotten first."""


class Attempts:
    """Counts attempts; forgets who has waited long enough."""

    def __init__(
        self, *, burst: int = BURST, seconds_each: float = SECONDS_EACH, max_buckets: int = MAX_BUCKETS
    ) -> None:
        self._burst = burst
        self._seconds_each = seconds_each
        self._max_buckets = max_buckets
        # The moment at which a bucket is full again says everything about it.
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def take(self, account: str, address: str, now: float) -> None:
        """Count an attempt before the password is looked at, so that many at once count as many.

        Without an ``account`` (a visit by a link has none) only the address is counted.

        Call ``give_back`` when the password was right.

        Raises:
            TooManyAttempts: the account or the address has none left.
        """
        keys = self._keys(account, address)
        waits = [self._full_at.get(key, now) - now - (self._burst - 1) * self._seconds_each for key in keys]
        if max(waits) > 0:
            raise TooManyAttempts(max(waits))
        for key in keys:
            self._full_at[key] = max(self._full_at.get(key, now), now) + self._seconds_each
            self._full_at.move_to_end(key)
        self._forget(now)

    def give_back(self, account: str, address: str) -> None:
        """The attempt was a good one."""
        for key in self._keys(account, address):
            if key in self._full_at:
                self._full_at[key] -= self._seconds_each

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._full_at)

    def _keys(self, account: str, address: str) -> list[tuple[str, str]]:
        return [("account", account), ("address", address)] if account else [("address", address)]

    def _forget(self, now: float) -> None:
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self._max_buckets:
                break
            del self._full_at[key]
