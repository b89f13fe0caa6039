"""The limit on the output of a run: what it cuts, and what it says of that."""

from __future__ import annotations

from antiphon_webserver.allowance import Allowance
from antiphon_webserver.model import Publication
from antiphon_webserver.terminal import shown
from tests.webserver.test_blobs import shown as display
from tests.webserver.test_outputs import said, stream


def heard(allowance: Allowance, *items: Publication) -> list[Publication]:
    return [allowance.take(item, {})[0] for item in items]


def texts(items: list[Publication], name: str) -> str:
    return "".join(item.content["text"] for item in items if item.content.get("name") == name)


def test_what_is_beyond_is_cut_and_the_last_word_says_how_much() -> None:
    kept = heard(Allowance(10), *(stream("12345") for _ in range(5)))
    assert texts(kept, "stdout") == "1234512345"
    assert [item.number for item in kept] == [1] * 5
    notice = "[15 bytes of output were cut: run-output-bytes is 10.]"
    assert shown(texts(kept, "stderr")) == f"\n{notice}"


def test_small_outputs_after_the_cut_do_not_stand_alone() -> None:
    kept = heard(Allowance(10), stream("x" * 11), stream("y"))
    assert texts(kept, "stdout") == ""
    assert "12 bytes" in shown(texts(kept, "stderr"))


def test_pictures_count_with_their_blobs_and_errors_are_kept() -> None:
    allowance = Allowance(50)
    picture, data = display(1, {"image/png": "AAAA" * 100})
    item, rest = allowance.take(picture, data)
    assert (item.msg_type, item.blobs, rest) == ("stream", {}, {})
    error = said("error", "r", ename="E", evalue="", traceback=["t" * 100])
    assert heard(allowance, error) == [error]


def test_each_run_has_its_own_and_zero_is_no_limit() -> None:
    one, other = stream("12345", parent="one"), stream("12345", parent="other")
    assert heard(Allowance(5), one, other) == [one, other]
    assert heard(Allowance(0), *[one] * 100) == [one] * 100
