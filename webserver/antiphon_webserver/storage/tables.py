"""The tables, as they are now. How they came to be so is told by ``migrations``; a test compares the two.

Times are ISO 8601 text of one length (``clock.iso``), so they sort as text. Whatever has a shape of
its own (contents, log entries) is JSON text, in which a NUL is escaped: PostgreSQL's text has none.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _account(name: str = "account") -> Column[str]:
    return Column(name, Text, ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True)


accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("password", Text),  # argon2id; null: signs in by link or token only
    Column("created", Text, nullable=False),
    Column("visitor", Boolean, nullable=False, server_default=false()),  # came by a worksheet's link
    Column("disabled", Boolean, nullable=False, server_default=false()),  # lets nobody in
)

# Secrets are stored as SHA-256 in hex: a stolen dump signs nobody in, and 256 random bits need no salt.

signins = Table(
    "signins",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True, server_default=""),
    _account(),
    Column("way", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("expires", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    _account(),
    Column("label", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("last_used", Text),
    Column("scope", Text, nullable=False),  # the role up to which it may do what its account may
    Column("worksheet", Text, ForeignKey("worksheets.id", ondelete="CASCADE")),  # null: any
    Column("expires", Text),  # null: never
)

links = Table(
    "links",
    metadata,
    Column("hash", Text, primary_key=True),
    _account(),
    Column("created", Text, nullable=False),
    Column("expires", Text, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("author", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("expires", Text, nullable=False),
)

worksheets = Table(
    "worksheets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    _account("owner"),
    Column("created", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("session", Text),
    Column("latest", Integer, nullable=False),  # number of the newest log entry
    Column("compacted", Integer, nullable=False, server_default="0"),  # entries up to it are compacted
)


def _worksheet(*, nullable: bool = False, **more: Any) -> Column[str]:
    return Column(
        "worksheet", Text, ForeignKey("worksheets.id", ondelete="CASCADE"), nullable=nullable, **more
    )


worksheet_links = Table(
    "worksheet_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    _worksheet(index=True),
    Column("role", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("expires", Text, index=True),  # null: never
    Column("uses", Integer, nullable=False),
    Column("most_uses", Integer),  # null: any number
)

members = Table(
    "members",
    metadata,
    _worksheet(primary_key=True),
    Column("account", Text, ForeignKey("accounts.name", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("link", Text, ForeignKey("worksheet_links.id", ondelete="CASCADE"), index=True),  # null: by name
)

cells = Table(
    "cells",
    metadata,
    _worksheet(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),  # only their order counts; there may be gaps
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("outdated", Boolean, nullable=False, server_default=false()),  # what it read has changed since
    Column("commented", Boolean, nullable=False, server_default=false()),  # an edit may move ranges
)

comments = Table(
    "comments",
    metadata,
    _worksheet(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("thread", Text, nullable=False),  # the id of its first comment, which has the four below it
    Column("cell", Text, nullable=False),
    Column("start", Integer),  # of its range in the cell's text, in UTF-16 units; null: it has none
    Column("end", Integer),
    Column("quote", Text, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("number", Integer, nullable=False),  # of its comment_created
    Column("author", Text, nullable=False),  # no foreign key: what somebody said stays when they are gone
    Column("created", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("edited", Text),  # when last; null: never
    Column("deleted", Boolean, nullable=False),
    Index(None, "worksheet", "cell"),
)

comment_reads = Table(
    "comment_reads",
    metadata,
    _worksheet(primary_key=True),
    Column("account", Text, ForeignKey("accounts.name", ondelete="CASCADE"), primary_key=True, index=True),
    Column("thread", Text, primary_key=True),
    Column("number", Integer, nullable=False),  # of the newest entry that they have seen of it
)

deleted = Table(
    "deleted",
    metadata,
    _worksheet(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("after", Text),  # the cell it stood after; null: it was the first
    Column("number", Integer, nullable=False),  # of its cell_deleted
    Column("author", Text, nullable=False),
    Column("date", Text, nullable=False),
)

originals = Table(
    "originals",
    metadata,
    _worksheet(primary_key=True),
    Column("cell", Text, primary_key=True),  # empty: the notebook as a whole
    Column("original", Text, nullable=False),  # what the imported file said of it
    Column("run", Text),  # the run that the file's outputs became
)

entries = Table(
    "entries",
    metadata,
    _worksheet(primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),
)

edits = Table(
    "edits",
    metadata,
    _worksheet(primary_key=True),
    Column("cell", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),  # that the edit made
    Column("number", Integer, nullable=False),  # of its entry
    Column("edit", Text, nullable=False),  # its id, or empty
)

sessions = Table(
    "sessions",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("title", Text, nullable=False),
    _account("owner"),
    _worksheet(nullable=True, index=True),
    Column("state", Text, nullable=False),  # the kernel's word when last heard of, or "lost"
    Column("reason", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("restarted", Text),  # what ran before has left nothing; null: never
    Column("server", Text, nullable=False, server_default=""),  # in which a call made it that closes it
    Column("namespace", Integer, nullable=False, server_default="0"),  # it is the how-manieth, from 0
    Column("output_bytes", BigInteger, nullable=False, server_default="0"),  # of its stored outputs
)

creations = Table(
    "creations",
    metadata,
    Column("request", Text, primary_key=True),  # the msg_id with which the kernel is asked
    _account("owner"),
    Column("title", Text, nullable=False),
    Column("kernel", Text, nullable=False),
    Column("server", Text, nullable=False),  # that asks
    Column("lasts", Boolean, nullable=False),  # the session stays when its server is dead
    Column("created", Text, nullable=False),
    Column(
        "session", Text, ForeignKey("sessions.uid", ondelete="CASCADE"), index=True
    ),  # null: not known yet
)

servers = Table(
    "servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("beats", BigInteger, nullable=False),
    Column("here", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    _worksheet(),
    Column("number", Integer, nullable=False),  # of its run_created: later runs have greater ones
    Column("cell", Text),
    Column("session", Text, ForeignKey("sessions.uid", ondelete="CASCADE"), nullable=False),
    Column("msg_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("execution_count", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("ended", Text),
    Column("server", Text, nullable=False, server_default=""),  # which hands it over
    Column("claimed", Text),  # since when that one does; null: its turn in a series has not come
    Column("namespace", Integer, nullable=False, server_default="0"),  # the session's when it was written
    Column("scratch", Boolean, nullable=False, server_default=false()),  # for its author's page alone
    UniqueConstraint("session", "msg_id"),
    Index(None, "worksheet", "cell", "number"),
)

publications = Table(
    "publications",
    metadata,
    Column("session", Text, ForeignKey("sessions.uid", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("msg_id", Text, nullable=False),
    Column("msg_type", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("date", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("blobs", Text),  # what was taken out of the content, by MIME type; null: nothing
    Column("buffers", Text),  # a list of blobs; null: none
    Index(None, "session", "parent", "number"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the data, in hex
    Column("data", LargeBinary, nullable=False),
)

blob_uses = Table(
    "blob_uses",
    metadata,
    Column("session", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Text, ForeignKey("blobs.digest"), primary_key=True, index=True),
    Column("type", Text, primary_key=True),  # the media type as which it is served
    ForeignKeyConstraint(
        ["session", "number"], ["publications.session", "publications.number"], ondelete="CASCADE"
    ),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("date", Text, nullable=False),
    Column("account", Text, nullable=False),  # no foreign key: what somebody did stays when they are gone
    Column("address", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("count", Integer, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    _account(),
    Column("created", Text, nullable=False),
)

oidc_begun = Table(
    "oidc_begun",
    metadata,
    Column("hash", Text, primary_key=True),  # of the secret in the browser's cookie
    Column("state", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("expires", Text, nullable=False),
)
