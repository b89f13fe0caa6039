"""Every bound of a session, and why it has that value."""

from __future__ import annotations

QUEUE_LENGTH = 256
"""Requests that may wait, in all lines together. Running a whole long notebook queues some hundred
cells at once."""

QUEUE_CHARACTERS = 64 * 1024 * 1024
"""Characters of code, and of what else requests carry, that may wait: the bound that matters when each
request is large."""

QUEUED_CODE_CHARACTERS = 200
"""Of the code of a run that waits, what is told of it: enough to know it by."""

REPLIES_REMEMBERED = 256
"""Replies kept for requests that are repeated. A client repeats what it has just sent, after a
reconnect, so this is a queue's length: everything that can be pending at once is remembered."""

REPLY_REMEMBERED_CHARACTERS = 64 * 1024
"""A larger reply is remembered without its values, with its outcome (``outcome_of``)."""

PARENTS_REMEMBERED = 256
"""Requests that have ended and whose late output (a thread, a task that outlived its cell) still finds
its parent. What a request says that is forgotten is published without one."""

MAX_SUBSHELLS = 64
"""Subshells of a session, those included that were deleted and still run something. Each is a thread,
once it has had something to do; a page of widgets asks for one per comm."""

WAITING_ASIDE = 16
"""Requests that may wait aside: people who type ask again before they are answered, and want the latest
answer. So the one that has waited longest gives way."""

STREAM_CHARACTERS = 64 * 1024
"""The most text in one stream publication. Large enough that the cost of a message vanishes beside
its text, small enough that a reader shows progress; also what a pipe holds on Linux."""


def bytes_text(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
