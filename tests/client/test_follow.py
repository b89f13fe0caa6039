from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from antiphon_client.client import Client
from antiphon_client.commands.feed import describe
from antiphon_client.follow import Feed, Gap
from antiphon_client.model import Publication

Serving = Callable[..., AbstractContextManager[tuple[str, list[dict[str, Any]]]]]


def publication(number: int, msg_type: str = "stream", **content: object) -> dict[str, Any]:
    return {
        "number": number,
        "msg_id": f"m{number}",
        "msg_type": msg_type,
        "parent": "r",
        "username": "",
        "date": "",
        "metadata": {},
        "content": content,
    }


def page(
    *publications: dict[str, Any], latest: int = 0, gone: object = None
) -> Callable[[dict[str, Any]], Any]:
    result = {"publications": publications, "latest": latest, "gone": gone}
    return lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": result}


def numbers(events: list[Publication | Gap]) -> list[object]:
    return [(event.first, event.last) if isinstance(event, Gap) else event.number for event in events]


def test_each_publication_comes_once_and_the_cursor_moves_behind_it(serving: Serving) -> None:
    with (
        serving(page(publication(1), publication(2)), page(publication(2), publication(3))) as (url, asked),
        Client(url) as client,
    ):
        feed = Feed(client, "s")
        assert numbers(feed.read()) == [1, 2]
        assert numbers(feed.read()) == [3]
    assert [request["params"]["cursor"] for request in asked] == [0, 2]


def test_numbers_that_are_gone_are_said_before_what_is_held(serving: Serving) -> None:
    with (
        serving(page(publication(8), publication(9), latest=9, gone=[3, 7])) as (url, _),
        Client(url) as client,
    ):
        assert numbers(Feed(client, "s", 2).read()) == [(3, 7), 8, 9]


def test_numbers_that_are_gone_are_said_when_nothing_is_held(serving: Serving) -> None:
    with serving(page(latest=7, gone=[1, 7])) as (url, _), Client(url) as client:
        feed = Feed(client, "s", 2)
        assert numbers(feed.read()) == [(3, 7)]
        assert feed.cursor == 7


def test_the_feed_ends_when_the_session_is_closed(serving: Serving) -> None:
    closed = publication(2, "status", execution_state="closed")
    with serving(page(publication(1), closed)) as (url, _), Client(url) as client:
        assert numbers(list(Feed(client, "s"))) == [1, 2]


def test_the_feed_ends_when_nothing_comes_and_the_session_is_lost(serving: Serving) -> None:
    session = {"uid": "s", "title": "", "owner": "a", "worksheet": None, "state": "lost"}
    info = lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": session}  # noqa: E731
    with serving(page(publication(1)), page(latest=1), info) as (url, _), Client(url) as client:
        assert numbers(list(Feed(client, "s"))) == [1]


def test_a_server_that_hangs_up_is_asked_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon_client.follow.RETRY_SECONDS", 0.0)
    with (
        serving(lambda request: None, lambda request: None, page(publication(1))) as (url, _),
        Client(url) as client,
    ):
        assert numbers(Feed(client, "s").read()) == [1]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            publication(7, "stream", name="stdout", text="one\ntwo\n"),
            "     7  stream  stdout: one\n        two",
        ),
        (publication(8, "status", execution_state="idle", reason=""), "     8  status  idle"),
        (
            publication(9, "execute_input", code="1 + 1", execution_count=3),
            "     9  execute_input  [3] 1 + 1",
        ),
        (
            publication(10, "execute_result", data={"text/plain": "2", "text/html": "<b>2</b>"}),
            "    10  execute_result  2\n        (text/html)",
        ),
        (publication(11, "execute_reply", status="ok"), "    11  execute_reply  ok"),
        (publication(12, "of_the_future", a=1), "    12  of_the_future"),
    ],
)
def test_a_publication_is_shown_with_its_number(event: dict[str, Any], line: str) -> None:
    assert describe(Publication(**event)) == line


def test_a_gap_is_shown_with_both_ends() -> None:
    assert describe(Gap(first=3, last=7)).startswith("     3 to 7 are gone")
