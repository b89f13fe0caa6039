"""The page and its files, and the output frame."""

from __future__ import annotations

from pathlib import Path

from tornado.web import StaticFileHandler

from .handler import Handler, Refusal
from .security import FRAME_POLICY

NOT_BUILT = (
    "The page is not built. Run “make page” in a clone of Antiphon, or install a package that has it. "
    "Programs can use POST /rpc meanwhile."
)


class Page(Handler):
    """The single page, at every address that it draws itself."""

    def get(self, *_: str) -> None:
        # Reading it makes tornado set the cookie that the page sends back as a header.
        self.xsrf_token  # noqa: B018
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(_text(self.web.static / "index.html"))


class Frame(Handler):
    """The document in which output from cells is shown."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", FRAME_POLICY)
        self.finish(_text(self.web.static / "frame.html"))


class Asset(Handler, StaticFileHandler):
    """A file whose name has the hash of its content: it never changes, so it may be kept for ever."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")


class Extra(Handler, StaticFileHandler):
    """A file that keeps its name, such as the icon."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")


def _text(path: Path) -> bytes:
    """A page's text. It is small and read anew, so that a page that was built again is seen at once."""
    try:
        return path.read_bytes()
    except OSError:
        raise Refusal(503, NOT_BUILT) from None
