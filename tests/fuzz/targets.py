"""What hostile bytes reach first, as functions of bytes: each returns, or raises a ``KernelError``.

Seeds are files in ``seeds/NAME``, one input each; mutated ones are made of them (``mutated``).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from antiphon_kernel import codec
from antiphon_kernel.link import FrameDecoder, decode_event, decode_request
from antiphon_kernel.signing import SharedKey

SEEDS = Path(__file__).parent / "seeds"

SIGNER = SharedKey(b"fuzz" * 8)

PIECE = 7
"""Bytes that a stream is cut into, so that frames end anywhere."""


def frames_of(data: bytes) -> list[bytes]:
    """Frames, each behind one byte of length times 16; the last one ends with the data."""
    frames = []
    while data:
        length = data[0] * 16
        frames.append(data[1 : 1 + length].rstrip(b"\n"))
        data = data[1 + length :]
    return frames


def packed(frames: list[bytes]) -> bytes:
    """The data that ``frames_of`` takes apart again. A frame has up to 4080 bytes."""
    padded = [frame.ljust(-(-len(frame) // 16) * 16, b"\n") for frame in frames]
    return b"".join(bytes([len(frame) // 16]) + frame for frame in padded)


def fuzz_codec(data: bytes) -> None:
    """A message from frames, unsigned as an observer reads it; then written again."""
    message = codec.decode(frames_of(data), "request", None)
    for encoding in ("json", "msgpack"):
        codec.encode(message, "feed", SIGNER, encoding)  # type: ignore[arg-type]


def fuzz_signature(data: bytes) -> None:
    """A message that must be signed, and is not."""
    codec.decode(frames_of(data), "request", SIGNER)


def _stream(decoder: FrameDecoder[object], data: bytes) -> None:
    for start in range(0, len(data), PIECE):
        for _ in decoder.receive(data[start : start + PIECE]):
            pass
        assert decoder.unfinished <= len(data)


def fuzz_events(data: bytes) -> None:
    """What a worker says on its link."""
    _stream(FrameDecoder(decode_event), data)


def fuzz_requests(data: bytes) -> None:
    """What a worker is told on its link."""
    _stream(FrameDecoder(decode_request), data)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "codec": fuzz_codec,
    "signature": fuzz_signature,
    "events": fuzz_events,
    "requests": fuzz_requests,
}


def seeds(target: str) -> list[Path]:
    """The files of one target; a signature is tried on the frames of the codec."""
    return sorted((SEEDS / ("codec" if target == "signature" else target)).iterdir())


TOKENS = (
    b"\x00",
    b"\xff",
    b"\xc1",
    b"\x7f\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"null",
    b"1e999",
    b"[" * 64,
    b'"',
)
"""Bytes with a meaning: ends of ranges, a type that MessagePack lacks, huge lengths, deep nesting."""


def mutated(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """The data with some random changes: bits, cuts, repetitions, tokens, pieces of other seeds."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(changed) + 1)
        end = min(len(changed), place + dice.randint(1, 32))
        match dice.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << dice.randrange(8)
            case 1:
                del changed[place:end]
            case 2:
                changed[place:place] = changed[place:end] * dice.randint(1, 8)
            case 3:
                changed[place:place] = dice.choice(TOKENS)
            case 4:
                changed[place:end] = dice.randbytes(end - place)
            case _:
                other = dice.choice(others)
                changed[place:] = other[dice.randrange(len(other) + 1) :]
    return bytes(changed)
