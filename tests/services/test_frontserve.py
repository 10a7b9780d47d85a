"""frontserve as a node runs it, with fakes of Consul's DNS, its agent and backserve."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable

import httpx

from tests.services.support.certificates import Authority, Credentials, service_uri
from tests.services.support.dns_server import Records, consul_dns
from tests.services.support.fake_agent import FakeAgent, backserve_context
from tests.services.support.http_stub import Stub, serve
from tests.services.support.program import Start, eventually, free_port


def test_it_replies_with_the_reply_of_each_instance_in_turn(
    agent: FakeAgent, frontserve: Start
) -> None:
    one, two = Stub(body={"message": "one"}), Stub(body={"message": "two"})
    with serve(one, backserve_context(agent)), serve(two, backserve_context(agent)):
        records = Records({"backserve": [("127.0.0.1", one.port), ("127.0.0.1", two.port)]})
        with (
            consul_dns(records) as dns,
            frontserve(CONSUL_DNS=dns, NODE_NAME="worker02nyc3") as program,
        ):
            eventually(lambda: program.is_healthy())
            replies = [program.get().json() for _ in range(6)]
    assert Counter(reply["backserve"]["message"] for reply in replies) == {"one": 3, "two": 3}
    assert {(reply["service"], reply["node"]) for reply in replies} == {
        ("frontserve", "worker02nyc3")
    }
    assert set(records.queries) == {"backserve.service.consul. SRV"}
    assert {certificate["subjectAltName"] for certificate in one.certificates} == {
        (("URI", service_uri("frontserve")),)
    }


def test_the_next_instance_is_tried_after_a_failure(agent: FakeAgent, frontserve: Start) -> None:
    with (
        serve(Stub(status=500), backserve_context(agent)) as broken,
        serve(Stub(body={"message": "well"}), backserve_context(agent)) as good,
    ):
        addresses = [
            ("127.0.0.1", free_port()),
            ("127.0.0.1", broken.port),
            ("127.0.0.1", good.port),
        ]
        with (
            consul_dns(Records({"backserve": addresses})) as dns,
            frontserve(CONSUL_DNS=dns) as program,
        ):
            eventually(lambda: program.is_healthy())
            replies = [program.get() for _ in range(6)]
    assert [reply.status_code for reply in replies] == [200] * 6
    assert {reply.json()["backserve"]["message"] for reply in replies} == {"well"}


IMPOSTORS: dict[str, Callable[[Authority], Credentials]] = {
    "another service": lambda root: root.leaf(service_uri("prober")),
    "another authority's certificate": lambda root: Authority().leaf(service_uri("backserve")),
    "another trust domain": lambda root: root.leaf(service_uri("backserve", "0b8cbc97.consul")),
    "a longer name": lambda root: root.leaf(service_uri("backserver")),
    "two names": lambda root: root.leaf(service_uri("backserve"), service_uri("prober")),
}


def test_an_impostor_gets_no_request_and_the_next_instance_is_tried(
    agent: FakeAgent, frontserve: Start
) -> None:
    with (
        serve(Stub(body={"message": "well"}), backserve_context(agent)) as good,
        serve(Stub()) as plain,
    ):
        for description, forge in IMPOSTORS.items():
            with serve(Stub(), backserve_context(agent, forge(agent.roots[0]))) as impostor:
                records = Records(
                    {
                        "backserve": [
                            ("127.0.0.1", port) for port in (impostor.port, plain.port, good.port)
                        ]
                    }
                )
                with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
                    eventually(lambda program=program: program.is_healthy())
                    assert {program.get().json()["backserve"]["message"] for _ in range(3)} == {
                        "well"
                    }
                    failed = {
                        line["instance"]
                        for line in program.log()
                        if line["event"] == "instance failed"
                    }
                assert f"127.0.0.1:{impostor.port}" in failed
                assert impostor.requests == [], description
        assert plain.requests == []


def test_an_impostor_receives_no_byte_of_a_request(agent: FakeAgent, frontserve: Start) -> None:
    received: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        context = backserve_context(agent, agent.leaf("prober"))
        context.verify_mode = ssl.CERT_OPTIONAL
        with listener, listener.accept()[0] as plain:
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    received.append(secure.recv(1))
            except OSError:
                received.append(b"")

    listener = socket.create_server(("127.0.0.1", 0))
    impostor = threading.Thread(target=listen, args=[listener])
    impostor.start()
    with (
        consul_dns(Records({"backserve": [("127.0.0.1", listener.getsockname()[1])]})) as dns,
        frontserve(CONSUL_DNS=dns) as program,
    ):
        eventually(lambda: program.is_healthy())
        reply = program.get()
        impostor.join()
    assert (reply.status_code, received) == (503, [b""])
    assert f"the peer is {service_uri('prober')}" in reply.json()["reason"]


def test_every_instance_failing_is_a_503_that_names_them(
    agent: FakeAgent, frontserve: Start
) -> None:
    unused = free_port()
    with (
        consul_dns(Records({"backserve": [("127.0.0.1", unused)]})) as dns,
        frontserve(CONSUL_DNS=dns) as program,
    ):
        eventually(lambda: program.is_healthy())
        reply = program.get()
    assert reply.status_code == 503
    assert f"127.0.0.1:{unused}" in reply.json()["reason"]


def test_a_dns_query_is_repeated_after_servfail(agent: FakeAgent, frontserve: Start) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]}, servfails=3)
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(lambda: program.is_healthy())
            assert program.get().json()["backserve"] == {"message": "here"}
    assert records.queries[:4] == ["backserve.service.consul. SRV"] * 4


def test_a_lost_query_is_repeated_and_a_target_without_address_is_resolved(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]}, additional=False, dropped=1)
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(lambda: program.is_healthy())
            assert program.get().json()["backserve"] == {"message": "here"}
    assert records.queries == ["backserve.service.consul. SRV", "i0.addr.consul. A"]


def test_a_request_in_flight_finishes_before_the_service_exits(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "slow"}, delay_s=1.5), backserve_context(agent)) as slow:
        records = Records({"backserve": [("127.0.0.1", slow.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(lambda: program.is_healthy())
            replies: list[httpx.Response] = []
            request = threading.Thread(target=lambda: replies.append(program.get()))
            request.start()
            eventually(lambda: slow.requests)
            program.terminate()
            assert program.wait_for_exit() == 0
            request.join()
    assert replies[0].json()["backserve"] == {"message": "slow"}


def test_new_instances_are_used_and_old_ones_are_not_once_dns_answers_again(
    agent: FakeAgent, frontserve: Start
) -> None:
    one, two = Stub(body={"message": "one"}), Stub(body={"message": "two"})
    with serve(one, backserve_context(agent)), serve(two, backserve_context(agent)):
        records = Records({"backserve": [("127.0.0.1", one.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(lambda: program.is_healthy())
            assert program.get().json()["backserve"] == {"message": "one"}
            records.services["backserve"] = [("127.0.0.1", two.port)]
            eventually(lambda: program.get().json()["backserve"] == {"message": "two"})
            assert {program.get().json()["backserve"]["message"] for _ in range(4)} == {"two"}
