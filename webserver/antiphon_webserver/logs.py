"""The log: lines of text or of JSON, each with the request that it belongs to.

What belongs here: the id of the request in progress, and the two forms of a line. What must never come
here: what is worth a line. Nobody logs a secret: no header, no cookie, no parameter of a request.
"""

from __future__ import annotations

import logging
import re
import time
from contextvars import ContextVar

import msgspec

from .secret import new_id

request: ContextVar[str] = ContextVar("request", default="")
"""The id of the request in progress; every task that works for it inherits it."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9._=-]{8,64}")


def begin(given: str = "") -> str:
    """A request begins: from now on this task's lines carry its id, which is returned.

    Args:
        given: the id that a trusted proxy has given it; taken if it is well-formed.
    """
    id = given if _WELL_FORMED.fullmatch(given) else new_id()
    request.set(id)
    return id


def start(form: str, level: str, handler: logging.Handler | None = None) -> None:
    """Write the log of the process.

    Args:
        form: "text" or "json".
        level: "debug", "info", "warning" or "error".
        handler: where to; standard error if not given.
    """
    handler = handler or logging.StreamHandler()
    handler.setFormatter(Json() if form == "json" else Text())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class Text(logging.Formatter):
    """2027-01-15 08:00:00,000 WARNING antiphon_webserver.sessions [request]: message"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(of)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        id = request.get()
        record.of = f" [{id}]" if id else ""
        return super().format(record)


class Json(logging.Formatter):
    """One object a line: time (UTC, RFC 3339), level, logger, message; request, incident and exception
    where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{instant}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if id := request.get():
            line["request"] = id
        if incident := getattr(record, "incident", ""):
            line["incident"] = incident
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
