"""The bucket store of Spaces: moto's S3 with its state on disk.

moto keeps everything in memory. This store writes each change to SQLite before the response is
sent: one row per bucket, object and upload. Large contents are files beside the database, named
by their hash, so that no name chosen by a client ever becomes a file name.
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
from rehearsal.spaces.errors import MalformedRequestError, UnavailableError
from rehearsal.spaces.moto_pickle import dump, load
from rehearsal.spaces.responses import Response

log = logging.getLogger("rehearsal")

PARTITION = "aws"
READ_ONLY_METHODS = ("GET", "HEAD", "OPTIONS")

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS rows (
    bucket TEXT, kind TEXT, name BLOB, account TEXT, body BLOB NOT NULL,
    PRIMARY KEY (bucket, kind, name)
)
"""
UPSERT = "INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
DELETE = "DELETE FROM rows WHERE bucket = ? AND kind = ? AND name = ?"
SELECT = "SELECT bucket, kind, name, account, body FROM rows ORDER BY kind, rowid"
"""Ordered by kind, so that buckets come before their objects and uploads."""


class Row(NamedTuple):
    """Key of a database row; ``kind`` is bucket, object, upload or tags."""

    bucket: str
    kind: str
    name: str

    @property
    def key(self) -> tuple[str, str, bytes]:
        return self.bucket, self.kind, self.name.encode("utf-8", "surrogatepass")


TAGS = Row("", "tags", "")
"""The one row with the tags of all buckets and objects."""


class BucketStore:
    """All buckets of one cloud. A process may have only one store: moto's memory is global.

    Raises:
        BlockingIOError: another process has the store open.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory, os.O_RDONLY)
        try:
            # A second process would not see the changes that this one has in memory.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise
        self._blobs = BlobStore(directory / "contents")
        self._database = sqlite3.connect(
            directory / "spaces.db", isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        # The journal must fit into the disk space that blobs leave free.
        self._database.execute("PRAGMA wal_autocheckpoint=50")
        self._database.execute(CREATE_TABLE)
        self._mutex = threading.RLock()
        self._moto: Any = create_backend_app("s3")
        self._load()

    def close(self) -> None:
        """Reset moto's memory and release the files."""
        self._backend.reset()
        self._database.close()
        os.close(self._lock)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Block all other requests, so that checked facts about a bucket stay true."""
        with self._mutex:
            yield

    def handle(self, environ: WSGIEnvironment, account: str, bucket: str, key: str) -> Response:
        """Handle a path-style request of ``account``; changes to ``bucket`` are on disk on return.

        Raises:
            UnavailableError: the disk is full.
            MalformedRequestError: moto cannot handle the request.
        """
        is_write = environ["REQUEST_METHOD"] not in READ_ONLY_METHODS
        with self._mutex:
            try:
                response = self._call_moto(environ)
                if is_write:
                    self._save(account, bucket, key)
                return response
            except (OSError, sqlite3.Error) as error:
                log.error("Spaces cannot store a change: %s", error)
                self._load()
                raise UnavailableError from error
            except Exception as error:
                log.warning(
                    "Spaces cannot handle %s %.200s: %r",
                    environ["REQUEST_METHOD"],
                    environ["RAW_URI"],
                    error,
                )
                if is_write:
                    self._load()
                raise MalformedRequestError from error

    def owner_of(self, bucket: str) -> str | None:
        """Return the account that owns the bucket, None if it does not exist."""
        return self._owners.get(bucket)

    def buckets_of(self, account: str) -> list[FakeBucket]:
        return [
            self._backend.buckets[name]
            for name, owner in sorted(self._owners.items())
            if owner == account
        ]

    def region_of(self, bucket: str) -> str | None:
        """Return the bucket's region, None if the bucket does not exist."""
        found = self._backend.buckets.get(bucket)
        return found.region_name if found else None

    def is_public(self, bucket: str, key: str, version: str | None) -> bool:
        """Whether anyone may read the object or, with an empty key, list the bucket."""
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

    def _call_moto(self, environ: WSGIEnvironment) -> Response:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(
            self._moto(environ, lambda status, headers, *_: started.append((status, headers)))
        )
        return Response(*started[-1], body)

    def _load(self) -> None:
        """Replace moto's memory by the state on disk."""
        self._backend.reset()
        s3_backends.bucket_accounts.clear()
        self._owners: dict[str, str] = {}
        self._blobs_by_row: dict[Row, set[str]] = {}
        for bucket, kind, name, account, body in self._database.execute(SELECT):
            row = Row(bucket, kind, name.decode("utf-8", "surrogatepass"))
            value, self._blobs_by_row[row] = load(body, self._blobs)
            self._restore(row, account, value)
        self._reference_counts = Counter(
            blob for blobs in self._blobs_by_row.values() for blob in blobs
        )
        self._blobs.delete_unreferenced(set(self._reference_counts))
        self._saved = {name: self._snapshots(name) for name in ("", *self._owners)}
        """By bucket, the snapshot from which each row was written."""

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

    def _snapshots(self, name: str) -> dict[Row, Any]:
        """Return the rows of a bucket, each with a snapshot that changes when the row changes."""
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
        return {Row(name, "bucket", ""): dump(bucket, self._blobs).body, **objects, **uploads}

    def _row_value(self, row: Row) -> Any:
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
        """Write the rows that changed.

        The requested object is always written: a changed property does not change its snapshot.
        """
        current = {name: self._snapshots(name) for name in ("", bucket)}
        requested = Row(bucket, "object", key)
        changed: list[Row] = []
        removed: list[Row] = []
        for name, rows in current.items():
            saved = self._saved.get(name, {})
            changed += [
                row
                for row, snapshot in rows.items()
                if saved.get(row) != snapshot or row == requested
            ]
            removed += saved.keys() - rows.keys()
        if changed or removed:
            self._write_rows(account, changed, removed)
        self._saved.update(current)
        if current[bucket]:
            self._owners.setdefault(bucket, account)
        else:
            self._saved.pop(bucket)
            self._owners.pop(bucket, None)

    def _write_rows(self, account: str, changed: list[Row], removed: list[Row]) -> None:
        pickles = {row: dump(self._row_value(row), self._blobs) for row in changed}
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(
                UPSERT, [(*row.key, account, pickled.body) for row, pickled in pickles.items()]
            )
            self._database.executemany(DELETE, [row.key for row in removed])
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._update_references(
            {row: pickled.blobs for row, pickled in pickles.items()}
            | {row: set() for row in removed}
        )

    def _update_references(self, blobs_by_row: dict[Row, set[str]]) -> None:
        """Record the blobs of the given rows and delete blobs that no row refers to."""
        for row, blobs in blobs_by_row.items():
            before = self._blobs_by_row.pop(row, set())
            self._reference_counts.update(blobs)
            self._reference_counts.subtract(before)
            if blobs:
                self._blobs_by_row[row] = blobs
            unused = {blob for blob in before if not self._reference_counts[blob]}
            for blob in unused:
                del self._reference_counts[blob]
            self._blobs.delete(unused)
