"""How messages reach a kernel and come back: the border between ``KernelClient`` and what carries them.

``Transport`` is the client's end. Two implementations stand beside this file under one list of
checks (``tests/kernel/test_transports.py``): ``inprocess`` (a ``Service`` on the same event loop)
and ``zeromq`` (a daemon; the only file that imports zmq).
"""

from __future__ import annotations

from typing import Protocol

from ..errors import KernelError
from ..message import Message, SessionUID


class Receiver(Protocol):
    """Who hears what a transport brings. Called on the event loop; must neither block nor raise."""

    def reply(self, message: Message) -> None:
        """A reply came; ``parent_header`` names its request, or is None if the kernel could not read it."""

    def publication(self, message: Message) -> None:
        """A publication or beacon of a subscribed feed came. Some may be missing: the numbers tell."""

    def lose(self, error: KernelError) -> None:
        """The kernel is out of reach for good: nothing more comes, and ``send`` raises."""


class Transport(Protocol):
    """The client's end of a connection to one kernel."""

    async def open(self, receiver: Receiver) -> None:
        """Connect. What arrives goes to ``receiver``."""

    def send(self, request: Message) -> None:
        """Send a request. Its reply, if any, comes to the receiver.

        Raises:
            MessageTooLarge, MalformedMessage: it cannot be sent as it is.
            ConnectionLost: the kernel is gone, or does not take what was sent before.
        """

    def subscribe(self, uid: SessionUID) -> None:
        """Follow a feed. A beacon comes as soon as the subscription holds; before, nothing may come."""

    def unsubscribe(self, uid: SessionUID) -> None:
        """Follow it no more."""

    async def close(self) -> None:
        """Let go of everything. Nothing reaches the receiver afterwards."""
