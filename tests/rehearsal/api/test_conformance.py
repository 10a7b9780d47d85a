"""The API keeps to its description, whatever it is asked: a few of the requests that ``make conformance`` sends."""

import pytest

from rehearsal.config import CloudConfig
from tests.rehearsal.conformance import generated_requests
from tests.rehearsal.support import coverage, spec
from tests.rehearsal.support.client import Client

REQUESTS = 2500
SEED = 1


def test_answers_are_as_described(api: Client, config: CloudConfig) -> None:
    if not spec.FILE.exists():
        pytest.skip("the recordings are not here")
    asked = generated_requests.operations(spec.raw(), coverage.is_supported)
    findings = generated_requests.run(api.url, config.token, asked, REQUESTS, SEED)
    assert findings.requests >= REQUESTS
    assert dict(findings.violations) == {}
    assert len(findings.never_succeeded) < len(asked) / 10, (
        "operations that are always refused are not tried"
    )
