"""server.*: what this server is."""

from __future__ import annotations

import msgspec

from ..context import Context, Handler, KernelState
from ..model import Account, SignUp


class ServerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``signup`` says who may make an account, ``oidc`` whether people sign in at a provider,
    ``signed_in`` is the caller's, or null."""

    version: str
    edition: str
    kernel: KernelState
    signup: SignUp
    oidc: bool
    signed_in: Account | None


async def info(context: Context) -> ServerInfo:
    """Tell what this server is and who the caller is."""
    return ServerInfo(
        version=context.version,
        edition=context.edition,
        kernel=context.sessions.kernel,
        signup=context.signup,
        oidc=context.oidc is not None,
        signed_in=context.caller.account,
    )


METHODS: dict[str, Handler] = {"server.info": info}
