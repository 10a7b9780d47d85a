"""The registration of a job: only its own deletion removes the job from Nomad."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.mtls import Access
from jobs import job_registration
from jobs.job_registration import JobRegistrationProvider
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer

JOB = "/v1/job/web"


@pytest.fixture
def nomad(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    serving = HttpServer(authority.server(tmp_path))
    yield serving
    serving.close()


@pytest.fixture
def registration(nomad: HttpServer, authority: CertificateAuthority) -> dict[str, Any]:
    access = Access(
        consul=[], nomad=[nomad.url], **authority.credentials(), consul_token="", nomad_token="n"
    )
    return {"job": "web", "namespace": "default", "access": access}


def test_creation_and_update_ask_nobody(nomad: HttpServer, registration: dict[str, Any]) -> None:
    provider = JobRegistrationProvider()
    assert provider.create(registration).outs == registration
    assert provider.update("web", {}, registration).outs == registration
    assert nomad.requests == {}


@pytest.mark.parametrize("response", [{}, 404], ids=["exists", "is gone"])
def test_a_deletion_purges_the_job(
    nomad: HttpServer, registration: dict[str, Any], response: Any
) -> None:
    nomad.by_path[JOB] = response
    JobRegistrationProvider().delete("web", registration)
    assert nomad.requests[JOB]["X-Nomad-Token"] == "n"


def test_a_deletion_that_fails_is_an_error(
    nomad: HttpServer, registration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_registration, "PURGE_TIMEOUT_S", 0.0)
    nomad.by_path[JOB] = 500
    with pytest.raises(Exception, match="job web: purge"):
        JobRegistrationProvider().delete("web", registration)


@pytest.mark.parametrize(
    ("name", "value", "replaces"),
    [("job", "other", ["job"]), ("access", {}, []), ("namespace", "other", [])],
)
def test_the_credentials_in_the_state_are_the_current_ones(
    registration: dict[str, Any], name: str, value: Any, replaces: list[str]
) -> None:
    provider = JobRegistrationProvider()
    assert not provider.diff("web", registration, registration).changes
    found = provider.diff("web", registration, {**registration, name: value})
    assert (found.changes, found.replaces) == (True, replaces)
