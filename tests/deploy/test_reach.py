"""Droplets by ssh and jobs by their logs, found by name."""

import itertools
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import logs, ssh
from deploy.__main__ import main
from deploy.account import Droplet
from deploy.cluster import Cluster
from deploy.logs import JobLogs
from tests.deploy.answers import Answers

DROPLET = Droplet(7, "worker01nyc3", "active", "s-1vcpu-1gb", "nyc3", "198.51.100.7", "10.10.0.3", 6.0)


def resolved(words: list[str]) -> list[str]:
    """The settings with which ssh itself would connect."""
    return subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True).stdout.lower().splitlines()


def test_ssh_holds_a_droplet_to_its_key_by_id_and_uses_the_key_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key of mine"
    key.touch()
    monkeypatch.setenv("SLIPWAY_SSH_KEY", str(key))
    hosts = tmp_path / "new" / "with space"
    words = ssh.command(DROPLET, hosts, ["uptime", "-p"])
    assert words[-4:] == ["root@198.51.100.7", "--", "uptime", "-p"]
    assert hosts.parent.is_dir()
    wanted = {
        "hostname 198.51.100.7",
        "user root",
        "hostkeyalias droplet-7",
        "stricthostkeychecking accept-new",
        "identitiesonly yes",
        f"identityfile {key}".lower(),
        f"userknownhostsfile {hosts}".lower(),
    }
    assert wanted <= set(resolved(words))


def test_without_a_key_ssh_takes_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_SSH_KEY", raising=False)
    words = ssh.command(DROPLET, tmp_path / "hosts")
    assert words[-1] == "root@198.51.100.7"
    assert "identitiesonly no" in resolved(words)


@pytest.fixture
def account(answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Answers:
    """An account with one droplet, and an ssh that prints how it was called."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", answers.url)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    networks = [{"type": "public", "ip_address": "198.51.100.7"}]
    one = {"id": 7, "name": "worker01nyc3", "status": "active", "size_slug": "s", "region": {"slug": "nyc3"}, "networks": {"v4": networks}}
    answers.by_path["/v2/droplets"] = {"droplets": [one]}
    return answers


def test_an_unknown_droplet_is_told_with_those_there_are(account: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ssh", "dev", "worker09nyc3", "ls", "-l"]) == 2
    assert "there is no droplet worker09nyc3; there are: worker01nyc3" in capsys.readouterr().err
    assert main(["ssh", "dev"]) == 2
    assert "name a droplet: worker01nyc3" in capsys.readouterr().err


@pytest.mark.usefixtures("account")
def test_a_droplets_logs_are_its_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "ssh"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    called: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("os.execv", lambda program, words: called.append((program, words)))
    main(["logs", "dev", "worker01nyc3", "--lines", "5", "--follow"])
    [(program, words)] = called
    assert program == str(fake)
    assert words[words.index("--") + 1 :] == logs.journal(5, follow=True)
    assert logs.journal(5, follow=True)[-3:] == ["-n", "5", "--follow"]


def allocation(number: str, status: str = "running", tasks: tuple[str, ...] = ("backserve",)) -> dict[str, Any]:
    return {"ID": f"{number}-9297", "NodeName": "worker01nyc3", "ClientStatus": status, "CreateTime": 1, "TaskStates": dict.fromkeys(tasks)}


Written = tuple[list[str], list[str], JobLogs]


@pytest.fixture
def written(answers: Answers) -> Written:
    """One instance that runs, one that failed, one gone in good order, one not begun; what is told, warned, and their logs."""
    answers.by_path["/v1/job/backserve/allocations"] = [
        allocation("aaaaaaaa"),
        allocation("bbbbbbbb", "failed"),
        allocation("cccccccc", "complete"),
        allocation("dddddddd", "pending", ()),
    ]
    answers.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = b"one\ntwo\nthree"
    told: list[str] = []
    warned: list[str] = []
    return told, warned, JobLogs(Cluster(answers.url, answers.url), "backserve", told.append, warned.append)


def test_a_jobs_logs_are_the_last_lines_of_each_instance(answers: Answers, written: Written) -> None:
    told, warned, of_job = written
    of_job.show(2)
    assert told == ["aaaaaaaa worker01nyc3  two", "aaaaaaaa worker01nyc3  three"] * 2  # of stderr, then of stdout
    assert warned == []


def test_an_instance_that_cannot_be_read_keeps_nobody_from_the_others(answers: Answers, written: Written) -> None:
    told, warned, of_job = written
    answers.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = 500
    answers.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"last words\n"
    of_job.show(5)
    assert told == ["bbbbbbbb worker01nyc3  last words"] * 2
    assert [line.split(":")[0] for line in warned] == ["aaaaaaaa worker01nyc3"] * 2


def test_following_goes_on_with_instances_that_start_later_until_interrupted(
    answers: Answers, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, _, _ = written
    looks = itertools.count()
    answers.by_path["/v1/job/backserve/allocations"] = lambda: [allocation("aaaaaaaa"), allocation("bbbbbbbb")][: next(looks) + 1]
    answers.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"new\n"
    monkeypatch.setattr("deploy.logs.LOOK_SECONDS", 0.05)

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JobLogs(Cluster(answers.url, answers.url), "backserve", tell, print).follow(2)
    lines = [f"aaaaaaaa worker01nyc3  {word}" for word in ("one", "two", "three")] + ["bbbbbbbb worker01nyc3  new"]
    assert sorted(told) == sorted(lines * 2)
