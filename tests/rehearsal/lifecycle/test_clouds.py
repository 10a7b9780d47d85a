"""Clouds that come up, are emptied and go, as a person would see it: by the commands, and also when something is in the way."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
from rehearsal.lifecycle.recovery import reconstruct_config
from rehearsal.limits import DIGITALOCEAN_LIMITS
from rehearsal.network import dns, hosts_file

ROOT = Path(__file__).parents[3]
BODY = {"name": "one", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
ONE, OTHER = f"a{uuid4().hex[:8]}", f"b{uuid4().hex[:8]}"


@dataclass
class Done:
    out: str
    err: str


class Commands:
    """The commands, in this process, with a state directory of the test's own."""

    def __call__(self, verb: str, *words: str, cloud: str = ONE, code: int = 0) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                came_to = main([verb, "--cloud", cloud, *words])
            except SystemExit as ended:
                came_to = int(ended.code or 0)
        assert came_to == code, out.getvalue() + err.getvalue()
        return Done(out.getvalue(), err.getvalue())

    def up(self, *words: str, cloud: str = ONE) -> CloudConfig:
        self("up", "--machines", "memory", "--quiet", *words, cloud=cloud)
        return CloudConfig.load(cloud)

    def status(self, cloud: str = ONE) -> Any:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            main(["status", "--json"])
        return next(row for row in json.loads(out.getvalue()) if row["cloud"] == cloud)


