"""The cloud's DNS, at the gateway: its own names, its accounts' domains, and a quick no to all others. Nobody else is asked."""

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
from rehearsal.network.dns_answers import Found, Zones
from rehearsal.topology.protocol import NetworkState
from rehearsal.topology.zones import NAMESERVERS

TTL = 60
LARGEST = 4096
"""Bytes of a query, and of an answer by UDP to those who take so much."""
LARGEST_STREAMED = 65535
PLAIN = 512
"""Bytes of an answer by UDP to those who do not say what they take."""
LONGEST_CHAIN = 16
"""Aliases that are followed; a loop of them has no end."""
TRANSFERS = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)


def address(config: CloudConfig, name: str) -> IPv4Address | None:
    """The address of one of the cloud's own names, which has no dot at its end; None if the cloud has no such name."""
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
    """Answers queries from the fabric as it is at each."""

    def __init__(self, config: CloudConfig, network_state: Callable[[], NetworkState]) -> None:
        self._config = config
        self._fabric = network_state
        self._known = (NetworkState(), Zones([]))

    def respond(self, wire: bytes, streamed: bool = False) -> bytes | None:
        """The answer to one query, cut to what fits; None if it is not a query at all."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True, our_payload=LARGEST)
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif (
            query.question[0].rdclass != dns.rdataclass.IN or query.question[0].rdtype in TRANSFERS
        ):
            response.set_rcode(dns.rcode.REFUSED)
        else:
            self._fill(response, query.question[0].name, query.question[0].rdtype)
        fits = LARGEST_STREAMED if streamed else min(LARGEST, max(PLAIN, query.payload))
        return response.to_wire(max_size=fits, prefer_truncation=True)

    def _fill(
        self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> None:
        for _ in range(LONGEST_CHAIN):
            found = self._look(name, kind)
            if found is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return
            if found.authoritative and not response.answer:
                response.flags |= dns.flags.AA
            response.answer += found.answer
            response.authority += found.authority
            if found.alias is None:
                response.set_rcode(dns.rcode.NOERROR if found.exists else dns.rcode.NXDOMAIN)
                return
            name = found.alias
        response.answer.clear()
        response.set_rcode(dns.rcode.SERVFAIL)

    def _look(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found | None:
        """What is known of a name; None if it is nobody's."""
        own = address(self._config, name.to_text(omit_final_dot=True))
        if own is None:
            return self._zones().look(name, kind)
        if kind in (dns.rdatatype.A, dns.rdatatype.ANY):
            return Found(answer=[dns.rrset.from_text(name, TTL, "IN", "A", str(own))])
        return Found()

    def _zones(self) -> Zones:
        network_state, zones = self._known
        current = self._fabric()
        if current is not network_state:
            zones = Zones(current.zones)
            self._known = (current, zones)
        return zones


def servers(
    responder: Responder, where: IPv4Address, port: int = 53
) -> list[socketserver.TCPServer]:
    """A UDP and a TCP server on one port, any that is free if it is 0; both are bound."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, reply_to = self.request
            answer = responder.respond(wire)
            if answer is not None:
                reply_to.sendto(answer, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            while len(prefix := self.rfile.read(2)) == 2:
                (length,) = struct.unpack("!H", prefix)
                answer = responder.respond(self.rfile.read(min(length, LARGEST)), streamed=True)
                if answer is None:
                    return
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    class Udp(socketserver.UDPServer):
        allow_reuse_address = True
        max_packet_size = LARGEST

    class Tcp(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    datagrams = Udp((str(where), port), Datagram)
    return [datagrams, Tcp(datagrams.server_address, Stream)]
