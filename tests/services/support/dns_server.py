"""A DNS server on loopback that answers SRV queries like Consul."""

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
    """The records of the server, and the queries that it received."""

    services: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Address and port of each instance, by service."""
    additional: bool = True
    """Whether an SRV reply contains the addresses of its targets."""
    queries: list[str] = field(default_factory=list)
    dropped: int = 0
    """How many of the next queries get no reply."""
    servfails: int = 0
    """How many of the next queries get SERVFAIL."""

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name = question.name.to_text()
        self.queries.append(f"{name} {dns.rdatatype.to_text(question.rdtype)}")
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        if self.servfails:
            self.servfails -= 1
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        instances = self.services.get(name.removesuffix(".service.consul."), [])
        hosts = {f"i{number}.addr.consul.": address for number, address in enumerate(instances)}
        if question.rdtype == dns.rdatatype.SRV and instances:
            records = [f"1 1 {port} {host}" for host, (_, port) in hosts.items()]
            reply.answer.append(dns.rrset.from_text(name, 0, "IN", "SRV", *records))
            if self.additional:
                reply.additional += [
                    dns.rrset.from_text(host, 0, "IN", "A", address)
                    for host, (address, _) in hosts.items()
                ]
        elif question.rdtype == dns.rdatatype.A and name.endswith(".addr.consul."):
            all_hosts = {
                f"i{n}.addr.consul.": address
                for addresses in self.services.values()
                for n, address in enumerate(addresses)
            }
            reply.answer.append(dns.rrset.from_text(name, 0, "IN", "A", all_hosts[name][0]))
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@contextmanager
def consul_dns(records: Records) -> Iterator[str]:
    """Serve ``records``, and yield the server's address and port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if records.dropped:
                records.dropped -= 1
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
