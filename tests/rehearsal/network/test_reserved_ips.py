"""Reserved IPs between namespaces: packets reach only the assigned droplet, also after a move."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from rehearsal.catalog.images import STOCK_IMAGES
from rehearsal.machines.nspawn import NspawnMachines
from rehearsal.network import bridges, firewalls
from rehearsal.resources.images.service import stock_record
from rehearsal.state.accounts import DEFAULT_ACCOUNT
from rehearsal.state.records import Droplet, ReservedIp, Vpc
from rehearsal.state.states import DropletStatus
from rehearsal.state.store import Database
from rehearsal.topology.network_reconciler import NetworkReconciler
from rehearsal.topology.network_state import build_machine_spec
from rehearsal.topology.protocol import (
    ANCHOR_NETWORK,
    DropletFirewall,
    FirewallRule,
    MachineSpec,
    NetworkState,
)
from tests.rehearsal.support.small_cloud import BALANCER_PRIVATE, VPC, SmallCloud, run, small_cloud

SERVER = """
import socket, socketserver, sys
class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            address = self.connection.getsockname()[0]
            self.wfile.write(f"{sys.argv[1]} {self.client_address[0]} {address}".encode())
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        reply = f"{sys.argv[1]} {self.client_address[0]} {sys.argv[2]}".encode()
        self.request[1].sendto(reply, self.client_address)
