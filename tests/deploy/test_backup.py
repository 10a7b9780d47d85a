"""``backup`` and ``restore``: what is stored, listed and refused, with a Spaces on loopback."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.backup.archive import seal, unseal
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access
from infra.state_format import STATE_FORMAT
from rehearsal.config import CloudConfig
from tests.deploy.support.throwaway import Project
from tests.infra.support.agents_api import Agents, serving
from tests.infra.support.backup_keys import backup_access
from tests.infra.support.snapshots import CONSUL_RECORDS, make_snapshot, make_snapshots
from tests.rehearsal.support.small_spaces import KEY, SECRET, make_cloud, s3_client, serve_spaces

MANAGER = "00000000-0000-0000-0000-000000000001"
OLD, NEW = "20260130T120000Z-prime01nyc3.backup", "20260131T120000Z-operator.backup"
SAVED = "20260201T120000Z-before-restore.backup"
PROGRAM = """
import json, pathlib
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("one", props)

def declare(kind, logical_name, **props):
    type("R", (Resource,), {{}}, module="slipway", name=kind)(Provider(), logical_name, props)

given = json.loads(pathlib.Path(__file__).with_name("given.json").read_text())
access, keys = given["access"], given["keys"]
declare("Bucket", "backups-bucket", name=keys["bucket"], region=keys["region"])
declare("Cert", "backups-certificate", certPem=keys["certificate"])
declare("Key", "backups-key", privateKeyPem=pulumi.Output.secret(keys["key"]))
declare("Password", "backups-code-key", result=pulumi.Output.secret(keys["code_key"]))
declare("Bootstrap", "bootstrap", access=pulumi.Output.secret(access), dns={manager!r})
declare("ManagementTokens", "tokens", secrets={{"consul": {manager!r}, "nomad": {manager!r}}})
declare("Roster", "roster", servers=[])
pulumi.export("format", {format})
"""


@dataclass
class Stack:
    """A deployed stack, its cluster, and its Spaces."""

    project: Project
    agents: Agents
    port: int

    def put(self, name: str, content: bytes) -> None:
        s3_client(self.port).put_object(Bucket="backups", Key=name, Body=content)

    def get(self, name: str) -> bytes:
        content: bytes = s3_client(self.port).get_object(Bucket="backups", Key=name)["Body"].read()
        return content

    def names(self) -> list[str]:
        listed = s3_client(self.port).list_objects_v2(Bucket="backups").get("Contents", ())
        return [item["Key"] for item in listed]

    @property
    def is_unchanged(self) -> bool:
        return not self.agents.restored and not self.agents.changes("/v1/acl/", "/v1/catalog")


@pytest.fixture
def agents() -> Agents:
    agents = Agents()
    snapshots = make_snapshots()
    agents.snapshots = {"consul": snapshots.consul, "nomad": snapshots.nomad}
    return agents


@pytest.fixture
def cluster(agents: Agents, tmp_path: Path) -> Iterator[Access]:
    with serving(agents, tmp_path, consul_token=MANAGER, nomad_token=MANAGER) as access:
        Consul(access).bootstrap_acl()
        Nomad(access).bootstrap_acl()
        agents.requests.clear()
        yield access


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudConfig:
    return make_cloud(tmp_path, monkeypatch)


@pytest.fixture
def deployed(
    project: Project,
    cluster: Access,
    agents: Agents,
    config: CloudConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    (project.directory / "__main__.py").write_text(
        PROGRAM.format(manager=MANAGER, format=STATE_FORMAT)
    )
    given = {"access": cluster, "keys": backup_access()}
    (project.directory / "given.json").write_text(json.dumps(given))
    with serve_spaces(config) as port:
        s3_client(port).create_bucket(Bucket="backups")
        assert project.deploy("up").returncode == 0
        for name, value in {
            "SPACES_ENDPOINT_URL": f"http://{{{{.Region}}}}.spaces.test.internal:{port}",
            "SPACES_ACCESS_KEY_ID": KEY,
            "SPACES_SECRET_ACCESS_KEY": SECRET,
        }.items():
            monkeypatch.setenv(name, value)
        yield Stack(project, agents, port)


def test_a_backup_is_stored_and_listed(deployed: Stack) -> None:
    taken = deployed.project.deploy("backup", "--json")
    assert taken.returncode == 0, taken.stderr
    result = json.loads(taken.stdout)
    assert (result["contents"]["keys"], result["contents"]["jobs"]) == (2, 1)
    assert deployed.names() == [result["backup"]]
    content = deployed.get(result["backup"])
    assert unseal(result["backup"], content, backup_access()) == make_snapshots()
    for secret in (backup_access()["code_key"], "PRIVATE KEY", MANAGER):
        assert secret not in taken.stdout + taken.stderr

    deployed.put("notes.txt", b"of somebody else")
    deployed.put(OLD, b"older")
    listed = deployed.project.deploy("backup", "--list", "--json")
    assert listed.returncode == 0, listed.stderr
    [newest, oldest] = json.loads(listed.stdout)["backups"]
    assert (newest["name"], newest["size_bytes"]) == (result["backup"], len(content))
    assert (newest["taken_by"], oldest["taken_by"]) == ("operator", "prime01nyc3")
    assert newest["age_s"] < 600 < oldest["age_s"]
    assert OLD in listed.stderr


def test_a_server_that_returns_no_snapshot_stores_nothing(deployed: Stack) -> None:
    deployed.agents.fault = lambda kind, method, path: (
        (403, "Permission denied") if path == "/v1/operator/snapshot" else None
    )
    failed = deployed.project.deploy("backup", "--json")
    assert failed.returncode == 1 and deployed.names() == []
    [failure] = json.loads(failed.stdout)["failures"]
    assert failure["message"].startswith("nothing was stored: snapshot of Nomad")


def test_a_broken_snapshot_is_not_stored(deployed: Stack) -> None:
    deployed.agents.snapshots["consul"] = deployed.agents.snapshots["consul"][:-40]
    failed = deployed.project.deploy("backup")
    assert failed.returncode == 1 and deployed.names() == []
    assert "nothing was stored: the snapshot is incomplete" in failed.stderr


BACKUP = seal(NEW, make_snapshots(), backup_access())
BROKEN = make_snapshots().__class__(make_snapshot(CONSUL_RECORDS)[:-40], make_snapshots().nomad)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is damaged, or belongs to another stack"),
        (BACKUP[:-1], "is damaged, or belongs to another stack"),
        (BACKUP[:50] + b"x" + BACKUP[51:], "is damaged, or belongs to another stack"),
        (seal(OLD, make_snapshots(), backup_access()), "is damaged, or belongs to another stack"),
        (
            seal(NEW, make_snapshots(), backup_access(code_key="cd" * 32)),
            "is damaged, or belongs to another stack",
        ),
        (seal(NEW, BROKEN, backup_access()), "the snapshot is incomplete"),
    ],
    ids=["empty", "truncated", "changed", "renamed", "another stack's", "broken snapshot"],
)
def test_a_damaged_backup_changes_nothing(deployed: Stack, content: bytes, reason: str) -> None:
    deployed.put(NEW, content)
    refused = deployed.project.deploy("restore", "--yes", "--json")
    assert refused.returncode == 1
    [failure] = json.loads(refused.stdout)["failures"]
    assert failure["message"].startswith("nothing was changed: ") and reason in failure["message"]
    assert deployed.is_unchanged and deployed.names() == [NEW]


def test_an_unconfirmed_restore_changes_nothing(deployed: Stack) -> None:
    deployed.put(NEW, BACKUP)
    refused = deployed.project.deploy("restore")
    assert refused.returncode == 2 and "give --yes" in refused.stderr
    assert "in the backup" in refused.stderr
    assert deployed.is_unchanged and deployed.names() == [NEW]


def test_a_restore_is_refused_while_machines_would_change(deployed: Stack) -> None:
    deployed.put(NEW, BACKUP)
    program = deployed.project.directory / "__main__.py"
    program.write_text(program.read_text() + '\ndeclare("Droplet", "prime01", image="new")\n')
    refused = deployed.project.deploy("restore", "--yes")
    assert refused.returncode == 2
    assert "nothing was restored, because `up` would change prime01" in refused.stderr
    assert deployed.is_unchanged and deployed.names() == [NEW]


def test_a_missing_backup_is_a_usage_error(deployed: Stack) -> None:
    none = deployed.project.deploy("restore", "--yes")
    assert none.returncode == 2 and "has no backup" in none.stderr
    deployed.put(SAVED, b"")
    only_saved = deployed.project.deploy("restore", "--yes")
    assert only_saved.returncode == 2 and "has no backup" in only_saved.stderr
    unknown = deployed.project.deploy("restore", OLD, "--yes")
    assert unknown.returncode == 2 and f"has no backup {OLD}" in unknown.stderr
    assert deployed.is_unchanged


def test_a_stack_without_a_cluster_is_a_usage_error(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    for command in ("backup", "restore"):
        refused = project.deploy(command)
        assert refused.returncode == 2
        assert "run `python -m deploy up dev`" in refused.stderr
