"""The limit on signing in, with a clock of its own."""

from __future__ import annotations

import pytest

from antiphon_webserver.attempts import Attempts
from antiphon_webserver.errors import TooManyAttempts


def attempts() -> Attempts:
    return Attempts(burst=3, seconds_each=10, max_buckets=4)


def take(limit: Attempts, account: str, address: str, now: float) -> float:
    """How long to wait; 0 when the attempt is let through."""
    try:
        limit.take(account, address, now)
    except TooManyAttempts as error:
        return float(error.data["retry_after"])
    return 0


def test_a_burst_is_let_through_and_then_one_in_a_while() -> None:
    limit = attempts()
    assert [take(limit, "ana", "a", 0) for _ in range(4)] == [0, 0, 0, 10]
    assert take(limit, "ana", "a", 4) == 6
    assert [take(limit, "ana", "a", 10) for _ in range(2)] == [0, 10]


def test_waiting_long_enough_gives_the_whole_burst_back() -> None:
    limit = attempts()
    for _ in range(3):
        take(limit, "ana", "a", 0)
    assert [take(limit, "ana", "a", 100) for _ in range(4)] == [0, 0, 0, 10]


def test_an_account_is_limited_whatever_the_address() -> None:
    limit = attempts()
    assert [take(limit, "ana", address, 0) for address in "abcd"] == [0, 0, 0, 10]


def test_an_address_is_limited_whatever_the_account() -> None:
    limit = attempts()
    assert [take(limit, account, "a", 0) for account in "wxyz"] == [0, 0, 0, 10]


def test_a_refused_attempt_costs_nothing_more() -> None:
    limit = attempts()
    for _ in range(20):
        take(limit, "ana", "a", 0)
    assert take(limit, "ana", "a", 10) == 0


def test_a_good_attempt_is_given_back() -> None:
    limit = attempts()
    for _ in range(20):
        limit.take("ana", "a", 0)
        limit.give_back("ana", "a")


def test_memory_is_bounded() -> None:
    limit = attempts()
    for number in range(1000):
        take(limit, f"account-{number}", f"address-{number}", 0)
    assert len(limit) <= 4


def test_wait_is_never_said_to_be_nothing() -> None:
    assert TooManyAttempts(0.2).data == {"retry_after": 1}


def test_who_waited_is_forgotten() -> None:
    limit = attempts()
    limit.take("ana", "a", 0)
    limit.take("ben", "b", 50)
    assert len(limit) == 2


@pytest.mark.parametrize("seconds", [9.9, 10.0])
def test_the_wait_that_was_told_is_enough(seconds: float) -> None:
    limit = attempts()
    for _ in range(3):
        limit.take("ana", "a", 0)
    told = take(limit, "ana", "a", seconds - 9)
    assert take(limit, "ana", "a", seconds - 9 + told) == 0