@pytest.fixture
def rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Whatever the test does, no cloud of its is left."""
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    try:
        yield Commands()
    finally:
        left = clouds.down(ONE) + clouds.down(OTHER)
    assert left == []


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


def until(seen: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program answers everything with 200."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_up_tells_what_to_set_and_a_shell_takes_it(rehearsal: Commands) -> None:
    told = rehearsal("up", "--machines", "memory").out
    config = CloudConfig.load(ONE)
    for client in ("curl", "Pulumi", "Terraform", "Packer", "pydo", "godo", "doctl"):
        assert f"# {client}" in told
    request = 'curl --silent --header "Authorization: Bearer $DIGITALOCEAN_TOKEN" "$DIGITALOCEAN_API_URL/v2/account"'
    assert request.replace(" --silent", "") in told
    script = f'eval "$1"; {request}; echo; echo "$SPACES_ENDPOINT_URL"'
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DIGITALOCEAN", "SPACES"))
    }
    done = subprocess.run(
        ["bash", "-c", script, "-", told],
        env=bare,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    account, endpoint = done.stdout.splitlines()
    assert json.loads(account)["account"]["status"] == "active"
    assert endpoint == f"http://{config.spaces_host}"


def test_what_is_told_of_spaces_is_what_there_is(rehearsal: Commands) -> None:
    """The variable stays: without it clients would turn to the real Spaces."""
    served = f"#   python -m rehearsal spaces --cloud {ONE}\n"
    told = rehearsal("up", "--machines", "memory").out
    config = CloudConfig.load(ONE)
    for text in (told, rehearsal("env").out):
        assert "nothing answers at SPACES_ENDPOINT_URL" in text and served in text
        endpoint = f"export SPACES_ENDPOINT_URL='http://{config.spaces_host}'\n"
        assert endpoint in text
    assert "aws --endpoint-url" not in told
    assert (
        subprocess.run(["bash", "-c", rehearsal("env").out], capture_output=True, check=True).stderr
        == b""
    )
    named = clients.format_instructions(config.model_copy(update={"machines": "nspawn"}))
    assert "aws --endpoint-url" in named and served not in named


def test_up_tells_scripts_the_same(rehearsal: Commands) -> None:
    told = json.loads(rehearsal("up", "--machines", "memory", "--json").out)
    config = CloudConfig.load(ONE)
    assert (told["cloud"], told["machines"], told["api"]) == (ONE, "memory", config.api_url)
    assert told["environment"]["DIGITALOCEAN_TOKEN"] == config.token


def test_secrets_are_told_only_where_asked(rehearsal: Commands) -> None:
    done = [
        rehearsal("up", "--machines", "memory", "--quiet"),
        rehearsal("status"),
        rehearsal("status", "--json"),
        rehearsal("reset"),
    ]
    config = CloudConfig.load(ONE)
    said = "".join(one.out + one.err for one in done)
    assert not any(secret in said for secret in (config.token, config.spaces_secret))


def test_two_clouds_side_by_side_know_nothing_of_each_other(rehearsal: Commands) -> None:
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
    refused = requests.get(
        f"{other.api_url}/v2/account", headers={"Authorization": f"Bearer {one.token}"}, timeout=10
    )
    assert refused.status_code == 401
    rehearsal("reset", cloud=OTHER)
    assert droplets(one) == ["one"]
    rehearsal("down")
    assert (droplets(other), rehearsal.status(OTHER)["state"]) == ([], "up")


def test_settings_stay_until_others_are_given(rehearsal: Commands, tmp_path: Path) -> None:
    file = tmp_path / "slow.toml"
    file.write_text("[droplet]\ncreate = 3600\n")
    config = rehearsal.up(
        "--times", str(file), "--requests-an-hour", "77", "--requests-a-minute", "66"
    )
    file.unlink()
    api(config, "POST", "/v2/droplets", BODY)
    os.kill(int((config.directory / "api.pid").read_text()), signal.SIGKILL)
    until(lambda: rehearsal.status()["state"] == "down")
    rehearsal("up", "--quiet")
    answer = requests.get(
        f"{config.api_url}/v2/droplets",
        headers={"Authorization": f"Bearer {config.token}"},
        timeout=10,
    )
    assert answer.headers["ratelimit-limit"] == "77"
    assert answer.json()["droplets"][0]["status"] == "new"
    told = rehearsal.status()
    assert (told["requests_a_minute"], told["times"]) == (66, {"droplet": {"create": 3600.0}})
    changed = rehearsal.up(
        "--times", "fast", "--requests-an-hour", str(DIGITALOCEAN_LIMITS.per_hour)
    )
    assert (changed.token, changed.port, changed.requests_a_minute) == (
        config.token,
        config.port,
        66,
    )
    until(lambda: api(config, "GET", "/v2/droplets")["droplets"][0]["status"] == "active")


def test_up_finds_what_is_up(rehearsal: Commands) -> None:
    config = rehearsal.up()
    first = rehearsal.status()["pid"]
    rehearsal("up", "--quiet")
    assert (CloudConfig.load(ONE), rehearsal.status()["pid"]) == (config, first)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port", "0"], ["port 0", "1024 to 65535"]),
        (["--port", "1023"], ["port 1023", "1024 to 65535"]),
        (["--port", "65536"], ["port 65536", "1024 to 65535"]),
        (["--times", "nowhere.toml"], ["nowhere.toml", "--times real"]),
        (["--cloud", "Not-a-name"], ["Not-a-name", "lower-case letters"]),
    ],
)
def test_bad_input_changes_nothing(
    rehearsal: Commands, tmp_path: Path, words: list[str], told: list[str]
) -> None:
    said = rehearsal("up", "--machines", "memory", *words, code=2).err
    assert all(word in said for word in told), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["up", "serve"])
@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_a_limit_that_is_none(rehearsal: Commands, verb: str, limit: str) -> None:
    for option in ("--requests-an-hour", "--requests-a-minute"):
        assert (
            f"{limit!r} is no number of requests"
            in rehearsal(verb, f"{option}={limit}", code=2).err
        )


@pytest.mark.parametrize("port", ["0", "-1", "70000"])
def test_a_port_of_spaces_that_is_none(rehearsal: Commands, port: str) -> None:
    rehearsal.up()
    message = rehearsal("spaces", f"--port={port}", code=2).err
    assert f"port {port} is out of range" in message


def test_bad_times_leave_a_cloud_as_it_is(rehearsal: Commands, tmp_path: Path) -> None:
    config = rehearsal.up()
    (tmp_path / "bad.toml").write_text("[droplet]\ncreate = -1\n")
    assert (
        "droplet.create = -1" in rehearsal("up", "--times", str(tmp_path / "bad.toml"), code=2).err
    )
    assert (CloudConfig.load(ONE), rehearsal.status()["state"]) == (config, "up")


def test_a_port_that_is_taken_is_told_before_anything_is_made(
    rehearsal: Commands, taken: int, tmp_path: Path
) -> None:
    said = rehearsal("up", "--machines", "memory", "--port", str(taken), code=1).err
    assert f"port {taken} of 127.0.0.1 is in use" in said and "--port" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_was_taken_meanwhile_is_not_mistaken_for_the_cloud(
    rehearsal: Commands, taken: int
) -> None:
    config = rehearsal.up()
    process.stop(config)
    config.model_copy(update={"port": taken}).save()
    assert rehearsal.status()["state"] == "down"
    assert f"port {taken} of 127.0.0.1 is in use" in rehearsal("up", code=1).err


def test_what_cannot_be_changed_says_so(rehearsal: Commands) -> None:
    config = rehearsal.up()
    for words in (["--machines", "nspawn"], ["--port", str(config.port + 1)]):
        said = rehearsal("up", *words, code=1).err
        assert f"--machines memory --port {config.port}" in said and "down" in said
    assert rehearsal.status()["state"] == "up"


def test_a_stale_pid_is_nobodys(rehearsal: Commands) -> None:
    """It is another program's by now, which must neither be taken for the API nor be ended."""
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
def test_a_cloud_that_is_half_there_is_told_and_removed(
    rehearsal: Commands, text: str | None
) -> None:
    directory = paths.cloud_dir(ONE)
    directory.mkdir(parents=True)
    if text is not None:
        (directory / "cloud.json").write_text(text)
    assert rehearsal.status()["state"] == "damaged"
    for verb, *words in (
        ["up"],
        ["reset"],
        ["env"],
        ["account", "one"],
        ["resolve", "bucket"],
        ["serve"],
        ["spaces"],
        ["inside"],
        ["status"],
    ):
        said = rehearsal(verb, *words, code=1).err
        assert (
            "cloud.json is missing or cannot be read" in said
            and f"python -m rehearsal down --cloud {ONE}" in said
        )
    other = rehearsal.up(cloud=OTHER)
    assert droplets(other) == []
    rehearsal("down")
    assert leak_check.find_leaks(ONE) == []
    rehearsal.up()


