"""HTTP and WebSocket: the only folder that imports tornado."""

from .app import make_server
from .handler import Web
from .security import Door, Proxies

__all__ = ["Door", "Proxies", "Web", "make_server"]
