"""Follow a session's feed from a cursor: in order, each publication once, gaps said.

The cursor lives here and the server remembers nothing of this client, so a connection that breaks and
a server that restarts cost time and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from antiphon_client.client import LONGEST_WAIT, Client
from antiphon_client.errors import ServerUnreachable
from antiphon_client.model import Publication, Struct

RETRY_SECONDS = 0.5


class Gap(Struct, frozen=True, kw_only=True):
    """Publications ``first`` to ``last`` are no longer held by anyone."""

    first: int
    last: int


class Feed:
    """A place in a session's feed.

    Args:
        cursor: the number of the last publication that is known already.
        patience: seconds for which an unreachable server is tried again before ``read`` raises.
    """

    def __init__(self, client: Client, session: str, cursor: int = 0, *, patience: float = 30.0) -> None:
        self.client = client
        self.session = session
        self.cursor = cursor
        self.patience = patience

    def read(self, wait: float = LONGEST_WAIT) -> list[Publication | Gap]:
        """What came since the cursor; the cursor moves behind it.

        Args:
            wait: seconds to wait when there is nothing yet; the list is empty if nothing came.

        Raises:
            RpcError: the session is unknown, or may not be observed any more.
            ServerUnreachable: the server stayed away for longer than ``patience``.
        """
        deadline = time.monotonic() + self.patience
        while True:
            try:
                page = self.client.feed_since(self.session, self.cursor, wait=wait)
                break
            except ServerUnreachable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        events: list[Publication | Gap] = []
        for publication in page.publications:
            if publication.number <= self.cursor:
                continue
            if publication.number > self.cursor + 1:
                events.append(Gap(first=self.cursor + 1, last=publication.number - 1))
            events.append(publication)
            self.cursor = publication.number
        if not page.publications and page.gone and page.gone[1] > self.cursor:
            events.append(Gap(first=max(page.gone[0], self.cursor + 1), last=page.gone[1]))
            self.cursor = page.gone[1]
        return events

    def __iter__(self) -> Iterator[Publication | Gap]:
        """Everything from the cursor on, until the session is closed or lost."""
        while True:
            events = self.read()
            for event in events:
                yield event
                if isinstance(event, Publication) and is_last(event):
                    return
            if not events and self.client.session_info(self.session).state in ("closed", "lost"):
                return


def is_last(publication: Publication) -> bool:
    """Whether nothing can follow: the session was closed."""
    return publication.msg_type == "status" and publication.content.get("execution_state") == "closed"
