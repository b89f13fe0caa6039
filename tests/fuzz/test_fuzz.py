"""The fuzz targets over their seeds and a fixed number of mutations; ``make fuzz`` goes on for longer."""

from __future__ import annotations

import contextlib
import random
import tracemalloc

import pytest

from antiphon_kernel.errors import KernelError, ProtocolError
from antiphon_kernel.link import ROOM_BYTES

from .targets import TARGETS, frames_of, mutated, packed, seeds

MUTATIONS = 3000


def test_frames_are_packed_and_found() -> None:
    assert frames_of(packed([b"a", b"", b"b" * 100])) == [b"a", b"", b"b" * 100]


@pytest.mark.parametrize("target", TARGETS)
def test_good_seeds_pass_and_bad_ones_are_refused(target: str) -> None:
    files = seeds(target)
    assert files
    for file in files:
        good = file.name.startswith("good") and target != "signature"
        with contextlib.nullcontext() if good else pytest.raises(ProtocolError):
            TARGETS[target](file.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_mutations_raise_nothing_but_our_errors(target: str) -> None:
    dice = random.Random(7)
    inputs = [file.read_bytes() for file in seeds(target)]
    for _ in range(MUTATIONS):
        data = mutated(dice.choice(inputs), dice, inputs)
        with contextlib.suppress(KernelError):
            TARGETS[target](data)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_memory_is_bounded_by_what_came(target: str) -> None:
    dice = random.Random(11)
    inputs = [file.read_bytes() for file in seeds(target)]
    tracemalloc.start()
    try:
        for _ in range(300):
            data = mutated(dice.choice(inputs), dice, inputs)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with contextlib.suppress(KernelError):
                TARGETS[target](data)
            _, peak = tracemalloc.get_traced_memory()
            # Room for a long frame that was announced, and the piece that it grows by.
            assert peak - before < 500_000 + 2 * ROOM_BYTES + 100 * len(data), data
    finally:
        tracemalloc.stop()