server, handler = {
    "tcp": (socketserver.ThreadingTCPServer, Tcp),
    "udp": (socketserver.ThreadingUDPServer, Udp),
}[sys.argv[3]]
server((sys.argv[2], 80), handler).serve_forever()
"""
"""Replies with its name, the source and the destination address of a request."""

CLIENT = """
import socket, sys
kind, address, source = sys.argv[1:]
type_ = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET, type_) as client:
    client.settimeout(1)
    client.bind((source, 0))
    try:
        client.connect((address, 80))
        for _ in sys.stdin:
            client.sendall(b"who?" + b" " * 1000 + b"\\n")
            print(client.recv(2000).decode(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
"""Sends a request for each input line over one connection."""

Assign = Callable[..., None]
EMPTY: Mapping[int, IPv4Address] = {}


class Clients:
    """Clients of the reserved IP of a small cloud."""

    def __init__(self, cloud: SmallCloud) -> None:
        self.cloud = cloud
        self.address = cloud.config.public_network[40]

    def start(
        self, kind: str, place: str, address: IPv4Address, source: str = ""
    ) -> "subprocess.Popen[str]":
        command = [
            "ip",
            "netns",
            "exec",
            place,
            "python3",
            "-c",
            CLIENT,
            kind,
            str(address),
            source,
        ]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def request(
        self, place: str, address: IPv4Address | None = None, kind: str = "tcp", source: str = ""
    ) -> str:
        with self.start(kind, place, address or self.address, source) as client:
            return client.communicate("\n", timeout=10)[0].strip()


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    state: Path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE", str(state))
        with small_cloud(state) as cloud:
            for droplet in cloud.droplets:
                place = cloud.place(droplet)
                cloud.start(place, "python3", "-c", SERVER, droplet.name, "0.0.0.0", "tcp")
                for address in (droplet.anchor.ip, droplet.public.address):
                    cloud.start(place, "python3", "-c", SERVER, droplet.name, str(address), "udp")
            cloud.start(
                cloud.config.netns,
                "python3",
                "-c",
                SERVER,
                "spaces",
                str(cloud.config.spaces_address),
                "tcp",
            )
            cloud.wait_listening(cloud.config.netns, 80)
            for droplet in cloud.droplets:
                cloud.wait_listening(cloud.place(droplet), 80)
            yield Clients(cloud)


@pytest.fixture
def assign(clients: Clients) -> Iterator[Assign]:
    """Assign the reserved IP to a droplet or to none, like the network reconciler."""
    cloud = clients.cloud

    def apply(
        to: MachineSpec | None,
        firewalled: Sequence[DropletFirewall] = (),
        others: Mapping[int, IPv4Address] = EMPTY,
    ) -> None:
        assigned = {**others, to.id: clients.address} if to else others
        droplets = [
            droplet.model_copy(update={"reserved_ip": assigned.get(droplet.id)})
            for droplet in cloud.droplets
        ]
        edge = {
            (bridges.PUBLIC_BRIDGE, cloud.balancer_public, 32),
            (bridges.vpc_bridge_name(VPC.id), BALANCER_PRIVATE, 32),
        }
        edge |= {(bridges.PUBLIC_BRIDGE, address, 32) for address in assigned.values()}
        asyncio.run(bridges.sync_addresses(cloud.config, edge))
        asyncio.run(
            firewalls.apply(
                cloud.config,
                NetworkState(droplets=droplets, networks=[VPC], droplet_firewalls=list(firewalled)),
            )
        )

    yield apply
    apply(None)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_the_host_and_other_droplets_reach_the_assigned_droplet(
    clients: Clients, assign: Assign, kind: str
) -> None:
    one, two, _ = clients.cloud.droplets
    assign(two)
    for place, source in (
        (clients.cloud.place(None), clients.cloud.config.host_address),
        (clients.cloud.place(one), one.public.address),
    ):
        assert clients.request(place, kind=kind) == f"droplet2 {source} {two.anchor.ip}"
    assert clients.cloud.pings(clients.cloud.place(None), clients.address)
    assert (
        clients.request(clients.cloud.place(None), two.public.address, kind)
        == f"droplet2 {clients.cloud.config.host_address} {two.public.address}"
    )


def test_packets_from_the_anchor_address_come_from_the_reserved_ip(
    clients: Clients, assign: Assign
) -> None:
    one, two, _ = clients.cloud.droplets
    assign(two)
    anchor = str(two.anchor.ip)
    place = clients.cloud.place(two)
    assert (
        clients.request(place, one.public.address, source=anchor)
        == f"droplet1 {clients.address} {one.public.address}"
    )
    assert clients.request(place, clients.cloud.config.spaces_address, source=anchor).startswith(
        "spaces"
    )
    assert (
        clients.request(place, one.public.address)
        == f"droplet1 {two.public.address} {one.public.address}"
    )


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_droplet_reaches_its_own_reserved_ip(clients: Clients, assign: Assign, kind: str) -> None:
    two = clients.cloud.droplets[1]
    place = clients.cloud.place(two)
    assign(two)
    assert clients.request(place, kind=kind) == f"droplet2 {clients.address} {two.anchor.ip}"
    rule = FirewallRule(
        protocol="tcp", ports="80", peers=[IPv4Network(clients.cloud.config.host_address)]
    )
    assign(
        two,
        [
            DropletFirewall(
                droplet_id=two.id, addresses=[two.public.address], inbound=[rule], outbound=[rule]
            )
        ],
    )
    assert clients.request(place, kind=kind) == "TimeoutError"


def test_two_droplets_connect_through_their_reserved_ips(clients: Clients, assign: Assign) -> None:
    one, two, _ = clients.cloud.droplets
    other = clients.cloud.config.public_network[41]
    assign(two, others={one.id: other})
    assert (
        clients.request(clients.cloud.place(one), source=str(one.anchor.ip))
        == f"droplet2 {other} {two.anchor.ip}"
    )


def test_a_move_redirects_new_connections_and_breaks_old_ones(
    clients: Clients, assign: Assign
) -> None:
    one, two, _ = clients.cloud.droplets
    assign(one)
    with clients.start("tcp", clients.cloud.place(None), clients.address) as connection:
        assert connection.stdin and connection.stdout
        connection.stdin.write("\n")
        connection.stdin.flush()
        assert connection.stdout.readline().startswith("droplet1")
        assign(two)
        assert clients.request(clients.cloud.place(None)).startswith("droplet2")
        assert connection.communicate("\n", timeout=10)[0].strip() == "ConnectionResetError"
    assign(one)
    assert clients.request(clients.cloud.place(None)).startswith("droplet1")


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_an_unassigned_reserved_ip_does_not_answer(
    clients: Clients, assign: Assign, kind: str
) -> None:
    one, two, _ = clients.cloud.droplets
    assign(two)
    assert clients.request(clients.cloud.place(one), kind=kind).startswith("droplet2")
    assign(None)
    for place in (clients.cloud.place(None), clients.cloud.place(one)):
        assert clients.request(place, kind=kind) in ("TimeoutError", "OSError")
    assert not clients.cloud.pings(clients.cloud.place(None), clients.address)


def test_an_anchor_address_is_only_reachable_through_the_reserved_ip(
    clients: Clients, assign: Assign
) -> None:
    one, two, _ = clients.cloud.droplets
    assign(two)
    assert (
        clients.request(clients.cloud.place(one), two.anchor.ip, source=str(one.public.address))
        == "TimeoutError"
    )
    assert clients.request(clients.cloud.place(one), two.anchor.ip) in ("TimeoutError", "OSError")
    assign(None)
    assert clients.request(
        clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)
    ) in (
        "TimeoutError",
        "OSError",
    )


def test_other_droplets_cannot_use_the_reserved_ip_as_source(
    clients: Clients, assign: Assign
) -> None:
    one, two, three = clients.cloud.droplets
    assign(two)
    place = clients.cloud.place(three)
    for address in (clients.address, two.anchor.ip):
        run("ip", "-n", place, "address", "add", f"{address}/32", "dev", "eth0")
        try:
            assert clients.request(place, one.public.address, source=str(address)) in (
                "TimeoutError",
                "OSError",
            )
        finally:
            run("ip", "-n", place, "address", "del", f"{address}/32", "dev", "eth0")


def test_the_droplets_firewall_applies_to_the_reserved_ip(clients: Clients, assign: Assign) -> None:
    one, two, three = clients.cloud.droplets
    host = clients.cloud.config.host_address
    addresses = [two.public.address, two.private.address]

    def guarded(inbound: list[FirewallRule], outbound: list[FirewallRule]) -> list[DropletFirewall]:
        return [
            DropletFirewall(
                droplet_id=two.id, addresses=addresses, inbound=inbound, outbound=outbound
            )
        ]

    def tcp(*peers: IPv4Address) -> list[FirewallRule]:
        return [
            FirewallRule(protocol="tcp", ports="80", peers=[IPv4Network(peer) for peer in peers])
        ]

    assign(two, guarded(tcp(host), []))
    assert clients.request(clients.cloud.place(None)).startswith("droplet2")
    assert clients.request(clients.cloud.place(one)) == "TimeoutError"
    assert (
        clients.request(clients.cloud.place(two), one.public.address, source=str(two.anchor.ip))
        == "TimeoutError"
    )
    assign(two, guarded([], tcp(one.public.address)))
    assert clients.request(clients.cloud.place(None)) == "TimeoutError"
    assert clients.request(
        clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)
    ).startswith("droplet1")
    assign(three, guarded([], []))
    assert clients.request(clients.cloud.place(None)).startswith("droplet3")


