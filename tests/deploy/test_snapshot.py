"""``snapshot``: the decrypted file, and what is refused."""

import base64
import stat
from pathlib import Path

import pytest

from infra.snapshot_encryption import encrypt
from infra.state_format import STATE_FORMAT
from tests.deploy.support.throwaway import Project

KEY, OTHER_KEY = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
PROGRAM = f"""
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("ready", props)

class Readiness(Resource, module="slipway", name="Readiness"):
    def __init__(self, name):
        super().__init__(Provider(), name, {{"snapshot_key": pulumi.Output.secret({KEY!r})}})

Readiness("ready")
pulumi.export("format", {STATE_FORMAT})
"""
"""A stack whose state has a key for snapshots."""


@pytest.fixture
def ready(project: Project) -> Project:
    (project.directory / "__main__.py").write_text(PROGRAM)
    assert project.deploy("up").returncode == 0
    return project


def test_snapshot_is_decrypted_into_a_private_file(ready: Project, tmp_path: Path) -> None:
    file, output = tmp_path / "consul.snapshot", tmp_path / "consul.snap"
    file.write_bytes(encrypt(b"the content", KEY))
    decrypted = ready.deploy("snapshot", str(file), str(output))
    assert decrypted.returncode == 0, decrypted.stderr
    assert output.read_bytes() == b"the content"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert KEY not in decrypted.stdout + decrypted.stderr
    # An existing file is not overwritten.
    file.write_bytes(encrypt(b"other", KEY))
    repeated = ready.deploy("snapshot", str(file), str(output))
    assert (repeated.returncode, output.read_bytes()) == (2, b"the content")
    assert f"{output} cannot be created: File exists" in repeated.stderr


@pytest.mark.parametrize(
    "content",
    [b"", b"too short", encrypt(b"the content", OTHER_KEY)],
    ids=["empty", "short", "another stack's"],
)
def test_snapshot_that_cannot_be_decrypted_is_refused(
    ready: Project, tmp_path: Path, content: bytes
) -> None:
    file, output = tmp_path / "nomad.snapshot", tmp_path / "nomad.snap"
    file.write_bytes(content)
    refused = ready.deploy("snapshot", str(file), str(output))
    assert (refused.returncode, output.exists()) == (1, False)
    assert "is damaged, or belongs to another stack" in refused.stderr


def test_missing_snapshot_is_a_usage_error(ready: Project, tmp_path: Path) -> None:
    refused = ready.deploy("snapshot", str(tmp_path / "none"), str(tmp_path / "new"))
    assert refused.returncode == 2 and "none cannot be read: No such file" in refused.stderr
