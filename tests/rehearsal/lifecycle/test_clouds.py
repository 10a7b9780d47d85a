"""The commands that start, reset and remove a cloud, also after crashes and with bad arguments."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from rehearsal import paths
from rehearsal.__main__ import main
from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig
from rehearsal.lifecycle import clients, clouds, leak_check, preparation, process
from rehearsal.lifecycle.environment import ssh_key_path
from rehearsal.lifecycle.recovery import reconstruct_config
from rehearsal.limits import DIGITALOCEAN_LIMITS
from rehearsal.network import dns, hosts_file
from rehearsal.polling import wait_until

TIMEOUT_S = 30
ROOT = Path(__file__).parents[3]
BODY = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
ONE, OTHER = f"a{uuid4().hex[:8]}", f"b{uuid4().hex[:8]}"


@dataclass
class Output:
    """What a command printed."""

    out: str
    err: str


class Commands:
    """Runs the commands in this process."""

    def __call__(self, command: str, *arguments: str, cloud: str = ONE, code: int = 0) -> Output:
        """Run a command, which must end with the exit code ``code``."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                exit_code = main([command, "--cloud", cloud, *arguments])
            except SystemExit as error:
                exit_code = int(error.code or 0)
        assert exit_code == code, out.getvalue() + err.getvalue()
        return Output(out.getvalue(), err.getvalue())

    def up(self, *arguments: str, cloud: str = ONE) -> CloudConfig:
        self("up", "--machines", "memory", "--quiet", *arguments, cloud=cloud)
        return CloudConfig.load(cloud)

    def status(self, cloud: str = ONE) -> Any:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            main(["status", "--json"])
        return next(row for row in json.loads(out.getvalue()) if row["cloud"] == cloud)


@pytest.fixture
def rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """The commands, with a state directory for this test; its clouds are removed afterwards."""
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    try:
        yield Commands()
    finally:
        leaks = clouds.down(ONE) + clouds.down(OTHER)
    assert leaks == []


