"""``ssh`` and ``logs`` find a droplet or a job by its name."""

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


def ssh_configuration(words: list[str]) -> list[str]:
    """Return the options with which ssh would connect."""
    return (
        subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True)
        .stdout.lower()
        .splitlines()
    )


def test_ssh_trusts_only_the_stacks_host_key_and_uses_the_given_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key with spaces"
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
    assert wanted <= set(ssh_configuration(words))


def test_without_a_given_key_ssh_uses_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLIPWAY_SSH_KEY", raising=False)
    words = ssh.command(DROPLET, tmp_path / "hosts")
    assert words[-1] == "ops@198.51.100.7"
    assert "identitiesonly no" in ssh_configuration(words)


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


def test_a_droplets_host_key_is_its_final_one() -> None:
    assert ssh.known_hosts_line(DROPLET, STATE, "dev") == "worker01nyc3 ssh-ed25519 AAAAlasting\n"
    with pytest.raises(UnknownHostError, match="no host key of worker01nyc3"):
        ssh.known_hosts_line(DROPLET, STATE[:2], "dev")


@pytest.fixture
def account(
    http_server: HttpServer, tools_on_path: None, monkeypatch: pytest.MonkeyPatch
) -> HttpServer:
    """An account with one droplet."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", http_server.url)
    networks = [{"type": "public", "ip_address": "198.51.100.7"}]
    droplet = {
        "id": 7,
        "name": "worker01nyc3",
        "status": "active",
        "size_slug": "s",
        "region": {"slug": "nyc3"},
        "networks": {"v4": networks},
    }
    http_server.by_path["/v2/droplets"] = {"droplets": [droplet]}
    return http_server


def test_an_unknown_droplet_is_an_error_that_lists_the_droplets(
    account: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ssh", "dev", "worker09nyc3", "ls", "-l"]) == 2
    assert "there is no droplet worker09nyc3; there are: worker01nyc3" in capsys.readouterr().err
    assert main(["ssh", "dev"]) == 2
    assert "name a droplet: worker01nyc3" in capsys.readouterr().err


@pytest.fixture
def ssh_call(tools_on_path: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file in which a fake ssh writes its arguments and its known hosts.

    The fake exits with 7.
    """
    fake, call = tmp_path / "bin/ssh", tmp_path / "call"
    fake.parent.mkdir()
    known_hosts = '"$(echo "$2" | cut -d= -f2 | tr -d \\")"'
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {call}\necho known: >> {call}\n'
        f"cat {known_hosts} >> {call}\nexit 7\n"
    )
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setattr("deploy.stack.resources", lambda *_: STATE)
    return call


@pytest.mark.usefixtures("account")
def test_a_droplets_logs_are_its_journal_read_with_sudo(ssh_call: Path) -> None:
    assert main(["logs", "dev", "worker01nyc3", "--lines", "5", "--follow"]) == 7
    words = ssh_call.read_text().splitlines()
    assert words[words.index("--") + 1 : words.index("known:")] == logs.journal_command(
        5, follow=True
    )
    assert logs.journal_command(5, follow=True)[:2] == ["sudo", "journalctl"]
    assert logs.journal_command(5, follow=True)[-3:] == ["-n", "5", "--follow"]


@pytest.mark.usefixtures("account")
def test_the_known_hosts_file_exists_only_while_ssh_runs(ssh_call: Path) -> None:
    assert main(["ssh", "dev", "worker01nyc3", "uptime", "-p"]) == 7
    arguments, _, known_hosts = ssh_call.read_text().partition("known:\n")
    assert arguments.splitlines()[-4:] == ["ops@198.51.100.7", "--", "uptime", "-p"]
    assert known_hosts == "worker01nyc3 ssh-ed25519 AAAAlasting\n"
    hosts = arguments.splitlines()[1].removeprefix("UserKnownHostsFile=").strip('"')
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


LogCase = tuple[list[str], list[str], JobLogs]


@pytest.fixture
def log_case(agents: HttpServer, access: Access) -> LogCase:
    """Return the written lines, the warnings and the logs of a job.

    Its allocations are running, failed, complete and pending.
    """
    agents.by_path["/v1/job/backserve/allocations"] = [
        allocation("aaaaaaaa"),
        allocation("bbbbbbbb", "failed"),
        allocation("cccccccc", "complete"),
        allocation("dddddddd", "pending", ()),
    ]
    agents.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = b"one\ntwo\nthree"
    written: list[str] = []
    warnings: list[str] = []
    job_logs = JobLogs(Cluster(access), "backserve", written.append, warnings.append)
    return written, warnings, job_logs


def test_a_jobs_logs_are_the_last_lines_of_each_stream(
    agents: HttpServer, log_case: LogCase
) -> None:
    written, warnings, job_logs = log_case
    job_logs.show(2)
    # First stderr, then stdout.
    assert written == ["aaaaaaaa worker01nyc3  two", "aaaaaaaa worker01nyc3  three"] * 2
    assert warnings == []


def test_an_unreadable_allocation_is_a_warning(agents: HttpServer, log_case: LogCase) -> None:
    written, warnings, job_logs = log_case
    agents.by_path["/v1/client/fs/logs/aaaaaaaa-9297"] = 500
    agents.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"last words\n"
    job_logs.show(5)
    assert written == ["bbbbbbbb worker01nyc3  last words"] * 2
    assert [line.split(":")[0] for line in warnings] == ["aaaaaaaa worker01nyc3"] * 2


def test_follow_includes_allocations_that_start_later(
    agents: HttpServer, access: Access, log_case: LogCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, _, _ = log_case
    polls = itertools.count()
    agents.by_path["/v1/job/backserve/allocations"] = lambda: [
        allocation("aaaaaaaa"),
        allocation("bbbbbbbb"),
    ][: next(polls) + 1]
    agents.by_path["/v1/client/fs/logs/bbbbbbbb-9297"] = b"new\n"
    monkeypatch.setattr("deploy.logs.POLL_INTERVAL_S", 0.05)

    def write(line: str) -> None:
        written.append(line)
        if len(written) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        JobLogs(Cluster(access), "backserve", write, print).follow(2)
    lines = [f"aaaaaaaa worker01nyc3  {word}" for word in ("one", "two", "three")] + [
        "bbbbbbbb worker01nyc3  new"
    ]
    assert sorted(written) == sorted(lines * 2)
