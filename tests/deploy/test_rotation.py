"""A rotation replaces the secrets of the kind that was asked for, and tells which."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from deploy import rotation, stack
from deploy.progress import Change
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
STAY = {
    (KEY, "authority-key"),
    ("tls:index/selfSignedCert:SelfSignedCert", "authority-certificate"),
    (KEY, "secrets-enrol"),
    (KEY, "secrets-prime01-host"),
    (KEY, "secrets-prime01-host-first"),
    ("consul:index/aclPolicy:AclPolicy", "operator-consul-policy"),
    ("digitalocean:index/droplet:Droplet", "prime01"),
}


def urn(of: tuple[str, str]) -> str:
    return f"urn:pulumi:dev::slipway::slipway:infra:Some${of[0]}::{of[1]}"


def state() -> list[dict[str, str]]:
    return [
        {"type": one[0], "urn": urn(one)} for one in sorted(GOSSIP | TOKENS | CERTIFICATES | STAY)
    ]


@pytest.mark.parametrize(
    ("kind", "wanted"), [("gossip", GOSSIP), ("tokens", TOKENS), ("certificates", CERTIFICATES)]
)
def test_a_kind_is_all_of_its_own_and_nothing_else(kind: str, wanted: set[tuple[str, str]]) -> None:
    assert {part: set(urns) for part, urns in rotation.chosen(kind, state()).items()} == {
        kind: set(map(urn, wanted))
    }


def test_all_are_all_kinds_each_resource_once() -> None:
    """Also where a former one of the same name still waits to be deleted."""
    chosen = [urn for urns in rotation.chosen("all", state() + state()).values() for urn in urns]
    assert sorted(chosen) == sorted(map(urn, GOSSIP | TOKENS | CERTIFICATES))


def test_what_was_rotated_is_what_was_replaced_of_it() -> None:
    parts = rotation.chosen("gossip", state())
    changes = [
        Change("replaced", "RandomPassword", "secrets-gossip-nomad"),
        Change("updated", "Bootstrap", "bootstrap"),
        Change("replaced", "Job", "x"),
    ]
    assert rotation.done(changes, parts) == {"gossip": ["secrets-gossip-nomad"]}


@pytest.fixture
def rotating(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose one thing is all of its secrets."""
    dynamic = {"pulumi-python:dynamic:Resource": re.compile("thing.*")}
    monkeypatch.setattr(rotation, "PARTS", {"gossip": dynamic, "tokens": {}, "certificates": {}})
    assert project.deploy("up").returncode == 0
    return project


def test_an_update_makes_it_anew_and_says_so(rotating: Project) -> None:
    done = rotating.deploy("rotate", "gossip", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["operation"], result["result"], result["rotated"]) == (
        "rotate",
        "succeeded",
        {"gossip": ["thing01"]},
    )
    assert [(change["action"], change["name"]) for change in result["changes"]] == [
        ("replaced", "thing01")
    ]
    assert "rotated gossip: 1 of 1 made anew" in done.stderr
    assert rotating.deploy("preview", "--expect-no-changes").returncode == 0


def test_one_that_fails_tells_what_is_not_done_and_how_to_go_on(rotating: Project) -> None:
    rotating.mode("bad")
    done = rotating.deploy("rotate", "--yes", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["rotated"] == {"gossip": [], "tokens": [], "certificates": []}
    assert (
        "rotated gossip: 0 of 1 made anew" in done.stderr
        and "`up` hands on what was made anew" in done.stderr
    )
    rotating.mode("good")
    assert rotating.deploy("rotate", "--yes").returncode == 0


def test_who_says_no_has_seen_what_it_would_do_and_changed_nothing(
    rotating: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    refused = rotating.deploy("rotate")
    assert refused.returncode == 2
    assert (
        "replace      Resource thing01" in refused.stderr
        and "nothing was rotated" in refused.stderr
    )
    assert rotating.thing.exists()


PROGRAM = """
import pulumi
from infra.authority import Authority, AuthorityArgs
from infra.secrets import Secrets

authority, secrets = Authority("authority", AuthorityArgs(prefix="slipway-dev")), Secrets("secrets")
secrets.create_node_secrets("worker01", {})
authority.issue_certificate("worker01", dns_names=["localhost"], uses=["server_auth"])
pulumi.export("operator", authority.operator)
"""
"""The stack's own secrets without a cluster that has them."""


@pytest.fixture
def secretive(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    plugins = install(Path(os.environ["PULUMI_HOME"]), Path(sys.executable))
    assert {"random", "tls"} <= set(plugins)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT), prepend=os.pathsep)
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true")
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def made(project: Project) -> dict[str, str]:
    """What is secret, by the name of what made it."""
    resources = stack.resources("dev", PulumiCli(print), project.directory, secrets=True)
    told = ("result", "privateKeyPem", "certPem", "certRequestPem")
    return {
        one["urn"].rpartition("::")[2]: next(
            one["outputs"][name] for name in told if name in one["outputs"]
        )
        for one in resources
        if one["type"].startswith(("random:", "tls:"))
    }


def test_the_stacks_own_secrets_are_found_by_their_names(secretive: Project) -> None:
    before = made(secretive)
    done = secretive.deploy("rotate", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    after = made(secretive)
    stayed = {
        "authority-key",
        "authority-certificate",
        "secrets-enrol",
        "secrets-worker01-host",
        "secrets-worker01-host-first",
    }
    assert {name for name in before if before[name] == after[name]} == stayed
    rotated = json.loads(done.stdout)["rotated"]
    assert {name for names in rotated.values() for name in names} == before.keys() - stayed
    assert (
        len(rotated["gossip"]) == 2
        and len(rotated["tokens"]) == 5
        and len(rotated["certificates"]) == 6
    )
    said = done.stdout + done.stderr
    assert not any(
        value in said or value.replace("\n", "\\n") in said
        for value in {*before.values(), *after.values()}
    )
    assert secretive.deploy("preview", "--expect-no-changes").returncode == 0


def test_nobody_to_ask_is_a_no(project: Project) -> None:
    refused = project.deploy("rotate")
    assert refused.returncode == 2 and "give --yes" in refused.stderr


def test_a_stack_without_secrets_has_nothing_to_rotate(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    refused = project.deploy("rotate", "all", "--yes")
    assert refused.returncode == 2 and "nothing to rotate" in refused.stderr
