"""Comms: objects in the session and in a page that send each other messages. Widgets are made of them.

The ``comm`` package has the objects; here they get their way out (``current_run``) and in (``handle``).
Whoever runs code is asked where its messages go, so that a widget moved by a callback of another one
speaks for the request that moved that one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from comm.base_comm import BaseComm, CommManager

from ..message import CommClose, CommInfo, CommMsg, CommOpen, Content, Message
from .bundles import plain_bundle
from .stage import current_run

if TYPE_CHECKING:
    from .shell import Shell

_CONTENTS: dict[str, type[Content]] = {kind.msg_type: kind for kind in (CommOpen, CommMsg, CommClose)}


class Comm(BaseComm):
    """The session's end of a comm."""

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[Any] | None = None,
        **fields: Any,
    ) -> None:
        if (run := current_run()) is not None:
            content = _CONTENTS[msg_type](comm_id=self.comm_id, data=plain_bundle(data), **fields)
            raw = tuple(map(_bytes, buffers or ()))
            run.publish(content, plain_bundle(metadata), raw)


def _bytes(buffer: Any) -> bytes:
    return buffer if isinstance(buffer, bytes) else memoryview(buffer).tobytes()


class Comms(CommManager):
    """The comms of one session."""

    def create(self, *args: Any, **options: Any) -> Comm:
        """A new comm: opened towards the clients, unless ``primary`` is false."""
        return Comm(*args, **options)

    def handle(self, request: Message) -> None:
        """Take a comm message of a client. Raises what the session's callbacks raise."""
        message = {
            "header": {"msg_id": request.header.msg_id, "msg_type": request.header.msg_type},
            "msg_id": request.header.msg_id,
            "msg_type": request.header.msg_type,
            "parent_header": {},
            "metadata": request.metadata,
            "content": msgspec.structs.asdict(request.content),
            "buffers": [memoryview(buffer) for buffer in request.buffers],
        }
        match request.content:
            case CommOpen(comm_id=comm_id, target_name=target):
                self._open(self.create(comm_id=comm_id, target_name=target, primary=False), message)
            case CommMsg(comm_id=comm_id) if (found := self.comms.get(comm_id)) is not None:
                found.handle_msg(message)
            case CommClose(comm_id=comm_id) if (found := self.comms.pop(comm_id, None)) is not None:
                found._closed = True  # the other side knows
                found.handle_close(message)

    def _open(self, comm: Comm, message: dict[str, Any]) -> None:
        target = self.targets.get(comm.target_name)
        self.register_comm(comm)
        if target is None:
            print(f"Nothing in this session takes comms of {comm.target_name!r}.", file=sys.stderr)
            comm.close()
            return
        try:
            target(comm, message)
        except BaseException:
            comm.close()
            raise

    def describe(self, target_name: str | None) -> dict[str, CommInfo]:
        """The open comms, all or those of one target."""
        return {
            comm_id: CommInfo(target_name=comm.target_name)
            for comm_id, comm in self.comms.items()
            if target_name is None or comm.target_name == target_name
        }


class Kernel:
    """What libraries look for as ``get_ipython().kernel``: whose request is on, and the comms.

    ipywidgets' ``Output`` asks for the first. Nothing else of ipykernel's class is here.
    """

    def __init__(self, shell: Shell, comms: Comms) -> None:
        self.shell = shell
        self.comm_manager = comms

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        run = current_run()
        return {} if run is None or not run.parent else {"header": {"msg_id": run.parent}}