def test_a_firewall_rule_can_contain_a_reserved_ip(clients: Clients, assign: Assign) -> None:
    one, two, _ = clients.cloud.droplets
    rule = FirewallRule(protocol="tcp", ports="80", peers=[IPv4Network(clients.address)])
    assign(
        two,
        [
            DropletFirewall(
                droplet_id=one.id, addresses=[one.public.address], inbound=[rule], outbound=[rule]
            )
        ],
    )
    assert clients.request(
        clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)
    ).startswith("droplet1")
    assert clients.request(clients.cloud.place(two), one.public.address) == "TimeoutError"
    assert clients.request(clients.cloud.place(one)).startswith("droplet2")
    assert clients.request(clients.cloud.place(one), two.public.address) == "TimeoutError"


def test_the_anchor_gateway_can_be_the_default_route(clients: Clients, assign: Assign) -> None:
    """DigitalOcean documents this route for traffic from the reserved IP."""
    two = clients.cloud.droplets[1]
    assign(two)
    place = clients.cloud.place(two)
    run(
        "ip",
        "-n",
        place,
        "route",
        "change",
        "default",
        "via",
        str(ANCHOR_NETWORK[1]),
        "dev",
        "eth0",
    )
    try:
        route = run("ip", "-n", place, "route", "get", str(bridges.METADATA_ADDRESS))
        assert f"via {ANCHOR_NETWORK[1]} dev eth0 src {two.anchor.ip}" in route
        assert clients.cloud.pings(place, bridges.METADATA_ADDRESS)
    finally:
        run(
            "ip",
            "-n",
            place,
            "route",
            "change",
            "default",
            "via",
            str(clients.cloud.config.gateway),
            "dev",
            "eth0",
        )


