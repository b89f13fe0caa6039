"""The limit on the output of a run: what it cuts, and what it says of that."""

from __future__ import annotations

from antiphon_webserver.allowance import NEAR_BYTES, Allowance
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
    item, rest, counted = allowance.take(picture, data)
    assert (item.msg_type, item.blobs, rest, counted) == ("stream", {}, {}, 0)
    error = said("error", "r", ename="E", evalue="", traceback=["t" * 100])
    assert heard(allowance, error) == [error]


def test_each_run_has_its_own_and_zero_is_no_limit() -> None:
    one, other = stream("12345", parent="one"), stream("12345", parent="other")
    assert heard(Allowance(5), one, other) == [one, other]
    assert heard(Allowance(0), *[one] * 100) == [one] * 100


def test_what_a_worksheet_has_no_room_for_is_cut_whichever_run_it_is_of() -> None:
    allowance = Allowance(100, 1_000)
    assert allowance.near
    allowance.told(988)
    kept = heard(allowance, stream("12345", parent="one"), stream("123456789", parent="other"))
    assert texts(kept, "stdout") == "12345"
    notice = "[9 bytes of output were cut: worksheet-output-bytes is 1,000; clear outputs to make room.]"
    assert shown(texts(kept, "stderr")) == f"\n{notice}"
    allowance.told(0)
    assert "10 bytes" in texts(heard(allowance, stream("x", parent="other")), "stderr"), "it has no holes"
    assert texts(heard(allowance, stream("y", parent="next")), "stdout") == "y"


def test_far_from_the_limit_nobody_is_asked() -> None:
    allowance = Allowance(0, 4 * NEAR_BYTES)
    allowance.told(NEAR_BYTES)
    assert not allowance.near
    assert not Allowance(1).near
