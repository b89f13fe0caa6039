"""What a user sees of a stack."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import pytest

from antiphon_kernel.worker.tracebacks import hide_our_frames, without_our_frames


def called(function: Callable[[], Any]) -> Any:
    return function()


def fail() -> None:
    raise ValueError


def of_module(module: str, function: FunctionType) -> Callable[..., Any]:
    """The same function, as if a module had defined it."""
    return FunctionType(function.__code__, {"__name__": module, "ValueError": ValueError})


def caller(module: str) -> Callable[[Callable[[], Any]], Any]:
    """A function of a module, which calls another one."""
    return of_module(module, cast(FunctionType, called))


ours = caller("antiphon_kernel.worker.stage")
theirs = caller("library")


def modules_of(error: BaseException) -> list[str]:
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]


def raised(*calls: Callable[[Callable[[], Any]], Any]) -> ValueError:
    """An error that passed through these calls, outermost first."""
    function: Callable[[], Any] = fail
    for call in reversed(calls):
        function = lambda call=call, inner=function: call(inner)  # noqa: E731
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        function()
    return caught.value


def test_our_frames_go_wherever_they_stand():
    error = raised(ours, theirs, ours, ours, theirs)
    assert "antiphon_kernel.worker.stage" in modules_of(error)
    hide_our_frames(error)
    assert "antiphon_kernel.worker.stage" not in modules_of(error)
    assert modules_of(error).count("library") == 2


def test_innermost_frame_of_ours_goes_too():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        theirs(of_module("antiphon_kernel.worker.interrupts", cast(FunctionType, fail)))
    hide_our_frames(caught.value)
    assert modules_of(caught.value) == [__name__, "library"]


def test_causes_contexts_and_groups_are_cleaned_too():
    cause, context, member, second = (raised(ours) for _ in range(4))
    error = ExceptionGroup("several", [member, second])
    error.__cause__, error.__context__ = cause, context
    context.__context__ = error  # a ring must end somewhere
    hide_our_frames(error)
    for cleaned in (cause, context, member, second):
        assert set(modules_of(cleaned)) == {__name__}


def test_traceback_of_nothing_but_ours_is_empty():
    error = raised(ours)
    place = error.__traceback__
    while place is not None and place.tb_frame.f_globals["__name__"] == __name__:
        place = place.tb_next
    assert place is not None
    place.tb_next = None
    assert without_our_frames(place) is None


def test_code_that_uses_the_package_keeps_its_frames():
    error = raised(caller("antiphon_kernel.client"))
    hide_our_frames(error)
    assert "antiphon_kernel.client" in modules_of(error)
