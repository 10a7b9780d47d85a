"""Projects."""

from typing import Any

import pytest

from tests.rehearsal.support.client import Client

ONE = {"name": "slipway", "purpose": "Web Application", "environment": "development"}


def test_create_change_delete(api: Client) -> None:
    project = api("POST", "/v2/projects", ONE, 201)["project"]
    assert (project["environment"], project["is_default"], project["purpose"]) == (
        "Development",
        False,
        "Web Application",
    )
    path = f"/v2/projects/{project['id']}"
    changed = api("PATCH", path, {"purpose": "a test", "environment": "STAGING"})["project"]
    assert (changed["name"], changed["purpose"], changed["environment"]) == (
        "slipway",
        "Other: a test",
        "Staging",
    )
    replaced = api(
        "PUT", path, ONE | {"description": "new", "is_default": False, "environment": ""}
    )["project"]
    assert (replaced["description"], "environment" in replaced) == ("new", False)
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


def test_the_default_project_is_listed_and_changed(api: Client) -> None:
    created = api("POST", "/v2/projects", ONE, 201)["project"]
    default = api("GET", "/v2/projects/default")["project"]
    assert {(one["name"], one["is_default"]) for one in api("GET", "/v2/projects")["projects"]} == {
        (default["name"], True),
        (created["name"], False),
    }
    body = {
        "name": "home",
        "description": "of all",
        "purpose": "IoT",
        "environment": "Production",
        "is_default": True,
    }
    changed = api("PUT", "/v2/projects/default", body)["project"]
    assert body.items() <= changed.items()
    assert changed["id"] == default["id"]


def test_resources_are_in_the_default_project_until_assigned(api: Client) -> None:
    droplet = api.droplet()
    urn = f"do:droplet:{droplet['id']}"
    assert [
        resource["urn"] for resource in api("GET", "/v2/projects/default/resources")["resources"]
    ] == [urn]
    path = f"/v2/projects/{api('POST', '/v2/projects', ONE, 201)['project']['id']}"
    body = {"resources": [urn, "do:droplet:1", "do:space:artifacts"]}
    statuses = [
        resource["status"] for resource in api("POST", f"{path}/resources", body)["resources"]
    ]
    assert statuses == ["assigned", "not_found", "assigned"]
    [again] = api("POST", f"{path}/resources", {"resources": [urn]})["resources"]
    assert again["status"] == "already_assigned"
    assert api("GET", "/v2/projects/default/resources")["resources"] == []
    refused = api.error_message("DELETE", path, expect=412)
    assert "cannot delete a project with resources" in refused
    api("POST", "/v2/projects/default/resources", body)
    api("DELETE", path, expect=204)
    api("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
    assert [
        resource["urn"] for resource in api("GET", "/v2/projects/default/resources")["resources"]
    ] == ["do:space:artifacts"]


def test_one_project_is_the_default(api: Client) -> None:
    first = api("GET", "/v2/projects/default")["project"]
    api.error_message("DELETE", f"/v2/projects/{first['id']}", expect=412)
    other = api("POST", "/v2/projects", ONE, 201)["project"]
    assert api("PATCH", f"/v2/projects/{other['id']}", {"is_default": True})["project"][
        "is_default"
    ]
    assert api("GET", "/v2/projects/default")["project"]["id"] == other["id"]
    assert not api("GET", f"/v2/projects/{first['id']}")["project"]["is_default"]


@pytest.mark.parametrize("field", ["name", "purpose", "description", "environment", "is_default"])
def test_a_full_update_needs_all_fields_and_a_partial_one_any(api: Client, field: str) -> None:
    path = f"/v2/projects/{api('POST', '/v2/projects', ONE, 201)['project']['id']}"
    full = {
        "name": "two",
        "purpose": "IoT",
        "description": "new",
        "environment": "Staging",
        "is_default": True,
    }
    assert f"{field} is required" in api.error_message(
        "PUT", path, {key: value for key, value in full.items() if key != field}
    )
    changed = api("PATCH", path, {field: full[field]})["project"]
    assert changed == api("GET", path)["project"]
    assert changed[field] == full[field]
    assert api("PATCH", path, full)["project"].items() >= full.items()


def test_the_default_project_stays_the_default(api: Client) -> None:
    default = api("GET", "/v2/projects/default")["project"]
    assert "default" in api.error_message(
        "PATCH", f"/v2/projects/{default['id']}", {"is_default": False}
    )
    assert (
        api("PATCH", "/v2/projects/default", {"name": "renamed"})["project"]["id"] == default["id"]
    )


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "first-project"}, 409),
        ({"name": "x" * 176}, 422),
        ({"name": None}, 422),
        ({"purpose": None}, 422),
        ({"description": "x" * 256}, 422),
        ({"environment": "moon"}, 422),
    ],
)
def test_invalid_creations(api: Client, change: dict[str, Any], status: int) -> None:
    api("GET", "/v2/projects/default")
    api.error_message("POST", "/v2/projects", ONE | change, status)


def test_resource_links_are_valid_urls(api: Client) -> None:
    urns = ["do:space:A b", "do:droplet:1 ü/../2", "do:space:artifacts"]
    assigned = api("POST", "/v2/projects/default/resources", {"resources": urns})["resources"]
    assert [resource["status"] for resource in assigned] == ["not_found", "not_found", "assigned"]
    assert assigned[1]["links"]["self"] == f"{api.url}/v2/droplets/1%20%C3%BC/../2"


def test_invalid_urns(api: Client) -> None:
    api.error_message(
        "POST", "/v2/projects/default/resources", {"resources": ["droplet:1"]}, expect=400
    )