def api(config: CloudConfig, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(
        method,
        config.api_url + path,
        headers={"Authorization": f"Bearer {config.token}"},
        json=body,
        timeout=10,
    )
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def droplets(config: CloudConfig) -> list[str]:
    return [droplet["name"] for droplet in api(config, "GET", "/v2/droplets")["droplets"]]


@pytest.fixture
def used_port() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_shell_can_evaluate_the_instructions_of_up(rehearsal: Commands) -> None:
    output = rehearsal("up", "--machines", "memory").out
    config = CloudConfig.load(ONE)
    for client in ("curl", "Pulumi", "Terraform", "Packer", "pydo", "godo", "doctl"):
        assert f"# {client}" in output
    request = (
        'curl --silent --header "Authorization: Bearer $DIGITALOCEAN_TOKEN" '
        '"$DIGITALOCEAN_API_URL/v2/account"'
    )
    assert request.replace(" --silent", "") in output
    script = f'eval "$1"; {request}; echo; echo "$SPACES_ENDPOINT_URL"'
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DIGITALOCEAN", "SPACES"))
    }
    completed = subprocess.run(
        ["bash", "-c", script, "-", output],
        env=bare,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    account, endpoint = completed.stdout.splitlines()
    assert json.loads(account)["account"]["status"] == "active"
    assert endpoint == f"http://{config.spaces_host}"


def test_instructions_for_spaces_match_the_machine_kind(rehearsal: Commands) -> None:
    """The variable is set in any case: without it clients would use the real Spaces."""
    command = f"#   python -m rehearsal spaces --cloud {ONE}\n"
    output = rehearsal("up", "--machines", "memory").out
    config = CloudConfig.load(ONE)
    for text in (output, rehearsal("env").out):
        assert "nothing answers at SPACES_ENDPOINT_URL" in text and command in text
        endpoint = f"export SPACES_ENDPOINT_URL='http://{config.spaces_host}'\n"
        assert endpoint in text
    assert "aws --endpoint-url" not in output
    assert (
        subprocess.run(["bash", "-c", rehearsal("env").out], capture_output=True, check=True).stderr
        == b""
    )
    with_network = clients.format_instructions(config.model_copy(update={"machines": "nspawn"}))
    assert "aws --endpoint-url" in with_network and command not in with_network


def test_up_prints_the_variables_as_json(rehearsal: Commands) -> None:
    output = json.loads(rehearsal("up", "--machines", "memory", "--json").out)
    config = CloudConfig.load(ONE)
    assert (output["cloud"], output["machines"], output["api"]) == (ONE, "memory", config.api_url)
    assert output["environment"]["DIGITALOCEAN_TOKEN"] == config.token


def test_quiet_commands_print_no_secrets(rehearsal: Commands) -> None:
    outputs = [
        rehearsal("up", "--machines", "memory", "--quiet"),
        rehearsal("status"),
        rehearsal("status", "--json"),
        rehearsal("reset"),
    ]
    config = CloudConfig.load(ONE)
    text = "".join(output.out + output.err for output in outputs)
    assert not any(secret in text for secret in (config.token, config.spaces_secret))


def test_two_clouds_are_isolated(rehearsal: Commands) -> None:
    one, other = rehearsal.up(), rehearsal.up(cloud=OTHER)
    assert (one.port, one.index, one.token, one.domain) != (
        other.port,
        other.index,
        other.token,
        other.domain,
    )
    assert one.index != other.index and one.port != other.port
    api(one, "POST", "/v2/droplets", BODY)
    assert (droplets(one), droplets(other)) == (["one"], [])
    response = requests.get(
        f"{other.api_url}/v2/account", headers={"Authorization": f"Bearer {one.token}"}, timeout=10
    )
    assert response.status_code == 401
    rehearsal("reset", cloud=OTHER)
    assert droplets(one) == ["one"]
    rehearsal("down")
    assert (droplets(other), rehearsal.status(OTHER)["state"]) == ([], "up")


def test_settings_persist_until_they_are_changed(rehearsal: Commands, tmp_path: Path) -> None:
    file = tmp_path / "slow.toml"
    file.write_text("[droplet]\ncreate = 3600\n")
    config = rehearsal.up(
        "--times", str(file), "--requests-an-hour", "77", "--requests-a-minute", "66"
    )
    file.unlink()
    api(config, "POST", "/v2/droplets", BODY)
    os.kill(int((config.directory / "api.pid").read_text()), signal.SIGKILL)
    assert wait_until(lambda: rehearsal.status()["state"] == "down", TIMEOUT_S)
    rehearsal("up", "--quiet")
    answer = requests.get(
        f"{config.api_url}/v2/droplets",
        headers={"Authorization": f"Bearer {config.token}"},
        timeout=10,
    )
    assert answer.headers["ratelimit-limit"] == "77"
    assert answer.json()["droplets"][0]["status"] == "new"
    output = rehearsal.status()
    assert (output["requests_a_minute"], output["times"]) == (66, {"droplet": {"create": 3600.0}})
    changed = rehearsal.up(
        "--times", "fast", "--requests-an-hour", str(DIGITALOCEAN_LIMITS.per_hour)
    )
    assert (changed.token, changed.port, changed.requests_a_minute) == (
        config.token,
        config.port,
        66,
    )
    assert wait_until(
        lambda: api(config, "GET", "/v2/droplets")["droplets"][0]["status"] == "active", TIMEOUT_S
    )


def test_up_keeps_a_running_cloud(rehearsal: Commands) -> None:
    config = rehearsal.up()
    first = rehearsal.status()["pid"]
    rehearsal("up", "--quiet")
    assert (CloudConfig.load(ONE), rehearsal.status()["pid"]) == (config, first)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "0"], ["port 0", "1024 to 65535"]),
        (["--port", "1023"], ["port 1023", "1024 to 65535"]),
        (["--port", "65536"], ["port 65536", "1024 to 65535"]),
        (["--times", "nowhere.toml"], ["nowhere.toml", "--times real"]),
        (["--cloud", "Not-a-name"], ["Not-a-name", "lower-case letters"]),
    ],
)
def test_bad_input_changes_nothing(
    rehearsal: Commands, tmp_path: Path, arguments: list[str], expected: list[str]
) -> None:
    message = rehearsal("up", "--machines", "memory", *arguments, code=2).err
    assert all(part in message for part in expected), message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["up", "serve"])
