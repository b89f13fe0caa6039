"""Change sets: what they do to a text, and that CodeMirror's do the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_webserver.changes import (
    Changes,
    ChangesError,
    Part,
    apply,
    compose,
    difference,
    moved,
    part,
    units,
    write,
)

ROOT = Path(__file__).parent.parent.parent

TEXTS = st.text(st.sampled_from("ab\n\r é😀漢"), max_size=40)


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ((), "", ""),
        ((3,), "abc", "abc"),
        ((1, (1,), 1), "abc", "ac"),
        ((1, (0, "x"), 2), "abc", "axbc"),
        (((3, "", ""),), "abc", "\n"),
        ((2, (0, "b"), 1), "😀c", "😀bc"),
        (((0, "a", "b", ""),), "", "a\nb\n"),
        ((1, (2, "\r"), 1), "a\r\nb", "a\rb"),
    ],
)
def test_what_changes_do(changes: Changes, before: str, after: str) -> None:
    assert apply(changes, before) == after


@pytest.mark.parametrize(
    ("changes", "text", "sentence"),
    [
        ((2,), "abc", "for a text of 2 units; this one has 3"),
        ((1, (0, "x"), 1), "😀", "cut a character"),
        (((1,), 1), "😀", "cut a character"),
        (((),), "", "a part is a number"),
        ((("a",),), "", "a part is a number"),
        (((0, 1),), "", "a part is a number"),
    ],
)
def test_changes_that_do_not_fit_are_refused(changes: Changes, text: str, sentence: str) -> None:
    with pytest.raises(ChangesError, match=sentence):
        apply(changes, text)


@given(TEXTS, TEXTS)
def test_a_difference_turns_one_into_the_other(before: str, after: str) -> None:
    assert apply(difference(before, after), before) == after


def test_a_difference_leaves_alone_what_stands_between_two_changes() -> None:
    assert difference("a\nkept\nb\n", "A\nkept\nB\n") == ((1, "A"), 6, (1, "B"), 1)


def test_a_difference_of_long_texts_is_one_change() -> None:
    lines = "".join(f"{number}\n" for number in range(3000))
    before, after = f"x\n{lines}y\n", f"X\n{lines}Y\n"
    assert [type(part) for part in difference(before, after)] == [tuple, int]
    assert apply(difference(before, after), before) == after


@given(st.lists(st.builds(Part, st.integers(0, 3), st.none() | st.text("ab\n", max_size=3)), max_size=8))
def test_what_is_written_does_what_was_meant(parts: list[Part]) -> None:
    text = "abcdefghijklmnopqrstuvwxyz"[: sum(part.length for part in parts)]
    pieces, at = [], 0
    for length, inserted in parts:
        pieces.append(text[at : at + length] if inserted is None else inserted)
        at += length
    assert apply(write(parts), text) == "".join(pieces)


@given(TEXTS, TEXTS, TEXTS)
def test_composed_changes_do_what_both_do(before: str, between: str, after: str) -> None:
    composed = compose(difference(before, between), difference(between, after))
    assert apply(composed, before) == after


@pytest.mark.parametrize("second", [(4,), (2,), (), ((4,),)])
def test_changes_that_do_not_follow_one_another_are_refused(second: Changes) -> None:
    with pytest.raises(ChangesError, match="than the changes before make"):
        compose((3,), second)


def test_a_character_is_not_cut_by_composing() -> None:
    with pytest.raises(ChangesError, match="in two"):
        compose(((0, "😀"),), (1, (0, "x"), 1))


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ((6,), (2, 4)),
        ((2, (0, "xy"), 4), (4, 6)),  # before its first character, outside of it
        ((3, (0, "xy"), 3), (2, 6)),
        ((4, (0, "xy"), 2), (2, 4)),  # behind its last one, outside of it
        (((3,), 3), (0, 1)),
        ((2, (2, "x"), 2), (2, 3)),
        ((1, (4,), 1), None),
        ((2, (2,), 2), None),
    ],
)
def test_a_range_moves_with_changes(changes: Changes, after: tuple[int, int] | None) -> None:
    assert moved(changes, 2, 4) == after


def test_a_part_is_counted_in_units() -> None:
    assert (part("abcd", 1, 3), part("é😀漢", 1, 3), part("é😀漢", 1, 2)) == ("bc", "😀", "")


# --- beside CodeMirror


def ask_codemirror(questions: list[Any]) -> list[Any]:
    """The answers of ``changes.mjs``."""
    node = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "page.py"), "node"], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = subprocess.run(
        [node, str(Path(__file__).with_name("changes.mjs"))],
        cwd=ROOT / "frontend",
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def random_text(source: random.Random) -> str:
    return "".join(source.choice("ab\n é😀漢\r") for _ in range(source.randrange(30)))


def random_ranges(source: random.Random, text: str) -> list[dict[str, Any]]:
    """Replacements in the order of the text, none between the two units of a character."""
    places = sorted(source.choice(range(len(text) + 1)) for _ in range(2 * source.randrange(4)))
    return [
        {"from": units(text[:start]), "to": units(text[:end]), "insert": random_text(source)}
        for start, end in zip(places[::2], places[1::2], strict=True)
    ]


@pytest.mark.slow
def test_codemirror_comes_to_the_same_texts() -> None:
    source = random.Random(20261121)
    texts = [random_text(source) for _ in range(3000)]
    made = ask_codemirror([["make", text, random_ranges(source, text)] for text in texts])
    for text, (changes, after) in zip(texts, made, strict=True):
        assert apply(tuple(part if isinstance(part, int) else tuple(part) for part in changes), text) == after


@pytest.mark.slow
def test_codemirror_takes_what_we_write() -> None:
    source = random.Random(11)
    pairs = [(random_text(source), random_text(source)) for _ in range(3000)]
    answers = ask_codemirror([["apply", before, difference(before, after)] for before, after in pairs])
    assert answers == [after for _, after in pairs]


def as_changes(parts: list[Any]) -> Changes:
    return tuple(part if isinstance(part, int) else tuple(part) for part in parts)


@pytest.mark.slow
def test_codemirror_composes_to_the_same_texts() -> None:
    source = random.Random(7)
    texts = [random_text(source) for _ in range(3000)]
    first = ask_codemirror([["make", text, random_ranges(source, text)] for text in texts])
    second = ask_codemirror([["make", between, random_ranges(source, between)] for _, between in first])
    theirs = ask_codemirror(
        [["compose", text, a, b] for text, (a, _), (b, _) in zip(texts, first, second, strict=True)]
    )
    for text, (a, _), (b, after), (composed, applied) in zip(texts, first, second, theirs, strict=True):
        ours = compose(as_changes(a), as_changes(b))
        assert apply(ours, text) == apply(as_changes(composed), text) == after == applied


@pytest.mark.slow
def test_codemirror_moves_ranges_to_the_same_places() -> None:
    source = random.Random(5)
    texts = [random_text(source) for _ in range(3000)]
    made = ask_codemirror([["make", text, random_ranges(source, text)] for text in texts])
    asked = []
    for text, (changes, _) in zip(texts, made, strict=True):
        start, end = sorted(source.randrange(units(text) + 1) for _ in range(2))
        asked.append((changes, start, end))
    theirs = ask_codemirror([["map", *question] for question in asked])
    for (changes, start, end), answer in zip(asked, theirs, strict=True):
        assert moved(as_changes(changes), start, end) == (answer and tuple(answer))
