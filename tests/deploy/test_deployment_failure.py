"""A failed deployment is reported with the causes that Nomad knows."""

from collections.abc import Callable
from typing import Any

import pytest
from pulumi.automation import CommandError, CommandResult

from deploy import deployment_failure
from deploy.failure import Failure
from infra.mtls import Access
from tests.deploy.support.http_server import HttpServer

ID = "86362845-8a0b-527e-9054-c558e040c699"
HEADLINE = (
    "error waiting for job 'backserve' to schedule/deploy successfully: "
    f"deployment '{ID}' terminated with status 'failed': "
    "'Failed due to unhealthy allocations'"
)
CHECK = {
    "Type": "Restart Signaled",
    "DisplayMessage": 'healthcheck: check "backserve health" unhealthy',
    "Details": {},
}
KILLED = {
    "Type": "Terminated",
    "DisplayMessage": "Exit Code: 137, Signal: 9",
    "Details": {"exit_code": "137", "oom_killed": "false"},
}
UNHEALTHY = {
    "Type": "Alloc Unhealthy",
    "DisplayMessage": "Unhealthy because of failed task",
    "Details": {},
}


def instance(*events: dict[str, Any], healthy: bool = False) -> dict[str, Any]:
    return {
        "ID": "ab12cd34-9297-4c71-0934-94239166c4f1",
        "NodeName": "worker02nyc3",
        "DeploymentStatus": {"Healthy": healthy},
        "TaskStates": {"backserve": {"Events": list(events)}},
    }


@pytest.fixture
def nomad(agents: HttpServer) -> HttpServer:
    agents.by_path |= {f"/v1/deployment/allocations/{ID}": [], "/v1/job/backserve/evaluations": []}
    return agents


Explain = Callable[..., list[str]]


@pytest.fixture
def explain(access: Access) -> Explain:
    """Return the lines of an explained failure beneath its headline."""
    pem = {"caPem": access["authority"], "certPem": access["certificate"], "keyPem": access["key"]}
    state = [
        {
            "type": "pulumi:providers:nomad",
            "inputs": {"address": access["nomad"][0], "secretId": "token-of-the-provider", **pem},
        }
    ]

    def explain_message(message: str = HEADLINE) -> list[str]:
        failures = [Failure("backserve", "Job", message)]
        [explained] = deployment_failure.explain(failures, lambda: state)
        headline, *lines = explained.message.splitlines()
        assert headline == message.splitlines()[0]
        return lines

    return explain_message


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([CHECK, KILLED, CHECK, KILLED, UNHEALTHY], 'check "backserve health" unhealthy'),
        ([KILLED | {"Details": {"exit_code": "3"}}, UNHEALTHY], "exited with code 3"),
        (
            [KILLED | {"Details": {"exit_code": "137", "oom_killed": "true"}}],
            "killed because it ran out of memory",
        ),
        ([UNHEALTHY], "Unhealthy because of failed task"),
        (
            [{"Type": "Driver Failure", "DisplayMessage": "no such\n file"}, UNHEALTHY],
            "no such file",
        ),
        (
            [
                {
                    "Type": "Failed Artifact Download",
                    "DisplayMessage": "failed to download: Checksums did not match for /x.\n"
                    "Expected: 00aa\nGot: 11bb\n*sha256.digest",
                }
            ],
            "artifact checksum mismatch (expected 00aa, found 11bb)",
        ),
        (
            [{"Type": "Failed Artifact Download", "DisplayMessage": "bad response code: 404"}],
            "bad response code: 404",
        ),
    ],
)
def test_the_most_specific_events_name_the_cause_once(
    nomad: HttpServer, explain: Explain, events: list[dict[str, Any]], cause: str
) -> None:
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [
        instance(*events),
        instance(CHECK, healthy=True),
    ]
    assert explain() == [f"backserve: {cause} on worker02nyc3 (instance ab12cd34)"]


def test_requests_use_the_providers_token(nomad: HttpServer, explain: Explain) -> None:
    explain()
    assert (
        nomad.requests[f"/v1/deployment/allocations/{ID}"]["X-Nomad-Token"]
        == "token-of-the-provider"
    )


def test_a_failed_placement_is_explained_by_the_newest_evaluation_of_the_deployment(
    nomad: HttpServer, explain: Explain
) -> None:
    def evaluation(index: int, deployment_failure: str, **metric: Any) -> dict[str, Any]:
        return {
            "CreateIndex": index,
            "DeploymentID": deployment_failure,
            "FailedTGAllocs": {"backserve": metric},
        }

    nomad.by_path["/v1/job/backserve/evaluations"] = [
        evaluation(7, ID, NodesEvaluated=4, DimensionExhausted={"memory": 4}),
        evaluation(5, ID, NodesEvaluated=0),
        evaluation(9, "another", NodesEvaluated=0),
    ]
    assert explain() == ["backserve: memory exhausted on 4 of 4 nodes"]


def test_a_timeout_is_explained_by_the_newest_deployment(
    nomad: HttpServer, explain: Explain
) -> None:
    nomad.by_path["/v1/job/backserve/deployments"] = [
        {"ID": ID, "CreateIndex": 9, "Status": "running"},
        {"ID": "older", "CreateIndex": 3, "Status": "successful"},
    ]
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [instance(CHECK)]
    message = (
        "error waiting for job 'backserve' to schedule/deploy successfully: timeout while waiting"
    )
    assert explain(message) == [
        'backserve: check "backserve health" unhealthy on worker02nyc3 (instance ab12cd34)'
    ]


def test_the_providers_lines_about_an_explained_allocation_are_left_out(
    nomad: HttpServer, explain: Explain
) -> None:
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [instance(CHECK)]
    message = (
        f"{HEADLINE}\n  allocation ab12cd34, task 'backserve': Restart Signaled: ...\n"
        "  something else"
    )
    assert explain(message) == [
        'backserve: check "backserve health" unhealthy on worker02nyc3 (instance ab12cd34)',
        "  something else",
    ]


def test_the_failure_stays_as_it_is_without_nomad(nomad: HttpServer, explain: Explain) -> None:
    nomad.by_path.clear()
    assert explain(f"{HEADLINE}\n  what the plugin knows") == ["  what the plugin knows"]


def test_the_failure_stays_as_it_is_without_the_state() -> None:
    def locked() -> list[dict[str, Any]]:
        raise CommandError(CommandResult(stdout="", stderr="error: incorrect passphrase", code=255))

    failures = [Failure("backserve", "Job", HEADLINE)]
    assert deployment_failure.explain(failures, locked) == failures


def test_other_failures_stay_as_they_are() -> None:
    others = [
        Failure("worker01nyc3", "Droplet", "422"),
        Failure("backserve", "Job", "error applying jobspec: 500"),
    ]
    assert deployment_failure.explain(others, lambda: pytest.fail("nothing to ask")) == others
