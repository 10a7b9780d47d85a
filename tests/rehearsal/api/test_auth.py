"""Authentication, rate limits, pagination, and errors of unknown paths and methods."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.support.client import Client, running, serving, until
from tests.rehearsal.support.machines import UnstartedMachines


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "tttt"}]
)
def test_a_request_without_the_token_is_refused(api: Client, headers: dict[str, str]) -> None:
    response = requests.get(f"{api.url}/v2/account", headers=headers, timeout=5)
    assert (response.status_code, response.json()["id"]) == (401, "unauthorized")
    assert response.json()["message"] == "Unable to authenticate you"
    assert response.headers["ratelimit-limit"] == "1000000"


def test_health_needs_no_token(api: Client) -> None:
    assert requests.get(f"{api.url}/_rehearsal/health", timeout=5).json() == {"ready": True}


def test_a_cloud_that_does_not_start_says_why(config: CloudConfig) -> None:
    with serving(config, UnstartedMachines(config)) as api:
        health = until(
            lambda: requests.get(f"{api.url}/_rehearsal/health", timeout=5).json().get("error")
        )
        assert health == "no bridge"
        assert (
            api.error_message("GET", "/v2/account", expect=500)
            == "The rehearsal cloud did not start: no bridge"
        )


def test_bursts_are_limited_with_a_retry_after_header(
    config: CloudConfig, machines: MemoryMachines
) -> None:
    with running(config, machines, RateLimits(per_hour=100, per_minute=2)) as api:
        for remaining in ("99", "98"):
            assert api.http.get(f"{api.url}/v2/account").headers["ratelimit-remaining"] == remaining
        refused = api.http.get(f"{api.url}/v2/account")
    assert (refused.status_code, refused.json()["id"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_the_list_of_ssh_keys_has_a_separate_limit(
    config: CloudConfig, machines: MemoryMachines
) -> None:
    with running(config, machines) as api:
        for _ in range(10):
            api("GET", "/v2/account/keys")
        api("GET", "/v2/account/keys", expect=429)
        api("GET", "/v2/account")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/nothing",
        "/v1/droplets",
        "/",
        "//",
        "/v2/droplets//",
        "/v2/droplets/1/2/3",
        "/_rehearsal/nothing",
    ],
)
def test_an_unknown_path(api: Client, path: str) -> None:
    response = api.http.get(api.url + path)
    assert (response.status_code, response.json()["id"]) == (404, "not_found")
    assert response.json()["message"] == "The resource you were accessing could not be found."


def test_the_authorization_scheme_is_case_insensitive(api: Client, config: CloudConfig) -> None:
    assert (
        requests.get(
            f"{api.url}/v2/account", headers={"Authorization": f"bearer {config.token}"}, timeout=5
        ).status_code
        == 200
    )


def test_a_final_slash_is_ignored(api: Client) -> None:
    id = api.droplet()["id"]
    assert api.http.get(f"{api.url}/v2/droplets/{id}/").json() == api("GET", f"/v2/droplets/{id}")
    listed = api.http.get(f"{api.url}/v2/actions/?per_page=1").json()
    assert listed["actions"] and listed["meta"]["total"] == 1
    assert api.http.post(f"{api.url}/v2/tags/", json={"name": "a"}).status_code == 201
    refused = api.http.get(f"{api.url}/v2/volumes/")
    assert refused.status_code == 404 and "does not support" in refused.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v2/droplets", {"GET", "POST", "DELETE"}),
        ("POST", "/v2/regions", {"GET"}),
        ("PATCH", "/v2/account/keys/1", {"GET", "PUT", "DELETE"}),
        ("OPTIONS", "/v2/vpcs/1", {"GET", "PUT", "PATCH", "DELETE"}),
    ],
)
def test_an_unknown_method_of_a_path(
    api: Client, method: str, path: str, allowed: set[str]
) -> None:
    response = api.http.request(method, api.url + path)
    assert (response.status_code, response.json()["id"]) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


def test_pages_have_absolute_links(api: Client) -> None:
    first = api("GET", "/v2/sizes?per_page=10")
    assert len(first["sizes"]) == 10
    assert set(first["links"]["pages"]) == {"next", "last"}
    second = api("GET", first["links"]["pages"]["next"])
    assert second["links"]["pages"]["prev"] == f"{api.url}/v2/sizes?page=1&per_page=10"
    last = api("GET", second["links"]["pages"]["last"])
    assert set(last["links"]["pages"]) == {"first", "prev"}
    beyond = api("GET", "/v2/sizes?page=99&per_page=10")
    assert (beyond["sizes"], beyond["meta"]) == ([], first["meta"])
    slugs = [size["slug"] for page in (first, second, last) for size in page["sizes"]]
    assert len(slugs) == len(set(slugs)) == first["meta"]["total"]


def test_page_links_keep_the_query(api: Client) -> None:
    for name in ("one", "two", "three"):
        api.droplet(name, tags=["web"])
    following = api("GET", "/v2/droplets?tag_name=web&per_page=1&page=2")["links"]["pages"]["next"]
    assert following.startswith(f"{api.url}/v2/droplets?")
    assert parse_qs(urlsplit(following).query) == {
        "tag_name": ["web"],
        "per_page": ["1"],
        "page": ["3"],
    }
    assert [droplet["name"] for droplet in api("GET", following)["droplets"]] == ["three"]


@pytest.mark.parametrize("per_page", ["200", "201", "99999999999999999999"])
def test_a_page_has_at_most_200_items(api: Client, per_page: str) -> None:
    previous = api("GET", f"/v2/actions?per_page={per_page}&page=2")["links"]["pages"]["prev"]
    assert parse_qs(urlsplit(previous).query) == {"per_page": ["200"], "page": ["1"]}


def test_one_page_has_empty_links(api: Client) -> None:
    assert api("GET", "/v2/regions?page=1&per_page=200")["links"] == {}


@pytest.mark.parametrize("query", ["page=0", "per_page=-1", "page=x"])
def test_an_invalid_page(api: Client, query: str) -> None:
    assert query.split("=")[0] in api.error_message("GET", f"/v2/regions?{query}")


def test_an_invalid_json_body(api: Client) -> None:
    response = api.http.post(
        f"{api.url}/v2/droplets", data="{", headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["id"]) == (400, "bad_request")


def test_the_log_has_no_secrets(
    api: Client, config: CloudConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rehearsal")
    api.droplet(user_data="top secret")
    assert any("POST /v2/droplets 202" in line for line in caplog.messages)
    assert not any(config.token in line or "top secret" in line for line in caplog.messages)
