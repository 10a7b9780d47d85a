"""Every property of every resource of an account, in an account: made, compared, changed, imported and refreshed."""

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.digitalocean.spaces_bucket import SpacesBucket
from rehearsal.plugins.digitalocean.spaces_bucket_object import SpacesBucketObject
from rehearsal.plugins.properties import State
from rehearsal.plugins.resource import Resource
from tests.rehearsal.plugins.support.account import Account, account
from tests.rehearsal.plugins.support.live_samples import LIVE
from tests.rehearsal.plugins.support.samples import SETTABLE, name_of
from tests.rehearsal.plugins.test_official_schemas import schema

EMPTY: tuple[object, ...] = (None, False, "", [])
IN_SPACES = (SpacesBucket, SpacesBucketObject)
"""No account has them: the tests of Spaces do."""
WALKED = [
    (kind, key) for kind, key in SETTABLE if kind in PACKAGE.resources and kind not in IN_SPACES
]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_API_URL"):
            patch.delenv(name, raising=False)
        patch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)
        directory = tmp_path_factory.mktemp("walked")
        patch.setenv("SLIPWAY_STATE", str(directory))
        with account(directory) as found:
            yield found


def test_every_property_of_an_account_has_samples() -> None:
    missing = [
        f"{name_of(kind)}.{key}"
        for kind, key in WALKED
        if kind not in LIVE or key not in LIVE[kind].pairs
    ]
    assert not missing, f"live_samples.py lacks {', '.join(missing)}"


@pytest.mark.parametrize(("kind", "key"), WALKED, ids=name_of)
def test_a_property_lives(there: Account, kind: type[Resource[Any]], key: str) -> None:
    samples, driver = LIVE[kind], there.driver
    first, second = samples.pairs[key](there)
    around = {
        name: value
        for name, value in {**samples.base(there), **samples.with_them.get(key, {})}.items()
        if name != key
    }
    asked, wanted = {**around, key: first}, {**around, key: second}
    replaces = bool(
        schema("digitalocean")["resources"][kind.token]["inputs"][key].get("willReplaceOnChanges")
    )
    told = key not in samples.untold

    def settled(resource_id: str, state: State, inputs: State) -> None:
        """Nothing differs from what was asked for, and neither from what an import finds."""
        assert driver.diff(kind.token, state, inputs).keys == []
        if samples.import_id:
            _, imported, written = driver.read(kind.token, samples.import_id(resource_id, state))
            assert set(driver.diff(kind.token, imported, inputs).keys) <= set(samples.untold)
            assert key in written or not told or inputs[key] in EMPTY

    resource_id, state = driver.create(kind.token, asked)
    settled(resource_id, state, asked)
    found = driver.diff(kind.token, state, wanted)
    assert key in found.keys
    assert (key in found.replaces) == replaces
    assert key in samples.unmade or found.keys == [key], "a change of one property is one of others"

    if key in samples.unmade:
        driver.delete(kind.token, resource_id, state)
    elif replaces:
        driver.delete(kind.token, resource_id, state)
        assert samples.outlived or driver.read(kind.token, resource_id, state)[0] == ""
        resource_id, state = driver.create(kind.token, wanted)
        settled(resource_id, state, wanted)
        driver.delete(kind.token, resource_id, state)
    else:
        changed = driver.update(kind.token, resource_id, state, wanted)
        settled(resource_id, changed, wanted)
        _, refreshed, _ = driver.read(kind.token, resource_id, state, asked)
        assert driver.diff(kind.token, refreshed, asked).keys == ([key] if told else []), (
            "a change behind the back is not seen"
        )
        samples.leave(there)
        driver.delete(kind.token, resource_id, changed)
    assert samples.outlived or driver.read(kind.token, resource_id, state)[0] == ""
