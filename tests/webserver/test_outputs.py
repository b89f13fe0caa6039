"""What a run published, folded into what stands under its cell."""

from __future__ import annotations

from typing import Any

from antiphon_webserver.model import Publication
from antiphon_webserver.outputs import (
    DisplayData,
    Error,
    ExecuteResult,
    Fold,
    Output,
    Stream,
    plain,
    settle,
)


def said(msg_type: str, parent: str = "me", **content: Any) -> Publication:
    return Publication(
        number=1,
        msg_id="p",
        msg_type=msg_type,
        parent=parent,
        username="",
        date="",
        metadata={},
        content=content,
    )


def stream(text: str, name: str = "stdout", parent: str = "me") -> Publication:
    return said("stream", parent, name=name, text=text)


def display(text: str, display_id: str = "", kind: str = "display_data", parent: str = "me") -> Publication:
    transient = {"display_id": display_id} if display_id else {}
    return said(kind, parent, data={"text/plain": text}, metadata={}, transient=transient)


def folded(*publications: Publication, most_bytes: int = 1000) -> tuple[Output, ...]:
    fold = Fold("me", most_bytes=most_bytes)
    fold.take(publications)
    return fold.outputs


def shown(text: str) -> DisplayData:
    return DisplayData(data={"text/plain": text}, metadata={})


def test_a_stream_goes_on_until_something_else_comes() -> None:
    assert folded(stream("a"), stream("b"), stream("c", "stderr"), stream("d")) == (
        Stream(name="stdout", text="ab"),
        Stream(name="stderr", text="c"),
        Stream(name="stdout", text="d"),
    )


def test_what_others_run_is_not_ours() -> None:
    assert folded(stream("theirs", parent="they"), stream("ours")) == (Stream(name="stdout", text="ours"),)


def test_a_display_is_updated_where_it_stands_by_whoever_runs() -> None:
    update = display("new", "d", "update_display_data", "they")
    assert folded(display("old", "d"), stream("x"), update) == (
        shown("new"),
        Stream(name="stdout", text="x"),
    )


def test_an_update_without_a_display_shows_nothing() -> None:
    assert folded(display("new", "d", "update_display_data"), display("other")) == (shown("other"),)


def test_clear_output_clears_now_or_with_the_next_output() -> None:
    assert folded(stream("a"), said("clear_output", wait=False)) == ()
    later = (stream("a"), said("clear_output", wait=True))
    assert folded(*later) == (Stream(name="stdout", text="a"),)
    assert folded(*later, stream("b")) == (Stream(name="stdout", text="b"),)


def test_results_and_errors_are_outputs() -> None:
    result = said("execute_result", execution_count=3, data={"text/plain": "1"}, metadata={"a": 1})
    error = said("error", ename="E", evalue="v", traceback=["t"])
    assert folded(result, error) == (
        ExecuteResult(execution_count=3, data={"text/plain": "1"}, metadata={"a": 1}),
        Error(ename="E", evalue="v", traceback=("t",)),
    )


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    fold = Fold("me", most_bytes=10)
    fold.take([stream("12345678"), stream("9ab"), display("x" * 100), stream("c", "stderr")])
    assert fold.outputs == (Stream(name="stdout", text="12345678"), Stream(name="stderr", text="c"))
    assert fold.omitted == 2


def test_cleared_output_makes_room() -> None:
    assert folded(stream("12345678"), said("clear_output"), stream("abcdefgh"), most_bytes=10) == (
        Stream(name="stdout", text="abcdefgh"),
    )


def test_the_fold_tells_how_far_the_run_is() -> None:
    fold = Fold("me", most_bytes=10)
    assert (fold.started, fold.prompt, fold.reply) == (False, None, None)
    fold.take([said("execute_input", code="1", execution_count=7), said("input_request", prompt="name? ")])
    assert (fold.started, fold.prompt, fold.execution_count) == (True, "name? ", 7)
    fold.take([said("execute_reply", status="ok", execution_count=7)])
    assert (fold.prompt, fold.reply) == (None, {"status": "ok", "execution_count": 7})


def test_streams_are_settled_as_a_terminal_shows_them() -> None:
    assert settle([Stream(name="stdout", text="10%\r100%\n")]) == (Stream(name="stdout", text="100%\n"),)


def test_plain_text_has_no_escape_sequences() -> None:
    assert plain("\x1b[0;31mError\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07") == "Error link"
