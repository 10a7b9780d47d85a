"""Load balancers: HAProxy in front of web servers in namespaces."""

import asyncio
import json
import subprocess
from ipaddress import IPv4Address, IPv6Network

import pytest

from rehearsal.network.load_balancers import LoadBalancers
from rehearsal.subprocesses import CommandError
from rehearsal.topology.protocol import ForwardingRule, HealthCheck
from tests.rehearsal.support.balanced import Web, apply, balancer, wait_up
from tests.rehearsal.support.small_cloud import BALANCER_PRIVATE

CLIENT = """
import http.client, json, sys, threading, time
address, ended, done, failed = sys.argv[1], threading.Event(), [0], []
def ask(reuse):
    connection = http.client.HTTPConnection(address, timeout=5)
    while not ended.wait(0.01):
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            done[0] += 1
            if answer.status != 200:
                failed.append(answer.status)
        except Exception as error:
            failed.append(repr(error))
            connection.close()
        if not reuse:
            connection.close()
threads = [threading.Thread(target=ask, args=(reuse,)) for reuse in (True, False)]
for thread in threads: thread.start()
sys.stdin.read()
ended.set()
for thread in threads: thread.join()
print(json.dumps({"done": done[0], "failed": failed}))
"""
"""Sends requests over a persistent connection and over new ones until its input ends."""


def test_a_target_gets_no_request_before_it_passes_its_checks(
    web: Web, balancers: LoadBalancers
) -> None:
    one = web.cloud.droplets[0]
    web.health(one.id, 500)
    before = len(web.requested_paths(one.id))
    apply(balancers, balancer(web.cloud, one.private.address))
    for _ in range(5):
        assert web.get()[0] == 503
    assert len(web.requested_paths(one.id)) == before
    web.health(one.id, 200)
    wait_up(balancers, one.private.address)
    status, _, answer = web.get()
    assert (status, answer["name"]) == (200, "droplet1")


def test_a_healthy_target_serves_while_a_new_one_is_checked(
    web: Web, balancers: LoadBalancers
) -> None:
    one, two, _ = web.cloud.droplets
    apply(balancers, balancer(web.cloud, one.private.address))
    wait_up(balancers, one.private.address)
    web.health(two.id, 500)
    apply(balancers, balancer(web.cloud, one.private.address, two.private.address))
    assert {web.get()[2]["name"] for _ in range(6)} == {"droplet1"}
    web.health(two.id, 200)
    wait_up(balancers, one.private.address, two.private.address)
    assert {web.get()[2]["name"] for _ in range(4)} == {"droplet1", "droplet2"}


def test_an_unhealthy_target_gets_no_more_requests(web: Web, balancers: LoadBalancers) -> None:
    one, two, _ = web.cloud.droplets
    apply(balancers, balancer(web.cloud, one.private.address, two.private.address))
    wait_up(balancers, one.private.address, two.private.address)
    web.health(one.id, 500)
    wait_up(balancers, two.private.address)
    assert {web.get()[2]["name"] for _ in range(4)} == {"droplet2"}


def test_an_unhealthy_target_stays_down_after_a_reload(web: Web, balancers: LoadBalancers) -> None:
    one, two, _ = web.cloud.droplets
    web.health(one.id, 500)
    apply(balancers, balancer(web.cloud, one.private.address, two.private.address))
    wait_up(balancers, two.private.address)
    for idle in (31, 32, 33):
        apply(
            balancers,
            balancer(web.cloud, one.private.address, two.private.address, idle_seconds=idle),
        )
        assert {web.get()[2]["name"] for _ in range(3)} == {"droplet2"}