def test_what_a_lost_cloud_had_is_guessed_without_touching_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links of slices 0 and 1 are on the machine: the second is the lost cloud's, and no guess for another may name either."""
    for index, owner in enumerate(("slip-alive", f"slip-{ONE}")):
        (tmp_path / f"slip{index}").mkdir()
        (tmp_path / f"slip{index}" / "ifalias").write_text(f"{owner}\n")
    monkeypatch.setattr("rehearsal.lifecycle.recovery.LINKS", tmp_path)
    assert (reconstruct_config(ONE).index, reconstruct_config(OTHER).index) == (1, 2)


def _begun(words: list[str], state: Callable[[], str], wanted: str) -> "subprocess.Popen[str]":
    """An ``up`` that has got so far."""
    begun = subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "up", "--cloud", ONE, *words],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    until(lambda: state() == wanted)
    return begun


def test_an_interrupted_up_leaves_nothing_of_a_new_cloud(rehearsal: Commands) -> None:
    with _begun(
        ["--machines", "memory"],
        lambda: str((paths.cloud_dir(ONE) / "server.log").exists()),
        "True",
    ) as begun:
        begun.send_signal(signal.SIGINT)
        _, said = begun.communicate(timeout=60)
    assert (begun.returncode, "interrupted" in said) == (130, True), said
    assert leak_check.find_leaks(ONE) == []


