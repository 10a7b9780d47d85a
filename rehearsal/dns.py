"""The cloud's DNS, at the gateway: its own names, and a quick no to all others. Nothing is asked of anyone else."""

import socketserver
import struct
from ipaddress import IPv4Address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from rehearsal.config import CloudConfig

TTL = 60
LARGEST = 4096
"""Bytes of a query; none of ours needs more."""

SPACES_REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
"""Where Spaces exists."""


def address(config: CloudConfig, name: str) -> IPv4Address | None:
    """The address of a name, which has no dot at its end; None if the cloud has no such name."""
    labels = name.lower().removesuffix(f".{config.domain}").split(".")
    if not name.lower().endswith(f".{config.domain}"):
        return None
    if labels == ["releases"]:
        return config.releases
    if len(labels) >= 2 and labels[-1] == "spaces" and labels[-2] in SPACES_REGIONS:
        return config.spaces
    return None


def respond(config: CloudConfig, wire: bytes) -> bytes | None:
    """The answer to one query; None if it is not a query at all."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR or len(query.question) != 1:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    found = address(config, question.name.to_text(omit_final_dot=True))
    if found is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    else:
        response.flags |= dns.flags.AA
        if question.rdclass == dns.rdataclass.IN and question.rdtype in (dns.rdatatype.A, dns.rdatatype.ANY):
            response.answer.append(dns.rrset.from_text(question.name, TTL, "IN", "A", str(found)))
    return response.to_wire()


def servers(config: CloudConfig, where: IPv4Address, port: int = 53) -> list[socketserver.TCPServer]:
    """A UDP and a TCP server on one port, any that is free if it is 0; both are bound."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, reply_to = self.request
            answer = respond(config, wire)
            if answer is not None:
                reply_to.sendto(answer, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            while len(prefix := self.rfile.read(2)) == 2:
                (length,) = struct.unpack("!H", prefix)
                answer = respond(config, self.rfile.read(min(length, LARGEST)))
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
