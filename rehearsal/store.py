"""The one store: what exists and in which state, in SQLite.

Every record is in memory too, so reading costs nothing. Writing happens in transactions, each on disk before
``write`` ends: what a client was told is there after a SIGKILL or a power cut.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS sequences (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""


class Record(BaseModel):
    """Something kept. Records never change: ``put`` replaces one by the record of the same id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    id: int | str


R = TypeVar("R", bound=Record)


class Store:
    """Records by kind and id. To be used from one thread of one process."""

    def __init__(self, file: Path) -> None:
        self._file = sqlite3.connect(file, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=FULL")
        self._file.executescript(_SCHEMA)
        self._bodies: dict[str, dict[str, str]] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._sequences: dict[str, int] = {}
        self._load()
        self.revision = 0
        """Grows with every transaction."""

    def close(self) -> None:
        self._file.close()

    def get(self, kind: type[R], id: int | str) -> R | None:
        found = self._of(kind).get(str(id))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind, the oldest first."""
        return [record for record in self._of(kind).values() if isinstance(record, kind)]

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction: all of its writes are on disk when it ends, or, after an exception, none."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            self._load()
            raise
        self.revision += 1

    def put(self, record: Record) -> None:
        """Keep a record; only in a transaction."""
        self._file.execute(
            "INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (record.kind, str(record.id), record.model_dump_json()),
        )
        self._of(type(record))[str(record.id)] = record

    def delete(self, record: Record) -> None:
        """Forget a record; only in a transaction."""
        self._file.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (record.kind, str(record.id)))
        self._of(type(record)).pop(str(record.id), None)

    def next_id(self, name: str, first: int) -> int:
        """The next number of a sequence, never given twice; only in a transaction."""
        number = self._sequences.get(name, first - 1) + 1
        self._file.execute("INSERT INTO sequences VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last", (name, number))
        self._sequences[name] = number
        return number

    def _of(self, kind: type[Record]) -> dict[str, Record]:
        """The records of a kind, made from their text when the kind is first asked for."""
        if kind.kind not in self._records:
            bodies = self._bodies.pop(kind.kind, {})
            self._records[kind.kind] = {id: kind.model_validate_json(body) for id, body in bodies.items()}
        return self._records[kind.kind]

    def _load(self) -> None:
        self._records = {}
        self._bodies = {}
        for kind, id, body in self._file.execute("SELECT kind, id, body FROM objects ORDER BY rowid"):
            self._bodies.setdefault(kind, {})[id] = body
        self._sequences = dict(self._file.execute("SELECT name, last FROM sequences"))
