"""Serialisation of moto's buckets, objects and uploads; large contents go to the blob store."""

import io
import pickle
from typing import Any, NamedTuple, cast

from moto.s3.models import FakeBucket, FakeKey, MultipartDict
from moto.s3.utils import _VersionedKeyStore

from rehearsal.spaces.blob_store import BlobStore

LARGE_BYTES = 4096
"""Size from which a content has its own file."""

BLOB_NAME_ATTRIBUTE = "rehearsal_kept_as"
"""Attribute in which a key caches its blob name, so that it is not read and hashed again."""

SEPARATE_ROWS = {"keys": _VersionedKeyStore, "multiparts": MultipartDict}
"""Attributes of a bucket that have their own database rows, with their types."""


class Pickled(NamedTuple):
    body: bytes
    blobs: set[str]
    """Names of the blobs that the body refers to."""


def dump(value: object, blobs: BlobStore) -> Pickled:
    """Serialise ``value``; its large contents are on disk on return.

    Raises:
        OSError: the disk is full.
    """
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, blobs)
    pickler.dump(value)
    return Pickled(buffer.getvalue(), pickler.used)


def load(body: bytes, blobs: BlobStore) -> tuple[Any, set[str]]:
    """Return the value that ``dump`` serialised and the names of its blobs."""
    unpickler = _Unpickler(io.BytesIO(body), blobs)
    return unpickler.load(), unpickler.used


class _BlobReference(NamedTuple):
    """Placeholder for a large content."""

    name: str


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, blobs: BlobStore) -> None:
        super().__init__(file)
        self._blobs = blobs
        self.used: set[str] = set()

    def persistent_id(self, obj: object) -> str | None:
        return obj.name if isinstance(obj, _BlobReference) else None

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, FakeKey):
            state = {
                name: value
                for name, value in vars(obj).items()
                if name not in ("_value_buffer", "lock")
            }
            return _restore_key, (state, self._externalize_content(obj))
        if isinstance(obj, FakeBucket):
            return _restore_bucket, (
                {name: value for name, value in vars(obj).items() if name not in SEPARATE_ROWS},
            )
        return NotImplemented

    def _externalize_content(self, key: FakeKey) -> bytes | _BlobReference:
        if key.disposed:
            return b""
        if key.contentsize < LARGE_BYTES:
            return key.value
        name = vars(key).get(BLOB_NAME_ATTRIBUTE)
        if name is None:
            name = vars(key)[BLOB_NAME_ATTRIBUTE] = self._blobs.put(key.value)
        self.used.add(name)
        return _BlobReference(name)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, blobs: BlobStore) -> None:
        super().__init__(file)
        self._blobs = blobs
        self.used: set[str] = set()

    def persistent_load(self, pid: str) -> bytes:
        self.used.add(pid)
        return self._blobs.read(pid)


def _restore_key(state: dict[str, Any], content: bytes) -> FakeKey:
    # FakeKey.__new__ registers the instance with moto, which closes its buffer on reset.
    key = cast("FakeKey", FakeKey.__new__(FakeKey))
    key.__setstate__({**state, "value": content})
    return key


def _restore_bucket(state: dict[str, Any]) -> FakeBucket:
    bucket = cast("FakeBucket", FakeBucket.__new__(FakeBucket))
    vars(bucket).update(state, **{name: kind() for name, kind in SEPARATE_ROWS.items()})
    return bucket
