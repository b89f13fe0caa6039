"""The kernel: sessions that compute, a request channel, a numbered feed. Keeps nothing on disk.

To talk to a kernel: ``KernelClient`` over a transport of ``antiphon_kernel.transports`` (that of
``zeromq`` for a daemon, that of ``inprocess`` for a ``Service`` in this process). Importing this
package starts nothing and imports no socket library.
"""

from __future__ import annotations

__version__ = "0.1.0"
