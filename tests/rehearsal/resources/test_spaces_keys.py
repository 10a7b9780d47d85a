"""Spaces keys in the API. tests/rehearsal/spaces tests their permissions."""

import json
import stat
from typing import Any

import pytest

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state.spaces_key_file import SpacesKeys
from tests.rehearsal.support.client import UNLIMITED, Client, running

READ = {"bucket": "artifacts", "permission": "read"}
WRITE = {"bucket": "uploads", "permission": "readwrite"}
FULL = {"bucket": "", "permission": "fullaccess"}


def create(api: Client, name: str, *grants: dict[str, str]) -> dict[str, Any]:
    key: dict[str, Any] = api(
        "POST", "/v2/spaces/keys", {"name": name, "grants": list(grants)}, 201
    )["key"]
    return key


def test_the_secret_is_only_in_the_creation_response(api: Client) -> None:
    created = create(api, "reader", READ)
    secret = created.pop("secret_key")
    assert len(secret) >= 40
    assert created["grants"] == [READ]
    path = f"/v2/spaces/keys/{created['access_key']}"
    answers = [
        api("GET", path),
        api("GET", "/v2/spaces/keys"),
        api("PUT", path, {"name": "reader"}),
        api("PATCH", path, {"name": "reader"}),
    ]
    assert [answer.get("key", created) for answer in answers] == [created] * 4
    assert answers[1]["keys"] == [created]
    assert secret not in json.dumps(answers)
    api("DELETE", path, expect=204)
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("PATCH", {}), ("DELETE", None)):
        api(method, path, body, expect=404)


def test_spaces_has_each_change_when_the_api_responds(
    api: Client, config: CloudConfig, machines: MemoryMachines
) -> None:
    spaces_keys = SpacesKeys(config)
    created = create(api, "reader", READ)
    id = created["access_key"]
    key = spaces_keys.get(id)
    assert key is not None
    assert (key.account, key.secret) == ("default", created["secret_key"])
    assert (key.can_read("artifacts"), key.can_write("artifacts")) == (True, False)
    for number in range(20):
        api("PATCH", f"/v2/spaces/keys/{id}", {"grants": [WRITE if number % 2 else READ]})
        changed = spaces_keys.get(id)
        assert changed is not None
        assert changed.can_write("uploads") == bool(number % 2)
    assert stat.S_IMODE((config.directory / "spaces-keys.json").stat().st_mode) == 0o600
    api("DELETE", f"/v2/spaces/keys/{id}", expect=204)
    assert spaces_keys.get(id) is None
    spaces_keys.close()


def test_a_restart_publishes_the_keys_again(config: CloudConfig, machines: MemoryMachines) -> None:
    with running(config, machines, UNLIMITED) as api:
        id = create(api, "all", FULL)["access_key"]
    (config.directory / "spaces-keys.json").unlink()
    with running(config, machines, UNLIMITED) as api:
        api("GET", f"/v2/spaces/keys/{id}")
        spaces_keys = SpacesKeys(config)
        key = spaces_keys.get(id)
        spaces_keys.close()
    assert key is not None
    assert key.has_full_access


def test_each_account_has_a_first_key(api: Client, config: CloudConfig) -> None:
    spaces_keys = SpacesKeys(config)
    first = spaces_keys.get(config.spaces_key)
    assert first is not None
    assert (first.account, first.secret, first.has_full_access) == (
        "default",
        config.spaces_secret,
        True,
    )
    assert api("GET", "/v2/spaces/keys")["keys"] == []


def test_full_access_replaces_other_grants_and_cannot_be_changed(api: Client) -> None:
    full = create(api, "all", READ, FULL)
    assert full["grants"] == [FULL]
    assert create(api, "named", {"bucket": "artifacts", "permission": "fullaccess"})["grants"] == [
        FULL
    ]
    scoped = create(api, "some", READ, WRITE)
    for key, grants in ((full, [READ]), (full, []), (scoped, [FULL])):
        for method in ("PUT", "PATCH"):
            body = {"name": "new", "grants": grants}
            assert "converted" in api.error_message(
                method, f"/v2/spaces/keys/{key['access_key']}", body, expect=400
            )
    assert (
        api("PUT", f"/v2/spaces/keys/{full['access_key']}", {"name": "renamed", "grants": [FULL]})[
            "key"
        ]["name"]
        == "renamed"
    )
    assert (
        api("PUT", f"/v2/spaces/keys/{scoped['access_key']}", {"name": "none", "grants": []})[
            "key"
        ]["grants"]
        == []
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 256},
        {"name": 5},
        {"name": "x", "grants": "all"},
        {"name": "x", "grants": [{"bucket": "artifacts"}]},
        {"name": "x", "grants": [{"permission": "read"}]},
        {"name": "x", "grants": [{"bucket": "artifacts", "permission": "write"}]},
        {"name": "x", "grants": [{"bucket": "", "permission": "read"}]},
        {"name": "x", "grants": [{"bucket": "../etc", "permission": "read"}]},
        {"name": "x", "grants": [{"bucket": "b" * 5000, "permission": "read"}]},
        [],
    ],
)
def test_an_invalid_key_is_a_bad_request(api: Client, body: Any) -> None:
    answer = api("POST", "/v2/spaces/keys", body, 400)
    assert answer["id"] == "bad_request"
    key = create(api, "one", READ)["access_key"]
    assert api("PUT", f"/v2/spaces/keys/{key}", body, 400)["id"] == "bad_request"
    assert [key["name"] for key in api("GET", "/v2/spaces/keys")["keys"]] == ["one"]


def test_a_key_may_have_no_grant_or_one_that_grants_nothing(api: Client) -> None:
    assert api("POST", "/v2/spaces/keys", {"name": "none"}, 201)["key"]["grants"] == []
    nothing = {"bucket": "artifacts", "permission": ""}
    assert create(api, "nothing", nothing)["grants"] == [nothing]


def test_keys_are_sorted_and_filtered(api: Client) -> None:
    for name, grants in (("b", [READ]), ("c", [READ, WRITE]), ("a", [FULL])):
        create(api, name, *grants)

    def names(query: str) -> str:
        return "".join(key["name"] for key in api("GET", f"/v2/spaces/keys?{query}")["keys"])

    assert names("") == "acb"
    assert names("sort_direction=asc") == "bca"
    assert names("sort=name") == "cba"
    assert names("sort=name&sort_direction=asc") == "abc"
    assert names("name=b") == "b"
    assert names("bucket=artifacts") == "cb"
    assert names("bucket=uploads&permission=readwrite") == "c"
    assert names("bucket=uploads&permission=read") == ""
    assert names("permission=fullaccess") == "a"
    page = api("GET", "/v2/spaces/keys?sort=name&per_page=2&page=1")
    assert (len(page["keys"]), page["meta"]["total"]) == (2, 3)
    assert "sort=name" in page["links"]["pages"]["next"]


def test_an_account_has_at_most_200_keys(api: Client) -> None:
    for number in range(200):
        create(api, f"key-{number}")
    assert "limit" in api.error_message("POST", "/v2/spaces/keys", {"name": "more"}, expect=400)


@pytest.mark.parametrize("name", ["..", "%2e%2e%2f", "%00", "x" * 5000, "%C3%BC", "/etc/passwd"])
def test_an_access_key_is_not_interpreted_as_a_path(api: Client, name: str) -> None:
    response = api.http.get(f"{api.url}/v2/spaces/keys/{name}")
    assert response.status_code == 404