def create_database(clients: Clients, file: Path) -> Database:
    """Return a database with the small cloud's droplets and the unassigned reserved IP."""
    database = Database(file)
    store, config = database.store_for(DEFAULT_ACCOUNT), clients.cloud.config
    with store.transaction():
        store.put(
            Vpc(
                id=VPC.id,
                name="vpc",
                description="",
                region="nyc3",
                ip_range=VPC.range,
                is_default=True,
                created_at="",
            )
        )
        store.put(
            ReservedIp(
                id=str(clients.address),
                region="nyc3",
                droplet_id=None,
                pending_action_id=None,
                created_at="",
            )
        )
        for spec in clients.cloud.droplets:
            store.put(
                Droplet(
                    id=spec.id,
                    name=spec.name,
                    region="nyc3",
                    size="s-1vcpu-1gb",
                    disk=25,
                    image=stock_record(STOCK_IMAGES[0]),
                    vpc_id=VPC.id,
                    public_ip=spec.public.address,
                    private_ip=spec.private.address,
                    status=DropletStatus.ACTIVE,
                    pending_action_id=None,
                    created_at="",
                    features=[],
                    tags=[],
                    user_data="",
                    public_keys=[],
                )
            )
    assert (
        build_machine_spec(store, config, store.all(Droplet)[0]).public.mac
        == clients.cloud.droplets[0].public.mac
    )
    return database


def reconcile(clients: Clients, database: Database, to: MachineSpec | None) -> None:
    """Reconcile like an API that starts, then assign the reserved IP."""

    async def start_and_move() -> None:
        reconciler = NetworkReconciler(
            clients.cloud.config, database, NspawnMachines(clients.cloud.config)
        )
        await reconciler.reconcile()
        store = database.store_for(DEFAULT_ACCOUNT)
        with store.transaction():
            (address,) = store.all(ReservedIp)
            store.put(address.model_copy(update={"droplet_id": to.id if to else None}))
        await reconciler.reconcile()

    asyncio.run(start_and_move())


def read_network(clients: Clients) -> tuple[str, set[tuple[str, IPv4Address, int]]]:
    rules = run("ip", "netns", "exec", clients.cloud.config.netns, "nft", "list", "ruleset")
    return rules, asyncio.run(bridges.list_addresses(clients.cloud.config))


def test_a_restarted_api_keeps_the_assignment(
    clients: Clients, assign: Assign, tmp_path: Path
) -> None:
    _, two, three = clients.cloud.droplets
    file, place = tmp_path / "cloud.db", clients.cloud.place(None)
    database = create_database(clients, file)
    reconcile(clients, database, two)
    database.close()
    before = read_network(clients)
    with clients.start("tcp", place, clients.address) as connection:
        assert connection.stdin and connection.stdout
        connection.stdin.write("\n")
        connection.stdin.flush()
        assert connection.stdout.readline().startswith("droplet2")
        for _ in range(2):
            database = Database(file)
            reconcile(clients, database, two)
            database.close()
            assert read_network(clients) == before
        assert connection.communicate("\n", timeout=10)[0].startswith("droplet2"), (
            "the connection outlives the API"
        )
    database = Database(file)
    reconcile(clients, database, three)
    assert clients.request(place).startswith("droplet3")
    reconcile(clients, database, None)
    assert clients.request(place) in ("TimeoutError", "OSError")
    database.close()
