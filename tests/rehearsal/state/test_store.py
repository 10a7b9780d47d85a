"""The store keeps what was written, and nothing of what failed; accounts have nothing in common but numbers."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rehearsal.state.records import SshKey, Tag
from rehearsal.state.store import FIRST_ACCOUNT, Database

Opener = Callable[[], Database]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens the same file anew."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(closing(Database(tmp_path / "db")))


def _tag(name: str) -> Tag:
    return Tag(id=name, name=name)


def test_what_was_written_is_there_after_opening_again(opened: Opener) -> None:
    store = opened().of("a")
    with store.write():
        for name in ("one", "two", "three"):
            store.put(_tag(name))
        store.delete(_tag("two"))
        store.put(Tag(id="one", name="ONE"))
    assert (
        [tag.name for tag in opened().of("a").all(Tag)]
        == [tag.name for tag in store.all(Tag)]
        == ["ONE", "three"]
    )


def test_nobody_else_reads_the_files(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "db").touch(mode=0o644)
    store = opened().of("a")
    with store.write():
        store.put(_tag("one"))
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_transaction_that_fails_leaves_nothing(opened: Opener) -> None:
    database = opened()
    store, other = database.of("a"), database.of("b")
    with store.write():
        for name in ("one", "two", "three"):
            store.put(_tag(name))
    with pytest.raises(ZeroDivisionError), store.write():
        store.put(_tag("four"))
        store.delete(_tag("one"))
        store.delete(_tag("two"))
        store.put(_tag("one"))
        store.put(Tag(id="three", name="THREE"))
        other.put(_tag("one"))
        store.next_id("droplet", 1)
        raise ZeroDivisionError
    assert [tag.name for tag in store.all(Tag)] == ["one", "two", "three"]
    assert [tag.name for tag in opened().of("a").all(Tag)] == ["one", "two", "three"]
    assert other.all(Tag) == []
    with store.write():
        assert store.next_id("droplet", 1) == 1


def test_numbers_are_never_given_twice(opened: Opener) -> None:
    store = opened().of("a")
    with store.write():
        given = [store.next_id("droplet", 5), store.next_id("droplet", 5), store.next_id("key", 1)]
    other = opened().of("b")
    with other.write():
        given.append(other.next_id("droplet", 5))
    assert given == [5, 6, 1, 7]


def test_accounts_do_not_see_each_other(opened: Opener) -> None:
    database = opened()
    a, b = database.of("a"), database.of("b")
    with a.write():
        a.put(Tag(id="one", name="ONE"))
        b.put(_tag("one"))
    assert (a.get(Tag, "one"), b.get(Tag, "one")) == (Tag(id="one", name="ONE"), _tag("one"))
    with b.write():
        b.delete(_tag("one"))
    assert b.all(Tag) == []
    assert opened().of("a").all(Tag) == [Tag(id="one", name="ONE")]
    assert [tag.name for tag in b.everywhere(Tag)] == ["ONE"]


def test_everywhere_is_each_account_and_only_the_kind_asked_for(opened: Opener) -> None:
    database = opened()
    for account in ("a", "b"):
        store = database.of(account)
        with store.write():
            store.put(_tag(f"of-{account}"))
            store.put(SshKey(id=1, name="key", public_key="", fingerprint=""))
    assert [tag.name for tag in opened().of("c").everywhere(Tag)] == ["of-a", "of-b"]


def test_a_store_of_before_there_were_accounts_is_the_default_account_s(
    tmp_path: Path, opened: Opener
) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as file:
        file.execute(
            "CREATE TABLE objects (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )
        file.execute("CREATE TABLE sequences (name TEXT PRIMARY KEY, last INTEGER NOT NULL)")
        file.executemany(
            "INSERT INTO objects VALUES ('tag', ?, ?)",
            [(tag.id, tag.model_dump_json()) for tag in map(_tag, "zya")],
        )
        file.execute("INSERT INTO sequences VALUES ('droplet', 7)")
        file.commit()
    for _ in range(2):
        database = opened()
        assert database.accounts() == [FIRST_ACCOUNT]
        assert [tag.name for tag in database.of(FIRST_ACCOUNT).all(Tag)] == ["z", "y", "a"]
    with database.write():
        assert database.of("other").next_id("droplet", 1) == 8
