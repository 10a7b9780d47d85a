"""Operations and their exit codes, on a real stack with one resource."""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy.support.throwaway import Project

MAX_FIRST_LINE_CPU_S = 1.0
"""Processor time, because other processes do not change it."""


def wait_for(file: Path, running: "subprocess.Popen[str]") -> None:
    while not file.exists():
        assert running.poll() is None
        time.sleep(0.05)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def test_up_then_no_changes_then_drift_is_found_and_repaired(project: Project) -> None:
    first = project.deploy("up", "--json", "--verbose")
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["result"] == "succeeded"
    [change] = result["changes"]
    assert change.pop("seconds") >= 0
    assert change == {
        "action": "created",
        "type": "Resource",
        "name": "file01",
        "properties": [],
        "phase": "other",
        "differences": [],
    }
    assert result["outputs"] == {"url": "http://198.51.100.7/", "format": 2}
    assert "created      Resource file01 in" in first.stderr
    assert "from $PATH" not in first.stderr
    assert "correct-horse-battery" not in first.stdout + first.stderr
    second = project.deploy("preview", "--expect-no-changes", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["changes"] == []
    assert project.deploy("drift").returncode == 0
    project.file.write_text("changed by hand")
    drifted = project.deploy("drift", "--json")
    assert drifted.returncode == 3
    assert [
        (change["action"], change["name"]) for change in json.loads(drifted.stdout)["changes"]
    ] == [("updated", "file01")]
    assert 'mode: "good" -> "changed by hand"' in drifted.stderr
    assert project.deploy("refresh").returncode == 0
    assert project.deploy("preview", "--expect-no-changes").returncode == 3
    assert project.deploy("up").returncode == 0
    assert project.file.read_text() == "good"
    project.file.unlink()
    assert project.deploy("drift").returncode == 3


def test_a_failure_shows_the_resource_and_its_cause_only(project: Project) -> None:
    project.mode("bad")
    failed = project.deploy("up", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["failures"] == [
        {
            "resource": "file01",
            "type": "Resource",
            "message": "the API answered 422: the size is not offered in nyc3",
        }
    ]
    lines = failed.stderr.splitlines()
    assert len(lines) <= 7
    assert "422" in lines[-2] and "up dev failed" in lines[-1]
    project.mode("good")
    assert project.deploy("up").returncode == 0


def test_a_broken_program_is_reported_without_its_stack_trace(project: Project) -> None:
    project.mode("broken")
    failed = project.deploy("preview", "--json")
    assert failed.returncode == 1
    assert [failure["message"] for failure in json.loads(failed.stdout)["failures"]] == [
        "ValueError: the program itself is wrong"
    ]


def test_wrong_settings_are_a_usage_error_with_all_problems(project: Project) -> None:
    project.mode("wrong")
    refused = project.deploy("up")
    assert refused.returncode == 2
    assert "  - region: no" in refused.stderr
    assert "  - workers: no" in refused.stderr


def test_an_interrupted_update_ends_its_steps_and_blocks_others_meanwhile(
    project: Project,
) -> None:
    project.mode("slow")
    running = project.start("up", "--json")
    assert running.stderr
    wait_for(project.file.with_name("resource-file.started"), running)
    refused = project.deploy("up")
    assert refused.returncode == 1
    assert "another update holds the stack's lock" in refused.stderr
    assert "pulumi cancel --yes --stack dev" in refused.stderr
    running.send_signal(signal.SIGINT)
    assert any("cancelling" in line for line in iter(running.stderr.readline, ""))
    project.file.with_name("resource-file.may-end").touch()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "up dev interrupted: 1 created" in err
    result = json.loads(out)
    assert result["result"] == "cancelled"
    assert [change["action"] for change in result["changes"]] == ["created"]
    assert project.file.read_text() == "slow"
    again = project.deploy("up", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["changes"] == []


@pytest.mark.usefixtures("default_hangup")
def test_a_closed_terminal_ends_the_steps_as_an_interrupt_does(project: Project) -> None:
    """The kernel sends SIGHUP, and every further write to the terminal fails."""
    project.mode("slow")
    terminal, side = pty.openpty()
    running = project.start("up", output=side)
    os.close(side)
    wait_for(project.file.with_name("resource-file.started"), running)
    os.close(terminal)
    time.sleep(0.5)
    assert running.poll() is None
    project.file.with_name("resource-file.may-end").touch()
    assert running.wait(timeout=60) == 130
    again = project.deploy("up", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["changes"] == []


@pytest.mark.usefixtures("default_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_between_operations_ends_the_command(
    project: Project, number: signal.Signals, tmp_path: Path
) -> None:
    """The engine's command that reads the state ends too, before this command does."""
    slow = tmp_path / "slow"
    slow.mkdir()
    pulumi = slow / "pulumi"
    pulumi.write_text(
        "#!/bin/bash\n"
        '[[ " $* " == *" export "* ]] || exec ' + f'{shutil.which("pulumi")} "$@"\n'
        f"trap 'touch {slow}/ended; exit 1' INT; touch {slow}/begun\n"
        "while :; do sleep 0.05; done\n"
    )
    pulumi.chmod(0o755)
    running = project.start("destroy", "--yes", path=slow)
    wait_for(slow / "begun", running)
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted" in err and "succeeded" not in err
    assert (slow / "ended").exists()


def test_an_interrupted_destroy_says_so(project: Project) -> None:
    may_end = project.file.with_name("resource-file.may-end")
    project.mode("slow")
    may_end.touch()
    assert project.deploy("up").returncode == 0
    may_end.unlink()
    running = project.start("destroy", "--yes")
    wait_for(project.file.with_name("resource-file.deleting"), running)
    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    may_end.touch()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "destroy dev interrupted" in err and "succeeded" not in err


def test_the_first_line_comes_before_pulumi_and_the_url_last(project: Project) -> None:
    running = project.start("up")
    assert running.stderr
    first = running.stderr.readline()
    assert processor_seconds(running.pid) < MAX_FIRST_LINE_CPU_S
    assert "up dev" in first
    _, err = running.communicate(timeout=60)
    lines = err.splitlines()
    assert "up dev succeeded: 1 created" in lines[-2]
    assert lines[-1] == "  url: http://198.51.100.7/"
    assert "file01" not in err and "\x1b" not in first + err
    assert any("other      started" in line for line in lines)
    assert any("other      1 done in" in line and "1 created" in line for line in lines)


def test_preview_shows_old_and_new_values_and_hides_secrets(project: Project) -> None:
    assert project.deploy("up").returncode == 0
    project.mode("better", size="large")
    previewed = project.deploy("preview", "--json")
    assert previewed.returncode == 0, previewed.stderr
    lines = previewed.stderr.splitlines()
    start = lines.index("  update       Resource file01")
    assert lines[start + 1 : start + 3] == [
        '      mode: "good" -> "better"',
        '      size: "small" -> "large"',
    ]
    [change] = json.loads(previewed.stdout)["changes"]
    assert change["properties"] == ["mode", "size"]
    assert [difference["new"] for difference in change["differences"]] == ['"better"', '"large"']
    assert "correct-horse-battery" not in previewed.stdout + previewed.stderr
    assert "__provider" not in previewed.stderr


def test_no_command_selects_the_stack(project: Project) -> None:
    assert project.deploy("preview").returncode == 0
    assert project.deploy("up").returncode == 0
    selected = subprocess.run(
        ["pulumi", "--non-interactive", "stack", "ls", "--json"],
        cwd=project.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [stack["current"] for stack in json.loads(selected.stdout)] == [False]


def test_a_stack_of_another_format_is_refused_with_the_remedy(project: Project) -> None:
    program = project.directory / "__main__.py"
    text = program.read_text()
    for line in ("", 'pulumi.export("format", 1)\n'):
        program.write_text("\n".join(text.splitlines()[:-1]) + f"\n{line}")
        project.pulumi("up", "--yes", "--skip-preview", "--stack", "dev") if line else (
            project.deploy("up")
        )
        for command in (["preview"], ["up"], ["verify"], ["destroy", "--yes"]):
            refused = project.deploy(*command)
            assert refused.returncode == 2
            [message] = [line for line in refused.stderr.splitlines() if "another version" in line]
            assert "run `destroy` with the version that created it, then `up`" in message
    assert project.file.exists()


@pytest.mark.parametrize("command", ["status", "shell"])
def test_a_stack_that_does_not_exist_is_an_error_with_the_remedy(
    project: Project, command: str
) -> None:
    refused = project.deploy(command)
    assert refused.returncode == 2
    assert "`python -m deploy up dev` creates it" in refused.stderr
