"""After an update: the declared jobs, what answers, and failures for what is missing."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from deploy import serving
from deploy.serving import Serving, wait_until_serving
from deploy.terminal import Terminal
from tests.deploy.support.http_server import HttpServer
from tests.infra.support.nomad_jobs import FULL, Responses, add_job, instance


def job(name: str, **fields: Any) -> dict[str, Any]:
    """Return the job NAME of the state."""
    outputs = {"namespace": "default", "type": "service"}
    return {"type": "nomad:index/job:Job", "id": name, "outputs": outputs, **fields}


@pytest.fixture
def resources(
    agents: HttpServer, http_server: HttpServer, outputs: dict[str, Any]
) -> list[dict[str, Any]]:
    """The state of a stack that serves backserve."""
    http_server.by_path["/"] = {"backserve": {"instance": "aaaa", "node": "worker01nyc3"}}
    add_job(agents.by_path, "backserve", instance("01"), count=1)
    stack = {"type": "pulumi:pulumi:Stack", "outputs": {**outputs, "url": http_server.url + "/"}}
    return [stack, job("backserve")]


def look(resources: list[dict[str, Any]]) -> Serving:
    return wait_until_serving(resources, timeout_s=0)


def failures(resources: list[dict[str, Any]]) -> dict[str, str]:
    return {failure.resource: failure.message for failure in look(resources).failures}


def test_what_answers_is_shown_with_its_instances(resources: list[dict[str, Any]]) -> None:
    found = look(resources)
    assert found.failures == ()
    stream = io.StringIO()
    serving.show(found, Terminal(stream))
    shown = [line.split() for line in stream.getvalue().splitlines()]
    assert shown[1] == ["backserve", "service", "1", "of", "1", "worker01nyc3"]
    assert "answers; backserve by aaaa on worker01nyc3" in stream.getvalue()


def test_a_job_that_cannot_be_placed_is_a_failure(
    agents: HttpServer, resources: list[dict[str, Any]]
) -> None:
    """Also one that the program does not know as a service."""
    add_job(agents.by_path, "raw", count=1, unplaced={"group": FULL})
    resources.append(job("raw"))
    assert failures(resources) == {
        "raw": "0 of 1 instances are healthy: no room for group group: "
        "constraint missing drivers filtered 4 of 4 nodes"
    }


def test_a_job_that_the_stack_does_not_declare_is_no_failure(
    agents: HttpServer, resources: list[dict[str, Any]]
) -> None:
    add_job(agents.by_path, "by-hand", count=1)
    resources.append(job("by-hand", delete=True))
    assert failures(resources) == {}


def test_a_url_that_does_not_answer_is_a_failure(
    http_server: HttpServer, resources: list[dict[str, Any]]
) -> None:
    http_server.by_path["/"] = 503
    assert "0 of 1 backserve instances answered" in failures(resources)[""]


def test_a_short_job_may_recover(agents: HttpServer, resources: list[dict[str, Any]]) -> None:
    later: Responses = {}
    add_job(later, "backserve", instance("01"), count=1)
    started: Iterator[list[Any]] = iter([[]])
    agents.by_path["/v1/job/backserve/allocations"] = lambda: next(
        started, later["/v1/job/backserve/allocations"]
    )
    assert wait_until_serving(resources, timeout_s=30).failures == ()


def test_a_stack_without_jobs_serves_nothing() -> None:
    assert look([{"type": "pulumi:pulumi:Stack", "outputs": {"url": "http://x/"}}]) == Serving()
