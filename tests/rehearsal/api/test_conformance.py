"""Responses to generated requests match the specification (a part of ``make conformance``)."""

import pytest

from rehearsal.config import CloudConfig
from tests.rehearsal.conformance import generated_requests
from tests.rehearsal.support import coverage, spec
from tests.rehearsal.support.client import Client

REQUESTS = 2500
SEED = 1


def test_responses_match_the_specification(api: Client, config: CloudConfig) -> None:
    if not spec.FILE.exists():
        pytest.skip("the OpenAPI specification is not available")
    operations = generated_requests.operations(spec.raw(), coverage.is_supported)
    findings = generated_requests.run(api.url, config.token, operations, REQUESTS, SEED)
    assert findings.requests >= REQUESTS
    assert dict(findings.violations) == {}
    assert len(findings.never_succeeded) < len(operations) / 10, (
        "too many operations never succeed, so their responses are not tested"
    )
