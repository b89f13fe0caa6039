"""A method: a handler, what it needs, and the types of its parameters and result."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, get_type_hints

import msgspec

from . import access, jsonrpc
from .audit import subject_of
from .context import Context, Handler
from .errors import InvalidParams, NotFound, NotOnThisTransport, NotSignedIn, RoleTooLow, TooManyAttempts

_log = logging.getLogger(__name__)


class Method:
    """A handler with what is known of it.

    Raises:
        TypeError: no row in ``access``, or a parameter without a type.
    """

    def __init__(self, name: str, handler: Handler, need: access.Need | None) -> None:
        if need is None:
            raise TypeError(f"{name} has no row in access.ACCESS, so nobody may call it.")
        self.name = name
        self.need = need
        self.handler = handler
        hints = get_type_hints(handler, include_extras=True)
        self.result: Any = hints.pop("return")
        parameters = [p for p in inspect.signature(handler).parameters.values() if p.kind is p.KEYWORD_ONLY]
        self.parameters = tuple(parameter.name for parameter in parameters)
        self.params: type[msgspec.Struct] = msgspec.defstruct(
            "".join(word.title() for word in re.split(r"[._]", name)) + "Params",
            [_field(parameter, hints[parameter.name]) for parameter in parameters],
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
        )

    @property
    def summary(self) -> str:
        """The docstring's first sentence."""
        return (inspect.getdoc(self.handler) or "").split("\n\n")[0].replace("\n", " ")

    def read(self, params: jsonrpc.Params) -> msgspec.Struct:
        """The parameters, by name or by position, as a struct of the right types.

        Raises:
            InvalidParams: ``data.field`` names what is wrong.
        """
        named = self._named(params) if isinstance(params, list) else params
        _refuse_nul(named, "")
        try:
            return msgspec.convert(named, self.params)
        except msgspec.ValidationError as error:
            field = _field_of(error)
            reason = str(error).split(" - at ")[0]
            raise InvalidParams(f"{field}: {reason}." if field else f"{reason}.", field=field) from error

    async def call(self, context: Context, params: msgspec.Struct) -> Any:
        """Do it, if the caller may. Raises what ``access.check`` raises, and what the method raises."""
        waits = getattr(params, "wait", 0) > 0 or getattr(params, "timeout", 0) > 0
        async with context.gate.turn(waits=waits):
            try:
                context = await self._admit(context, params)
                work = self.handler(context, **{name: getattr(params, name) for name in self.parameters})
                if self.name in access.AUDITED_RUNS:
                    context.note(self.name, subject=subject_of(params))
                elif self.name in access.AUDITED:
                    work = self._written_down(context, params, work)
                if not waits:
                    return await _finish(work)
                result = await work
                # What came while it waited is only for whoever still has the right to it.
                await self._admit(context, params)
                return result
            except (NotSignedIn, NotFound, RoleTooLow, TooManyAttempts) as refusal:
                context.note(self.name, subject=subject_of(params), outcome=refusal.name)
                raise

    async def _written_down(self, context: Context, params: msgspec.Struct, work: Awaitable[Any]) -> Any:
        result = await work
        context.note(self.name, subject=subject_of(params))
        await context.audit.flush(context.database)
        return result

    async def _admit(self, context: Context, params: msgspec.Struct) -> Context:
        """The context with the caller as it is now."""
        if self.need.who != "anyone" or context.caller.credential:
            caller = await context.database.glance(
                access.check, self.need, context.caller, params, context.now
            )
            context = replace(context, caller=caller)
        if self.need.live and context.subscriber is None:
            raise NotOnThisTransport(f"{self.name} needs a WebSocket. Over HTTP, ask with wait.")
        return context

    def _named(self, values: list[Any]) -> dict[str, Any]:
        if len(values) > len(self.parameters):
            raise InvalidParams(
                f"{self.name} has {len(self.parameters)} parameters; {len(values)} were given.",
                field=str(len(self.parameters)),
            )
        return dict(zip(self.parameters, values, strict=False))


def table(handlers: Mapping[str, Handler]) -> dict[str, Method]:
    """The methods by name.

    Raises:
        TypeError: a handler without a row in ``access``, or a row without a handler.
    """
    missing = access.ACCESS.keys() - handlers.keys()
    if missing:
        raise TypeError(f"access.ACCESS has rows without a method: {', '.join(sorted(missing))}.")
    return {name: Method(name, handler, access.ACCESS.get(name)) for name, handler in handlers.items()}


async def _finish(work: Awaitable[Any]) -> Any:
    """Carry out what was begun even if the caller goes away: half a ``cell.run`` would be a run that
    never ends. Nothing here takes longer than its deadlines, so whoever cancels waits a bounded time."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled() and task.exception():
            _log.warning("a request failed after its caller had gone", exc_info=task.exception())
        raise


def _field(parameter: inspect.Parameter, type: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.default is parameter.empty:
        return parameter.name, type
    return parameter.name, type, parameter.default


def _field_of(error: msgspec.ValidationError) -> str:
    """The dotted path of what is wrong, out of msgspec's sentence."""
    text = str(error)
    path = re.search(r"at `\$\.?([^`]*)`$", text)
    name = re.search(r"field `([^`]*)`", text)
    parts = [found.group(1) for found in (path, name) if found and found.group(1)]
    return ".".join(parts)


def _refuse_nul(value: Any, path: str) -> None:
    """PostgreSQL's text has no NUL, and neither has any honest title, name or program."""
    match value:
        case str() if "\0" in value:
            raise InvalidParams(f"{path}: contains the character NUL.", field=path)
        case dict():
            for name, member in value.items():
                _refuse_nul(member, f"{path}.{name}" if path else str(name))
        case list():
            for number, member in enumerate(value):
                _refuse_nul(member, f"{path}[{number}]")
