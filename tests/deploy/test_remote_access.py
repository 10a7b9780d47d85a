"""Droplets by ssh and jobs by their logs, found by name."""

import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import logs, ssh
from deploy.__main__ import main
from deploy.account import Droplet
from deploy.cluster import Cluster
from deploy.logs import JobLogs
from deploy.ssh import UnknownHostError
from infra.mtls import Access
from tests.deploy.support.http_server import HttpServer

DROPLET = Droplet(
    7, "worker01nyc3", "active", "s-1vcpu-1gb", "nyc3", "198.51.100.7", "10.10.0.3", 6.0
)


def resolved(words: list[str]) -> list[str]:
    """The settings with which ssh itself would connect."""
    return (
        subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True)
        .stdout.lower()
        .splitlines()
    )


def test_ssh_takes_no_host_key_but_the_stacks_and_uses_the_key_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key of mine"
    key.touch()
    monkeypatch.setenv("SLIPWAY_SSH_KEY", str(key))
    hosts = tmp_path / "with space"
    words = ssh.command(DROPLET, hosts, ["uptime", "-p"])
    assert words[-4:] == ["ops@198.51.100.7", "--", "uptime", "-p"]
    wanted = {
        "hostname 198.51.100.7",
        "user ops",
        "hostkeyalias worker01nyc3",
        "stricthostkeychecking true",
        "identitiesonly yes",
        f"identityfile {key}".lower(),
        f"userknownhostsfile {hosts}".lower(),
        "globalknownhostsfile none",
        "updatehostkeys false",
    }
    assert wanted <= set(resolved(words))


def test_without_a_key_ssh_takes_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIPWAY_SSH_KEY", raising=False)
    words = ssh.command(DROPLET, tmp_path / "hosts")
    assert words[-1] == "ops@198.51.100.7"
    assert "identitiesonly no" in resolved(words)


def host_key(name: str, public: str) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::slipway::slipway:infra:Secrets$tls:index/privateKey:PrivateKey::{name}"
    return {
        "type": "tls:index/privateKey:PrivateKey",
        "urn": urn,
        "outputs": {"publicKeyOpenssh": f"ssh-ed25519 {public}\n"},
    }


STATE = [
    {
        "type": "pulumi:pulumi:Stack",
        "urn": "urn:pulumi:dev::slipway::pulumi:pulumi:Stack::slipway-dev",
    },
    host_key("secrets-worker01-host-first", "AAAAfirst"),
    host_key("secrets-worker01-host", "AAAAlasting"),
    host_key("secrets-worker02-host", "AAAAother"),
]


def test_a_droplets_host_key_is_the_one_it_was_given_for_good() -> None:
    assert ssh.known_host(DROPLET, STATE) == "worker01nyc3 ssh-ed25519 AAAAlasting\n"
    with pytest.raises(UnknownHostError, match="no host key of worker01nyc3"):
        ssh.known_host(DROPLET, STATE[:2])


@pytest.fixture
def account(
    answers: HttpServer, tools_on_path: None, monkeypatch: pytest.MonkeyPatch
) -> HttpServer:
    """An account with one droplet."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", answers.url)
    networks = [{"type": "public", "ip_address": "198.51.100.7"}]
    one = {
        "id": 7,
        "name": "worker01nyc3",
        "status": "active",
        "size_slug": "s",
        "region": {"slug": "nyc3"},
        "networks": {"v4": networks},
    }
    answers.by_path["/v2/droplets"] = {"droplets": [one]}
    return answers


def test_an_unknown_droplet_is_told_with_those_there_are(
    account: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ssh", "dev", "worker09nyc3", "ls", "-l"]) == 2
    assert "there is no droplet worker09nyc3; there are: worker01nyc3" in capsys.readouterr().err
    assert main(["ssh", "dev"]) == 2
    assert "name a droplet: worker01nyc3" in capsys.readouterr().err


@pytest.fixture
def called(tools_on_path: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where an ssh that ends with 7 writes how it was called, and what its known hosts were."""
    fake, told = tmp_path / "bin/ssh", tmp_path / "called"
    fake.parent.mkdir()
    known = '"$(echo "$2" | cut -d= -f2 | tr -d \\")"'
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\necho known: >> {told}\ncat {known} >> {told}\nexit 7\n'
    )
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setattr("deploy.stack.resources", lambda *_: STATE)
    return told


