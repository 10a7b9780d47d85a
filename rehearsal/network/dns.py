"""The cloud's DNS server, at the gateway: the cloud's own names and its accounts' domains.

It forwards no query; all other names get NXDOMAIN.
"""

import socketserver
import struct
from collections.abc import Callable
from ipaddress import IPv4Address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig
from rehearsal.network.dns_answers import ZoneAnswer, Zones
from rehearsal.topology.protocol import NetworkState
from rehearsal.topology.zones import NAMESERVERS

TTL_S = 60
MAX_UDP_BYTES = 4096
"""The limit for queries, and for responses to clients that announce a larger one (EDNS)."""
MAX_TCP_BYTES = 65535
MIN_UDP_BYTES = 512
"""The limit for responses to clients that announce none."""
MAX_ALIASES = 16
"""How many CNAMEs are followed; they may form a loop."""
TCP_TIMEOUT_S = 10
TRANSFER_TYPES = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)


def own_address(config: CloudConfig, name: str) -> IPv4Address | None:
    """Return the address of a service of the cloud; None if ``name`` is none of its names.

    ``name`` has no dot at its end.
    """
    if name.lower() in NAMESERVERS:
        return config.gateway
    labels = name.lower().removesuffix(f".{config.domain}").split(".")
    if not name.lower().endswith(f".{config.domain}"):
        return None
    if labels == ["releases"]:
        return config.releases_address
    if len(labels) >= 2 and labels[-1] == "spaces" and labels[-2] in SPACES_REGIONS:
        return config.spaces_address
    return None


class Responder:
    """Answers queries from the current network state."""

    def __init__(self, config: CloudConfig, network_state: Callable[[], NetworkState]) -> None:
        self._config = config
        self._network_state = network_state
        self._cached = (NetworkState(), Zones([]))

    def respond(self, wire: bytes, is_tcp: bool = False) -> bytes | None:
        """Return the response to a query, truncated if necessary; None if ``wire`` is no query."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(
            query, recursion_available=True, our_payload=MAX_UDP_BYTES
        )
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif (
            query.question[0].rdclass != dns.rdataclass.IN
            or query.question[0].rdtype in TRANSFER_TYPES
        ):
            response.set_rcode(dns.rcode.REFUSED)
        else:
            self._add_answer(response, query.question[0].name, query.question[0].rdtype)
        udp_bytes = min(MAX_UDP_BYTES, max(MIN_UDP_BYTES, query.payload))
        max_bytes = MAX_TCP_BYTES if is_tcp else udp_bytes
        return response.to_wire(max_size=max_bytes, prefer_truncation=True)

    def _add_answer(
        self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> None:
        for _ in range(MAX_ALIASES):
            answer = self._find(name, kind)
            if answer is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return
            if answer.authoritative and not response.answer:
                response.flags |= dns.flags.AA
            response.answer += answer.records
            response.authority += answer.authority
            if answer.alias is None:
                response.set_rcode(dns.rcode.NOERROR if answer.exists else dns.rcode.NXDOMAIN)
                return
            name = answer.alias
        response.answer.clear()
        response.set_rcode(dns.rcode.SERVFAIL)

    def _find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> ZoneAnswer | None:
        """Return the answer for one name; None if no zone has it."""
        address = own_address(self._config, name.to_text(omit_final_dot=True))
        if address is None:
            return self._zones().find(name, kind)
        if kind in (dns.rdatatype.A, dns.rdatatype.ANY):
            return ZoneAnswer([dns.rrset.from_text(name, TTL_S, "IN", "A", str(address))])
        return ZoneAnswer()

    def _zones(self) -> Zones:
        network_state, zones = self._cached
        current = self._network_state()
        if current is not network_state:
            zones = Zones(current.zones)
            self._cached = (current, zones)
        return zones


def create_servers(
    responder: Responder, address: IPv4Address, port: int = 53
) -> list[socketserver.TCPServer]:
    """Return a UDP and a TCP server, bound to ``port``, or to a free port if it is 0."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, reply_to = self.request
            answer = responder.respond(wire)
            if answer is not None:
                reply_to.sendto(answer, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        timeout = TCP_TIMEOUT_S

        def handle(self) -> None:
            while len(prefix := self.rfile.read(2)) == 2:
                (length,) = struct.unpack("!H", prefix)
                answer = responder.respond(self.rfile.read(min(length, MAX_UDP_BYTES)), is_tcp=True)
                if answer is None:
                    return
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    class Udp(socketserver.UDPServer):
        allow_reuse_address = True
        max_packet_size = MAX_UDP_BYTES

    class Tcp(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    udp = Udp((str(address), port), Datagram)
    return [udp, Tcp(udp.server_address, Stream)]
