"""The warning of ``verify`` about old and missing backups."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.backup.age import SCHEDULE_TYPE, check_age, format_age
from deploy.orphans.spaces import Spaces, SpacesError
from infra.backup.archive import backup_name
from tests.infra.support.backup_keys import backup_access
from tests.rehearsal.support.small_spaces import KEY, SECRET, make_cloud, s3_client, serve_spaces

PERIOD_H = 24


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with serve_spaces(make_cloud(tmp_path, monkeypatch)) as port:
        s3_client(port).create_bucket(Bucket="backups")
        yield port


def spaces(port: int) -> Spaces:
    configured = {
        "spacesEndpoint": f"http://{{{{.Region}}}}.spaces.test.internal:{port}",
        "spacesAccessId": KEY,
        "spacesSecretKey": SECRET,
    }
    return Spaces(configured.get)


def state(age_h: float) -> list[dict[str, Any]]:
    """Return the resources of a stack whose schedule has this age."""
    keys, created = backup_access(), datetime.now(UTC) - timedelta(hours=age_h)
    outputs = {
        "backups-bucket": {"name": keys["bucket"], "region": keys["region"]},
        "backups-certificate": {"certPem": keys["certificate"]},
        "backups-key": {"privateKeyPem": keys["key"]},
        "backups-code-key": {"result": keys["code_key"]},
    }
    schedule = {"type": SCHEDULE_TYPE, "urn": "a::schedule", "created": created.isoformat()}
    return [
        schedule,
        *(
            {"type": "any", "urn": f"a::{name}", "outputs": value}
            for name, value in outputs.items()
        ),
    ]


@pytest.mark.parametrize(
    ("ages_h", "stack_age_h", "is_late"),
    [
        ([1], 1000, False),
        ([47], 1000, False),
        ([49], 1000, True),
        ([200, 3], 1000, False),
        ([], 47, False),
        ([], 49, True),
    ],
)
def test_a_backup_older_than_two_periods_is_late(
    port: int, ages_h: list[float], stack_age_h: float, is_late: bool
) -> None:
    for age in ages_h:
        name = backup_name(datetime.now(UTC) - timedelta(hours=age), "prime01nyc3")
        s3_client(port).put_object(Bucket="backups", Key=name, Body=b"")
    found, detail = check_age(state(stack_age_h), spaces(port), PERIOD_H)
    assert found is is_late
    assert ("the period is 24 h" in detail) is is_late


def test_the_backup_of_a_restore_does_not_count(port: int) -> None:
    s3_client(port).put_object(
        Bucket="backups", Key=backup_name(datetime.now(UTC), "before-restore"), Body=b""
    )
    assert check_age(state(49), spaces(port), PERIOD_H)[0]


def test_a_state_without_backups_and_an_unreachable_bucket(port: int) -> None:
    assert check_age([], spaces(port), PERIOD_H) == (
        True,
        "the state has no bucket of backups; run `up`",
    )
    s3_client(port).delete_bucket(Bucket="backups")
    with pytest.raises(SpacesError, match="cannot be listed"):
        check_age(state(1), spaces(port), PERIOD_H)


def test_ages_have_one_unit() -> None:
    assert [format_age(age) for age in (0, 59, 61, 3600, 90000)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
