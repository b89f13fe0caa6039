"""What a terminal shows of a text, held against pyte, and that folding can be gone on with."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyte
import pyte.modes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from antiphon_webserver.terminal import HEIGHT, folded, shown

PIECES = st.one_of(
    st.text("ab c", min_size=1, max_size=8),
    st.sampled_from(
        ["\n", "\r", "\b", "\r\n", "\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[J", "\x1b[1J", "\x1b[2J"]
    ),
    st.builds("\x1b[{}{}".format, st.integers(0, 30), st.sampled_from("ABCDEFG")),
    st.builds("\x1b[{};{}H".format, st.integers(0, 30), st.integers(0, 30)),
    st.sampled_from(
        ["\x1b[31m", "\x1b[1;42m", "\x1b[0m", "\x1b[m", "\x1b[38;5;208m", "\x1b[22m", "\x1b[39;49m"]
    ),
    st.sampled_from(["\x1b[?25l", "\x07", "\x1b]8;;http://x\x07", "\x1b=", "\n" * 30]),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def on_pyte(text: str) -> tuple[list[str], list[tuple[str, str, bool]]]:
    """The lines, without the spaces at their ends, and the looks of what is no space."""
    screen = pyte.HistoryScreen(300, HEIGHT, history=10_000, ratio=0.5)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(text)
    rows = [*screen.history.top, *(screen.buffer[y] for y in range(HEIGHT))]
    cells = [[row[x] for x in range(300)] for row in rows]
    lines = ["".join(cell.data for cell in row).rstrip() for row in cells]
    while lines and not lines[-1]:
        lines.pop()
    looks = [
        (cell.data, f"{cell.fg}/{cell.bg}", cell.bold) for row in cells for cell in row if cell.data != " "
    ]
    return lines, looks


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_it_shows_what_a_terminal_shows(text: str) -> None:
    assert on_pyte(shown(text)) == on_pyte(text)


@given(TEXTS, TEXTS)
def test_what_is_folded_can_be_gone_on_with(first: str, second: str) -> None:
    for more in ("\b", "X\r", "\x1b[AX"):  # which shows where the cursor is, and in which style it writes
        assert shown(folded(folded(first) + second) + more) == shown(first + second + more)
        assert shown(folded(folded(first)) + more) == shown(first + more)


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_can_be_folded(first: str, second: str) -> None:
    assert shown(folded(first + second) + "\r") == shown(first + second + "\r")


def test_plain_and_coloured_text_stays_as_it_is() -> None:
    for text in ("", "a\tb\nc  \n", "\x1b[31mred\x1b[0m\n", "é\u2028😀"):
        assert folded(text) == shown(text) == text


def test_a_sequence_that_is_cut_goes_on() -> None:
    assert shown(folded("abc\x1b[") + "2Kd") == "   d"
    assert shown(folded("abc\r\x1b") + "[Kd") == "d"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("10%\r100%\n", "100%\n"),
        ("done\rno", "none"),
        ("abc\b\bX", "aXc"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("\x1b[1mlong\x1b[0m\r\x1b[1mx\x1b[0m", "\x1b[0;1mxong\x1b[0m"),
        ("one\ntwo\x1b[A\rONE", "ONE\ntwo"),
        ("a\x1b[999999999Cb", "a" + " " * 9_999 + "b"),
    ],
)
def test_examples(written: str, seen: str) -> None:
    assert shown(written) == seen


def in_pieces(written: str) -> str:
    text = ""
    for at in range(0, len(written), 65_536):
        text = folded(text + written[at : at + 65_536])
    return text


@pytest.mark.slow
def test_nested_bars_are_a_few_lines() -> None:
    file = io.StringIO()
    bar: dict[str, Any] = {"file": file, "mininterval": 0, "ncols": 60, "ascii": True}
    with tqdm(total=20, desc="outer", **bar) as outer:
        for _ in range(20):
            for _ in tqdm(range(20), desc="inner", leave=False, position=1, **bar):
                pass
            outer.update()
    text = in_pieces(file.getvalue())
    assert len(text) < 300
    assert on_pyte(text) == on_pyte(file.getvalue())


@pytest.mark.slow
def test_a_bar_of_a_hundred_thousand_updates_is_one_line() -> None:
    bar = "".join(f"\r{at / 1000:7.3f}%|{'#' * (at // 2500):40}| {at}/100000" for at in range(100_001))
    text = in_pieces(bar)
    assert text == f"100.000%|{'#' * 40}| 100000/100000"[: len(text)]


CASES = json.loads((Path(__file__).parents[1] / "terminal.json").read_text())
"""The page's tests have them too: the two agree."""


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_the_page_and_the_server_show_the_same(case: dict[str, Any]) -> None:
    assert shown("".join(case["parts"])) == case["shown"]
