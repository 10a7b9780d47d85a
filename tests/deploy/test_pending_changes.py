"""Updates and deletions of a resource that were killed are resolved by a refresh of it."""

import json

import pytest

from deploy.orphans import resolve
from tests.deploy.support.throwaway import Project


@pytest.fixture
def changing(project: Project) -> Project:
    """A stack whose last update was killed when it changed file01."""
    assert project.deploy("up").returncode == 0
    set_pending_change(project, "deleting")
    return project


def set_pending_change(project: Project, type: str) -> None:
    exported = json.loads(project.pulumi("stack", "export", "--stack", "dev"))
    [file] = [
        resource
        for resource in exported["deployment"]["resources"]
        if resource["urn"].endswith("::file01")
    ]
    project.set_pending_operation(type, file)


def test_pending_deletion_is_resolved_from_the_account(changing: Project) -> None:
    """The resource is gone: the state still has it, because its deletion was killed."""
    changing.file.unlink()
    done = changing.deploy("up", "--json")
    assert done.returncode == 0, done.stderr
    assert [change["action"] for change in json.loads(done.stdout)["changes"]] == ["created"]
    assert changing.file.exists()


UNKNOWN = "an operation on file01 did not end, and a refresh of it fails"


def test_pending_change_of_an_unreachable_cluster_stops_no_update(
    changing: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing.file.write_text("unreachable")
    refused = changing.deploy("up")
    assert refused.returncode == 1 and UNKNOWN not in refused.stderr
    monkeypatch.setattr(resolve, "CLUSTER_TYPES", ("pulumi-python:",))
    set_pending_change(changing, "updating")
    done = changing.deploy("up")
    assert done.returncode == 0, done.stderr
    assert UNKNOWN in done.stderr


def test_pending_change_that_cannot_be_read_stops_no_destroy(changing: Project) -> None:
    changing.file.write_text("unreachable")
    done = changing.deploy("destroy", "--yes")
    assert done.returncode == 0, done.stderr
    assert UNKNOWN in done.stderr
    assert not changing.file.exists()


@pytest.mark.parametrize(
    ("urn", "is_in_cluster"),
    [
        ("urn:pulumi:dev::slipway::slipway:Service$nomad:index/job:Job::prober", True),
        ("urn:pulumi:dev::slipway::consul:index/aclToken:AclToken::operator", True),
        ("urn:pulumi:dev::slipway::slipway:nomad:X$digitalocean:index/vpc:Vpc::nomad", False),
    ],
)
def test_resources_of_the_cluster_are_known_by_their_type(urn: str, is_in_cluster: bool) -> None:
    assert resolve._type(urn).startswith(resolve.CLUSTER_TYPES) == is_in_cluster
