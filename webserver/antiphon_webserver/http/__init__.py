"""HTTP and WebSocket: the only folder that imports tornado."""

from .app import bind, make_server
from .handler import Web
from .security import Door

__all__ = ["Door", "Web", "bind", "make_server"]
