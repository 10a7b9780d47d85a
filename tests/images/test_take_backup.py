"""Backups that a prime takes: when, what is stored in Spaces, and what is deleted."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from infra.backup.archive import Snapshots, backup_name, unseal
from rehearsal.state.accounts import DEFAULT_ACCOUNT
from tests.images.support.programs import LoadModule
from tests.infra.support.backup_keys import backup_access
from tests.rehearsal.support.small_spaces import make_cloud, publish_keys, s3_client, serve_spaces

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SNAPSHOTS = Snapshots(b"consul's snapshot", b"nomad's snapshot")


@pytest.fixture
def program(load: LoadModule, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program, with agents that have snapshots for its tokens."""
    program: Any = load("take_backup")
    program.requests = []

    def answer(
        port: int, path: str, token: tuple[str, str] | None = None, method: str = "GET"
    ) -> bytes:
        program.requests.append((method, path))
        if path == "/v1/status/leader":
            return json.dumps(program.leader).encode()
        expected = {8501: ("X-Consul-Token", "consul's"), 4646: ("X-Nomad-Token", "nomad's")}
        assert token == expected[port]
        if method == "PUT":
            return b"true"
        return {"/v1/snapshot": SNAPSHOTS.consul, "/v1/operator/snapshot": SNAPSHOTS.nomad}[path]

    program.leader = "127.0.0.1:8300"
    monkeypatch.setattr(program, "request", answer)
    return program


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a Spaces with the stack's bucket, and a key for this bucket only."""
    config = make_cloud(tmp_path, monkeypatch)
    with serve_spaces(config) as port:
        for bucket in ("backups", "other"):
            s3_client(port).create_bucket(Bucket=bucket)
        publish_keys(config, prime=(DEFAULT_ACCOUNT, [("backups", "readwrite")]))
        yield port


@pytest.fixture
def config(program: Any, spaces: int) -> Any:
    access = backup_access()
    return program.Config(
        url=f"http://nyc3.spaces.test.internal:{spaces}/backups",
        access_key="prime",
        secret_key="secret-prime",
        certificate=access["certificate"],
        code_key=access["code_key"],
        consul_token="consul's",
        nomad_token="nomad's",
        period_h=24,
        keep=3,
        days=30,
    )


@pytest.fixture
def s3(spaces: int) -> S3Client:
    return s3_client(spaces)


def names(s3: S3Client) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="backups").get("Contents", ())]


def name(days_ago: float, taken_by: str = "prime01nyc3") -> str:
    return backup_name(NOW - timedelta(days=days_ago), taken_by)


PRIME = SimpleNamespace(name="prime01nyc3")


def test_a_backup_is_one_that_the_operator_can_restore(
    program: Any, config: Any, s3: S3Client
) -> None:
    outcome = program.take(config, PRIME, NOW)
    assert names(s3) == [name(0)]
    assert outcome.startswith(f"{name(0)} stored")
    stored = s3.get_object(Bucket="backups", Key=name(0))["Body"].read()
    assert unseal(name(0), stored, backup_access()) == SNAPSHOTS
    assert SNAPSHOTS.consul not in stored


@pytest.mark.parametrize(
    ("present", "is_due"),
    [
        ([], True),
        ([name(0.9)], False),
        ([name(1.1)], True),
        ([name(0.1, "operator"), name(5)], False),
        ([name(0.1, "before-restore"), name(5)], True),
        (["notes.txt"], True),
    ],
)
def test_a_backup_is_taken_when_the_last_one_is_older_than_the_period(
    program: Any, config: Any, s3: S3Client, present: list[str], is_due: bool
) -> None:
    for one in present:
        s3.put_object(Bucket="backups", Key=one, Body=b"")
    program.take(config, PRIME, NOW)
    assert (name(0) in names(s3)) is is_due
    assert bool(program.requests) is is_due


def test_backups_above_number_or_age_are_deleted(program: Any, config: Any, s3: S3Client) -> None:
    for one in [name(2), name(3), name(4), name(40), "notes.txt"]:
        s3.put_object(Bucket="backups", Key=one, Body=b"")
    program.take(config, PRIME, NOW)
    assert names(s3) == sorted([name(3), name(2), name(0), "notes.txt"])
    program.take(replace(config, days=1), PRIME, NOW + timedelta(days=2))
    assert names(s3) == sorted([name(-2), "notes.txt"])


def test_the_last_backup_is_never_deleted(program: Any, config: Any) -> None:
    old, saved = name(90), [name(day, "before-restore") for day in range(5)]
    assert program.find_expired([old], config, NOW) == []
    expired = program.find_expired([old, *saved], config, NOW)
    assert old not in expired and len(expired) == 2


def test_a_long_list_is_read_page_by_page(
    program: Any, config: Any, s3: S3Client, load: LoadModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = sorted(name(days) for days in range(5))
    for one in present:
        s3.put_object(Bucket="backups", Key=one, Body=b"")
    spaces = load("spaces")
    monkeypatch.setattr(spaces, "LIST_QUERY", {**spaces.LIST_QUERY, "max-keys": "2"})
    assert spaces.Bucket(config.url, "prime", "secret-prime").list() == present


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"secret_key": "a-wrong-secret"}, "403"),
        ({"url": "other"}, "403"),
        ({"certificate": "no certificate"}, "openssl"),
    ],
)
def test_a_failure_stores_nothing_and_names_no_secret(
    program: Any,
    config: Any,
    s3: S3Client,
    load: LoadModule,
    change: dict[str, str],
    reason: str,
) -> None:
    if "url" in change:
        change = {"url": config.url.replace("/backups", "/other")}
    wrong = replace(config, **change)
    with pytest.raises((program.BackupError, load("spaces").SpacesError)) as caught:
        program.take(wrong, PRIME, NOW)
    assert reason in str(caught.value)
    for secret in (wrong.secret_key, wrong.code_key, wrong.nomad_token):
        assert secret not in str(caught.value)
    assert names(s3) == []


@pytest.mark.parametrize(
    ("leader", "stored"), [("127.0.0.1:8300", 1), ("192.0.2.7:8300", 0), ("", 0)]
)
def test_only_the_leader_acts(
    program: Any,
    config: Any,
    s3: S3Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leader: str,
    stored: int,
) -> None:
    program.leader = leader
    (tmp_path / "backup.json").write_text(json.dumps(vars(config)))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    this_node = SimpleNamespace(name="prime01nyc3")
    monkeypatch.setattr(program.node, "read", lambda: this_node)
    assert program.main() == 0
    assert len(names(s3)) == stored
