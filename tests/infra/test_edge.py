"""The load balancer and its way in."""

import pulumi

from infra.edge import Edge, EdgeArgs
from tests.infra.support.cloud import run, start


def test_the_balancer_forwards_to_the_workers_and_alone_may_reach_them() -> None:
    cloud = start()
    urls: list[str] = []

    def program() -> pulumi.Output[None]:
        args = EdgeArgs(
            prefix="slipway-test",
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
    assert (balancer["algorithm"], balancer["dropletTag"], balancer["vpcUuid"]) == (
        "round_robin",
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
    assert len(urls) == 1 and urls[0].startswith("http://198.18.1.")