@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_an_invalid_rate_limit_is_rejected(rehearsal: Commands, command: str, limit: str) -> None:
    for option in ("--requests-an-hour", "--requests-a-minute"):
        assert (
            f"{limit!r} is no number of requests"
            in rehearsal(command, f"{option}={limit}", code=2).err
        )


@pytest.mark.parametrize("port", ["0", "-1", "70000"])
def test_an_invalid_port_for_spaces_is_rejected(rehearsal: Commands, port: str) -> None:
    rehearsal.up()
    message = rehearsal("spaces", f"--port={port}", code=2).err
    assert f"port {port} is out of range" in message


def test_invalid_times_do_not_change_a_cloud(rehearsal: Commands, tmp_path: Path) -> None:
    config = rehearsal.up()
    (tmp_path / "bad.toml").write_text("[droplet]\ncreate = -1\n")
    assert (
        "droplet.create = -1" in rehearsal("up", "--times", str(tmp_path / "bad.toml"), code=2).err
    )
    assert (CloudConfig.load(ONE), rehearsal.status()["state"]) == (config, "up")


def test_a_used_port_is_reported_before_anything_is_created(
    rehearsal: Commands, used_port: int, tmp_path: Path
) -> None:
    message = rehearsal("up", "--machines", "memory", "--port", str(used_port), code=1).err
    assert f"port {used_port} of 127.0.0.1 is in use" in message and "--port" in message
    assert list(tmp_path.iterdir()) == []


def test_another_program_on_the_port_does_not_pass_for_the_cloud(
    rehearsal: Commands, used_port: int
) -> None:
    config = rehearsal.up()
    process.stop(config)
    config.model_copy(update={"port": used_port}).save()
    assert rehearsal.status()["state"] == "down"
    assert f"port {used_port} of 127.0.0.1 is in use" in rehearsal("up", code=1).err


def test_machines_and_port_of_a_cloud_cannot_change(rehearsal: Commands) -> None:
    config = rehearsal.up()
    for arguments in (["--machines", "nspawn"], ["--port", str(config.port + 1)]):
        message = rehearsal("up", *arguments, code=1).err
        assert f"--machines memory --port {config.port}" in message and "down" in message
    assert rehearsal.status()["state"] == "up"


def test_a_stale_pid_file_is_ignored(rehearsal: Commands) -> None:
    """Another program with that process ID neither passes for the API nor is stopped."""
    config = rehearsal.up()
    process.stop(config)
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        try:
            for stale in (str(sleeper.pid), "", "x"):
                (config.directory / "api.pid").write_text(stale)
                assert rehearsal.status()["state"] == "down"
                rehearsal("up", "--quiet")
                assert rehearsal.status()["state"] == "up"
                process.stop(config)
            (config.directory / "api.pid").write_text(str(sleeper.pid))
            rehearsal("down")
            assert sleeper.poll() is None
        finally:
            sleeper.kill()


@pytest.mark.parametrize("text", [None, "", '{"name": "half', '{"name": "half"}'])
def test_a_damaged_cloud_is_reported_and_can_be_removed(
    rehearsal: Commands, text: str | None
) -> None:
    directory = paths.cloud_dir(ONE)
    directory.mkdir(parents=True)
    if text is not None:
        (directory / "cloud.json").write_text(text)
    assert rehearsal.status()["state"] == "damaged"
    for command, *arguments in (
        ["up"],
        ["reset"],
        ["env"],
        ["account", "one"],
        ["resolve", "bucket"],
        ["serve"],
        ["spaces"],
        ["guest-services"],
        ["status"],
    ):
        message = rehearsal(command, *arguments, code=1).err
        assert (
            "cloud.json is missing or cannot be read" in message
            and f"python -m rehearsal down --cloud {ONE}" in message
        )
    other = rehearsal.up(cloud=OTHER)
    assert droplets(other) == []
    rehearsal("down")
    assert leak_check.find_leaks(ONE) == []
    rehearsal.up()


