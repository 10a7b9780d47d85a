"""The checks that the official plugins make in a plan, with known and with unknown values.

For them an unknown value is not set. So they refuse a preview in which the engine does not know a
list that depends on a replaced resource.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.plugins.digitalocean.package import PACKAGE
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.driver import Driver, State
from tests.rehearsal.plugins.support.service import Reply, Service

DROPLET = "digitalocean:index/droplet:Droplet"
FIREWALL = "digitalocean:index/firewall:Firewall"
BALANCER = "digitalocean:index/loadBalancer:LoadBalancer"
RECORD = "digitalocean:index/dnsRecord:DnsRecord"

TCP = {"protocol": "tcp", "portRange": "80", "sourceLoadBalancerUids": [UNKNOWN]}
ICMP = {"protocol": "icmp"}
CHECK = {"port": 80, "protocol": "http", "path": "/health"}
RULE = {"entryPort": 80, "entryProtocol": "http", "targetPort": 80, "targetProtocol": "http"}
VALID: dict[str, State] = {
    FIREWALL: {"name": "wall", "inboundRules": [TCP]},
    BALANCER: {"name": "edge", "region": "nyc3", "forwardingRules": [RULE], "healthcheck": CHECK},
    RECORD: {"domain": "example.com", "name": "a", "type": "A", "value": "192.0.2.1"},
}
COOKIES = {"type": "cookies", "cookieName": "c", "cookieTtlSeconds": 9}


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with Service(lambda _call: Reply(500)) as service:
        yield Driver(PACKAGE, {"token": "t", "apiEndpoint": service.url})


@pytest.mark.parametrize(
    ("token", "change", "message"),
    [
        (FIREWALL, {"inboundRules": None}, "At least one rule must be specified"),
        (FIREWALL, {"inboundRules": UNKNOWN}, "At least one rule must be specified"),
        (FIREWALL, {"inboundRules": [{"protocol": "udp"}]}, "`port_range` of inbound rules"),
        (FIREWALL, {"inboundRules": [{**TCP, "portRange": UNKNOWN}]}, "`port_range` of inbound"),
        (FIREWALL, {"inboundRules": [{"protocol": UNKNOWN}]}, "`port_range` of inbound rules"),
        (FIREWALL, {"outboundRules": [{"protocol": "tcp"}]}, "`port_range` of outbound rules"),
        (BALANCER, {"region": None}, "missing 'region' value"),
        (BALANCER, {"region": UNKNOWN}, "missing 'region' value"),
        (BALANCER, {"region": UNKNOWN, "type": "REGIONAL"}, "'region' must be set"),
        (BALANCER, {"healthcheck": {**CHECK, "path": None}}, "`path` is required .* `http`"),
        (BALANCER, {"healthcheck": {**CHECK, "path": UNKNOWN}}, "`path` is required .* `http`"),
        (BALANCER, {"healthcheck": {**CHECK, "protocol": "tcp"}}, "`path` is not allowed"),
        (BALANCER, {"healthcheck": {**CHECK, "protocol": UNKNOWN}}, "`path` is not allowed"),
        (BALANCER, {"stickySessions": {**COOKIES, "type": "none"}}, "`cookie_name` is not allowed"),
        (BALANCER, {"stickySessions": {**COOKIES, "type": UNKNOWN}}, "is not allowed for"),
        (BALANCER, {"stickySessions": {**COOKIES, "cookieName": UNKNOWN}}, "`cookie_name` is req"),
        (RECORD, {"type": "MX"}, "`priority` is required for when type is `MX`"),
        (RECORD, {"type": "MX", "priority": UNKNOWN}, "`priority` is required"),
        (RECORD, {"type": "SRV", "priority": 1, "weight": UNKNOWN}, "`weight` is required"),
        (RECORD, {"type": "CAA", "tag": "issue", "flags": UNKNOWN}, "`flags` is required"),
    ],
)
def test_plan_is_refused(driver: Driver, token: str, change: State, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        driver.create(token, {**VALID[token], **change}, preview=True)
    with pytest.raises(PluginError, match=message):
        driver.diff(token, VALID[token], {**VALID[token], **change})


@pytest.mark.parametrize(
    ("token", "change"),
    [
        (FIREWALL, {}),
        (FIREWALL, {"inboundRules": UNKNOWN, "outboundRules": [ICMP]}),
        (FIREWALL, {"inboundRules": [ICMP], "outboundRules": UNKNOWN, "tags": UNKNOWN}),
        (BALANCER, {"vpcUuid": UNKNOWN, "dropletTag": UNKNOWN, "forwardingRules": UNKNOWN}),
        (BALANCER, {"healthcheck": UNKNOWN, "stickySessions": COOKIES}),
        (BALANCER, {"healthcheck": {"port": 80, "protocol": UNKNOWN}}),
        (RECORD, {"value": UNKNOWN, "type": UNKNOWN}),
        (RECORD, {"type": "SRV", "priority": 0, "weight": 0}),
    ],
)
def test_plan_is_accepted(driver: Driver, token: str, change: State) -> None:
    driver.create(token, {**VALID[token], **change}, preview=True)
    driver.diff(token, VALID[token], {**VALID[token], **change})


def test_port_of_a_record_is_only_required_to_create_it(driver: Driver) -> None:
    record = {**VALID[RECORD], "type": "SRV", "priority": 0, "weight": 0}
    with pytest.raises(PluginError, match="`port` is required for when type is `SRV`"):
        driver.create(RECORD, record)


@pytest.mark.parametrize(("ipv6", "replaces"), [(False, ["ipv6"]), (UNKNOWN, ["ipv6"]), (True, [])])
def test_droplet_that_may_lose_ipv6_is_replaced(
    driver: Driver, ipv6: Any, replaces: list[str]
) -> None:
    droplet = {"name": "one", "image": "debian-12-x64", "size": "s-1vcpu-1gb", "ipv6": True}
    assert driver.diff(DROPLET, droplet, {**droplet, "ipv6": ipv6}).replaces == replaces
