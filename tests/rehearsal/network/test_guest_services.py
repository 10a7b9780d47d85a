"""The services in a cloud's network, used from droplets and the host through the firewalls."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.network import firewalls
from rehearsal.network.bridges import METADATA_ADDRESS, vpc_bridge_name
from rehearsal.subprocesses import CHILD_ENVIRONMENT
from rehearsal.topology import network_state_file
from rehearsal.topology.protocol import NetworkState
from tests.rehearsal.support.small_cloud import VPC, SmallCloud, run, small_cloud, wait_for

SERVE = """
import sys
from rehearsal.config import CloudConfig
from rehearsal.network.guest_services import serve
serve(CloudConfig.load(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    state: Path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE", str(state))
        with small_cloud(state) as cloud:
            cloud.config.save()
            network_state = NetworkState(droplets=cloud.droplets, networks=[VPC])
            network_state_file.write(cloud.config, network_state)
            release = cloud.config.directory / "releases/consul/1.22.3/consul_1.22.3_SHA256SUMS"
            release.parent.mkdir(parents=True)
            release.write_text("sums\n")
            asyncio.run(firewalls.apply(cloud.config, network_state))
            environ = {
                **CHILD_ENVIRONMENT,
                "SLIPWAY_STATE": str(state),
                "PYTHONPATH": str(Path.cwd()),
            }
            process = cloud.start(
                cloud.config.netns, sys.executable, "-c", SERVE, cloud.config.name, environ=environ
            )
            ready = cloud.config.directory / "guest-services.ready"
            wait_for(lambda: ready.exists() or process.poll() is not None, 30)
            assert process.poll() is None
            yield cloud
            process.terminate()
            assert process.wait(10) == 0
            assert not ready.exists()


def run_in(cloud: SmallCloud, place: str, *command: str) -> str:
    """Return the output of a command in the network namespace ``place``."""
    return subprocess.run(
        ["ip", "netns", "exec", place, *command],
        check=True,
        capture_output=True,
        text=True,
        env=CHILD_ENVIRONMENT,
    ).stdout.strip()


def test_a_droplet_reads_its_own_metadata(cloud: SmallCloud) -> None:
    for droplet in cloud.droplets:
        assert (
            run_in(
                cloud,
                cloud.place(droplet),
                "curl",
                "-sS",
                "-m",
                "5",
                f"http://{METADATA_ADDRESS}/metadata/v1/hostname",
            )
            == droplet.name
        )


def test_droplets_resolve_spaces_and_releases(cloud: SmallCloud) -> None:
    place, gateway, domain = (
        cloud.place(cloud.droplets[0]),
        f"@{cloud.config.gateway}",
        cloud.config.domain,
    )
    for name, address in (
        ("bucket.nyc3.spaces", cloud.config.spaces_address),
        ("releases", cloud.config.releases_address),
    ):
        assert run_in(
            cloud, place, "dig", gateway, "+short", "+time=2", "+tries=1", f"{name}.{domain}"
        ) == str(address)


def test_host_and_droplets_reach_releases_and_spaces(cloud: SmallCloud) -> None:
    for place in (cloud.place(None), cloud.place(cloud.droplets[1])):
        sums = f"http://{cloud.config.releases_address}/consul/1.22.3/consul_1.22.3_SHA256SUMS"
        assert run_in(cloud, place, "curl", "-sS", "-m", "5", sums) == "sums"
        host = f"bucket.nyc3.spaces.{cloud.config.domain}"
        command = [
            "curl",
            "-sS",
            "-m",
            "5",
            "-H",
            f"Host: {host}",
            f"http://{cloud.config.spaces_address}/object",
        ]
        assert "<Code>AccessDenied</Code>" in run_in(cloud, place, *command)


def test_a_bridge_keeps_its_mac_address_when_a_port_is_added(cloud: SmallCloud) -> None:
    """A changed address would break traffic until ARP entries expire."""
    ip, bridge = ("ip", "-n", cloud.config.netns), vpc_bridge_name(VPC.id)
    before = run(*ip, "-brief", "link", "show", "dev", bridge).split()[2]
    run(
        *ip,
        "link",
        "add",
        "lowest",
        "address",
        "02:00:00:00:00:01",
        "type",
        "veth",
        "peer",
        "name",
        "other",
    )
    try:
        run(*ip, "link", "set", "lowest", "master", bridge, "up")
        assert run(*ip, "-brief", "link", "show", "dev", bridge).split()[2] == before
    finally:
        run(*ip, "link", "delete", "lowest")
