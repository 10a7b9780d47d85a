"""A rotation replaces the secrets of the requested kind, and reports which."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from deploy import rotation, stack
from deploy.progress.changes import Change
from deploy.pulumi_cli import PulumiCli
from rehearsal.plugins.install import install
from tests.deploy.support.throwaway import CHECKOUT, Project

RANDOM = "random:index/randomPassword:RandomPassword"
KEY, REQUEST, SIGNED = (
    "tls:index/privateKey:PrivateKey",
    "tls:index/certRequest:CertRequest",
    "tls:index/locallySignedCert:LocallySignedCert",
)
GOSSIP = {(RANDOM, "secrets-gossip-consul"), (RANDOM, "secrets-gossip-nomad")}
TOKENS = {
    (RANDOM, "secrets-bootstrap-consul"),
    (RANDOM, "secrets-bootstrap-nomad"),
    (RANDOM, "secrets-dns"),
    (RANDOM, "secrets-prime01-agent"),
    (RANDOM, "secrets-prime01-nomad"),
    (RANDOM, "secrets-worker100-agent"),
    ("consul:index/aclToken:AclToken", "operator-consul-token"),
    ("nomad:index/aclToken:AclToken", "operator-nomad-token"),
}
CERTIFICATES = {
    (kind, f"authority-{whose}-{part}")
    for whose in ("prime01", "worker100", "operator")
    for kind, part in ((KEY, "key"), (REQUEST, "request"), (SIGNED, "certificate"))
}
NOT_ROTATED = {
    (KEY, "authority-key"),
    ("tls:index/selfSignedCert:SelfSignedCert", "authority-certificate"),
    (KEY, "secrets-enrol"),
    ("random:index/randomPassword:RandomPassword", "secrets-snapshot"),
    (KEY, "secrets-prime01-host"),
    (KEY, "secrets-prime01-host-first"),
    ("consul:index/aclPolicy:AclPolicy", "operator-consul-policy"),
    ("digitalocean:index/droplet:Droplet", "prime01"),
}


def urn(resource: tuple[str, str]) -> str:
    return f"urn:pulumi:dev::slipway::slipway:infra:Some${resource[0]}::{resource[1]}"


def state() -> list[dict[str, str]]:
    return [
        {"type": resource[0], "urn": urn(resource)}
        for resource in sorted(GOSSIP | TOKENS | CERTIFICATES | NOT_ROTATED)
    ]


@pytest.mark.parametrize(
    ("kind", "expected"), [("gossip", GOSSIP), ("tokens", TOKENS), ("certificates", CERTIFICATES)]
)
def test_a_kind_contains_exactly_its_resources(kind: str, expected: set[tuple[str, str]]) -> None:
    assert {part: set(urns) for part, urns in rotation.urns_to_replace(kind, state()).items()} == {
        kind: set(map(urn, expected))
    }


def test_all_contains_every_resource_once() -> None:
    """A resource that waits for its deletion has the same URN as its replacement."""
    urns = [
        urn for urns in rotation.urns_to_replace("all", state() + state()).values() for urn in urns
    ]
    assert sorted(urns) == sorted(map(urn, GOSSIP | TOKENS | CERTIFICATES))


def test_only_replaced_resources_count_as_rotated() -> None:
    urns = rotation.urns_to_replace("gossip", state())
    changes = [
        Change("replaced", "RandomPassword", "secrets-gossip-nomad"),
        Change("updated", "Bootstrap", "bootstrap"),
        Change("replaced", "Job", "x"),
    ]
    assert rotation.replaced_names(changes, urns) == {"gossip": ["secrets-gossip-nomad"]}


@pytest.fixture
def rotating(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose only resource is a secret."""
    dynamic = {"pulumi-python:dynamic:Resource": re.compile("file.*")}
    rotated = {"gossip": dynamic, "tokens": {}, "certificates": {}}
    monkeypatch.setattr(rotation, "ROTATED_RESOURCES", rotated)
    assert project.deploy("up").returncode == 0
    return project


