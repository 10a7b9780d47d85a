"""Requests generated from the specification, in a seeded order, with validated responses."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.rehearsal.conformance.identifiers import Identifiers
from tests.rehearsal.conformance.preparation import prepare
from tests.rehearsal.conformance.samples import BODIES

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
UNCHANGED_SHARE = 0.3
"""The share of requests sent as generated. Others get existing ids and realistic bodies."""


Request = Case[Any]


@dataclass
class Findings:
    """The results of a run."""

    requests: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """Number of responses by operation and status."""

    @property
    def never_succeeded(self) -> set[str]:
        return {
            operation
            for operation, counts in self.statuses.items()
            if not any(status < 300 for status in counts)
        }


def operations(
    specification: dict[str, Any], is_supported: Callable[[str, str], bool]
) -> list[APIOperation[Any, Any, Any, Any]]:
    """Return the supported operations of the specification."""
    operations = [
        result.ok()
        for result in schemathesis.openapi.from_dict(specification).get_all_operations()
        if isinstance(result, Ok)
    ]
    return [
        operation
        for operation in operations
        if is_supported(operation.method.upper(), operation.path)
    ]


def run(
    url: str,
    token: str,
    operations: list[APIOperation[Any, Any, Any, Any]],
    count: int,
    seed_number: int,
) -> Findings:
    """Send at least ``count`` requests. Equal seeds give equal requests."""
    rng = random.Random(seed_number)
    each = -(-count // len(operations))
    cases = [case for operation in operations for case in _generate(operation, each, seed_number)]
    rng.shuffle(cases)
    findings, identifiers = Findings(), Identifiers(rng)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        prepare(url, session, identifiers)
        for case in cases:
            if rng.random() > UNCHANGED_SHARE:
                _make_realistic(case, rng, identifiers)
            _send(case, url, session, findings, identifiers)
    return findings


def _generate(
    operation: APIOperation[Any, Any, Any, Any], count: int, number: int
) -> Iterator[Request]:
    """Yield valid and invalid requests in equal parts, repeated if there are too few."""
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    cases: list[Request] = []
    for mode in modes:
        cases += _generate_mode(
            operation, mode, count - count // 2 if mode is modes[0] else count // 2, number
        )
    missing = count - len(cases)
    yield from cases
    if missing and cases:
        yield from (cases[index % len(cases)] for index in range(missing))


def _generate_mode(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, count: int, number: int
) -> list[Request]:
    cases: list[Request] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Request) -> None:
        cases.append(case)

    try:
        collect()
    except Exception as error:  # an operation without parameters has no invalid requests
        if "NoReject" in type(error).__name__ or "Unsatisfiable" in type(error).__name__:
            return cases
        raise
    return cases[:count]


def _make_realistic(case: Request, rng: random.Random, identifiers: Identifiers) -> None:
    """Give most requests existing identifiers and a realistic body."""
    if case.path_parameters and rng.random() < (0.3 if case.method == "DELETE" else 0.95):
        case.path_parameters = identifiers.path(case.path_parameters) or case.path_parameters
    if "tag_name" in (case.query or {}) or (
        case.method == "DELETE" and case.operation.path == "/v2/droplets"
    ):
        case.query = {**(case.query or {}), "tag_name": identifiers.one("tag_id", "web")}
    sample = BODIES.get(str(case.operation.definition.raw.get("operationId")))
    if sample is not None:
        generated = case.body if isinstance(case.body, dict) else {}
        unexpected = {name: value for name, value in generated.items() if rng.random() < 0.05}
        case.body = {**sample(rng, identifiers), **unexpected}
        case.media_type = "application/json"


def _send(
    case: Request, url: str, session: requests.Session, findings: Findings, identifiers: Identifiers
) -> None:
    label = case.operation.label
    response = case.call(base_url=url, session=session)
    findings.requests += 1
    findings.statuses[label][response.status_code] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            findings.violations[f"{label} {response.status_code}: {_format_failure(failure)}"] += 1
    if response.status_code < 300:
        if case.method == "DELETE":
            identifiers.remove(case.path_parameters or {})
        elif response.content:
            identifiers.collect(response.json(), case.path_parameters or {})


def _format_failure(failure: Exception) -> str:
    return (
        f"{failure.title}: {failure.message}"[:600]
        if isinstance(failure, Failure)
        else repr(failure)[:600]
    )
