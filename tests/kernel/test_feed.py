"""The feed log: what is held, what is gone, and that no number is ever missing or doubled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_kernel.feed import PUBLICATION_BYTES, Feed, Feeds, Slice
from antiphon_kernel.message import ClearOutput, Header, Message


def publication(number: int) -> Message:
    return Message(
        header=Header(msg_id=f"n-{number}", msg_type="clear_output", number=number), content=ClearOutput()
    )


def feed_of(*sizes: int, max_bytes: int = 1000, max_count: int = 1000) -> Feed:
    feed = Feed(max_bytes=max_bytes, max_count=max_count)
    for number, size in enumerate(sizes, start=1):
        feed.append(publication(number), size)
    return feed


def numbers(found: Slice) -> list[int]:
    return [publication.header.number for publication in found.publications]


def test_an_empty_feed_has_nothing_and_misses_nothing() -> None:
    assert Feed().since(0, 10) == Slice([], 0, None)


def test_since_gives_what_came_after_the_cursor() -> None:
    assert numbers(feed_of(1, 1, 1, 1).since(2, 10)) == [3, 4]


def test_since_gives_at_most_the_limit() -> None:
    found = feed_of(1, 1, 1, 1).since(0, 2)
    assert (numbers(found), found.latest, found.gone) == ([1, 2], 4, None)


def test_since_stops_at_its_bytes_but_gives_one() -> None:
    feed = feed_of(50, 5, 5, 5)
    assert numbers(feed.since(0, 10, max_bytes=10)) == [1]
    assert numbers(feed.since(1, 10, max_bytes=10)) == [2, 3]


def test_a_cursor_at_or_behind_the_end_gets_nothing() -> None:
    assert feed_of(1, 1).since(2, 10) == Slice([], 2, None)
    assert feed_of(1, 1).since(9, 10) == Slice([], 2, None)


@pytest.mark.parametrize(("bytes_", "count"), [(10, 1000), (1000, 2)])
def test_the_oldest_go_at_either_bound_and_are_named(bytes_: int, count: int) -> None:
    found = feed_of(5, 5, 5, 5, max_bytes=bytes_, max_count=count).since(0, 10)
    assert (numbers(found), found.latest, found.gone) == ([3, 4], 4, (1, 2))


def test_a_cursor_at_the_last_one_gone_misses_nothing() -> None:
    assert feed_of(5, 5, 5, 5, max_bytes=10).since(2, 10).gone is None


def test_the_newest_stays_however_large() -> None:
    assert numbers(feed_of(5, 5000, max_bytes=10).since(0, 10)) == [2]


@pytest.mark.parametrize("number", [1, 3])
def test_a_number_that_does_not_follow_is_refused(number: int) -> None:
    feed = feed_of(1)
    with pytest.raises(ValueError, match="does not follow 1"):
        feed.append(publication(number), 1)


@given(
    sizes=st.lists(st.integers(0, 30), max_size=80),
    max_bytes=st.integers(1, 100),
    max_count=st.integers(1, 20),
    cursor=st.integers(0, 90),
    limit=st.integers(1, 90),
)
def test_a_slice_and_what_is_gone_leave_no_gap(
    sizes: list[int], max_bytes: int, max_count: int, cursor: int, limit: int
) -> None:
    feed = feed_of(*sizes, max_bytes=max_bytes, max_count=max_count)
    found = feed.since(cursor, limit, max_bytes=40)
    start = cursor + 1 if found.gone is None else found.gone[1] + 1
    if found.gone is not None:
        assert found.gone[0] == cursor + 1
    assert numbers(found) == list(range(start, start + len(found.publications)))
    assert bool(found.publications) == (cursor < len(sizes))
    assert len(feed) == 1 or (feed.bytes <= max_bytes and len(feed) <= max_count) or not sizes
    assert feed.bytes == sum(sizes[len(sizes) - len(feed) :])


def test_a_reader_that_goes_on_in_steps_gets_all_that_is_held() -> None:
    feed = feed_of(*[3] * 50, max_bytes=60)
    cursor, seen = 0, []
    while cursor < feed.latest:
        found = feed.since(cursor, 4, max_bytes=10)
        seen += numbers(found)
        cursor = seen[-1]
    assert seen == list(range(31, 51))


# --- All feeds together


def append(feeds: Feeds, feed: Feed, size: int, times: int = 1) -> None:
    for _ in range(times):
        feeds.append(feed, publication(feed.latest + 1), size - PUBLICATION_BYTES)


def test_who_holds_most_gives_up_its_oldest() -> None:
    feeds = Feeds(max_memory=100_000)
    idle, busy = feeds.new(), feeds.new()
    append(feeds, idle, 2000, times=10)
    append(feeds, busy, 2000, times=41)
    assert (idle.first, busy.first) == (1, 3)
    append(feeds, busy, 2000, times=1000)
    assert idle.first == 1
    assert feeds.memory == idle.memory + busy.memory <= 100_000


def test_long_feeds_that_are_idle_make_room_for_a_new_one() -> None:
    feeds = Feeds(max_memory=100_000)
    first, second = feeds.new(), feeds.new()
    append(feeds, first, 2000, times=30)
    append(feeds, second, 2000, times=20)
    append(feeds, third := feeds.new(), 2000, times=16)
    assert [len(first), len(second), len(third)] == [16, 18, 16]


def test_newest_publication_of_each_feed_stays() -> None:
    feeds = Feeds(max_memory=10_000)
    large = [feeds.new() for _ in range(3)]
    for feed in large:
        append(feeds, feed, 8000, times=2)
    assert [(feed.latest, len(feed)) for feed in large] == [(2, 1)] * 3


def test_forgotten_feed_counts_no_longer() -> None:
    feeds = Feeds(max_memory=100_000)
    old, new = feeds.new(), feeds.new()
    append(feeds, old, 2000, times=40)
    feeds.forget(old)
    append(feeds, new, 2000, times=40)
    assert len(new) == 40
    assert feeds.memory == 80_000


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(PUBLICATION_BYTES, 9000)), max_size=200))
def test_feed_within_its_share_loses_nothing(appends: list[tuple[int, int]]) -> None:
    feeds = Feeds(max_memory=64_000)
    five = [feeds.new() for _ in range(5)]
    given = [0] * 5
    for place, size in appends:
        append(feeds, five[place], size)
        given[place] += size
        assert feeds.memory == sum(feed.memory for feed in five)
        assert feeds.memory <= 64_000
    for feed, total in zip(five, given, strict=True):
        if total <= 63_000 // 5:
            assert feed.first == 1
