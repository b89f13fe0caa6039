"""Fuzz for some seconds: ``python -m tests.fuzz.run SECONDS``. What fails is kept, and its path is told.

A mutation driver and not atheris: the decoders are C code of msgspec, whose branches atheris cannot see.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from antiphon_kernel.errors import KernelError

from .targets import TARGETS, mutated, seeds


def main(seconds: float) -> int:
    start = random.randrange(2**32)
    dice = random.Random(start)
    print(f"start {start}", flush=True)
    for name, target in TARGETS.items():
        # What was accepted is mutated further.
        inputs = [file.read_bytes() for file in seeds(name)]
        tried = 0
        deadline = time.monotonic() + seconds / len(TARGETS)
        while time.monotonic() < deadline:
            data = mutated(dice.choice(inputs), dice, inputs)
            tried += 1
            try:
                target(data)
            except KernelError:
                continue
            except BaseException:
                path = Path(tempfile.mkdtemp()) / name
                path.write_bytes(data)
                print(f"{name}: {path} fails; make it a seed when it is mended", file=sys.stderr)
                raise
            if len(inputs) < 1000 and len(data) < 4000:
                inputs.append(data)
        print(f"{name}: {tried} inputs, {len(inputs)} kept", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
