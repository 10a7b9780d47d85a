"""backserve as a node runs it."""

from pathlib import Path

from tests.services.program import eventually, serving, start


def test_it_tells_its_greeting_and_who_says_it(tmp_path: Path) -> None:
    env = {"BACKSERVE_GREETING": "ahoy", "NOMAD_ALLOC_ID": "0b8cbc97-f25b-7eef", "NODE_NAME": "worker01nyc3", "SERVICE_VERSION": "509c"}
    with serving("backserve", tmp_path, **env) as backserve:
        assert backserve.get().json() == {
            "service": "backserve",
            "version": "509c",
            "instance": "0b8cbc97",
            "node": "worker01nyc3",
            "message": "ahoy",
        }
        assert backserve.get("/health").status_code == 200
        assert backserve.get("/elsewhere").status_code == 404


def test_without_a_greeting_it_is_unhealthy(tmp_path: Path) -> None:
    with serving("backserve", tmp_path) as backserve:
        health = backserve.get("/health")
        assert health.status_code == 503
        assert "BACKSERVE_GREETING" in health.json()["reason"]


def test_its_log_is_json_and_health_checks_do_not_fill_it(tmp_path: Path) -> None:
    with serving("backserve", tmp_path, BACKSERVE_GREETING="ahoy") as backserve:
        for _ in range(3):
            backserve.get("/health")
        backserve.get()
        # An answer is sent before its line is written.
        eventually(lambda: backserve.events().count("request") == 2)
        lines = [line for line in backserve.log() if line["event"] == "request"]
    assert [(line["path"], line["status"], line["level"]) for line in lines] == [("/health", 200, "info"), ("/", 200, "info")]
    assert all(line["ms"] >= 0 and line["time"].endswith("+00:00") for line in lines)


def test_at_the_end_it_is_red_but_answers_until_the_drain_is_over(tmp_path: Path) -> None:
    with serving("backserve", tmp_path, BACKSERVE_GREETING="ahoy", DRAIN_SECONDS="2") as backserve:
        assert backserve.get("/health").status_code == 200
        backserve.terminate()
        backserve.until("draining")
        health = backserve.get("/health")
        assert (health.status_code, health.json()["reason"], health.headers["connection"]) == (503, "draining", "close")
        assert backserve.get().json()["message"] == "ahoy"
        assert backserve.end() == 0


def test_an_instance_that_was_never_healthy_ends_at_once(tmp_path: Path) -> None:
    with serving("backserve", tmp_path, DRAIN_SECONDS="60") as backserve:
        assert backserve.get("/health").status_code == 503
        backserve.terminate()
        assert backserve.end(timeout=10) == 0


def test_it_waits_for_a_port_that_is_still_taken(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    with serving("backserve", tmp_path, BACKSERVE_GREETING="old", DRAIN_SECONDS="1") as old:
        assert old.get("/health").status_code == 200
        with start("backserve", beside, old.port, {"BACKSERVE_GREETING": "new"}) as new:
            new.until("waiting for the port")
            old.terminate()
            new.until("listening")
            assert old.end() == 0
            assert new.get().json()["message"] == "new"
