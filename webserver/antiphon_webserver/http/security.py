"""What a browser is told and what it must prove: headers, ``Host``, ``Origin``; whom proxies speak for.

What belongs here: values and decisions, without tornado. ``handlers.py`` applies them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # CodeMirror writes its own style sheets, and coloured output carries style attributes.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
"""The content security policy of everything but the output frame."""

FRAME_POLICY = "; ".join(
    (
        # Without allow-same-origin the document has an origin of its own: no cookie, no storage,
        # no reach into the page, even when it is opened outside a frame.
        "sandbox allow-scripts",
        "default-src 'none'",
        # blob: a widget whose code is in its state is imported as a module; what may be evaluated may be
        # that as well, and an address of this kind exists in this document alone. It must start no worker.
        "script-src 'unsafe-inline' 'unsafe-eval' blob:",
        "worker-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "media-src data: blob:",
        "frame-ancestors 'self'",
    )
)
"""The policy of ``/frame.html``, in which output from cells is shown: it may run and not reach out."""

BLOB_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""The policy of ``/blob/…``: whoever opens one outside the page sees it run nothing and load nothing."""

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
"""Headers by which a proxy tells of itself."""


class Proxies:
    """Who may speak for others: what anybody else says of a caller's address is not believed.

    Args:
        networks: the addresses of the declared proxies.
    """

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusted(self, address: str) -> bool:
        """Whether this is the address of a declared proxy."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def caller(self, peer: str, headers: Mapping[str, str]) -> str:
        """The address from which the request came.

        Each proxy appends the address it was called from to ``X-Forwarded-For``, so the last one that
        is no proxy of ours is the caller; what stands before it the caller has invented.

        Args:
            peer: who is at the other end of the connection.
        """
        caller = peer
        hops = headers.get("X-Forwarded-For", "").split(",")
        while self.trusted(caller) and hops:
            hop = hops.pop().strip()
            if not _is_address(hop):
                break
            caller = hop
        return caller

    def is_local(self, peer: str, headers: Mapping[str, str]) -> bool:
        """Whether a program of this machine calls, and no proxy on it for somebody else."""
        caller = self.caller(peer, headers)
        if caller == peer and any(name in headers for name in FORWARDED):
            return False
        return _is_address(caller) and ipaddress.ip_address(caller).is_loopback


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Refused(Exception):
    """The request comes from where it must not; the sentence says what did not match."""


class Door:
    """Decides whether a request was meant for this server and, from a browser, comes from its page.

    Args:
        hosts: every accepted ``Host``, in lower case, with its port.
        public_origin: the origin under which people reach the server, if it is not one of these by
            plain http.
    """

    def __init__(self, hosts: frozenset[str], public_origin: str) -> None:
        self._hosts = hosts
        public = urlsplit(public_origin)
        self._origins = frozenset(f"http://{host}" for host in hosts) | {
            f"{public.scheme}://{public.netloc}".lower()
        }
        if public.scheme == "https":
            self._origins |= {f"https://{host}" for host in hosts}

    def check(self, headers: Mapping[str, str], *, changes: bool) -> None:
        """Check a request.

        Args:
            changes: it changes state or opens a socket, so a foreign page must not send it.

        Raises:
            Refused: the ``Host`` is not ours, or the ``Origin`` is not that of our page.
        """
        host = headers.get("Host", "").lower()
        if host not in self._hosts:
            raise Refused("The Host of the request is not a name of this server.")
        if not changes:
            return
        origin = headers.get("Origin")
        if origin is not None and not self._is_ours(origin.lower(), host):
            raise Refused("The Origin of the request is not a page of this server.")
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refused("The request was sent by a page of another site.")

    def _is_ours(self, origin: str, host: str) -> bool:
        return origin in self._origins and urlsplit(origin).netloc == host
