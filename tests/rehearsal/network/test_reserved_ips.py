"""Reserved addresses between namespaces: they lead to the droplet they point to, at once after a move, and nowhere else."""

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
            self.wfile.write(f"{sys.argv[1]} {self.client_address[0]} {self.connection.getsockname()[0]}".encode())
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(f"{sys.argv[1]} {self.client_address[0]} {sys.argv[2]}".encode(), self.client_address)
kind = {"tcp": (socketserver.ThreadingTCPServer, Tcp), "udp": (socketserver.ThreadingUDPServer, Udp)}[sys.argv[3]]
kind[0]((sys.argv[2], 80), kind[1]).serve_forever()
"""
"""Answers with its name, the client's address and the address that the client's packets came to."""

CLIENT = """
import socket, sys
kind, address, source = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as client:
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
"""Asks once for each line that it is given, over one connection."""

Point = Callable[..., None]
EMPTY: Mapping[int, IPv4Address] = {}


class Clients:
    """Who asks the reserved address of a small cloud."""

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

    def ask(
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
def point(clients: Clients) -> Iterator[Point]:
    """Let the reserved address point to a droplet, or nowhere, as the network keeper would."""
    cloud = clients.cloud

    def make(
        to: MachineSpec | None,
        firewalled: Sequence[DropletFirewall] = (),
        also: Mapping[int, IPv4Address] = EMPTY,
    ) -> None:
        where = {**also, to.id: clients.address} if to else also
        droplets = [
            droplet.model_copy(update={"reserved_ip": where.get(droplet.id)})
            for droplet in cloud.droplets
        ]
        edge = {
            (bridges.PUBLIC_BRIDGE, cloud.balancer_public, 32),
            (bridges.vpc_bridge_name(VPC.id), BALANCER_PRIVATE, 32),
        }
        edge |= {(bridges.PUBLIC_BRIDGE, address, 32) for address in where.values()}
        asyncio.run(bridges.sync_addresses(cloud.config, edge))
        asyncio.run(
            firewalls.apply(
                cloud.config,
                NetworkState(droplets=droplets, networks=[VPC], droplet_firewalls=list(firewalled)),
            )
        )

    yield make
    make(None)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_it_leads_to_its_droplet_from_outside_and_from_other_droplets(
    clients: Clients, point: Point, kind: str
) -> None:
    one, two, _ = clients.cloud.droplets
    point(two)
    for place, source in (
        (clients.cloud.place(None), clients.cloud.config.host_address),
        (clients.cloud.place(one), one.public.address),
    ):
        assert clients.ask(place, kind=kind) == f"droplet2 {source} {two.anchor.ip}"
    assert clients.cloud.pings(clients.cloud.place(None), clients.address)
    assert (
        clients.ask(clients.cloud.place(None), two.public.address, kind)
        == f"droplet2 {clients.cloud.config.host_address} {two.public.address}"
    )


def test_a_droplet_that_speaks_from_its_anchor_address_is_seen_at_the_reserved_one(
    clients: Clients, point: Point
) -> None:
    one, two, _ = clients.cloud.droplets
    point(two)
    anchor = str(two.anchor.ip)
    place = clients.cloud.place(two)
    assert (
        clients.ask(place, one.public.address, source=anchor)
        == f"droplet1 {clients.address} {one.public.address}"
    )
    assert clients.ask(place, clients.cloud.config.spaces_address, source=anchor).startswith(
        "spaces"
    )
    assert (
        clients.ask(place, one.public.address)
        == f"droplet1 {two.public.address} {one.public.address}"
    )


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_droplet_reaches_its_own(clients: Clients, point: Point, kind: str) -> None:
    two = clients.cloud.droplets[1]
    place = clients.cloud.place(two)
    point(two)
    assert clients.ask(place, kind=kind) == f"droplet2 {clients.address} {two.anchor.ip}"
    rule = FirewallRule(
        protocol="tcp", ports="80", peers=[IPv4Network(clients.cloud.config.host_address)]
    )
    point(
        two,
        [
            DropletFirewall(
                droplet_id=two.id, addresses=[two.public.address], inbound=[rule], outbound=[rule]
            )
        ],
    )
    assert clients.ask(place, kind=kind) == "TimeoutError"


def test_two_droplets_speak_from_one_reserved_address_to_another(
    clients: Clients, point: Point
) -> None:
    one, two, _ = clients.cloud.droplets
    other = clients.cloud.config.public_network[41]
    point(two, also={one.id: other})
    assert (
        clients.ask(clients.cloud.place(one), source=str(one.anchor.ip))
        == f"droplet2 {other} {two.anchor.ip}"
    )


def test_after_a_move_new_connections_reach_the_other_droplet_and_old_ones_end(
    clients: Clients, point: Point
) -> None:
    one, two, _ = clients.cloud.droplets
    point(one)
    with clients.start("tcp", clients.cloud.place(None), clients.address) as held:
        assert held.stdin and held.stdout
        held.stdin.write("\n")
        held.stdin.flush()
        assert held.stdout.readline().startswith("droplet1")
        point(two)
        assert clients.ask(clients.cloud.place(None)).startswith("droplet2")
        assert held.communicate("\n", timeout=10)[0].strip() == "ConnectionResetError"
    point(one)
    assert clients.ask(clients.cloud.place(None)).startswith("droplet1")


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_nobody_answers_when_it_points_nowhere(clients: Clients, point: Point, kind: str) -> None:
    one, two, _ = clients.cloud.droplets
    point(two)
    assert clients.ask(clients.cloud.place(one), kind=kind).startswith("droplet2")
    point(None)
    for place in (clients.cloud.place(None), clients.cloud.place(one)):
        assert clients.ask(place, kind=kind) in ("TimeoutError", "OSError")
    assert not clients.cloud.pings(clients.cloud.place(None), clients.address)


def test_an_anchor_address_is_reached_through_the_reserved_one_only(
    clients: Clients, point: Point
) -> None:
    one, two, _ = clients.cloud.droplets
    point(two)
    assert (
        clients.ask(clients.cloud.place(one), two.anchor.ip, source=str(one.public.address))
        == "TimeoutError"
    )
    assert clients.ask(clients.cloud.place(one), two.anchor.ip) in ("TimeoutError", "OSError")
    point(None)
    assert clients.ask(clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)) in (
        "TimeoutError",
        "OSError",
    )


