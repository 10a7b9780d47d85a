"""The load balancer and its way in."""

import pulumi
import pytest

from infra.edge import Edge, EdgeArgs
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.cloud import run, start


def test_second_load_balancer_of_one_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = start()
    args = EdgeArgs(name="slipway-test", region="nyc3", vpc_id="net", worker_tag="tag", port=8085)
    run(lambda: Edge("edge", args))
    [hook] = cloud.requests["edge-balancer"].hooks.before_create
    new = pulumi.ResourceHookArgs(
        urn="", id="", name="edge-balancer", type="", new_inputs={"name": "slipway-test"}
    )
    with serving(AccountApi()) as account:
        monkeypatch.setenv("DIGITALOCEAN_TOKEN", TOKEN)
        monkeypatch.setenv("DIGITALOCEAN_API_URL", account.url)
        account.things["load_balancers"] = [{"id": "1", "name": "slipway-test-2"}]
        cloud.hooks[hook].callback(new)
        account.things["load_balancers"].append({"id": "2", "name": "slipway-test"})
        with pytest.raises(pulumi.RunError, match=r"slipway-test exists: .*`python -m deploy up"):
            cloud.hooks[hook].callback(new)


def test_the_balancer_forwards_to_the_workers_and_alone_may_reach_them() -> None:
    cloud = start()
    urls: list[str] = []

    def program() -> pulumi.Output[None]:
        args = EdgeArgs(
            name="slipway-test-nyc3-10-10-0-0",
            region="nyc3",
            vpc_id="net",
            worker_tag="slipway-test-worker",
            port=8085,
        )
        return Edge("edge", args).url.apply(urls.append)

    run(program)
    balancer, wall = cloud.created["edge-balancer"], cloud.created["edge-firewall"]
    assert balancer["forwardingRules"] == [
        {"entryPort": 80, "entryProtocol": "http", "targetPort": 8085, "targetProtocol": "http"}
    ]
    assert (balancer["dropletTag"], balancer["vpcUuid"]) == (
        "slipway-test-worker",
        "net",
    )
    check = balancer["healthcheck"]
    assert (check["path"], check["port"], check["checkIntervalSeconds"]) == ("/health", 8085, 3)
    assert (check["healthyThreshold"], check["unhealthyThreshold"]) == (2, 2)
    assert wall["inboundRules"] == [
        {"portRange": "8085", "protocol": "tcp", "sourceLoadBalancerUids": ["edge-balancer-id"]}
    ]
    assert wall["tags"] == ["slipway-test-worker"]
    assert [rule["protocol"] for rule in wall["outboundRules"]] == ["icmp"]
    assert (balancer["name"], wall["name"]) == (
        "slipway-test-nyc3-10-10-0-0",
        "slipway-test-nyc3-10-10-0-0-edge",
    )
    assert [*cloud.requests["edge-firewall"].replaceOnChanges] == ["name"]
    for name in ("edge-balancer", "edge-firewall"):
        request = cloud.requests[name]
        assert (request.deleteBeforeReplaceDefined, request.deleteBeforeReplace) == (True, False)
    assert len(urls) == 1 and urls[0].startswith("http://198.18.1.")
