"""Pieces of a stream, joined before Jupyter's clients get them.

A session tells what is written when it is written; each message of a stream is an output of its own in the
notebooks that nbclient and papermill write, and a box of its own in what is made of these. So a piece is
held for a moment, and what follows it joins it. No clock here: the caller says when the moment is over.
"""

from __future__ import annotations

import msgspec

from ..message import Message, Stream

JOIN_SECONDS = 0.02
"""For which a piece waits for the next. Too short to be seen; ipykernel's is 0.2."""

JOINED_CHARACTERS = 256 * 1024
"""After which a piece waits no longer."""


class Joiner:
    """Give it publications in their order, and it gives them back, in their order."""

    def __init__(self) -> None:
        self._held: Message | None = None
        self._texts: list[str] = []
        self._characters = 0

    @property
    def is_holding(self) -> bool:
        """Whether ``release`` has something to give."""
        return self._held is not None

    def take(self, publication: Message) -> list[Message]:
        """What is to be sent now."""
        content = publication.content
        if not isinstance(content, Stream):
            return [*self.release(), publication]
        due = [] if self._is_continued_by(publication, content) else self.release()
        if self._held is None:
            self._held = publication
        self._texts.append(content.text)
        self._characters += len(content.text)
        return due if self._characters < JOINED_CHARACTERS else [*due, *self.release()]

    def release(self) -> list[Message]:
        """What was held: one publication, under the number of its first piece, or none."""
        held, texts = self._held, self._texts
        self._held, self._texts, self._characters = None, [], 0
        if held is None:
            return []
        assert isinstance(held.content, Stream)
        return [msgspec.structs.replace(held, content=Stream(name=held.content.name, text="".join(texts)))]

    def _is_continued_by(self, publication: Message, content: Stream) -> bool:
        held = self._held
        return (
            held is not None
            and isinstance(held.content, Stream)
            and held.content.name == content.name
            and held.parent_header == publication.parent_header
            and not held.metadata
            and not publication.metadata
        )
