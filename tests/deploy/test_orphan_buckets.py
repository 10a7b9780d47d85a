"""Buckets of artifacts that the state does not have, by the Spaces key that the program uses."""

from typing import Any

import pytest

from deploy.orphans.kinds import BUCKET_TYPE, bucket
from deploy.orphans.search import find_buckets, find_existing_buckets, has_bucket
from deploy.orphans.spaces import Spaces, SpacesError
from deploy.stack import State
from infra import names
from infra.digitalocean_api import DigitalOceanApi
from tests.deploy.support.http_server import HttpServer
from tests.infra.support.account_api import TOKEN, AccountApi

PREFIX = "slipway-dev"
DEFAULT = names.bucket_name(PREFIX, "nyc3", "the-account")
BACKUPS = names.backup_bucket_name(PREFIX, "nyc3", "the-account")
PENDING: dict[str, Any] = {"type": BUCKET_TYPE, "inputs": {"name": "chosen", "region": "ams3"}}


@pytest.fixture
def api(account: AccountApi) -> DigitalOceanApi:
    return DigitalOceanApi(account.url, TOKEN)


@pytest.fixture
def spaces(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Spaces:
    """Spaces of a configuration, and an environment that names another one."""
    monkeypatch.setenv("SPACES_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SPACES_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("SPACES_SECRET_ACCESS_KEY", "secret")
    configured = {"spacesEndpoint": http_server.url, "spacesAccessId": "of-the-stack"}
    return Spaces(configured.get)


def found(
    api: DigitalOceanApi, spaces: Spaces, *pending: dict[str, Any]
) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    state = State(resources=[], pending_creates=list(pending))
    buckets = find_buckets(api, spaces, PREFIX, "nyc3", state, problems.append)
    return [f"{one.name} in {one.region}" for one in buckets], problems


def test_all_buckets_of_the_stack_are_found_with_the_configured_key(
    api: DigitalOceanApi, spaces: Spaces, http_server: HttpServer
) -> None:
    http_server.by_path |= {f"/{DEFAULT}": b"", f"/{BACKUPS}": b"", "/chosen": b""}
    assert found(api, spaces, PENDING) == (
        ["chosen in ams3", f"{DEFAULT} in nyc3", f"{BACKUPS} in nyc3"],
        [],
    )
    assert "Credential=of-the-stack/" in http_server.requests[f"/{DEFAULT}"]["Authorization"]


def test_a_bucket_that_cannot_be_searched_hides_no_other(
    api: DigitalOceanApi, spaces: Spaces, http_server: HttpServer
) -> None:
    http_server.by_path |= {f"/{DEFAULT}": b"", "/chosen": 403}
    buckets, [problem] = found(api, spaces, PENDING)
    assert buckets == [f"{DEFAULT} in nyc3"]
    assert problem.startswith("Spaces did not say whether the bucket chosen exists")


def test_without_a_key_only_a_bucket_of_the_stack_is_a_problem(
    api: DigitalOceanApi, account: AccountApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(api, Spaces()) == ([], [])
    assert found(api, Spaces(), PENDING)[1] == [
        "buckets cannot be searched without a Spaces key: "
        "set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY"
    ]
    problems: list[str] = []
    former = State(resources=[{"type": BUCKET_TYPE, "id": DEFAULT}], pending_creates=[])
    assert find_existing_buckets(Spaces(), former, problems.append) == []
    assert len(problems) == 1
    with pytest.raises(SpacesError, match="without a Spaces key"):
        Spaces().delete(bucket(DEFAULT, "nyc3"))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State(resources=[{"type": BUCKET_TYPE, "id": DEFAULT}], pending_creates=[]), True),
        (State(resources=[], pending_creates=[PENDING]), True),
        (State(resources=[{"type": "other", "id": DEFAULT}], pending_creates=[]), False),
    ],
    ids=["in the state", "pending", "never"],
)
def test_a_stack_has_a_bucket_if_its_creation_has_started(state: State, expected: bool) -> None:
    assert has_bucket(state) is expected
