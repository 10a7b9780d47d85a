"""The store: persistence, rollback, and isolation of accounts, which share only sequences."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rehearsal.state.records import SshKey, Tag
from rehearsal.state.store import FORMAT, Database, DatabaseFormatError

Opener = Callable[[], Database]


@pytest.fixture
def open_database(tmp_path: Path) -> Iterator[Opener]:
    """A function that opens the database file again."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(closing(Database(tmp_path / "db")))


def _tag(name: str) -> Tag:
    return Tag(id=name, name=name)


def test_records_persist(open_database: Opener) -> None:
    store = open_database().store_for("a")
    with store.transaction():
        for name in ("one", "two", "three"):
            store.put(_tag(name))
        store.delete(_tag("two"))
        store.put(Tag(id="one", name="ONE"))
    assert (
        [tag.name for tag in open_database().store_for("a").all(Tag)]
        == [tag.name for tag in store.all(Tag)]
        == ["ONE", "three"]
    )


def test_only_the_owner_can_read_the_files(tmp_path: Path, open_database: Opener) -> None:
    (tmp_path / "db").touch(mode=0o644)
    store = open_database().store_for("a")
    with store.transaction():
        store.put(_tag("one"))
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_failed_transaction_changes_nothing(open_database: Opener) -> None:
    database = open_database()
    store, other = database.store_for("a"), database.store_for("b")
    with store.transaction():
        for name in ("one", "two", "three"):
            store.put(_tag(name))
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.put(_tag("four"))
        store.delete(_tag("one"))
        store.delete(_tag("two"))
        store.put(_tag("one"))
        store.put(Tag(id="three", name="THREE"))
        other.put(_tag("one"))
        store.next_id("droplet", 1)
        raise ZeroDivisionError
    assert [tag.name for tag in store.all(Tag)] == ["one", "two", "three"]
    assert [tag.name for tag in open_database().store_for("a").all(Tag)] == ["one", "two", "three"]
    assert other.all(Tag) == []
    with store.transaction():
        assert store.next_id("droplet", 1) == 1


def test_sequence_numbers_are_unique(open_database: Opener) -> None:
    store = open_database().store_for("a")
    with store.transaction():
        given = [store.next_id("droplet", 5), store.next_id("droplet", 5), store.next_id("key", 1)]
    other = open_database().store_for("b")
    with other.transaction():
        given.append(other.next_id("droplet", 5))
    assert given == [5, 6, 1, 7]


def test_accounts_are_isolated(open_database: Opener) -> None:
    database = open_database()
    a, b = database.store_for("a"), database.store_for("b")
    with a.transaction():
        a.put(Tag(id="one", name="ONE"))
        b.put(_tag("one"))
    assert (a.get(Tag, "one"), b.get(Tag, "one")) == (Tag(id="one", name="ONE"), _tag("one"))
    with b.transaction():
        b.delete(_tag("one"))
    assert b.all(Tag) == []
    assert open_database().store_for("a").all(Tag) == [Tag(id="one", name="ONE")]
    assert [tag.name for tag in b.all_accounts(Tag)] == ["ONE"]


def test_all_accounts_returns_one_kind_of_each_account(open_database: Opener) -> None:
    database = open_database()
    for account in ("a", "b"):
        store = database.store_for(account)
        with store.transaction():
            store.put(_tag(f"of-{account}"))
            store.put(SshKey(id=1, name="key", public_key="", fingerprint=""))
    assert [tag.name for tag in open_database().store_for("c").all_accounts(Tag)] == [
        "of-a",
        "of-b",
    ]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE objects (kind TEXT, id TEXT)",
        f"PRAGMA user_version = {FORMAT + 1}; CREATE TABLE t (c)",
    ],
)
def test_a_database_of_another_format_is_refused_with_the_remedy(
    tmp_path: Path, open_database: Opener, script: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.executescript(script)
    with pytest.raises(DatabaseFormatError, match=f"rehearsal down --cloud {tmp_path.name}"):
        open_database()


def test_a_file_that_is_not_a_database_is_refused_with_the_remedy(
    tmp_path: Path, open_database: Opener
) -> None:
    (tmp_path / "db").write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseFormatError, match=r"not a database.*rehearsal down"):
        open_database()
