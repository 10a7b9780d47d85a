"""The edge that answers: a resource that exists when requests to the URL reach a service.

Pulumi deletes what an update replaces after everything else. So a stack that moves to another
network keeps its old load balancer and cluster until the new ones answer.

A dynamic provider runs in its own process, and the state contains its module path.
"""

import time
from collections.abc import Mapping
from typing import Any

import pulumi
import requests
from pulumi import dynamic

REQUEST_TIMEOUT_S = 5
POLL_INTERVAL_S = 0.5
REQUIRED_ANSWERS = 3
"""Consecutive answers: the load balancer may still forward to a droplet without the service."""


class NoAnswerError(Exception):
    """The URL does not answer."""


def wait_until_answers(url: str, timeout_s: float) -> None:
    """Wait until the URL answers with 200.

    Raises:
        NoAnswerError: it does not, after ``timeout_s`` seconds.
    """
    end = time.monotonic() + timeout_s
    answers = 0
    while answers < REQUIRED_ANSWERS:
        reason = _request(url)
        answers = 0 if reason else answers + 1
        if reason and time.monotonic() > end:
            raise NoAnswerError(
                f"{url} does not answer after {timeout_s:g} s ({reason}), so nothing that this "
                "update replaces was deleted: repair the unhealthy service and run `up` again"
            )
        if reason:
            time.sleep(POLL_INTERVAL_S)


def _request(url: str) -> str:
    """Return why a request fails; empty if the URL answers."""
    try:
        response = requests.get(url, timeout=REQUEST_TIMEOUT_S)
    except requests.RequestException as error:
        return type(error).__name__
    return "" if response.ok else f"status {response.status_code}"


class EdgeReadinessProvider(dynamic.ResourceProvider):
    """Waits on creation, and when the URL changes. A deletion does nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        wait_until_answers(props["url"], props["timeout"])
        return dynamic.CreateResult("edge", props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=olds["url"] != news["url"])

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        wait_until_answers(news["url"], news["timeout"])
        return dynamic.UpdateResult(news)


class EdgeReadiness(dynamic.Resource, module="slipway", name="EdgeReadiness"):
    """A load balancer that forwards requests to a service."""

    def __init__(
        self,
        name: str,
        *,
        url: pulumi.Input[str],
        services: Mapping[str, pulumi.Input[str]],
        timeout: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the edge that answers.

        Args:
            url: of the load balancer.
            services: Nomad job ids, which resolve when the jobs are deployed.
            timeout: seconds for the URL to answer.
        """
        props = {"url": url, "services": dict(services), "timeout": timeout}
        super().__init__(EdgeReadinessProvider(), name, props, opts)
