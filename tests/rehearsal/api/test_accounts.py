"""Accounts: created while the cloud runs, with separate limits and private secrets."""

import logging
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.__main__ import main
from rehearsal.config import CloudConfig
from rehearsal.limits import RateLimits
from rehearsal.machines.memory import MemoryMachines
from rehearsal.state import accounts
from rehearsal.state.accounts import DEFAULT_ACCOUNT, Accounts
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.machines import HeldMachines, WatchedMachines

BODY = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}


def _shell(text: str) -> dict[str, str]:
    """Return the variables that shell lines set."""
    script = f"{text}\nenv -0"
    output = subprocess.run(
        ["sh", "-c", script], env={}, check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split("=", 1) for line in output.split("\0") if line)


def _account(
    capsys: pytest.CaptureFixture[str], config: CloudConfig, *arguments: str
) -> dict[str, str]:
    assert main(["account", *arguments, "--cloud", config.name]) == 0
    return _shell(capsys.readouterr().out)


def test_the_account_command_prints_credentials_that_a_running_cloud_accepts(
    api: Client, config: CloudConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _account(capsys, config, "team-b")
    assert first.keys() >= {
        "DIGITALOCEAN_TOKEN",
        "DIGITALOCEAN_API_URL",
        "SPACES_ACCESS_KEY_ID",
        "SPACES_SECRET_ACCESS_KEY",
    }
    assert _account(capsys, config, "team-b") == first
    default = _account(capsys, config, DEFAULT_ACCOUNT)
    assert default["DIGITALOCEAN_TOKEN"] == config.token
    assert all(
        first[name] != default[name]
        for name in ("DIGITALOCEAN_TOKEN", "SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY")
    )
    account = Accounts(config).find_by_spaces_key(first["SPACES_ACCESS_KEY_ID"])
    assert account and (account.name, account.spaces_secret) == (
        "team-b",
        first["SPACES_SECRET_ACCESS_KEY"],
    )
    account = Client(api.url, first["DIGITALOCEAN_TOKEN"])("GET", "/v2/account")["account"]
    own = api("GET", "/v2/account")["account"]
    assert (account["email"], account["team"]["name"]) == ("team-b@example.com", "team-b")
    assert account["uuid"] not in (own["uuid"], "")


def test_limits_are_changed_while_the_cloud_runs(
    api: Client, other: Client, config: CloudConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    token = _account(capsys, config, "other", "--droplet-limit", "2", "--reserved-ip-limit", "0")[
        "DIGITALOCEAN_TOKEN"
    ]
    assert other.http.headers["Authorization"] == f"Bearer {token}"
    account = other("GET", "/v2/account")["account"]
    assert (
        account["droplet_limit"],
        account["floating_ip_limit"],
        account["reserved_ip_limit"],
    ) == (
        2,
        0,
        0,
    )
    assert api("GET", "/v2/account")["account"]["droplet_limit"] > 2
    exceeded = "creating this/these droplet(s) will exceed your droplet limit"
    assert (
        other.error_message("POST", "/v2/droplets", {**BODY, "names": ["a", "b", "c"], "name": ""})
        == exceeded
    )
    other.droplet("a")
    other.droplet("b")
    assert other.error_message("POST", "/v2/droplets", BODY) == exceeded
    api.droplet()
    _account(capsys, config, "other", "--droplet-limit", "3")
    other.droplet("c")
    assert other("GET", "/v2/account")["account"]["reserved_ip_limit"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["../other"], "is invalid: use 1 to 32"),
        (["Other"], "is invalid: use 1 to 32"),
        (["other\n"], "is invalid: use 1 to 32"),
        (["other", "--droplet-limit", "-1"], "0 or more"),
        (["other", "--cloud", "nowhere"], "there is no cloud nowhere"),
    ],
)
def test_invalid_accounts_are_refused(
    config: CloudConfig, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["account", "--cloud", config.name, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [account.name for account in Accounts(config).all()] == [DEFAULT_ACCOUNT]


def test_env_of_an_unknown_account(config: CloudConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "--cloud", config.name, "--account", "nobody"]) == 2
    assert "there is no account nobody" in capsys.readouterr().err


def test_concurrently_created_accounts_all_exist(config: CloudConfig) -> None:
    names = [f"a{number}" for number in range(8)]
    command = [
        sys.executable,
        "-c",
        "import sys; from rehearsal.__main__ import main; sys.exit(main(sys.argv[1:]))",
    ]
    root = Path(__file__).resolve().parents[3]

    def make(name: str) -> str:
        run = [*command, "account", name, "--cloud", config.name]
        return subprocess.run(run, cwd=root, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(4) as pool:
        tokens = [_shell(text)["DIGITALOCEAN_TOKEN"] for text in pool.map(make, names)]
    there = {account.name: account.token for account in Accounts(config).all()}
    assert there == {DEFAULT_ACCOUNT: config.token} | dict(zip(names, tokens, strict=True))


def test_only_the_owner_can_read_files_with_secrets(
    api: Client, other: Client, config: CloudConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="rehearsal")
    other.droplet()
    account = Accounts(config).get("other")
    secrets = (account.token, account.spaces_key, account.spaces_secret)
    assert any(line.endswith(" other") for line in caplog.messages)
    assert not any(secret in line for line in caplog.messages for secret in secrets)
    holding = [
        file
        for file in config.directory.rglob("*")
        if file.is_file() and any(secret.encode() in file.read_bytes() for secret in secrets)
    ]
    assert [file.name for file in holding] == ["accounts.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600


def test_a_nearly_correct_token_is_refused(api: Client, other: Client, config: CloudConfig) -> None:
    token = Accounts(config).get("other").token
    for header in (
        f"Bearer {token[:-1]}",
        f"Bearer {token}x",
        token,
        "Bearer ",
        f"Bearer {token.upper()}",
        "Bearer \xff",
    ):
        answer = requests.get(
            f"{api.url}/v2/account", headers={"Authorization": header.encode("latin-1")}, timeout=5
        )
        assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")
    assert requests.get(
        f"{api.url}/v2/account", headers={"Authorization": f"Bearer {token}"}, timeout=5
    ).ok


def test_a_path_cannot_forge_a_line_of_the_log(
    api: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="rehearsal")
    api.http.get(f"{api.url}/v2/tags/a%0aGET%20/forged")
    assert any("GET /v2/tags/a%0AGET%20/forged 404" in line for line in caplog.messages)


def test_rate_limits_are_separate_for_each_account(
    config: CloudConfig, machines: MemoryMachines
) -> None:
    token = accounts.create_or_update(config, "other", {}).token
    with running(config, machines, RateLimits(per_hour=3, per_minute=100)) as api:
        for _ in range(5):
            stranger = requests.get(
                f"{api.url}/v2/account", headers={"Authorization": "Bearer nobody"}, timeout=5
            )
        assert (stranger.status_code, stranger.headers["ratelimit-remaining"]) == (401, "0")
        for _ in range(3):
            api("GET", "/v2/account")
        api("GET", "/v2/account", expect=429)
        answer = requests.get(
            f"{api.url}/v2/account", headers={"Authorization": f"Bearer {token}"}, timeout=5
        )
    assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (200, "2")


def test_actions_of_each_account_resume_after_a_restart(config: CloudConfig) -> None:
    tokens = [config.token, accounts.create_or_update(config, "other", {}).token]
    droplets: list[Any] = []
    with running(config, HeldMachines(config), UNLIMITED) as api:
        for token in tokens:
            droplets.append(Client(api.url, token)("POST", "/v2/droplets", BODY, 202)["droplet"])
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        for token, droplet in zip(tokens, droplets, strict=True):
            client = Client(api.url, token)
            assert client.wait_until_unlocked(droplet["id"])["status"] == "active"
            assert [droplet["id"] for droplet in client("GET", "/v2/droplets")["droplets"]] == [
                droplet["id"]
            ]
            assert [image["slug"] for image in client("GET", "/v2/images")["images"]] == [
                "debian-12-x64"
            ]
            client("DELETE", f"/v2/droplets/{droplet['id']}", expect=204)
        images = [Client(api.url, token)("GET", "/v2/images")["images"] for token in tokens]
    assert images[0] == images[1]


def test_the_network_has_all_accounts_and_resolves_names_within_each(
    config: CloudConfig,
) -> None:
    machines = WatchedMachines(config)
    token = accounts.create_or_update(config, "other", {}).token
    with running(config, machines, UNLIMITED) as api:
        other = Client(api.url, token)
        own, theirs = api.droplet(tags=["web"]), other.droplet(tags=["web"])
        peers = {"protocol": "tcp", "ports": "22", "sources": {"tags": ["web"]}}
        api("POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [peers], "tags": ["web"]}, 202)
        taken = other("GET", f"/v2/vpcs/{theirs['vpc_uuid']}")["vpc"]["ip_range"]
        message = api.error_message(
            "POST", "/v2/vpcs", {"name": "same", "region": "nyc3", "ip_range": taken}
        )
        assert "share one network" in message
        network_state = machines.network_state
    assert {droplet.id for droplet in network_state.droplets} == {own["id"], theirs["id"]}
    assert {network.range for network in network_state.networks} >= {IPv4Network(taken)}
    assert len(network_state.networks) == 2
    (firewalled,) = network_state.droplet_firewalls
    assert firewalled.droplet_id == own["id"]
    addresses = {network["ip_address"] for network in own["networks"]["v4"]}
    assert {
        str(peer.network_address) for rule in firewalled.inbound for peer in rule.peers
    } == addresses