def test_a_change_of_targets_loses_no_request(web: Web, balancers: LoadBalancers) -> None:
    addresses = [droplet.private.address for droplet in web.cloud.droplets]
    apply(balancers, balancer(web.cloud, addresses[0]))
    wait_up(balancers, addresses[0])
    command = [
        "ip",
        "netns",
        "exec",
        web.cloud.place(None),
        "python3",
        "-c",
        CLIENT,
        str(web.cloud.balancer_public),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            for count in (2, 3, 1, 2, 3):
                apply(balancers, balancer(web.cloud, *addresses[:count]))
                wait_up(balancers, *addresses[:count])
            out, _ = client.communicate("", timeout=10)
        finally:
            client.kill()
    seen = json.loads(out)
    assert seen["failed"] == []
    assert seen["done"] > 100


def test_targets_see_the_private_address_and_the_forwarded_header(
    web: Web, balancers: LoadBalancers
) -> None:
    one = web.cloud.droplets[0]
    apply(balancers, balancer(web.cloud, one.private.address))
    wait_up(balancers, one.private.address)
    answer = web.get()[2]
    assert answer["client"] == str(BALANCER_PRIVATE)
    headers = answer["headers"]
    assert isinstance(headers, dict)
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["x-forwarded-for"] == str(web.cloud.config.host_address)
    assert (lower["x-forwarded-proto"], lower["x-forwarded-port"]) == ("http", "80")


def test_a_sticky_cookie_selects_its_target(web: Web, balancers: LoadBalancers) -> None:
    addresses = [droplet.private.address for droplet in web.cloud.droplets]
    apply(balancers, balancer(web.cloud, *addresses, sticky_cookie="DO-LB", sticky_seconds=300))
    wait_up(balancers, *addresses)
    _, headers, first = web.get()
    assert "Max-Age=300" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    assert cookie.startswith("DO-LB=")
    assert {web.get(cookie=cookie)[2]["name"] for _ in range(5)} == {first["name"]}


def test_a_tcp_rule_and_a_tcp_check(web: Web, balancers: LoadBalancers) -> None:
    one = web.cloud.droplets[0]
    health = HealthCheck(
        protocol="tcp",
        port=8085,
        path="/",
        interval_s=1,
        timeout_s=1,
        unhealthy_threshold=2,
        healthy_threshold=2,
    )
    forwards = [
        ForwardingRule(entry_protocol="tcp", entry_port=80, target_protocol="tcp", target_port=8085)
    ]
    apply(
        balancers,
        balancer(
            web.cloud,
            one.private.address,
            health_check=health,
            forwarding_rules=forwards,
            algorithm="least_connections",
        ),
    )
    wait_up(balancers, one.private.address)
    _, _, answer = web.get()
    assert "X-Forwarded-For" not in str(answer["headers"])


def test_http_is_redirected_to_https(web: Web, balancers: LoadBalancers) -> None:
    one = web.cloud.droplets[0]
    apply(balancers, balancer(web.cloud, one.private.address, redirect_http_to_https=True))
    status, headers, _ = web.get("/there")
    assert (status, headers["location"]) == (307, f"https://{web.cloud.balancer_public}/there")


def test_a_deleted_load_balancer_stops_listening(web: Web, balancers: LoadBalancers) -> None:
    one = web.cloud.droplets[0]
    apply(balancers, balancer(web.cloud, one.private.address))
    assert web.cloud.connects(web.cloud.place(None), web.cloud.balancer_public, 80)
    apply(balancers)
    assert not web.cloud.connects(web.cloud.place(None), web.cloud.balancer_public, 80)


def test_a_second_instance_finds_the_running_process(web: Web, balancers: LoadBalancers) -> None:
    one = web.cloud.droplets[0]
    apply(balancers, balancer(web.cloud, one.private.address))
    wait_up(balancers, one.private.address)
    again = LoadBalancers(web.cloud.config)
    apply(again, balancer(web.cloud, one.private.address, idle_seconds=40))
    assert web.get()[0] == 200


@pytest.mark.parametrize("fault", ["it cannot be written", "HAProxy refuses it"])
def test_an_invalid_load_balancer_is_skipped(
    web: Web, balancers: LoadBalancers, fault: str
) -> None:
    one = web.cloud.droplets[0]
    without_file = ForwardingRule(
        entry_protocol="https",
        entry_port=443,
        target_protocol="http",
        target_port=8085,
        certificate_id="gone",
    )
    changes: dict[str, dict[str, object]] = {
        "it cannot be written": {"deny": [IPv6Network("fe80::1%x }\n injected\n#")]},
        "HAProxy refuses it": {"forwarding_rules": [without_file]},
    }
    bad = balancer(web.cloud, one.private.address, id="other", **changes[fault])
    apply(balancers, bad, balancer(web.cloud, one.private.address))
    wait_up(balancers, one.private.address)
    assert web.get()[0] == 200
    apply(balancers, balancer(web.cloud, one.private.address, idle_seconds=40), bad)
    assert web.get()[0] == 200
    assert "other" not in asyncio.run(balancers.find_serving_targets())


def test_an_invalid_configuration_keeps_the_former_process(
    web: Web, balancers: LoadBalancers
) -> None:
    one = web.cloud.droplets[0]
    apply(balancers, balancer(web.cloud, one.private.address))
    wait_up(balancers, one.private.address)
    foreign = balancer(
        web.cloud, one.private.address, id="other", public=IPv4Address("198.18.0.99")
    )
    with pytest.raises(CommandError):
        apply(balancers, balancer(web.cloud, one.private.address), foreign)
    assert web.get()[0] == 200
    apply(balancers, balancer(web.cloud, one.private.address))
    assert web.get()[0] == 200
