"""A failed deployment is told with the causes that Nomad knows, whatever the plugin told of them."""

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
    f"error waiting for job 'backserve' to schedule/deploy successfully: deployment '{ID}' terminated with status 'failed': "
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


Told = Callable[..., list[str]]


@pytest.fixture
def told(access: Access) -> Told:
    """The lines of the failure beneath its headline; Nomad is asked as its provider would."""
    pem = {"caPem": access["authority"], "certPem": access["certificate"], "keyPem": access["key"]}
    state = [
        {
            "type": "pulumi:providers:nomad",
            "inputs": {"address": access["nomad"], "secretId": "token-of-the-provider", **pem},
        }
    ]

    def explained(message: str = HEADLINE) -> list[str]:
        [one] = deployment_failure.explain([Failure("backserve", "Job", message)], lambda: state)
        headline, *lines = one.message.splitlines()
        assert headline == message.splitlines()[0]
        return lines

    return explained


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([CHECK, KILLED, CHECK, KILLED, UNHEALTHY], 'check "backserve health" unhealthy'),
        ([KILLED | {"Details": {"exit_code": "3"}}, UNHEALTHY], "exited with code 3"),
        (
            [KILLED | {"Details": {"exit_code": "137", "oom_killed": "true"}}],
            "killed for want of memory",
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
                    "DisplayMessage": "failed to download: Checksums did not match for /x.\nExpected: 00aa\nGot: 11bb\n*sha256.digest",
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
def test_the_most_telling_events_name_the_cause_once(
    nomad: HttpServer, told: Told, events: list[dict[str, Any]], cause: str
) -> None:
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [
        instance(*events),
        instance(CHECK, healthy=True),
    ]
    assert told() == [f"backserve: {cause} on worker02nyc3 (instance ab12cd34)"]


def test_nomad_is_asked_with_the_providers_token(nomad: HttpServer, told: Told) -> None:
    told()
    assert (
        nomad.asked[f"/v1/deployment/allocations/{ID}"]["X-Nomad-Token"] == "token-of-the-provider"
    )


def test_what_found_no_node_is_told_by_the_latest_evaluation_of_this_deployment(
    nomad: HttpServer, told: Told
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
    assert told() == ["backserve: no node has room: memory exhausted on 4"]


def test_a_wait_that_ran_out_is_explained_by_the_latest_deployment(
    nomad: HttpServer, told: Told
) -> None:
    nomad.by_path["/v1/job/backserve/deployments"] = [
        {"ID": ID, "CreateIndex": 9, "Status": "running"},
        {"ID": "older", "CreateIndex": 3, "Status": "successful"},
    ]
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [instance(CHECK)]
    message = (
        "error waiting for job 'backserve' to schedule/deploy successfully: timeout while waiting"
    )
    assert told(message) == [
        'backserve: check "backserve health" unhealthy on worker02nyc3 (instance ab12cd34)'
    ]


def test_what_the_plugin_told_of_the_same_instance_is_not_said_twice(
    nomad: HttpServer, told: Told
) -> None:
    nomad.by_path[f"/v1/deployment/allocations/{ID}"] = [instance(CHECK)]
    message = f"{HEADLINE}\n  allocation ab12cd34, task 'backserve': Restart Signaled: ...\n  something else"
    assert told(message) == [
        'backserve: check "backserve health" unhealthy on worker02nyc3 (instance ab12cd34)',
        "  something else",
    ]


def test_a_nomad_that_is_away_takes_nothing_from_the_failure(nomad: HttpServer, told: Told) -> None:
    nomad.by_path.clear()
    assert told(f"{HEADLINE}\n  what the plugin knows") == ["  what the plugin knows"]


def test_a_state_that_cannot_be_read_takes_nothing_from_it_either() -> None:
    def locked() -> list[dict[str, Any]]:
        raise CommandError(CommandResult(stdout="", stderr="error: incorrect passphrase", code=255))

    failures = [Failure("backserve", "Job", HEADLINE)]
    assert deployment_failure.explain(failures, locked) == failures


def test_other_failures_are_left_alone() -> None:
    others = [
        Failure("worker01nyc3", "Droplet", "422"),
        Failure("backserve", "Job", "error applying jobspec: 500"),
    ]
    assert deployment_failure.explain(others, lambda: pytest.fail("nothing to ask")) == others
