"""When frontserve is healthy, and what it replies while discovery or backserve is away."""

import threading

from tests.services.support.dns_server import Records, consul_dns
from tests.services.support.fake_agent import FakeAgent, backserve_context
from tests.services.support.http_stub import Stub, serve
from tests.services.support.program import Program, Start, eventually, free_port


def wait_until_discovery_fails(program: Program) -> None:
    eventually(lambda: "discovery failed" in program.events())


def assert_waits(program: Program, reason: str) -> None:
    """Assert that it is unhealthy for ``reason``, and is not to be restarted."""
    for path in ("/", "/health"):
        reply = program.get(path)
        assert (reply.status_code, reason in reply.json()["reason"]) == (503, True), reply.text
    assert program.get("/live").status_code == 200


def test_it_is_healthy_as_soon_as_it_has_found_an_instance(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records()
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            program.wait_for_event("certificates replaced")
            assert_waits(program, "Consul knows no healthy instance of backserve")
            records.services["backserve"] = [("127.0.0.1", here.port)]
            eventually(program.is_healthy)
            assert here.requests == [], "a health check sent a request to backserve"
            records.services.clear()
            eventually(lambda: program.get() and len(records.queries) > 3)
            assert program.is_healthy(), "it left the balancer because backserve is away"


def test_without_a_dns_reply_it_waits_and_replies_503_in_bounded_time(
    agent: FakeAgent, frontserve: Start
) -> None:
    with consul_dns(Records(dropped=10_000)) as dns, frontserve(CONSUL_DNS=dns) as program:
        program.wait_for_event("certificates replaced")
        reply = program.get()
        assert_waits(program, dns)
    assert reply.status_code == 503
    assert reply.elapsed.total_seconds() < 5


def test_after_a_restart_it_waits_while_dns_answers_with_an_error(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]}, servfails=10_000)
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            wait_until_discovery_fails(program)
            assert_waits(program, "SERVFAIL")
            records.servfails = 0
            eventually(program.is_healthy)
            assert program.get().json()["backserve"] == {"message": "here"}


def test_without_a_certificate_it_is_unhealthy_and_gives_the_reason(
    agent: FakeAgent, frontserve: Start
) -> None:
    agent.stop()
    with serve(Stub(body={"message": "well"}), backserve_context(agent)) as good:
        records = Records({"backserve": [("127.0.0.1", good.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            program.wait_for_event("certificates not read")
            for path in ("/", "/health", "/live"):
                reply = program.get(path)
                assert (
                    reply.status_code,
                    "frontserve has no certificate yet" in reply.json()["reason"],
                ) == (503, True)
            agent.start()
            eventually(program.is_healthy)
            assert program.get("/live").status_code == 200
            agent.stop()
            assert program.get().json()["backserve"] == {"message": "well"}, (
                "the certificate was lost with the agent"
            )
            assert program.is_healthy()


def test_the_last_known_instances_stay_in_use_while_consul_answers_with_an_error(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(program.is_healthy)
            records.servfails = 10_000
            wait_until_discovery_fails(program)
            assert program.get().json()["backserve"] == {"message": "here"}
            here.status = 500
            assert program.get().status_code == 503
            assert program.is_healthy(), "all instances leave when Consul has no leader"


def test_with_no_agent_on_its_node_it_serves_until_no_known_instance_replies(
    agent: FakeAgent, frontserve: Start
) -> None:
    with serve(Stub(body={"message": "here"}), backserve_context(agent)) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(program.is_healthy)
            records.dropped = 10_000
            wait_until_discovery_fails(program)
            assert program.get().status_code == 200
            assert program.is_healthy()
            here.status = 500
            assert program.get().status_code == 503
            reply = program.get("/health")
            assert reply.status_code == 503
            assert "did not answer" in reply.json()["reason"]
            assert program.get("/live").status_code == 200
            here.status = 200
            eventually(program.is_healthy)


def test_a_request_in_flight_makes_it_not_unhealthy(agent: FakeAgent, frontserve: Start) -> None:
    with serve(Stub(body={"message": "slow"}, delay_s=1.5), backserve_context(agent)) as slow:
        records = Records({"backserve": [("127.0.0.1", slow.port)]})
        with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
            eventually(program.is_healthy)
            records.dropped = 10_000
            wait_until_discovery_fails(program)
            request = threading.Thread(target=program.get)
            request.start()
            eventually(lambda: slow.requests)
            is_healthy = program.is_healthy()
            assert request.is_alive()
            request.join()
            assert is_healthy and program.is_healthy()


def test_a_backserve_that_is_away_for_all_nodes_makes_frontserve_not_unhealthy(
    agent: FakeAgent, frontserve: Start
) -> None:
    unused = free_port()
    records = Records({"backserve": [("127.0.0.1", unused)]})
    with consul_dns(records) as dns, frontserve(CONSUL_DNS=dns) as program:
        eventually(program.is_healthy)
        assert program.get().status_code == 503
        assert program.is_healthy()