def test_the_index_of_a_damaged_cloud_is_found_by_its_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links 0 and 1 exist, and the second is the damaged cloud's; another cloud gets neither."""
    for index, owner in enumerate(("slip-alive", f"slip-{ONE}")):
        (tmp_path / f"slip{index}").mkdir()
        (tmp_path / f"slip{index}" / "ifalias").write_text(f"{owner}\n")
    monkeypatch.setattr("rehearsal.lifecycle.recovery.LINKS", tmp_path)
    assert (reconstruct_config(ONE).index, reconstruct_config(OTHER).index) == (1, 2)


def _start_up(arguments: list[str], log: Path) -> "subprocess.Popen[str]":
    """Start ``up`` in the background and return once it has started the API, which has a log."""
    up = subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "up", "--cloud", ONE, *arguments],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert wait_until(log.exists, TIMEOUT_S)
    return up


@pytest.mark.usefixtures("default_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_up_removes_a_new_cloud(rehearsal: Commands, number: signal.Signals) -> None:
    log = paths.cloud_dir(ONE) / "server.log"
    with _start_up(["--machines", "memory"], log) as up:
        up.send_signal(number)
        _, message = up.communicate(timeout=60)
    assert (up.returncode, "interrupted" in message) == (130, True), message
    assert leak_check.find_leaks(ONE) == []


def test_operator_has_an_ssh_key_pair(rehearsal: Commands) -> None:
    """It is made without another program, which an interrupted ``up`` might leave behind."""
    config = rehearsal.up()
    key = ssh_key_path(config)
    derived = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key)], check=True, capture_output=True, text=True
    ).stdout
    public = key.with_suffix(".pub").read_text()
    assert public.split()[:2] == derived.split()[:2]
    assert public.split()[2] == f"operator@{config.name}"
    assert (key.stat().st_mode & 0o777, key.stat().st_size > 0) == (0o600, True)


def test_an_interrupted_up_keeps_an_existing_cloud(rehearsal: Commands) -> None:
    config = rehearsal.up()
    api(config, "POST", "/v2/droplets", BODY)
    process.stop(config)
    log = config.directory / "server.log"
    log.unlink()
    with _start_up([], log) as up:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
    assert up.returncode == 130
    assert rehearsal.status()["state"] == "down"
    rehearsal("up", "--quiet")
    assert droplets(config) == ["one"]


def _create_contents(config: CloudConfig) -> None:
    api(config, "POST", "/v2/droplets", BODY | {"tags": ["web"]})
    api(config, "POST", "/v2/vpcs", {"name": "inner", "region": "nyc3"})
    stacks = config.directory / "pulumi" / ".pulumi" / "stacks" / "slipway"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").write_text("{}")
    (config.directory / "spaces").mkdir(exist_ok=True)
    (config.directory / "spaces" / "object").write_text("content")


