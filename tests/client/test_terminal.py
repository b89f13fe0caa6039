import pytest

from antiphon_client.terminal import Escaper, escape, escape_line, table


def test_colours_stay_and_end_with_the_text() -> None:
    assert escape("\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "^[]0;title^G"),
        ("\x1b[2J", "^[[2J"),
        ("\x1b[3;1H", "^[[3;1H"),
        ("\x1b]52;c;aGk=\x1b\\", "^[]52;c;aGk=^[\\"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x7fb\x00c\x08d", "a^?b^@c^Hd"),
        ("line\r50 %\tü\n", "line\r50 %\tü\n"),
        ("\x1b", "^["),
        ("\x1b[", "^[["),
    ],
)
def test_control_sequences_are_made_visible(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_colour_that_is_cut_by_the_end_of_a_piece_is_put_together() -> None:
    escaper = Escaper()
    assert escaper.feed("a\x1b[3") == "a"
    assert escaper.feed("1mb") == "\x1b[31mb"
    assert escaper.flush() == "\x1b[0m"


def test_a_sequence_cannot_be_smuggled_in_two_pieces() -> None:
    escaper = Escaper()
    assert escaper.feed("\x1b") == ""
    assert escaper.feed("[2J") == "^[[2J"


def test_an_endless_sequence_is_not_held_for_ever() -> None:
    escaper = Escaper()
    assert escaper.feed("\x1b[" + "1;" * 100).startswith("^[[1;1;")


def test_a_table_cell_cannot_leave_its_line() -> None:
    assert escape_line("a\nb\x1b[31mc") == "a^Jbc"


def test_table_columns_are_as_wide_as_their_contents() -> None:
    assert table(("ID", "TITLE"), [("1", "one"), ("22", "two")]) == "ID  TITLE\n1   one\n22  two"
