"""HTTP and WebSocket: the only folder that imports tornado."""

from .app import make_server
from .handler import Web
from .security import Door

__all__ = ["Door", "Web", "make_server"]
