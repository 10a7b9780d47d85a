"""The store behind Spaces: moto's S3, kept on disk so that it survives its process.

moto holds everything in memory. After each change its buckets are written to one file, replaced as a whole;
contents of objects lie beside it, each in a file named by its hash, and are written once.
"""

import hashlib
import os
import pickle
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO
from wsgiref.types import StartResponse, WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import FakeBucket, S3Backend, s3_backends
from moto.s3.utils import _VersionedKeyStore

PARTITION = "aws"
LARGE = 4096
"""Bytes from which a content has a file of its own."""


class Buckets:
    """Every bucket of one cloud. A process has one of these at most: moto's memory is global."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "buckets"
        self._contents = directory / "contents"
        self._contents.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._changing = threading.Lock()
        self._app: Any = create_backend_app("s3")
        self._load()

    def handle(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer a request in path style; what it changed is on disk before the answer goes out."""
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return list(self._app(environ, start))
        with self._changing:
            answer = list(self._app(environ, start))
            self._save()
            return answer

    def region(self, bucket: str) -> str | None:
        """Where the bucket is; None if there is none of that name."""
        found = self._backend.buckets.get(bucket)
        return found.region_name if found else None

    def is_public(self, bucket: str, key: str, version: str | None) -> bool:
        """Whether anyone may read the object; not if it does not exist."""
        found = self._backend.get_object(bucket, key, version_id=version) if bucket in self._backend.buckets else None
        return found is not None and found.acl is not None and found.acl.public_read

    @property
    def _backend(self) -> S3Backend:
        return s3_backends[DEFAULT_ACCOUNT_ID][PARTITION]

    def _load(self) -> None:
        self._backend.reset()
        s3_backends.bucket_accounts.clear()
        if self._file.exists():
            with self._file.open("rb") as file:
                buckets, self._backend.tagger = _Reader(file, self._contents).load()
            self._backend.buckets.update(buckets)
            s3_backends.bucket_accounts.update(dict.fromkeys(buckets, (PARTITION, DEFAULT_ACCOUNT_ID)))

    def _save(self) -> None:
        buckets: dict[str, FakeBucket] = dict(self._backend.buckets)
        new = self._file.with_suffix(".new")
        with new.open("wb") as file:
            writer = _Writer(file, self._contents)
            writer.dump((buckets, self._backend.tagger))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)
        for content in self._contents.iterdir():
            if content.name not in writer.used:
                content.unlink()


class _Writer(pickle.Pickler):
    """Pickles with large contents in files of their own."""

    def __init__(self, file: BinaryIO, contents: Path) -> None:
        super().__init__(file)
        self._contents = contents
        self.used: set[str] = set()

    def persistent_id(self, obj: object) -> str | None:
        if not isinstance(obj, bytes) or len(obj) < LARGE:
            return None
        name = hashlib.sha256(obj).hexdigest()
        self.used.add(name)
        if not (self._contents / name).exists():
            new = self._contents / f"{name}.new"
            new.write_bytes(obj)
            new.replace(self._contents / name)
        return name

    def reducer_override(self, obj: object) -> Any:
        # As any dictionary it would be asked for its items, and tells the newest version of each key only.
        if isinstance(obj, _VersionedKeyStore):
            return _versioned, ({key: obj.getlist(key) for key in obj},)
        return NotImplemented


def _versioned(versions: dict[str, list[Any]]) -> _VersionedKeyStore:
    store = _VersionedKeyStore()
    for key, kept in versions.items():
        store.setlist(key, kept)
    return store


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO, contents: Path) -> None:
        super().__init__(file)
        self._contents = contents

    def persistent_load(self, pid: str) -> bytes:
        return (self._contents / pid).read_bytes()
