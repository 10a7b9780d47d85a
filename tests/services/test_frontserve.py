"""frontserve as a node runs it, with Consul's DNS and backserves beside it."""

import threading
from collections import Counter
from pathlib import Path

import httpx

from tests.services.dns_server import Records, consul_dns
from tests.services.program import eventually, free_port, serving
from tests.services.stub import Told, stub


def test_the_reply_holds_backserves_and_the_instances_take_turns(tmp_path: Path) -> None:
    with stub(Told(body={"message": "one"})) as one, stub(Told(body={"message": "two"})) as two:
        records = Records({"backserve": [("127.0.0.1", one.port), ("127.0.0.1", two.port)]})
        with consul_dns(records) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns, NODE_NAME="worker02nyc3") as frontserve:
            replies = [frontserve.get().json() for _ in range(6)]
    assert Counter(reply["backserve"]["message"] for reply in replies) == {"one": 3, "two": 3}
    assert {(reply["service"], reply["node"]) for reply in replies} == {("frontserve", "worker02nyc3")}
    assert set(records.asked) == {"backserve.service.consul. SRV"}


def test_an_instance_that_fails_is_passed_over(tmp_path: Path) -> None:
    with stub(Told(status=500)) as broken, stub(Told(body={"message": "well"})) as well:
        places = [("127.0.0.1", free_port()), ("127.0.0.1", broken.port), ("127.0.0.1", well.port)]
        with consul_dns(Records({"backserve": places})) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
            replies = [frontserve.get() for _ in range(6)]
    assert [reply.status_code for reply in replies] == [200] * 6
    assert {reply.json()["backserve"]["message"] for reply in replies} == {"well"}


def test_no_instance_is_a_503_with_the_reason(tmp_path: Path) -> None:
    with consul_dns(Records()) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
        reply = frontserve.get()
        assert reply.status_code == 503
        assert reply.json()["reason"] == "Consul knows no healthy instance of backserve"
        assert frontserve.get("/health").status_code == 200, "frontserve itself is well"


def test_every_instance_failing_is_a_503_that_names_them(tmp_path: Path) -> None:
    gone = free_port()
    with consul_dns(Records({"backserve": [("127.0.0.1", gone)]})) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
        reply = frontserve.get()
    assert reply.status_code == 503
    assert f"127.0.0.1:{gone}" in reply.json()["reason"]


def test_a_silent_dns_is_a_503_in_bounded_time(tmp_path: Path) -> None:
    with consul_dns(Records(lost=99)) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
        reply = frontserve.get()
    assert reply.status_code == 503
    assert dns in reply.json()["reason"]
    assert reply.elapsed.total_seconds() < 5


def test_a_lost_question_is_asked_again_and_a_target_without_address_is_looked_up(tmp_path: Path) -> None:
    with stub(Told(body={"message": "here"})) as here:
        records = Records({"backserve": [("127.0.0.1", here.port)]}, additional=False, lost=1)
        with consul_dns(records) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
            assert frontserve.get().json()["backserve"] == {"message": "here"}
    assert records.asked == ["backserve.service.consul. SRV", "i0.addr.consul. A"]


def test_a_request_in_flight_ends_before_the_service_does(tmp_path: Path) -> None:
    with stub(Told(body={"message": "slow"}, delay=1.5)) as slow:
        records = Records({"backserve": [("127.0.0.1", slow.port)]})
        with consul_dns(records) as dns, serving("frontserve", tmp_path, CONSUL_DNS=dns) as frontserve:
            assert frontserve.get("/health").status_code == 200
            replies: list[httpx.Response] = []
            request = threading.Thread(target=lambda: replies.append(frontserve.get()))
            request.start()
            eventually(lambda: slow.requests)
            frontserve.terminate()
            assert frontserve.end() == 0
            request.join()
    assert replies[0].json()["backserve"] == {"message": "slow"}
