"""The one store: what exists and in which state, in SQLite, each account's apart from the others'.

Every record is in memory too, so reading costs nothing. Writing happens in transactions, each with the system before
``write`` ends: what a client was told is there after a SIGKILL. A power cut may take the last moments, and leaves the rest
whole: waiting for the disk would hold up every answer, and the machines would not outlive it either.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

FIRST_ACCOUNT = "default"
"""Whose the objects are that a cloud had before it knew accounts."""

_OBJECTS = "CREATE TABLE objects (account TEXT, kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (account, kind, id))"
_SEQUENCES = "CREATE TABLE IF NOT EXISTS sequences (name TEXT PRIMARY KEY, last INTEGER NOT NULL)"


class Record(BaseModel):
    """Something kept. Records never change: ``put`` replaces one by the record of the same id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    id: int | str


R = TypeVar("R", bound=Record)

Place = tuple[str, str]
"""Account and kind."""


class Database:
    """The file, which only its owner may read, and what is in it. To be used from one thread of one process."""

    def __init__(self, file: Path) -> None:
        file.touch(mode=0o600)
        file.chmod(0o600)
        self.file = sqlite3.connect(file, isolation_level=None)
        self.file.execute("PRAGMA journal_mode=WAL")
        self.file.execute("PRAGMA synchronous=NORMAL")
        self._arrange()
        self._bodies: dict[Place, dict[str, str]] = {}
        self._records: dict[Place, dict[str, Record]] = {}
        for account, kind, id, body in self.file.execute(
            "SELECT account, kind, id, body FROM objects ORDER BY rowid"
        ):
            self._bodies.setdefault((account, kind), {})[id] = body
        self.sequences: dict[str, int] = dict(self.file.execute("SELECT name, last FROM sequences"))
        self.revision = 0
        """Grows with every transaction."""
        self.undo: list[Callable[[], None]] = []
        """What takes back in memory, the last first, what the transaction has done so far."""
        self.saved: set[Place] = set()
        """What ``undo`` restores as a whole."""

    def close(self) -> None:
        self.file.close()

    def of(self, account: str) -> "Store":
        """The store as one account sees it."""
        return Store(self, account)

    def accounts(self) -> list[str]:
        """Those that have something."""
        return sorted({account for account, _ in (*self._records, *self._bodies)})

    def records(self, account: str, kind: type[Record]) -> dict[str, Record]:
        """An account's records of a kind, made from their text when they are first asked for."""
        place = account, kind.kind
        if place not in self._records:
            bodies = self._bodies.pop(place, {})
            self._records[place] = {
                id: kind.model_validate_json(body) for id, body in bodies.items()
            }
        return self._records[place]

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction: all of its writes are in the file when it ends, or, after an exception, none."""
        self.file.execute("BEGIN IMMEDIATE")
        self.undo, self.saved = [], set()
        try:
            yield
            self.file.execute("COMMIT")
        except BaseException:
            if self.file.in_transaction:
                self.file.execute("ROLLBACK")
            for step in reversed(self.undo):
                step()
            raise
        self.revision += 1

    def _arrange(self) -> None:
        """Make the tables, or give those of an older cloud to the first account."""
        columns = [name for _, name, *_ in self.file.execute("PRAGMA table_info(objects)")]
        self.file.execute("BEGIN IMMEDIATE")
        self.file.execute(_SEQUENCES)
        if columns and "account" not in columns:
            self.file.execute("ALTER TABLE objects RENAME TO former")
        if "account" not in columns:
            self.file.execute(_OBJECTS)
        if columns and "account" not in columns:
            self.file.execute(
                "INSERT INTO objects SELECT ?, kind, id, body FROM former ORDER BY rowid",
                (FIRST_ACCOUNT,),
            )
            self.file.execute("DROP TABLE former")
        self.file.execute("COMMIT")


class Store:
    """An account's records by kind and id. Whatever it does not say, it does for its account alone."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def get(self, kind: type[R], id: int | str) -> R | None:
        found = self._database.records(self._account, kind).get(str(id))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind, the oldest first."""
        return [
            record
            for record in self._database.records(self._account, kind).values()
            if isinstance(record, kind)
        ]

    def everywhere(self, kind: type[R]) -> list[R]:
        """The records of a kind of all accounts: for what they share, such as addresses; never to be shown."""
        return [
            record
            for account in self._database.accounts()
            for record in self._database.of(account).all(kind)
        ]

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction: all of its writes are in the file when it ends, or, after an exception, none."""
        with self._database.write():
            yield

    def put(self, record: Record) -> None:
        """Keep a record; only in a transaction."""
        self._database.file.execute(
            "INSERT INTO objects VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (self._account, record.kind, str(record.id), record.model_dump_json()),
        )
        records, id = self._database.records(self._account, type(record)), str(record.id)
        former = records.get(id)
        self._database.undo.append(
            (lambda: records.update({id: former})) if former else (lambda: _drop(records, id))
        )
        records[id] = record

    def delete(self, record: Record) -> None:
        """Forget a record; only in a transaction."""
        self._database.file.execute(
            "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (self._account, record.kind, str(record.id)),
        )
        records, place = (
            self._database.records(self._account, type(record)),
            (self._account, record.kind),
        )
        if place not in self._database.saved:  # as a whole, for it restores the order too
            self._database.saved.add(place)
            self._database.undo.append(_restoring(records))
        records.pop(str(record.id), None)

    def next_id(self, name: str, first: int) -> int:
        """The next number of a sequence that all accounts share, never given twice; only in a transaction."""
        sequences = self._database.sequences
        number = sequences.get(name, first - 1) + 1
        self._database.file.execute(
            "INSERT INTO sequences VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last",
            (name, number),
        )
        self._database.undo.append(lambda: sequences.update({name: number - 1}))
        sequences[name] = number
        return number


def _drop(records: dict[str, Record], id: str) -> None:
    records.pop(id, None)


def _restoring(records: dict[str, Record]) -> Callable[[], None]:
    copy = dict(records)

    def restore() -> None:
        records.clear()
        records.update(copy)

    return restore
