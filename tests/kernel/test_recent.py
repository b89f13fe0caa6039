"""What is remembered of the latest, as a value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon_kernel.session.recent import PIECE, Recent


@given(st.lists(st.integers(0, 2 * PIECE)), st.integers(1, 2 * PIECE))
def test_it_is_a_dict_that_forgets_its_oldest_entry_at_its_bound(keys: list[int], bound: int) -> None:
    recent, plain = Recent[int](), dict[str, int]()
    for value, key in enumerate(map(str, keys)):
        before, was = recent, list(recent.items())
        recent = recent.adding(key, value, bound)
        plain[key] = value
        if len(plain) > bound:
            del plain[next(iter(plain))]
        assert list(recent.items()) == list(plain.items()) == list(Recent(plain.items()).items())
        assert list(before.items()) == was
        assert recent.since(before) == ([] if key in before else [(key, value)])
    assert len(recent) == len(plain)
    assert "none" not in recent
