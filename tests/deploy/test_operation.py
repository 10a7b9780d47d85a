"""preview, up, drift and their exit codes, on a real stack of one thing."""

import json
import signal
import time

from tests.deploy.support.throwaway import Project


def test_up_then_nothing_more_to_do_then_drift_found_and_mended(project: Project) -> None:
    first = project.deploy("up", "--json")
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["result"] == "succeeded"
    [made] = result["changes"]
    assert made.pop("seconds") >= 0
    assert made == {"action": "created", "type": "Resource", "name": "thing01", "properties": []}
    assert result["outputs"] == {"url": "http://198.51.100.7/"}
    assert "created      Resource thing01 in" in first.stderr
    assert "from $PATH" not in first.stderr
    assert "correct-horse-battery" not in first.stdout + first.stderr
    second = project.deploy("preview", "--expect-no-changes", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["changes"] == []
    assert project.deploy("drift").returncode == 0
    project.thing.write_text("changed by hand")
    drifted = project.deploy("drift", "--json")
    assert drifted.returncode == 3
    assert [(one["action"], one["name"]) for one in json.loads(drifted.stdout)["changes"]] == [
        ("updated", "thing01")
    ]
    assert project.deploy("refresh").returncode == 0
    assert project.deploy("preview", "--expect-no-changes").returncode == 3
    assert project.deploy("up").returncode == 0
    assert project.thing.read_text() == "good"
    project.thing.unlink()
    assert project.deploy("drift").returncode == 3


def test_a_failure_names_the_resource_and_its_cause_and_no_more(project: Project) -> None:
    project.mode("bad")
    failed = project.deploy("up", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["failures"] == [
        {
            "resource": "thing01",
            "type": "Resource",
            "message": "the API answered 422: the size is not offered in nyc3",
        }
    ]
    assert len(failed.stderr.splitlines()) <= 6
    project.mode("good")
    assert project.deploy("up").returncode == 0


def test_a_broken_program_is_told_without_its_stack_trace(project: Project) -> None:
    project.mode("broken")
    failed = project.deploy("preview", "--json")
    assert failed.returncode == 1
    assert [one["message"] for one in json.loads(failed.stdout)["failures"]] == [
        "ValueError: the program itself is wrong"
    ]


def test_wrong_settings_are_a_usage_error_with_all_problems(project: Project) -> None:
    project.mode("wrong")
    refused = project.deploy("up")
    assert refused.returncode == 2
    assert "  - region: no" in refused.stderr
    assert "  - workers: no" in refused.stderr


def test_an_update_in_progress_refuses_another_and_ends_in_good_order_when_interrupted(
    project: Project,
) -> None:
    project.mode("slow")
    running = project.start("up", "--json")
    assert running.stderr
    while not project.thing.with_name("thing.started").exists():
        assert running.poll() is None
        time.sleep(0.05)
    refused = project.deploy("up")
    assert refused.returncode == 1
    assert "another update holds the stack's lock" in refused.stderr
    running.send_signal(signal.SIGINT)
    assert any("cancelling" in line for line in iter(running.stderr.readline, ""))
    project.thing.with_name("thing.may-end").touch()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    result = json.loads(out)
    assert result["result"] == "cancelled"
    assert [one["action"] for one in result["changes"]] == ["created"]
    assert project.thing.read_text() == "slow"
    again = project.deploy("up", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["changes"] == []
