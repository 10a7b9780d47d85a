"""Every property of the DigitalOcean emulator in an account of the rehearsal cloud.

Each property is created, compared, changed, imported and refreshed.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.digitalocean.spaces_bucket import SpacesBucket
from rehearsal.plugins.digitalocean.spaces_bucket_object import SpacesBucketObject
from rehearsal.plugins.properties import State
from rehearsal.plugins.resource import Resource
from tests.rehearsal.plugins.support.account import Account, account
from tests.rehearsal.plugins.support.live_samples import SAMPLES
from tests.rehearsal.plugins.support.samples import SETTABLE, name_of
from tests.rehearsal.plugins.test_official_schemas import schema

EMPTY: tuple[object, ...] = (None, False, "", [])
SPACES_RESOURCES = (SpacesBucket, SpacesBucketObject)
"""Covered by test_digitalocean_spaces.py."""
PROPERTIES = [
    (kind, key)
    for kind, key in SETTABLE
    if kind in PACKAGE.resources and kind not in SPACES_RESOURCES
]


@pytest.fixture(scope="module")
def account_in_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_API_URL"):
            patch.delenv(name, raising=False)
        patch.setattr("rehearsal.plugins.deadline.POLL_INTERVAL_S", 0.01)
        directory = tmp_path_factory.mktemp("walked")
        patch.setenv("SLIPWAY_STATE", str(directory))
        with account(directory) as found:
            yield found


def test_every_property_has_samples() -> None:
    missing = [
        f"{name_of(kind)}.{key}"
        for kind, key in PROPERTIES
        if kind not in SAMPLES or key not in SAMPLES[kind].pairs
    ]
    assert not missing, f"live_samples.py lacks {', '.join(missing)}"


@pytest.mark.parametrize(("kind", "key"), PROPERTIES, ids=name_of)
def test_property_lifecycle(account_in_cloud: Account, kind: type[Resource[Any]], key: str) -> None:
    samples, driver = SAMPLES[kind], account_in_cloud.driver
    first, second = samples.pairs[key](account_in_cloud)
    base = {
        name: value
        for name, value in {
            **samples.base(account_in_cloud),
            **samples.companions.get(key, {}),
        }.items()
        if name != key
    }
    desired, changed_inputs = {**base, key: first}, {**base, key: second}
    replaces = bool(
        schema("digitalocean")["resources"][kind.token]["inputs"][key].get("willReplaceOnChanges")
    )
    is_returned = key not in samples.not_returned

    def assert_no_differences(resource_id: str, state: State, inputs: State) -> None:
        """Assert that neither the state nor an import differs from the inputs."""
        assert driver.diff(kind.token, state, inputs).keys == []
        if samples.import_id:
            _, imported, written = driver.read(kind.token, samples.import_id(resource_id, state))
            assert set(driver.diff(kind.token, imported, inputs).keys) <= set(samples.not_returned)
            assert key in written or not is_returned or inputs[key] in EMPTY

    resource_id, state = driver.create(kind.token, desired)
    assert_no_differences(resource_id, state, desired)
    found = driver.diff(kind.token, state, changed_inputs)
    assert key in found.keys
    assert (key in found.replaces) == replaces
    assert key in samples.compared_only or found.keys == [key], (
        "a change of one property must not change others"
    )

    if key in samples.compared_only:
        driver.delete(kind.token, resource_id, state)
    elif replaces:
        driver.delete(kind.token, resource_id, state)
        assert samples.shares_id or driver.read(kind.token, resource_id, state)[0] == ""
        resource_id, state = driver.create(kind.token, changed_inputs)
        assert_no_differences(resource_id, state, changed_inputs)
        driver.delete(kind.token, resource_id, state)
    else:
        changed = driver.update(kind.token, resource_id, state, changed_inputs)
        assert_no_differences(resource_id, changed, changed_inputs)
        _, refreshed, _ = driver.read(kind.token, resource_id, state, desired)
        assert driver.diff(kind.token, refreshed, desired).keys == ([key] if is_returned else []), (
            "a refresh must find the change"
        )
        samples.before_delete(account_in_cloud)
        driver.delete(kind.token, resource_id, changed)
    assert samples.shares_id or driver.read(kind.token, resource_id, state)[0] == ""
