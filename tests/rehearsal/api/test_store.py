"""The store keeps what was written, and nothing of what failed."""

from pathlib import Path

import pytest

from rehearsal.records import Tag
from rehearsal.store import Store


def _tag(name: str) -> Tag:
    return Tag(id=name, name=name)


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with store.write():
        for name in ("one", "two", "three"):
            store.put(_tag(name))
        store.delete(_tag("two"))
        store.put(Tag(id="one", name="ONE"))
    assert [tag.name for tag in Store(tmp_path / "db").all(Tag)] == [tag.name for tag in store.all(Tag)] == ["ONE", "three"]
    store.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with store.write():
        store.put(_tag("one"))
    with pytest.raises(ZeroDivisionError), store.write():
        store.put(_tag("two"))
        store.delete(_tag("one"))
        store.next_id("droplet", 1)
        raise ZeroDivisionError
    assert [tag.id for tag in store.all(Tag)] == ["one"]
    with store.write():
        assert store.next_id("droplet", 1) == 1
    store.close()


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with store.write():
        given = [store.next_id("droplet", 5), store.next_id("droplet", 5), store.next_id("key", 1)]
    store.close()
    store = Store(tmp_path / "db")
    with store.write():
        given.append(store.next_id("droplet", 5))
    store.close()
    assert given == [5, 6, 1, 7]
