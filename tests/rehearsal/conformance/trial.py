"""The trial: requests generated from the description, sent in a seeded order, each answer held against it."""

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

from tests.rehearsal.conformance.known import Known
from tests.rehearsal.conformance.preparation import prepare
from tests.rehearsal.conformance.samples import BODIES

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
AS_GENERATED = 0.3
"""The part of requests that is sent as generated; of the others most name what exists and say what a client would."""


Request = Case[Any]


@dataclass
class Findings:
    """What came of it."""

    requests: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """Of each operation."""

    @property
    def never_succeeded(self) -> set[str]:
        return {
            operation
            for operation, seen in self.statuses.items()
            if not any(status < 300 for status in seen)
        }


def operations(
    description: dict[str, Any], is_served: Callable[[str, str], bool]
) -> list[APIOperation[Any, Any, Any, Any]]:
    """Those of the description that the cloud serves, by method and path."""
    found = [
        result.ok()
        for result in schemathesis.openapi.from_dict(description).get_all_operations()
        if isinstance(result, Ok)
    ]
    return [operation for operation in found if is_served(operation.method.upper(), operation.path)]


def run(
    url: str, token: str, asked: list[APIOperation[Any, Any, Any, Any]], count: int, number: int
) -> Findings:
    """Send at least ``count`` requests, the same ones for the same ``number``."""
    chance = random.Random(number)
    each = -(-count // len(asked))
    cases = [case for operation in asked for case in _generated(operation, each, number)]
    chance.shuffle(cases)
    findings, known = Findings(), Known(chance)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        prepare(url, session, known)
        for case in cases:
            if chance.random() > AS_GENERATED:
                _aim(case, chance, known)
            _send(case, url, session, findings, known)
    return findings


def _generated(
    operation: APIOperation[Any, Any, Any, Any], count: int, number: int
) -> Iterator[Request]:
    """Requests as the description allows them, and as many that it does not, if there are so many."""
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    made: list[Request] = []
    for mode in modes:
        made += _of_mode(
            operation, mode, count - count // 2 if mode is modes[0] else count // 2, number
        )
    missing = count - len(made)
    yield from made
    if missing and made:
        yield from (made[index % len(made)] for index in range(missing))


def _of_mode(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, count: int, number: int
) -> list[Request]:
    made: list[Request] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def keep(case: Request) -> None:
        made.append(case)

    try:
        keep()
    except Exception as error:  # an operation without parameters cannot be asked wrongly
        if "NoReject" in type(error).__name__ or "Unsatisfiable" in type(error).__name__:
            return made
        raise
    return made[:count]


def _aim(case: Request, chance: random.Random, known: Known) -> None:
    """Have the request name what exists and say what a client would, most of the time."""
    if case.path_parameters and chance.random() < (0.3 if case.method == "DELETE" else 0.95):
        case.path_parameters = known.path(case.path_parameters) or case.path_parameters
    if "tag_name" in (case.query or {}) or (
        case.method == "DELETE" and case.operation.path == "/v2/droplets"
    ):
        case.query = {**(case.query or {}), "tag_name": known.one("tag_id", "web")}
    sample = BODIES.get(str(case.operation.definition.raw.get("operationId")))
    if sample is not None:
        generated = case.body if isinstance(case.body, dict) else {}
        strange = {name: value for name, value in generated.items() if chance.random() < 0.05}
        case.body = {**sample(chance, known), **strange}
        case.media_type = "application/json"


def _send(
    case: Request, url: str, session: requests.Session, findings: Findings, known: Known
) -> None:
    label = case.operation.label
    response = case.call(base_url=url, session=session)
    findings.requests += 1
    findings.statuses[label][response.status_code] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            findings.violations[f"{label} {response.status_code}: {_told(failure)}"] += 1
    if response.status_code < 300:
        if case.method == "DELETE":
            known.forget(case.path_parameters or {})
        elif response.content:
            known.learn(response.json(), case.path_parameters or {})


def _told(failure: Exception) -> str:
    return (
        f"{failure.title}: {failure.message}"[:600]
        if isinstance(failure, Failure)
        else repr(failure)[:600]
    )
