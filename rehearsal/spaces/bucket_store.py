"""The store behind Spaces: moto's S3, kept on disk so that it survives its process and a power cut.

moto holds everything in memory. What a request changed is in SQLite before the answer goes out: a row for each bucket,
object and upload. Large contents lie beside it in files that are named by their hash: no name that a client chose is ever
one of a file.
"""

import fcntl
import logging
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.types import WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import FakeBucket, S3Backend, s3_backends

from rehearsal.spaces.blob_store import BlobStore
from rehearsal.spaces.moto_pickle import dump, load

log = logging.getLogger("rehearsal")

PARTITION = "aws"
CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")

_ROWS = """
CREATE TABLE IF NOT EXISTS rows (bucket TEXT, kind TEXT, name BLOB, account TEXT, body BLOB NOT NULL, PRIMARY KEY (bucket, kind, name))
"""


class UnavailableError(Exception):
    """What was asked for could not be kept; everything is as it was before."""


class MalformedRequestError(Exception):
    """The store could not make sense of the request; everything is as it was before."""


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Row(NamedTuple):
    """Of kind bucket, object, upload or tags; the tags of everything stand in one row."""

    bucket: str
    kind: str
    name: str


TAGS = Row("", "tags", "")


class Buckets:
    """Every bucket of one cloud. A process has one of these at most: moto's memory is global.

    Raises:
        BlockingIOError: another process has them.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(
                self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # another process would not see what this one has in memory
        except BlockingIOError:
            os.close(self._lock)
            raise
        self._contents = BlobStore(directory / "contents")
        self._file = sqlite3.connect(
            directory / "spaces.db", isolation_level=None, check_same_thread=False
        )
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=FULL")
        self._file.execute(
            "PRAGMA wal_autocheckpoint=50"
        )  # a small journal, which fits into what contents leave free
        self._file.execute(_ROWS)
        self._turn = threading.RLock()
        self._app: Any = create_backend_app("s3")
        self._load()

    def close(self) -> None:
        """Forget everything; it is on disk."""
        self._backend.reset()
        self._file.close()
        os.close(self._lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other request is answered: what was found out about a bucket stays true."""
        with self._turn:
            yield

    def handle(self, environ: WSGIEnvironment, account: str, bucket: str, key: str) -> Answer:
        """Answer a request of ``account`` in path style; what it changed in ``bucket`` is on disk then.

        Raises:
            UnavailableError: the disk is full.
            ConfusedError: the request is not one of S3's.
        """
        changes = environ["REQUEST_METHOD"] not in CHANGES_NOTHING
        with self._turn:
            try:
                answer = self._ask(environ)
                if changes:
                    self._save(account, bucket, key)
                return answer
            except (OSError, sqlite3.Error) as error:
                log.error("Spaces cannot keep what it was given: %s", error)
                self._load()
                raise UnavailableError from error
            except Exception as error:
                log.warning(
                    "Spaces cannot make sense of %s %.200s: %r",
                    environ["REQUEST_METHOD"],
                    environ["RAW_URI"],
                    error,
                )
                if changes:
                    self._load()
                raise MalformedRequestError from error

    def owner(self, bucket: str) -> str | None:
        """The account whose bucket it is; None if there is none of that name."""
        return self._owners.get(bucket)

    def owned(self, account: str) -> list[FakeBucket]:
        return [
            self._backend.buckets[name]
            for name, owner in sorted(self._owners.items())
            if owner == account
        ]

    def region(self, bucket: str) -> str | None:
        """Where the bucket is; None if there is none of that name."""
        found = self._backend.buckets.get(bucket)
        return found.region_name if found else None

    def is_public(self, bucket: str, key: str, version: str | None) -> bool:
        """Whether anyone may read the object, or without a key list the bucket; not if it does not exist."""
        if bucket not in self._backend.buckets:
            return False
        found = (
            self._backend.get_object(bucket, key, version_id=version)
            if key
            else self._backend.buckets[bucket]
        )
        return found is not None and found.acl is not None and found.acl.public_read

    @property
    def _backend(self) -> S3Backend:
        return s3_backends[DEFAULT_ACCOUNT_ID][PARTITION]

    def _ask(self, environ: WSGIEnvironment) -> Answer:
        told: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(
            self._app(environ, lambda status, headers, *_: told.append((status, headers)))
        )
        return Answer(*told[-1], body)

    def _load(self) -> None:
        """Have in memory what is on disk."""
        self._backend.reset()
        s3_backends.bucket_accounts.clear()
        self._owners: dict[str, str] = {}
        self._uses: dict[Row, set[str]] = {}
        rows = self._file.execute(
            "SELECT bucket, kind, name, account, body FROM rows ORDER BY kind, rowid"
        )  # buckets come first
        for bucket, kind, name, account, body in rows:
            row = Row(bucket, kind, name.decode("utf-8", "surrogatepass"))
            value, self._uses[row] = load(body, self._contents)
            self._restore(row, account, value)
        self._count = Counter(content for used in self._uses.values() for content in used)
        self._contents.sweep(set(self._count))
        self._kept = {name: self._rows(name) for name in ("", *self._owners)}
        """By bucket, what each row was made of."""

    def _restore(self, row: Row, account: str, value: Any) -> None:
        match row.kind:
            case "bucket":
                self._owners[row.bucket] = account
                self._backend.buckets[row.bucket] = value
                s3_backends.bucket_accounts[row.bucket] = (PARTITION, DEFAULT_ACCOUNT_ID)
            case "object":
                self._backend.buckets[row.bucket].keys.setlist(row.name, value)
            case "upload":
                self._backend.buckets[row.bucket].multiparts[row.name] = value
            case "tags":
                self._backend.tagger = value

    def _rows(self, name: str) -> dict[Row, Any]:
        """The rows that a bucket should have, and of each what differs when it has changed."""
        if not name:
            return {TAGS: {arn: dict(tags) for arn, tags in self._backend.tagger.tags.items()}}
        bucket = self._backend.buckets.get(name)
        if bucket is None:
            return {}
        objects = {
            Row(name, "object", key): list(versions) for key, versions in dict.items(bucket.keys)
        }
        uploads = {
            Row(name, "upload", id): dict(upload.parts) for id, upload in bucket.multiparts.items()
        }
        return {Row(name, "bucket", ""): dump(bucket, self._contents).body, **objects, **uploads}

    def _value(self, row: Row) -> Any:
        match row.kind:
            case "tags":
                return self._backend.tagger
            case "object":
                return self._backend.buckets[row.bucket].keys.getlist(row.name)
            case "upload":
                return self._backend.buckets[row.bucket].multiparts[row.name]
            case _:
                return self._backend.buckets[row.bucket]

    def _save(self, account: str, bucket: str, key: str) -> None:
        """Write what differs from what is on disk; of the object that was asked for it may be no more than a property."""
        now = {name: self._rows(name) for name in ("", bucket)}
        asked_for = Row(bucket, "object", key)
        changed: list[Row] = []
        gone: list[Row] = []
        for name, rows in now.items():
            kept = self._kept.get(name, {})
            changed += [
                row for row, made_of in rows.items() if kept.get(row) != made_of or row == asked_for
            ]
            gone += kept.keys() - rows.keys()
        if changed or gone:
            self._write(account, changed, gone)
        self._kept.update(now)
        if now[bucket]:
            self._owners.setdefault(bucket, account)
        else:
            self._kept.pop(bucket)
            self._owners.pop(bucket, None)

    def _write(self, account: str, changed: list[Row], gone: list[Row]) -> None:
        bodies = {row: dump(self._value(row), self._contents) for row in changed}
        self._file.execute("BEGIN IMMEDIATE")
        try:
            self._file.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
                [(*_place(row), account, pickled.body) for row, pickled in bodies.items()],
            )
            self._file.executemany(
                "DELETE FROM rows WHERE bucket = ? AND kind = ? AND name = ?",
                [_place(row) for row in gone],
            )
            self._file.execute("COMMIT")
        except sqlite3.Error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        self._count_uses(
            {row: pickled.contents for row, pickled in bodies.items()}
            | {row: set() for row in gone}
        )

    def _count_uses(self, uses: dict[Row, set[str]]) -> None:
        """Drop the contents that no row needs any more."""
        for row, contents in uses.items():
            before = self._uses.pop(row, set())
            self._count.update(contents)
            self._count.subtract(before)
            if contents:
                self._uses[row] = contents
            unused = {content for content in before if not self._count[content]}
            for content in unused:
                del self._count[content]
            self._contents.drop(unused)


def _place(row: Row) -> tuple[str, str, bytes]:
    return row.bucket, row.kind, row.name.encode("utf-8", "surrogatepass")