def test_nobody_else_speaks_from_it(clients: Clients, point: Point) -> None:
    one, two, three = clients.cloud.droplets
    point(two)
    place = clients.cloud.place(three)
    for address in (clients.address, two.anchor.ip):
        run("ip", "-n", place, "address", "add", f"{address}/32", "dev", "eth0")
        try:
            assert clients.ask(place, one.public.address, source=str(address)) in (
                "TimeoutError",
                "OSError",
            )
        finally:
            run("ip", "-n", place, "address", "del", f"{address}/32", "dev", "eth0")


def test_the_droplets_firewall_applies(clients: Clients, point: Point) -> None:
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

    point(two, guarded(tcp(host), []))
    assert clients.ask(clients.cloud.place(None)).startswith("droplet2")
    assert clients.ask(clients.cloud.place(one)) == "TimeoutError"
    assert (
        clients.ask(clients.cloud.place(two), one.public.address, source=str(two.anchor.ip))
        == "TimeoutError"
    )
    point(two, guarded([], tcp(one.public.address)))
    assert clients.ask(clients.cloud.place(None)) == "TimeoutError"
    assert clients.ask(
        clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)
    ).startswith("droplet1")
    point(three, guarded([], []))
    assert clients.ask(clients.cloud.place(None)).startswith("droplet3")


def test_a_rule_may_name_a_reserved_address(clients: Clients, point: Point) -> None:
    one, two, _ = clients.cloud.droplets
    rule = FirewallRule(protocol="tcp", ports="80", peers=[IPv4Network(clients.address)])
    point(
        two,
        [
            DropletFirewall(
                droplet_id=one.id, addresses=[one.public.address], inbound=[rule], outbound=[rule]
            )
        ],
    )
    assert clients.ask(
        clients.cloud.place(two), one.public.address, source=str(two.anchor.ip)
    ).startswith("droplet1")
    assert clients.ask(clients.cloud.place(two), one.public.address) == "TimeoutError"
    assert clients.ask(clients.cloud.place(one)).startswith("droplet2")
    assert clients.ask(clients.cloud.place(one), two.public.address) == "TimeoutError"


def test_it_works_with_the_way_out_through_the_anchor_gateway(
    clients: Clients, point: Point
) -> None:
    """As the documentation has it for traffic that is to leave from the reserved address."""
    two = clients.cloud.droplets[1]
    point(two)
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


def stored(clients: Clients, file: Path) -> Database:
    """A store in which the small cloud's droplets are, and the reserved address, which points nowhere."""
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
                    id=spec.id, name=spec.name, region="nyc3", size="s-1vcpu-1gb", disk=25, image=stock_record(STOCK_IMAGES[0]), vpc_id=VPC.id,
                    public_ip=spec.public.address, private_ip=spec.private.address, status=DropletStatus.ACTIVE, pending_action_id=None, created_at="",
                    features=[], tags=[], user_data="", public_keys=[],
                )
            )  # fmt: skip
    assert (
        build_machine_spec(store, config, store.all(Droplet)[0]).public.mac
        == clients.cloud.droplets[0].public.mac
    )
    return database


def reconcile(clients: Clients, database: Database, to: MachineSpec | None) -> None:
    """As an API that has just started and is then asked to point the address somewhere."""

    async def start_and_move() -> None:
        keeper = NetworkReconciler(
            clients.cloud.config, database, NspawnMachines(clients.cloud.config)
        )
        await keeper.reconcile()
        store = database.store_for(DEFAULT_ACCOUNT)
        with store.transaction():
            (address,) = store.all(ReservedIp)
            store.put(address.model_copy(update={"droplet_id": to.id if to else None}))
        await keeper.reconcile()

    asyncio.run(start_and_move())


def network_of(clients: Clients) -> tuple[str, set[tuple[str, IPv4Address, int]]]:
    rules = run("ip", "netns", "exec", clients.cloud.config.netns, "nft", "list", "ruleset")
    return rules, asyncio.run(bridges.list_addresses(clients.cloud.config))


def test_the_keeper_of_an_api_that_starts_again_finds_the_address_where_it_was(
    clients: Clients, point: Point, tmp_path: Path
) -> None:
    _, two, three = clients.cloud.droplets
    file, place = tmp_path / "cloud.db", clients.cloud.place(None)
    database = stored(clients, file)
    reconcile(clients, database, two)
    database.close()
    before = network_of(clients)
    with clients.start("tcp", place, clients.address) as held:
        assert held.stdin and held.stdout
        held.stdin.write("\n")
        held.stdin.flush()
        assert held.stdout.readline().startswith("droplet2")
        for _ in range(2):
            database = Database(file)
            reconcile(clients, database, two)
            database.close()
            assert network_of(clients) == before
        assert held.communicate("\n", timeout=10)[0].startswith("droplet2"), (
            "the connection outlives the API"
        )
    database = Database(file)
    reconcile(clients, database, three)
    assert clients.ask(place).startswith("droplet3")
    reconcile(clients, database, None)
    assert clients.ask(place) in ("TimeoutError", "OSError")
    database.close()
