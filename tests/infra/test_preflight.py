"""The check before take-off, as the program sees it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import set_all_config

from infra.preflight import Context, preflight
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.answering import answering
from tests.infra.support.cloud import start

VARIABLES = (
    "DIGITALOCEAN_ACCESS_TOKEN",
    "SLIPWAY_SSH_PUBLIC_KEY",
    "SLIPWAY_RELEASES_KEY",
    "PULUMI_CONFIG",
)
Prepare = Callable[..., None]


@pytest.fixture
def cloud() -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        yield api


@pytest.fixture
def prepare(cloud: AccountApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prepare]:
    """A stack that is right, but for what the test says: settings, and variables in capitals."""
    start(preview=True)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def stack(**changes: str) -> None:
        variables = {
            "DIGITALOCEAN_TOKEN": TOKEN,
            "DIGITALOCEAN_API_URL": cloud.url,
            "SPACES_ACCESS_KEY_ID": "key",
            "SPACES_SECRET_ACCESS_KEY": "secret",
            "SPACES_ENDPOINT_URL": "http://{{.Region}}.spaces.test",
            "SLIPWAY_ADMIN_CIDRS": "198.18.0.2/32",
        }
        variables |= {name: value for name, value in changes.items() if name.isupper()}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        set_all_config(
            {
                name.replace("__", ":"): value
                for name, value in changes.items()
                if not name.isupper()
            }
        )

    yield stack
    set_all_config({})


def printed_lines() -> list[str]:
    with pytest.raises(pulumi.RunError) as bad:
        preflight()
    return str(bad.value).splitlines()


def test_key_that_spaces_refuses_is_reported_before_any_change(prepare: Prepare) -> None:
    error = "<Error><Code>InvalidAccessKeyId</Code></Error>"
    with answering(lambda _path, _token: (403, error)) as address:
        prepare(SPACES_ENDPOINT_URL=f"http://{address}")
        assert printed_lines()[1:] == [
            "  - Spaces refuses the key (InvalidAccessKeyId); "
            "set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY to a valid key"
        ]


def test_what_a_move_loses_is_said_before_any_change(
    prepare: Prepare, cloud: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    vpc = {"id": "1", "name": "slipway-test", "region": "nyc3", "ip_range": "10.10.0.0/20"}
    prime = {
        "id": 1,
        "name": "prime01nyc3",
        "tags": ["slipway-test-prime"],
        "status": "off",
        "vpc_uuid": "1",
        "image": {"id": 1},
        "size_slug": "s-1vcpu-1gb",
        "networks": {"v4": [{"type": "public", "ip_address": "127.0.0.1"}]},
    }
    cloud.things |= {"vpcs": [vpc], "droplets": [prime]}
    prepare()
    preflight()
    assert warnings == []
    prepare(slipway__region="ams3")
    preflight()
    [warning] = warnings
    assert "moves from nyc3 (10.10.0.0/20) to ams3 (10.10.16.0/20)" in warning
    assert "without the keys of Consul and the variables of Nomad" in warning


def test_valid_stack_passes(prepare: Prepare) -> None:
    prepare(slipway__workers="5", slipway__region="ams3")
    context: Context = preflight()
    assert (context.settings.workers, context.prefix, context.spaces_endpoint) == (
        5,
        "slipway-test",
        "http://ams3.spaces.test",
    )
    assert context.bucket.startswith("slipway-test-ams3-")


def test_configured_bucket_is_used(prepare: Prepare) -> None:
    prepare(slipway__artifacts_bucket="ours")
    assert preflight().bucket == "ours"


def test_all_problems_are_reported_together(prepare: Prepare) -> None:
    prepare(
        slipway__primes="2",
        slipway__wrokers="9",
        slipway__worker_size="s-none",
        SPACES_ACCESS_KEY_ID="",
        SLIPWAY_ADMIN_CIDRS="",
    )
    lines = printed_lines()
    assert lines[0] == "Pulumi.test.yaml and its environment have 5 problems; nothing was changed:"
    assert [line.split(":")[0].strip(" -") for line in lines[1:]] == [
        "primes",
        "wrokers",
        "admin_cidrs",
        "no Spaces key",
        "worker_size",
    ]


def test_missing_token_is_reported_with_other_problems(prepare: Prepare, cloud: AccountApi) -> None:
    prepare(DIGITALOCEAN_TOKEN="", slipway__primes="2")
    assert [line.split(":")[0].strip(" -") for line in printed_lines()[1:]] == [
        "primes",
        "no API token",
    ]
    assert cloud.requests == []


def test_rejected_token_is_reported(prepare: Prepare) -> None:
    prepare(DIGITALOCEAN_TOKEN="wrong")
    assert "rejects the token (401)" in printed_lines()[1]


def test_configuration_takes_precedence_over_environment(prepare: Prepare) -> None:
    prepare(
        DIGITALOCEAN_TOKEN="wrong",
        digitalocean__token=TOKEN,
        digitalocean__spacesEndpoint="http://s3.test/",
    )
    assert preflight().spaces_endpoint == "http://s3.test"


def test_missing_releases_key_file_is_reported(prepare: Prepare, tmp_path: Path) -> None:
    prepare(SLIPWAY_RELEASES_KEY=str(tmp_path / "none.asc"))
    assert printed_lines()[1].startswith("  - SLIPWAY_RELEASES_KEY: there is no file")
