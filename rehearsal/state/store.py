"""The store: the records of all accounts in one SQLite database, separate for each account.

All records are in memory as well, so that reads need no query. A transaction is with the operating
system before it ends: it survives SIGKILL. A power cut may lose the last transactions, but no part
of one: waiting for the disk would delay each response, and machines do not survive a power cut.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

FORMAT = 1
"""Version of tables and records. Increase it with each change that an older database lacks."""

_TABLES = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE objects (
        account TEXT, kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (account, kind, id)
    );
    CREATE TABLE sequences (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
    PRAGMA user_version = {FORMAT};
    COMMIT;
"""


class Record(BaseModel):
    """A stored object. Records are immutable: ``put`` replaces the record of the same id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    id: int | str


R = TypeVar("R", bound=Record)

Collection = tuple[str, str]
"""Account and kind."""


class DatabaseFormatError(Exception):
    """The database is not one of this version; the message names the remedy."""


class Database:
    """The database file, readable by its owner only. Use it from one thread of one process."""

    def __init__(self, file: Path) -> None:
        """Open the database, or create it.

        Raises:
            DatabaseFormatError: the file is no database, or one of another version.
        """
        file.touch(mode=0o600)
        file.chmod(0o600)
        self.connection = sqlite3.connect(file, isolation_level=None)
        try:
            self._prepare(file)
        except BaseException:
            self.connection.close()
            raise
        self._bodies: dict[Collection, dict[str, str]] = {}
        self._records: dict[Collection, dict[str, Record]] = {}
        for account, kind, id, body in self.connection.execute(
            "SELECT account, kind, id, body FROM objects ORDER BY rowid"
        ):
            self._bodies.setdefault((account, kind), {})[id] = body
        self.sequences: dict[str, int] = dict(
            self.connection.execute("SELECT name, last FROM sequences")
        )
        self.revision = 0
        """Increases with each transaction."""
        self.undo: list[Callable[[], None]] = []
        """Steps that revert the transaction's changes in memory, to be run in reverse order."""
        self.saved: set[Collection] = set()
        """Collections that ``undo`` restores as a whole."""

    def close(self) -> None:
        self.connection.close()

    def store_for(self, account: str) -> "Store":
        return Store(self, account)

    def accounts(self) -> list[str]:
        """Return the names of the accounts that have records."""
        return sorted({account for account, _ in (*self._records, *self._bodies)})

    def records(self, account: str, kind: type[Record]) -> dict[str, Record]:
        """Return an account's records of a kind by id. They are parsed at the first call."""
        collection = account, kind.kind
        if collection not in self._records:
            bodies = self._bodies.pop(collection, {})
            self._records[collection] = {
                id: kind.model_validate_json(body) for id, body in bodies.items()
            }
        return self._records[collection]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes at the end, or roll all of them back after an exception."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.undo, self.saved = [], set()
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            for step in reversed(self.undo):
                step()
            raise
        self.revision += 1

    def _prepare(self, file: Path) -> None:
        try:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
            [version] = self.connection.execute("PRAGMA user_version").fetchone()
            [tables] = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise DatabaseFormatError(_format_message(file, str(error))) from None
        if tables == 0:
            self.connection.executescript(_TABLES)
        elif version != FORMAT:
            raise DatabaseFormatError(
                _format_message(file, f"it has format {version}, and this version needs {FORMAT}")
            )


class Store:
    """The records of one account. Methods see no other account, unless they say so."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def get(self, kind: type[R], id: int | str) -> R | None:
        record = self._database.records(self._account, kind).get(str(id))
        return record if isinstance(record, kind) else None

    def all(self, kind: type[R]) -> list[R]:
        """Return all records of a kind, the oldest first."""
        return [
            record
            for record in self._database.records(self._account, kind).values()
            if isinstance(record, kind)
        ]

    def all_accounts(self, kind: type[R]) -> list[R]:
        """Return the records of a kind of all accounts.

        This is for what accounts share, such as addresses. A client must never see the result.
        """
        return [
            record
            for account in self._database.accounts()
            for record in self._database.store_for(account).all(kind)
        ]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes at the end, or roll all of them back after an exception."""
        with self._database.transaction():
            yield

    def put(self, record: Record) -> None:
        """Create or replace a record; call in a transaction."""
        self._database.connection.execute(
            "INSERT INTO objects VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET body = excluded.body",
            (self._account, record.kind, str(record.id), record.model_dump_json()),
        )
        records, id = self._database.records(self._account, type(record)), str(record.id)
        previous = records.get(id)
        self._database.undo.append(
            (lambda: records.update({id: previous})) if previous else (lambda: _drop(records, id))
        )
        records[id] = record

    def delete(self, record: Record) -> None:
        """Delete a record; call in a transaction."""
        self._database.connection.execute(
            "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?",
            (self._account, record.kind, str(record.id)),
        )
        records = self._database.records(self._account, type(record))
        collection = (self._account, record.kind)
        if collection not in self._database.saved:  # as a whole, to restore the order as well
            self._database.saved.add(collection)
            self._database.undo.append(_restore_step(records))
        records.pop(str(record.id), None)

    def next_id(self, name: str, first: int) -> int:
        """Return the next number of a sequence, which all accounts share; call in a transaction."""
        sequences = self._database.sequences
        number = sequences.get(name, first - 1) + 1
        self._database.connection.execute(
            "INSERT INTO sequences VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last",
            (name, number),
        )
        self._database.undo.append(lambda: sequences.update({name: number - 1}))
        sequences[name] = number
        return number


def _format_message(file: Path, reason: str) -> str:
    return (
        f"{file} cannot be used: {reason}. Remove the cloud with `python -m rehearsal down "
        f"--cloud {file.parent.name}` and bring it up again."
    )


def _drop(records: dict[str, Record], id: str) -> None:
    records.pop(id, None)


def _restore_step(records: dict[str, Record]) -> Callable[[], None]:
    copy = dict(records)

    def restore() -> None:
        records.clear()
        records.update(copy)

    return restore
