"""What is too large or too binary for JSON, taken out of MIME bundles and put back: pure functions.

What belongs here: which values become blobs, how they stood in JSON, and the way back, exact to the
character. What must never come here: SQL, HTTP.

A *blob* is bytes named by their SHA-256. In the place of a value stands a ``Blob``, beside the bundle and
not in it: what code publishes cannot look like one.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from antiphon_kernel.message import MimeBundle

from .model import Blob, Publication

LARGE_BYTES = 64 * 2**10
"""Text and JSON above this become blobs. What is binary always does."""

OCTETS = "application/octet-stream"

_BINARY = re.compile(r"(?:image/(?!svg)|audio/|video/|font/).+|application/(?:pdf|zip|octet-stream|wasm)")

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""Source: RFC 6838, section 4.2; without the capitals, which nobody uses."""

Bytes = dict[str, bytes]
"""The bytes of blobs, by their digest."""


def blob(data: bytes, type: str = OCTETS, form: str = "base64", line: int = 0) -> tuple[Blob, bytes]:
    known = type if _MEDIA_TYPE.fullmatch(type) else OCTETS
    digest = hashlib.sha256(data).hexdigest()
    return msgspec.convert(
        {"digest": digest, "bytes": len(data), "type": known, "form": form, "line": line}, Blob
    ), data


def take_out(data: MimeBundle) -> tuple[MimeBundle, dict[str, Blob], Bytes]:
    """What stays of a bundle, the blobs by the MIME type that they stood under, and their bytes."""
    taken = {kind: found for kind, value in data.items() if (found := _taken(kind, value))}
    if not taken:
        return data, {}, {}
    rest = {kind: value for kind, value in data.items() if kind not in taken}
    return (
        rest,
        {kind: blob for kind, (blob, _) in taken.items()},
        {blob.digest: raw for blob, raw in taken.values()},
    )


def put_back(data: MimeBundle, blobs: Mapping[str, Blob], read: Mapping[str, bytes]) -> MimeBundle:
    """The bundle as it was. A blob whose bytes are not there stays out."""
    back = {kind: _value(blob, read[blob.digest]) for kind, blob in blobs.items() if blob.digest in read}
    return {**data, **back}


def restored(publication: Publication, read: Mapping[str, bytes]) -> Publication:
    """The publication with its bundle as the session published it."""
    if not publication.blobs:
        return publication
    data = put_back(publication.content["data"], publication.blobs, read)
    return msgspec.structs.replace(publication, content={**publication.content, "data": data}, blobs={})


def blobs_of(publication: Publication) -> Iterable[Blob]:
    """Every blob that the publication refers to."""
    yield from publication.blobs.values()
    yield from publication.buffers


def _taken(kind: str, value: Any) -> tuple[Blob, bytes] | None:
    if isinstance(value, str):
        if _BINARY.fullmatch(kind) and (found := _decoded(value)):
            return blob(found[0], kind, "base64", found[1])
        # A character has one to four bytes: most texts are told to be small without encoding them.
        if len(value) * 4 <= LARGE_BYTES or len(raw := value.encode("utf-8", "replace")) <= LARGE_BYTES:
            return None
        return blob(raw, "text/plain" if _BINARY.fullmatch(kind) else kind, "text")
    if isinstance(value, dict | list) and len(raw := msgspec.json.encode(value)) > LARGE_BYTES:
        return blob(raw, kind, "json")
    return None


def _value(blob: Blob, raw: bytes) -> Any:
    match blob.form:
        case "base64":
            return _encoded(raw, blob.line)
        case "text":
            return raw.decode()
        case "json":
            return msgspec.json.decode(raw)


def _decoded(text: str) -> tuple[bytes, int] | None:
    """The bytes and the length of a line; None for what would not come back the same."""
    line = max(text.find("\n"), 0)
    try:
        raw = binascii.a2b_base64(text.replace("\n", "").encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return (raw, line) if _encoded(raw, line) == text else None


def _encoded(raw: bytes, line: int) -> str:
    text = binascii.b2a_base64(raw, newline=False).decode()
    if not line:
        return text
    return "".join(f"{text[at : at + line]}\n" for at in range(0, len(text), line))
