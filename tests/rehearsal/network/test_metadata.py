"""The metadata service: the document for cloud-init, the tree of paths, and access by address."""

import http.client
import json
import os
import threading
from http.server import ThreadingHTTPServer
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from rehearsal.config import CloudConfig
from rehearsal.network import metadata
from rehearsal.topology.network_state_file import NetworkStateFile
from rehearsal.topology.protocol import Interface, MachineSpec, NetworkState

CONFIG = CloudConfig(
    name="test", index=3, machines="memory", port=1, token="t", spaces_key="k", spaces_secret="s"
)
PRIVATE = IPv4Network("10.10.0.0/20")


def droplet(number: int, public: IPv4Address | None = None) -> MachineSpec:
    network = CONFIG.public_network
    return MachineSpec(
        id=number,
        name=f"worker0{number}nyc3",
        image="debian-12-x64",
        region="nyc3",
        memory_mb=512,
        vcpus=1,
        disk_gb=10,
        vpc_id="v",
        public=Interface(
            mac=f"02:00:00:00:00:0{number}",
            address=public or network[16 + number],
            network=network,
            gateway=CONFIG.gateway,
        ),
        private=Interface(
            mac=f"02:00:00:00:01:0{number}",
            address=PRIVATE[1 + number],
            network=PRIVATE,
            gateway=PRIVATE[1],
        ),
        user_data=f"#cloud-config\n# {number}\n",
        public_keys=["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
        tags=["a", "b:c"],
    )


ONE, TWO = droplet(1), droplet(2)
NETWORK_STATE = NetworkState(droplets=[ONE, TWO])


def get(path: str, source: IPv4Address = ONE.public.address) -> tuple[int, str]:
    status, _, text = metadata.respond(CONFIG, NETWORK_STATE, source, path)
    return status, text


def test_the_document_has_what_cloud_init_needs() -> None:
    status, text = get("/metadata/v1.json")
    document = json.loads(text)
    assert status == 200
    assert document["droplet_id"] == 1
    assert document["hostname"] == "worker01nyc3"
    assert document["user_data"] == ONE.user_data
    assert document["public_keys"] == ONE.public_keys
    assert document["region"] == "nyc3"
    assert "disable_root: false" in document["vendor_data"]
    assert document["dns"]["nameservers"] == [str(CONFIG.gateway)]
    (public,), (private,) = document["interfaces"]["public"], document["interfaces"]["private"]
    assert public["ipv4"] == {
        "ip_address": str(ONE.public.address),
        "netmask": "255.255.240.0",
        "gateway": str(CONFIG.gateway),
    }
    assert (private["mac"], private["type"], private["ipv4"]["ip_address"]) == (
        "02:00:00:00:01:01",
        "private",
        "10.10.0.2",
    )


def test_a_droplet_is_identified_by_either_address() -> None:
    assert get("/metadata/v1/hostname", TWO.public.address) == (200, "worker02nyc3")
    assert get("/metadata/v1/hostname", TWO.private.address) == (200, "worker02nyc3")


def test_an_unknown_source_gets_404() -> None:
    for path in ("/metadata/v1.json", "/metadata/v1/", "/metadata/v1/user-data"):
        assert get(path, CONFIG.host_address)[0] == 404


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("id", "1"),
        ("user-data", ONE.user_data),
        ("public-keys", "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two"),
        ("interfaces/", "private/\npublic/"),
        ("interfaces/public/0/ipv4/ip_address", None),
        ("interfaces/public/0/ipv4/address", str(ONE.public.address)),
        ("interfaces/private/0/mac", "02:00:00:00:01:01"),
        ("dns/nameservers", str(CONFIG.gateway)),
        ("floating_ip/ipv4/active", "false"),
        ("reserved_ip/ipv4/", "active"),
        ("reserved_ip/ipv4/ip_address", None),
        ("interfaces/public/0/anchor_ipv4/address", "10.229.0.17"),
        ("interfaces/public/0/anchor_ipv4/netmask", "255.255.0.0"),
        ("interfaces/public/0/anchor_ipv4/gateway", "10.229.0.1"),
        ("tags/", "a\nb:c"),
        ("features/", "dhcp_enabled"),
        ("nothing", None),
        ("id/", None),
    ],
)
def test_the_tree_has_one_value_per_path(path: str, text: str | None) -> None:
    assert get(f"/metadata/v1/{path}") == ((200, text) if text is not None else (404, "not found"))


def test_every_name_in_an_index_can_be_read() -> None:
    found = ["/metadata/v1/"]
    for path in found:
        status, text = get(path)
        assert status == 200, path
        found += [path + name for name in text.splitlines() if path.endswith("/")]
    assert "/metadata/v1/interfaces/private/0/ipv4/netmask" in found


def test_a_droplet_sees_its_reserved_ip() -> None:
    address = CONFIG.public_network[99]
    network_state = NetworkState(droplets=[ONE.model_copy(update={"reserved_ip": address}), TWO])

    def ask(source: IPv4Address, path: str) -> str:
        return metadata.respond(CONFIG, network_state, source, f"/metadata/v1{path}")[2]

    for name in ("reserved_ip", "floating_ip"):
        assert ask(ONE.public.address, f"/{name}/ipv4/") == "active\nip_address"
        assert ask(ONE.public.address, f"/{name}/ipv4/active") == "true"
        assert ask(ONE.anchor.ip, f"/{name}/ipv4/ip_address") == str(address)
        assert json.loads(ask(ONE.public.address, ".json"))[name] == {
            "ipv4": {"active": True, "ip_address": str(address)}
        }
        assert json.loads(ask(TWO.public.address, ".json"))[name] == {"ipv4": {"active": False}}
    assert ask(TWO.anchor.ip, "/id") == "not found"


def test_a_directory_without_a_slash_is_redirected() -> None:
    assert get("/metadata/v1") == (301, "/metadata/v1/")
    assert get("/metadata/v1/interfaces") == (301, "/metadata/v1/interfaces/")


def test_a_network_state_written_within_one_tick_of_the_clock_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    CONFIG.directory.mkdir(parents=True)
    file, read = CONFIG.directory / "network_state.json", NetworkStateFile(CONFIG)
    for network_state in (NetworkState(), NETWORK_STATE):
        file.write_text(network_state.model_dump_json())
        os.utime(file, ns=(0, 0))
        assert read.current() == network_state


def test_http_responses_follow_the_network_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path))
    CONFIG.directory.mkdir(parents=True)
    file = CONFIG.directory / "network_state.json"
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), metadata.create_handler(CONFIG, NetworkStateFile(CONFIG))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        try:
            responses = []
            for network_state in (
                None,
                NetworkState(droplets=[droplet(7, IPv4Address("127.0.0.1"))]),
                NetworkState(),
            ):
                if network_state:
                    new = file.with_suffix(".new")
                    new.write_text(network_state.model_dump_json())
                    new.replace(file)
                connection.request("GET", "/metadata/v1/id")
                answer = connection.getresponse()
                responses.append((answer.status, answer.read()))
            assert responses == [(404, b"not found"), (200, b"7"), (404, b"not found")]
            connection.request("GET", "/metadata/v1")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404
        finally:
            connection.close()
            server.shutdown()
            thread.join()