def test_an_interrupted_up_leaves_a_cloud_as_it_was(rehearsal: Commands) -> None:
    config = rehearsal.up()
    api(config, "POST", "/v2/droplets", BODY)
    process.stop(config)
    log = config.directory / "server.log"
    log.unlink()
    with _begun([], lambda: str(log.exists()), "True") as begun:
        begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert rehearsal.status()["state"] == "down"
    rehearsal("up", "--quiet")
    assert droplets(config) == ["one"]


def _fill(config: CloudConfig) -> None:
    api(config, "POST", "/v2/droplets", BODY | {"tags": ["web"]})
    api(config, "POST", "/v2/vpcs", {"name": "inner", "region": "nyc3"})
    stacks = config.directory / "pulumi" / ".pulumi" / "stacks" / "slipway"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").write_text("{}")
    (config.directory / "spaces").mkdir(exist_ok=True)
    (config.directory / "spaces" / "object").write_text("content")


@pytest.mark.parametrize("crashed", [False, True])
def test_reset_empties_and_keeps(rehearsal: Commands, crashed: bool) -> None:
    config = rehearsal.up("--requests-an-hour", "4999")
    rehearsal("account", "second")
    accounts = (config.directory / "accounts.json").read_bytes()
    _fill(config)
    first = api(config, "GET", "/v2/droplets")["droplets"][0]["id"]
    if crashed:
        os.kill(int((config.directory / "api.pid").read_text()), signal.SIGKILL)
        until(lambda: rehearsal.status()["state"] == "down")
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


def test_reset_of_an_empty_cloud_says_nothing_was_there(rehearsal: Commands) -> None:
    rehearsal.up()
    assert rehearsal("reset").out == ""


@pytest.mark.parametrize(
    "verb",
    [
        "reset",
        "env",
        "account one",
        "resolve bucket",
        "serve",
        "spaces",
        "inside",
        "status",
        "status --json",
    ],
)
def test_a_cloud_that_is_not_there(rehearsal: Commands, verb: str) -> None:
    assert f"there is no cloud {ONE}: bring it up" in rehearsal(*verb.split(), code=2).err


def test_who_wants_a_state_without_words_gets_none(rehearsal: Commands) -> None:
    assert rehearsal("status", "--quiet", code=2) == Done("", "")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /etc/hosts, with a line of the machine's own."""
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr("rehearsal.network.hosts_file.HOSTS_FILE", file)
    return file


def test_buckets_of_a_cloud_without_network_get_no_names(rehearsal: Commands, names: Path) -> None:
    rehearsal.up()
    said = rehearsal("resolve", "bucket", code=1).err
    assert f"`python -m rehearsal spaces --cloud {ONE}`" in said
    assert names.read_text() == "127.0.0.1 localhost\n"


def test_down_removes_the_clouds_names_whatever_its_machines_are(
    rehearsal: Commands, names: Path
) -> None:
    config = rehearsal.up()
    hosts_file.add_names(ONE, {"bucket.nyc3.spaces.internal": config.spaces_address})
    assert rehearsal("down").out == ""
    assert names.read_text() == "127.0.0.1 localhost\n"


def test_the_names_of_spaces_are_those_of_its_own_regions(rehearsal: Commands, names: Path) -> None:
    config = rehearsal.up().model_copy(update={"machines": "nspawn"})
    preparation.add_bucket_names(config, ["bucket"])
    assert {name.split(".")[1] for name in hosts_file.read_names(ONE)} == set(SPACES_REGIONS)
    assert {dns.own_address(config, name) for name in hosts_file.read_names(ONE)} == {
        config.spaces_address
    }


def test_down_of_what_runs_in_the_foreground(rehearsal: Commands) -> None:
    config = rehearsal.up()
    process.stop(config)
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "serve", "--cloud", ONE], cwd=ROOT
    ) as served:
        until(lambda: process.is_ready(config))
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