@pytest.mark.parametrize("crashed", [False, True])
def test_reset_deletes_contents_and_keeps_credentials(rehearsal: Commands, crashed: bool) -> None:
    config = rehearsal.up("--requests-an-hour", "4999")
    rehearsal("account", "second")
    accounts = (config.directory / "accounts.json").read_bytes()
    _create_contents(config)
    first = api(config, "GET", "/v2/droplets")["droplets"][0]["id"]
    if crashed:
        os.kill(int((config.directory / "api.pid").read_text()), signal.SIGKILL)
        assert wait_until(lambda: rehearsal.status()["state"] == "down", TIMEOUT_S)
    kept = {
        name: (config.directory / name).read_bytes() for name in ("secrets.key", "ssh/id_ed25519")
    }
    removed = rehearsal("reset").out.splitlines()
    assert removed == [
        "removed: account default: 1 droplet, 1 tag, 1 vpc",
        "removed: Spaces: all buckets and objects, 7 bytes",
        "removed: Pulumi: the state of dev",
    ]
    assert CloudConfig.load(ONE) == config
    assert (config.directory / "accounts.json").read_bytes() == accounts
    assert {name: (config.directory / name).read_bytes() for name in kept} == kept
    assert rehearsal.status()["state"] == ("down" if crashed else "up")
    rehearsal("up", "--quiet")
    assert (droplets(config), api(config, "GET", "/v2/tags")["tags"]) == ([], [])
    assert [
        vpc["name"] for vpc in api(config, "GET", "/v2/vpcs")["vpcs"] if not vpc["default"]
    ] == []
    assert not (config.directory / "pulumi" / ".pulumi").exists()
    assert api(config, "POST", "/v2/droplets", BODY)["droplet"]["id"] > first
    assert rehearsal("reset").out.splitlines()[0] == "removed: account default: 1 droplet"


def test_reset_of_an_empty_cloud_prints_nothing(rehearsal: Commands) -> None:
    rehearsal.up()
    assert rehearsal("reset").out == ""


@pytest.mark.parametrize(
    "command",
    [
        "reset",
        "env",
        "account one",
        "resolve bucket",
        "serve",
        "spaces",
        "guest-services",
        "status",
        "status --json",
    ],
)
def test_an_unknown_cloud_is_reported(rehearsal: Commands, command: str) -> None:
    assert f"there is no cloud {ONE}: bring it up" in rehearsal(*command.split(), code=2).err


def test_status_with_quiet_prints_nothing(rehearsal: Commands) -> None:
    assert rehearsal("status", "--quiet", code=2) == Output("", "")


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /etc/hosts, with one line."""
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr("rehearsal.network.hosts_file.HOSTS_FILE", file)
    return file


def test_a_cloud_without_network_has_no_bucket_names(rehearsal: Commands, hosts: Path) -> None:
    rehearsal.up()
    message = rehearsal("resolve", "bucket", code=1).err
    assert f"`python -m rehearsal spaces --cloud {ONE}`" in message
    assert hosts.read_text() == "127.0.0.1 localhost\n"


def test_down_removes_host_names_also_with_memory_machines(
    rehearsal: Commands, hosts: Path
) -> None:
    config = rehearsal.up()
    hosts_file.add_names(ONE, {"bucket.nyc3.spaces.internal": config.spaces_address})
    assert rehearsal("down").out == ""
    assert hosts.read_text() == "127.0.0.1 localhost\n"


def test_bucket_names_have_the_regions_of_spaces(rehearsal: Commands, hosts: Path) -> None:
    config = rehearsal.up().model_copy(update={"machines": "nspawn"})
    preparation.add_bucket_names(config, ["bucket"])
    assert {name.split(".")[1] for name in hosts_file.read_names(ONE)} == set(SPACES_REGIONS)
    assert {dns.own_address(config, name) for name in hosts_file.read_names(ONE)} == {
        config.spaces_address
    }


def test_down_stops_an_api_in_the_foreground(rehearsal: Commands) -> None:
    config = rehearsal.up()
    process.stop(config)
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "serve", "--cloud", ONE], cwd=ROOT
    ) as served:
        assert wait_until(lambda: process.is_ready(config), TIMEOUT_S)
        rehearsal("down")
        served.wait(timeout=30)


def test_clouds_that_start_at_the_same_time_get_different_addresses(rehearsal: Commands) -> None:
    starting = [
        subprocess.Popen(
            [sys.executable, "-m", "rehearsal", "up", "--cloud", name, "--machines", "memory"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for name in (ONE, OTHER)
    ]
    assert [command.wait(timeout=60) for command in starting] == [0, 0]
    assert CloudConfig.load(ONE).index != CloudConfig.load(OTHER).index