def test_a_rotation_replaces_the_resource(rotating: Project) -> None:
    done = rotating.deploy("rotate", "gossip", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["operation"], result["result"], result["rotated"]) == (
        "rotate",
        "succeeded",
        {"gossip": ["file01"]},
    )
    assert [(change["action"], change["name"]) for change in result["changes"]] == [
        ("replaced", "file01")
    ]
    assert "rotated gossip: 1 of 1 replaced" in done.stderr
    assert rotating.deploy("preview", "--expect-no-changes").returncode == 0


def test_a_failed_rotation_reports_what_is_missing_and_the_remedy(rotating: Project) -> None:
    rotating.mode("bad")
    done = rotating.deploy("rotate", "--yes", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["rotated"] == {"gossip": [], "tokens": [], "certificates": []}
    assert (
        "rotated gossip: 0 of 1 replaced" in done.stderr
        and "up dev` delivers the new secrets" in done.stderr
    )
    rotating.mode("good")
    assert rotating.deploy("rotate", "--yes").returncode == 0


def test_a_refused_rotation_shows_the_plan_and_changes_nothing(
    rotating: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    refused = rotating.deploy("rotate")
    assert refused.returncode == 2
    assert (
        "replace      Resource file01" in refused.stderr and "nothing was rotated" in refused.stderr
    )
    assert rotating.file.exists()


PROGRAM = """
import pulumi
from infra.authority import Authority, AuthorityArgs
from infra.secrets import Secrets
from infra.state_format import STATE_FORMAT

authority, secrets = Authority("authority", AuthorityArgs(prefix="slipway-dev")), Secrets("secrets")
secrets.create_node_secrets("worker01", 1)
authority.issue_certificate("worker01", dns_names=["localhost"], uses=["server_auth"])
pulumi.export("operator", authority.operator)
pulumi.export("format", STATE_FORMAT)
"""
"""A stack's secrets without a cluster."""


@pytest.fixture
def project_with_secrets(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    plugins = install(Path(os.environ["PULUMI_HOME"]), Path(sys.executable))
    assert {"random", "tls"} <= set(plugins)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT), prepend=os.pathsep)
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def secret_values(project: Project) -> dict[str, str]:
    """Return the secret values by the name of their resource."""
    resources = stack.resources("dev", PulumiCli(print), project.directory, secrets=True)
    keys = ("result", "privateKeyPem", "certPem", "certRequestPem")
    return {
        resource["urn"].rpartition("::")[2]: next(
            resource["outputs"][key] for key in keys if key in resource["outputs"]
        )
        for resource in resources
        if resource["type"].startswith(("random:", "tls:"))
    }


def test_a_rotation_replaces_the_secrets_that_the_program_makes(
    project_with_secrets: Project,
) -> None:
    before = secret_values(project_with_secrets)
    done = project_with_secrets.deploy("rotate", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    after = secret_values(project_with_secrets)
    unchanged = {
        "authority-key",
        "authority-certificate",
        "secrets-enrol",
        "secrets-snapshot",
        "secrets-worker01-host",
        "secrets-worker01-host-first",
    }
    assert {name for name in before if before[name] == after[name]} == unchanged
    rotated = json.loads(done.stdout)["rotated"]
    assert {name for names in rotated.values() for name in names} == before.keys() - unchanged
    assert (
        len(rotated["gossip"]) == 2
        and len(rotated["tokens"]) == 6
        and len(rotated["certificates"]) == 6
    )
    output = done.stdout + done.stderr
    assert not any(
        value in output or value.replace("\n", "\\n") in output
        for value in {*before.values(), *after.values()}
    )
    assert project_with_secrets.deploy("preview", "--expect-no-changes").returncode == 0


def test_without_a_terminal_a_rotation_needs_yes(project: Project) -> None:
    refused = project.deploy("rotate")
    assert refused.returncode == 2 and "give --yes" in refused.stderr


def test_a_stack_without_secrets_has_nothing_to_rotate(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    refused = project.deploy("rotate", "all", "--yes")
    assert refused.returncode == 2 and "nothing to rotate" in refused.stderr
