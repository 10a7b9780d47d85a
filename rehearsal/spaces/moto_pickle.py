"""Parts of moto's memory as bytes: what a bucket, an object's versions or an upload is, with large contents kept apart."""

import io
import pickle
from typing import Any, NamedTuple, cast

from moto.s3.models import FakeBucket, FakeKey, MultipartDict
from moto.s3.utils import _VersionedKeyStore

from rehearsal.spaces.blob_store import BlobStore

LARGE = 4096
"""Bytes from which a content has a file of its own."""

KEPT_AS = "rehearsal_kept_as"
"""Where a key remembers the name of its content, so that it is not read and hashed again."""

APART = {"keys": _VersionedKeyStore, "multiparts": MultipartDict}
"""What of a bucket has rows of its own."""


class Pickled(NamedTuple):
    body: bytes
    contents: set[str]
    """The names of the contents that it needs."""


def dump(value: object, contents: BlobStore) -> Pickled:
    """The large contents are on disk then.

    Raises:
        OSError: the disk is full.
    """
    buffer = io.BytesIO()
    writer = _Writer(buffer, contents)
    writer.dump(value)
    return Pickled(buffer.getvalue(), writer.used)


def load(body: bytes, contents: BlobStore) -> tuple[Any, set[str]]:
    """What ``dump`` was given, and the names of its contents."""
    reader = _Reader(io.BytesIO(body), contents)
    return reader.load(), reader.used


class _Content(NamedTuple):
    """Stands for a large content."""

    name: str


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, contents: BlobStore) -> None:
        super().__init__(file)
        self._contents = contents
        self.used: set[str] = set()

    def persistent_id(self, obj: object) -> str | None:
        return obj.name if isinstance(obj, _Content) else None

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, FakeKey):
            state = {
                name: value
                for name, value in vars(obj).items()
                if name not in ("_value_buffer", "lock")
            }
            return _key, (state, self._content(obj))
        if isinstance(obj, FakeBucket):
            return _bucket, (
                {name: value for name, value in vars(obj).items() if name not in APART},
            )
        return NotImplemented

    def _content(self, key: FakeKey) -> bytes | _Content:
        if key.disposed:
            return b""
        if key.contentsize < LARGE:
            return key.value
        name = vars(key).get(KEPT_AS)
        if name is None:
            name = vars(key)[KEPT_AS] = self._contents.keep(key.value)
        self.used.add(name)
        return _Content(name)


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, contents: BlobStore) -> None:
        super().__init__(file)
        self._contents = contents
        self.used: set[str] = set()

    def persistent_load(self, pid: str) -> bytes:
        self.used.add(pid)
        return self._contents.read(pid)


def _key(state: dict[str, Any], content: bytes) -> FakeKey:
    key = cast(
        "FakeKey", FakeKey.__new__(FakeKey)
    )  # which moto counts among those that it closes in the end
    key.__setstate__({**state, "value": content})
    return key


def _bucket(state: dict[str, Any]) -> FakeBucket:
    bucket = cast("FakeBucket", FakeBucket.__new__(FakeBucket))
    vars(bucket).update(state, **{name: kind() for name, kind in APART.items()})
    return bucket
