"""Every JSON-RPC method that the ``antiphon`` command uses, one typed function each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import quote

from antiphon_client.model import (
    Account,
    AccountDetails,
    AuditEntry,
    Blob,
    Cleared,
    Clearing,
    Entries,
    Executing,
    Exported,
    FileFormat,
    Files,
    History,
    Invitation,
    Link,
    ListedWorksheet,
    LiveSession,
    LoginLink,
    Member,
    NewAccount,
    NewLink,
    NewToken,
    Publication,
    Publications,
    Queue,
    Role,
    Run,
    RunOutputs,
    Runs,
    ServerInfo,
    Session,
    SessionDetails,
    SignIn,
    Snapshot,
    Thread,
    Token,
    VariableDetails,
    Variables,
    Which,
    Worksheet,
)
from antiphon_client.rpc import PART_BYTES, Rpc

LONGEST_WAIT = 30.0
"""Seconds; the server holds no answer back for longer."""


class Client:
    """The methods of one server, for the account that the token belongs to.

    Every method raises what ``Rpc.call`` raises.

    Args:
        url: the server's address.
        token: the secret of a token; empty for ``server_info`` and ``token_login``.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._rpc = Rpc(url, token)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._rpc.url

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. A later call opens it again."""
        self._rpc.close()

    def blob(self, blob: Blob) -> bytes:
        """The bytes of what was taken out of a publication. Raises what ``Rpc.get`` raises."""
        return self._rpc.get(f"/blob/{blob.digest}/{blob.type}")

    def text(self, publication: Publication) -> dict[str, Any]:
        """The publication's data with its plain text in it, which may be a blob. Raises as ``blob`` does."""
        data: dict[str, Any] = publication.content.get("data", {})
        others = {kind: "" for kind in publication.blobs if kind != "text/plain"}
        if plain := publication.blobs.get("text/plain"):
            return {**others, **data, "text/plain": self.blob(plain).decode()}
        return {**others, **data}

    # --- server, accounts, tokens

    def server_info(self) -> ServerInfo:
        return self._rpc.call("server.info", {}, ServerInfo, repeatable=True)

    def token_login(self, name: str, password: str, label: str) -> NewToken:
        return self._rpc.call(
            "token.login", {"name": name, "password": password, "label": label}, NewToken, repeatable=True
        )

    def token_create(
        self, label: str, *, scope: Role, worksheet: str | None, expires: str | None
    ) -> NewToken:
        params = {"label": label, "scope": scope, "worksheet": worksheet, "expires": expires}
        return self._rpc.call("token.create", params, NewToken)

    def token_list(self) -> tuple[Token, ...]:
        return self._rpc.call("token.list", {}, tuple[Token, ...], repeatable=True)

    def token_revoke(self, token: str) -> None:
        self._rpc.call("token.revoke", {"token": token}, object)

    def account_me(self) -> Account:
        return self._rpc.call("account.me", {}, Account, repeatable=True)

    def account_create(self, name: str, *, display_name: str = "", admin: bool = False) -> NewAccount:
        params = {"name": name, "display_name": display_name, "admin": admin}
        return self._rpc.call("account.create", params, NewAccount)

    def account_list(self) -> tuple[AccountDetails, ...]:
        return self._rpc.call("account.list", {}, tuple[AccountDetails, ...], repeatable=True)

    def account_invite(self) -> Invitation:
        return self._rpc.call("account.invite", {}, Invitation)

    def account_identify(self, account: str, subject: str) -> None:
        params = {"account": account, "subject": subject}
        self._rpc.call("account.identify", params, object, repeatable=True)

    def account_disable(self, account: str) -> None:
        self._rpc.call("account.disable", {"account": account}, object, repeatable=True)

    def account_enable(self, account: str) -> None:
        self._rpc.call("account.enable", {"account": account}, object, repeatable=True)

    def audit_list(self, *, limit: int, account: str | None, act: str | None) -> tuple[AuditEntry, ...]:
        params = {"limit": limit, "account": account, "act": act}
        return self._rpc.call("audit.list", params, tuple[AuditEntry, ...], repeatable=True)

    def admin_sessions(self) -> tuple[LiveSession, ...]:
        return self._rpc.call("admin.sessions", {}, tuple[LiveSession, ...], repeatable=True)

    def admin_close_session(self, session: str) -> None:
        self._rpc.call("admin.close_session", {"session": session}, object, repeatable=True)

    def signin_list(self, account: str | None) -> tuple[SignIn, ...]:
        return self._rpc.call("signin.list", {"account": account}, tuple[SignIn, ...], repeatable=True)

    def signin_end(self, account: str | None) -> None:
        self._rpc.call("signin.end", {"account": account}, object, repeatable=True)

    def account_link(self, account: str | None = None) -> LoginLink:
        return self._rpc.call("account.link", {"account": account}, LoginLink, repeatable=True)

    # --- worksheets

    def worksheet_list(self, query: str = "") -> tuple[ListedWorksheet, ...]:
        params = {"query": query}
        return self._rpc.call("worksheet.list", params, tuple[ListedWorksheet, ...], repeatable=True)

    def worksheet_create(self, title: str) -> Worksheet:
        params = {"title": title, "worksheet": _new_id()}
        return self._rpc.call("worksheet.create", params, Worksheet, repeatable=True)

    def worksheet_session(self, worksheet: str) -> Session:
        return self._rpc.call("worksheet.session", {"worksheet": worksheet}, Session, repeatable=True)

    def worksheet_open(self, worksheet: str) -> Snapshot:
        return self._rpc.call("worksheet.open", {"worksheet": worksheet}, Snapshot, repeatable=True)

    def worksheet_since(self, worksheet: str, cursor: int) -> Entries:
        """Waits for news."""
        params = {"worksheet": worksheet, "cursor": cursor, "wait": LONGEST_WAIT}
        return self._rpc.call("worksheet.since", params, Entries, repeatable=True)

    def worksheet_run(self, worksheet: str, which: Which, cell: str | None) -> tuple[Run, ...]:
        params = {"worksheet": worksheet, "which": which, "cell": cell, "run": _new_id()}
        return self._rpc.call("worksheet.run", params, tuple[Run, ...], repeatable=True)

    def worksheet_import(self, filename: str, text: str, title: str | None) -> Worksheet:
        params = {"filename": filename, "text": text, "title": title, "worksheet": _new_id()}
        return self._rpc.call("worksheet.import", params, Worksheet, repeatable=True)

    def worksheet_export(self, worksheet: str, format: FileFormat) -> Exported:
        params = {"worksheet": worksheet, "format": format}
        return self._rpc.call("worksheet.export", params, Exported, repeatable=True)

    def worksheet_duplicate(self, worksheet: str, title: str | None, *, outputs: bool) -> Worksheet:
        params = {"worksheet": worksheet, "title": title, "outputs": outputs, "copy": _new_id()}
        return self._rpc.call("worksheet.duplicate", params, Worksheet, repeatable=True)

    def worksheet_history(self, worksheet: str, before: int | None) -> History:
        params = {"worksheet": worksheet, "before": before}
        return self._rpc.call("worksheet.history", params, History, repeatable=True)

    def worksheet_restore(self, worksheet: str, number: int) -> None:
        params = {"worksheet": worksheet, "number": number}
        self._rpc.call("worksheet.restore", params, object, repeatable=True)

    def run_outputs(self, worksheet: str, run: str) -> Iterator[Publication]:
        """All that the run published so far, oldest first; a part of it is held at a time."""
        after = 0
        while True:
            params = {"worksheet": worksheet, "run": run, "after": after}
            part = self._rpc.call("run.outputs", params, RunOutputs, repeatable=True)
            yield from part.publications
            if not part.omitted or not part.publications:
                return
            after = part.publications[-1].number

    def cell_runs(self, worksheet: str, cell: str) -> tuple[Run, ...]:
        """The newest runs of a cell, newest first."""
        return self._rpc.call("cell.runs", {"worksheet": worksheet, "cell": cell}, Runs, repeatable=True).runs

    def worksheet_clear(self, worksheet: str, cells: tuple[str, ...] | None, which: Clearing) -> Cleared:
        params = {"worksheet": worksheet, "cells": cells, "which": which}
        return self._rpc.call("worksheet.clear", params, Cleared, repeatable=True)

    def member_set(self, worksheet: str, account: str, role: Role) -> Member:
        params = {"worksheet": worksheet, "account": account, "role": role}
        return self._rpc.call("member.set", params, Member, repeatable=True)

    def worksheet_transfer(self, worksheet: str, account: str) -> Member:
        params = {"worksheet": worksheet, "account": account}
        return self._rpc.call("worksheet.transfer", params, Member)

    def link_create(
        self, worksheet: str, role: Role, *, expires: str | None, most_uses: int | None
    ) -> NewLink:
        params = {"worksheet": worksheet, "role": role, "expires": expires, "most_uses": most_uses}
        return self._rpc.call("link.create", params, NewLink)

    def link_list(self, worksheet: str) -> tuple[Link, ...]:
        return self._rpc.call("link.list", {"worksheet": worksheet}, tuple[Link, ...], repeatable=True)

    def link_revoke(self, worksheet: str, link: str) -> None:
        self._rpc.call("link.revoke", {"worksheet": worksheet, "link": link}, object)

    # --- comments

    def comment_list(self, worksheet: str) -> tuple[Thread, ...]:
        return self._rpc.call("comment.list", {"worksheet": worksheet}, tuple[Thread, ...], repeatable=True)

    def comment_create(self, worksheet: str, cell: str, text: str) -> Thread:
        params = {"worksheet": worksheet, "cell": cell, "text": text, "comment": _new_id()}
        return self._rpc.call("comment.create", params, Thread, repeatable=True)

    def comment_reply(self, worksheet: str, thread: str, text: str) -> Thread:
        params = {"worksheet": worksheet, "thread": thread, "text": text, "comment": _new_id()}
        return self._rpc.call("comment.reply", params, Thread, repeatable=True)

    def comment_edit(self, worksheet: str, comment: str, text: str) -> None:
        params = {"worksheet": worksheet, "comment": comment, "text": text}
        self._rpc.call("comment.edit", params, object, repeatable=True)

    def comment_delete(self, worksheet: str, comment: str) -> None:
        params = {"worksheet": worksheet, "comment": comment}
        self._rpc.call("comment.delete", params, object, repeatable=True)

    def comment_restore(self, worksheet: str, comment: str) -> None:
        params = {"worksheet": worksheet, "comment": comment}
        self._rpc.call("comment.restore", params, object, repeatable=True)

    def comment_resolve(self, worksheet: str, thread: str, *, resolved: bool) -> None:
        params = {"worksheet": worksheet, "thread": thread, "resolved": resolved}
        self._rpc.call("comment.resolve", params, object, repeatable=True)

    # --- sessions

    def session_create(self, title: str = "", kernel: str = "") -> Session:
        return self._rpc.call("session.create", {"title": title, "kernel": kernel}, Session)

    def session_list(self) -> tuple[Session, ...]:
        return self._rpc.call("session.list", {}, tuple[Session, ...], repeatable=True)

    def session_info(self, session: str) -> SessionDetails:
        return self._rpc.call("session.info", {"session": session}, SessionDetails, repeatable=True)

    def session_execute(self, session: str, code: str) -> Executing:
        """Ask for a run of ``code``; ``follow`` the feed to hear what becomes of it."""
        params = {"session": session, "code": code, "msg_id": _new_id()}
        return self._rpc.call("session.execute", params, Executing, repeatable=True)

    def session_answer(self, session: str, prompt: str, value: str) -> None:
        params = {"session": session, "prompt": prompt, "value": value}
        self._rpc.call("session.answer", params, object)

    def file_list(self, session: str, path: str, start: int = 0) -> Files:
        params = {"session": session, "path": path, "start": start}
        return self._rpc.call("file.list", params, Files, repeatable=True)

    def file_parts(self, session: str, path: str) -> Iterator[bytes]:
        """The file, part by part; at least one, which may be empty. Raises what ``Rpc.stream`` raises."""
        return self._rpc.stream(f"/file/{session}/{quote(path, safe='')}")

    def file_put(self, session: str, path: str, read: Callable[[int], bytes], *, replace: bool) -> None:
        """Write what ``read`` gives, until it gives nothing, as one file. Raises what ``Rpc.put`` raises."""
        where = f"/file/{session}/{quote(path, safe='')}{'?replace=1' if replace else ''}"
        self._rpc.put(where, iter(partial(read, PART_BYTES), b""))

    def file_rename(self, session: str, path: str, to: str) -> None:
        self._rpc.call("file.rename", {"session": session, "path": path, "to": to}, object)

    def file_delete(self, session: str, path: str) -> None:
        self._rpc.call("file.delete", {"session": session, "path": path}, object)

    def file_make(self, session: str, path: str) -> None:
        self._rpc.call("file.make", {"session": session, "path": path}, object)

    def session_variables(
        self, session: str, *, start: int = 0, search: str = "", hidden: bool = False
    ) -> Variables:
        params = {"session": session, "start": start, "search": search, "hidden": hidden}
        return self._rpc.call("session.variables", params, Variables, repeatable=True)

    def session_variable(self, session: str, name: str, *, start: int, limit: int) -> VariableDetails:
        params = {"session": session, "name": name, "start": start, "limit": limit}
        return self._rpc.call("session.variable", params, VariableDetails, repeatable=True)

    def session_queue(self, session: str) -> Queue:
        return self._rpc.call("session.queue", {"session": session}, Queue)

    def session_cancel(self, session: str, msg_id: str) -> None:
        self._rpc.call("session.cancel", {"session": session, "msg_id": msg_id}, object)

    def session_move(self, session: str, msg_id: str, before: str | None = None) -> None:
        self._rpc.call("session.move", {"session": session, "msg_id": msg_id, "before": before}, object)

    def session_interrupt(self, session: str) -> None:
        self._rpc.call("session.interrupt", {"session": session}, object)

    def session_restart(self, session: str) -> None:
        self._rpc.call("session.restart", {"session": session}, object)

    def session_close(self, session: str) -> None:
        self._rpc.call("session.close", {"session": session}, object, repeatable=True)

    # --- feed

    def feed_since(self, session: str, cursor: int, *, limit: int = 1000, wait: float = 0.0) -> Publications:
        """What was published after ``cursor``; waits up to ``wait`` seconds when there is nothing yet."""
        params = {"session": session, "cursor": cursor, "limit": limit, "wait": min(wait, LONGEST_WAIT)}
        return self._rpc.call("feed.since", params, Publications, repeatable=True, wait=wait)


def _new_id() -> str:
    """128 random bits, URL-safe. The last character of 16 bytes in base64 is one of A, Q, g and w: at the
    front it keeps an id from beginning with "-", which a command line takes for an option."""
    text = secrets.token_urlsafe(16)
    return text[-1] + text[:-1]
