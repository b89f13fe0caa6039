"""What passes between a session and its worker.

Two directions, two small unions. The service sends a *request* (a ``Message`` whose content the
worker understands) or a signal; the worker says *events*. An event names the request it belongs to
by ``msg_id`` only: the session knows the headers of its own requests, so a worker can speak for no
other session and answer no request that it was not given.

The inline executor hands these objects over as they are. The forked executor frames them: four
bytes of length (big-endian), then MessagePack (``encode_frame``, ``FrameDecoder``).
"""

from __future__ import annotations

from typing import TypeAlias

from .message import Content, Metadata, Struct


class Started(Struct, frozen=True, kw_only=True):
    """The worker is ready for its first request."""

    pid: int


class Published(Struct, frozen=True, kw_only=True):
    """Something to publish. ``parent``: msg_id of the request it belongs to, or empty."""

    parent: str
    content: Content
    metadata: Metadata = {}
    buffers: tuple[bytes, ...] = ()


class Replied(Struct, frozen=True, kw_only=True):
    """The answer to the request ``parent``."""

    parent: str
    content: Content


class Died(Struct, frozen=True, kw_only=True):
    """The worker is gone. ``reason`` is a sentence: exit status, signal, memory."""

    reason: str


WorkerEvent: TypeAlias = Started | Published | Replied | Died
