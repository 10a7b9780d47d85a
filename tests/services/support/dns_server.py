"""A DNS server on loopback that answers SRV questions as Consul does."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Records:
    """What the server knows: service -> (address, port) of its instances."""

    services: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    additional: bool = True
    """Whether the targets' addresses come along, or must be asked for."""
    asked: list[str] = field(default_factory=list)
    lost: int = 0
    """How many questions stay without an answer."""
    failing: int = 0
    """How many questions are answered with SERVFAIL first."""

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name = question.name.to_text()
        self.asked.append(f"{name} {dns.rdatatype.to_text(question.rdtype)}")
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        if self.failing:
            self.failing -= 1
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        found = self.services.get(name.removesuffix(".service.consul."), [])
        hosts = {f"i{number}.addr.consul.": place for number, place in enumerate(found)}
        if question.rdtype == dns.rdatatype.SRV and found:
            records = [f"1 1 {port} {host}" for host, (_, port) in hosts.items()]
            reply.answer.append(dns.rrset.from_text(name, 0, "IN", "SRV", *records))
            if self.additional:
                reply.additional += [
                    dns.rrset.from_text(host, 0, "IN", "A", address)
                    for host, (address, _) in hosts.items()
                ]
        elif question.rdtype == dns.rdatatype.A and name.endswith(".addr.consul."):
            everywhere = {
                f"i{n}.addr.consul.": place
                for places in self.services.values()
                for n, place in enumerate(places)
            }
            reply.answer.append(dns.rrset.from_text(name, 0, "IN", "A", everywhere[name][0]))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@contextmanager
def consul_dns(records: Records) -> Iterator[str]:
    """Serve ``records``; gives the server's address and port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if records.lost:
                records.lost -= 1
                return
            sock.sendto(records.answer(dns.message.from_wire(data)).to_wire(), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