@pytest.mark.usefixtures("account")
def test_a_droplets_logs_are_its_journal_read_by_an_administrator(called: Path) -> None:
    assert main(["logs", "dev", "worker01nyc3", "--lines", "5", "--follow"]) == 7
    words = called.read_text().splitlines()
    assert words[words.index("--") + 1 : words.index("known:")] == logs.journal(5, follow=True)
    assert logs.journal(5, follow=True)[:2] == ["sudo", "journalctl"]
    assert logs.journal(5, follow=True)[-3:] == ["-n", "5", "--follow"]


@pytest.mark.usefixtures("account")
def test_ssh_is_given_the_droplets_key_for_as_long_as_it_runs(called: Path) -> None:
    assert main(["ssh", "dev", "worker01nyc3", "uptime", "-p"]) == 7
    told, _, known = called.read_text().partition("known:\n")
    assert told.splitlines()[-4:] == ["ops@198.51.100.7", "--", "uptime", "-p"]
    assert known == "worker01nyc3 ssh-ed25519 AAAAlasting\n"
    hosts = told.splitlines()[1].removeprefix("UserKnownHostsFile=").strip('"')
    assert not Path(hosts).exists()


def allocation(
    number: str, status: str = "running", tasks: tuple[str, ...] = ("backserve",)
) -> dict[str, Any]:
    return {
        "ID": f"{number}-9297",
        "NodeName": "worker01nyc3",
        "ClientStatus": status,
        "CreateTime": 1,
        "TaskStates": dict.fromkeys(tasks),
    }


Written = tuple[list[str], list[str], JobLogs]


@pytest.fixture
def written(agents: HttpServer, access: Access) -> Written:
    """One instance that runs, one that failed, one gone in good order, one not begun; what is told, warned, and their logs."""
    agents.by_path["/v1/job/backserve/allocations"] = [
        allocation("aaaaaaaa"),
        allocation("bbbbbbbb", "failed"),
        allocation("cccccccc", "complete"),
        allocation("dddddddd", "pending", ()),
    ]
    agents.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = b"one\ntwo\nthree"
    told: list[str] = []
    warned: list[str] = []
    return told, warned, JobLogs(Cluster(access), "backserve", told.append, warned.append)


def test_a_jobs_logs_are_the_last_lines_of_each_instance(
    agents: HttpServer, written: Written
) -> None:
    told, warned, of_job = written
    of_job.show(2)
    assert (
        told == ["aaaaaaaa worker01nyc3  two", "aaaaaaaa worker01nyc3  three"] * 2
    )  # of stderr, then of stdout
    assert warned == []


def test_an_instance_that_cannot_be_read_keeps_nobody_from_the_others(
    agents: HttpServer, written: Written
) -> None:
    told, warned, of_job = written
    agents.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = 500
    agents.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"last words\n"
    of_job.show(5)
    assert told == ["bbbbbbbb worker01nyc3  last words"] * 2
    assert [line.split(":")[0] for line in warned] == ["aaaaaaaa worker01nyc3"] * 2


def test_following_goes_on_with_instances_that_start_later_until_interrupted(
    agents: HttpServer, access: Access, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, _, _ = written
    looks = itertools.count()
    agents.by_path["/v1/job/backserve/allocations"] = lambda: [
        allocation("aaaaaaaa"),
        allocation("bbbbbbbb"),
    ][: next(looks) + 1]
    agents.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"new\n"
    monkeypatch.setattr("deploy.logs.LOOK_SECONDS", 0.05)

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JobLogs(Cluster(access), "backserve", tell, print).follow(2)
    lines = [f"aaaaaaaa worker01nyc3  {word}" for word in ("one", "two", "three")] + [
        "bbbbbbbb worker01nyc3  new"
    ]
    assert sorted(told) == sorted(lines * 2)
