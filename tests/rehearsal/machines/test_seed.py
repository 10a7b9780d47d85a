"""Files on a droplet's disk before its first boot."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from rehearsal.machines import seed
from rehearsal.topology.protocol import Interface, MachineSpec

CARD = Interface(
    mac="02:00:00:00:00:01",
    address=IPv4Address("10.0.0.2"),
    network=IPv4Network("10.0.0.0/24"),
    gateway=IPv4Address("10.0.0.1"),
)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("web", "web"),
        ("Web-1.example.com", "Web-1.example.com"),
        ("7", "7"),
        ("a--b", "a--b"),
        ("a" * 64, "a" * 64),
        ("-a", "a"),
        (".a", "a"),
        ("a..b", "a.b"),
        ("a-.-b", "a.b"),
        ("-.-.a", "a"),
        ("a" * 65, "a" * 64),
        ("a" * 63 + ".b", "a" * 63),
        ("a" * 62 + "--b", "a" * 62),
        ("-.-", "droplet-5"),
        ("", "droplet-5"),
    ],
)
def test_a_host_name_has_the_valid_parts_of_the_droplet_name(name: str, host: str) -> None:
    assert seed.hostname(name, 5) == host


def test_the_seed_contains_a_valid_host_name(tmp_path: Path) -> None:
    spec = MachineSpec(
        id=5,
        name="-a..b",
        image="debian-12-x64",
        region="nyc3",
        memory_mb=1024,
        vcpus=1,
        disk_gb=25,
        vpc_id="vpc",
        public=CARD,
        private=CARD,
        user_data="",
        public_keys=[],
        tags=[],
    )
    seed.write(tmp_path, spec, IPv4Address("10.0.0.1"))
    assert (tmp_path / "etc/hostname").read_text() == "a.b\n"
    assert (
        json.loads((tmp_path / "var/lib/cloud/seed/nocloud/meta-data").read_text())[
            "local-hostname"
        ]
        == "a.b"
    )
