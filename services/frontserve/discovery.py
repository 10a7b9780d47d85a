"""Finds the instances of a service by Consul's DNS."""

import asyncio
import random
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.SRV import SRV

QUERY_TIMEOUT_S = 1.0
MAX_ATTEMPTS = 2
"""How often a query is sent that gets no reply."""
SERVFAIL_TIMEOUT_S = 2.0
"""How long a query is repeated after SERVFAIL, which an agent sends while its tokens change."""
SERVFAIL_RETRY_INTERVAL_S = 0.1


class DiscoveryError(Exception):
    """The instances of a service could not be found; the message says why."""


class NoDnsServerError(DiscoveryError):
    """The DNS server does not answer at all. Consul without a leader does answer, with an error."""


@dataclass(frozen=True, order=True)
class Address:
    """Where one instance listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


async def find_instances(service: str, server: Address) -> list[Address]:
    """Return the healthy instances of ``service`` in a stable order, from the DNS ``server``.

    Consul omits unhealthy instances, and sends the addresses of SRV targets as additional records.

    Raises:
        DiscoveryError: the server does not reply, or replies with an error.
    """
    reply = await _query(f"{service}.service.consul.", dns.rdatatype.SRV, server)
    hosts = {
        str(rrset.name): rdata.address
        for rrset in reply.additional
        for rdata in rrset
        if isinstance(rdata, A)
    }
    instances = set[Address]()
    for srv in (rdata for rrset in reply.answer for rdata in rrset if isinstance(rdata, SRV)):
        target = str(srv.target)
        if target not in hosts:
            hosts[target] = await _resolve(target, server)
        instances.add(Address(hosts[target], srv.port))
    return sorted(instances)


async def _resolve(name: str, server: Address) -> str:
    reply = await _query(name, dns.rdatatype.A, server)
    hosts = [rdata.address for rrset in reply.answer for rdata in rrset if isinstance(rdata, A)]
    if not hosts:
        raise DiscoveryError(f"{name} has no address")
    return str(random.choice(hosts))


async def _query(name: str, kind: dns.rdatatype.RdataType, server: Address) -> dns.message.Message:
    """Return a reply without an error, and repeat the query while the server sends SERVFAIL."""
    now_s = asyncio.get_running_loop().time
    deadline_s = now_s() + SERVFAIL_TIMEOUT_S
    while True:
        reply = await _exchange(name, kind, server)
        if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return reply
        if reply.rcode() != dns.rcode.SERVFAIL or now_s() > deadline_s:
            rcode = dns.rcode.to_text(reply.rcode())
            raise DiscoveryError(f"DNS at {server} answered {rcode} for {name}")
        await asyncio.sleep(SERVFAIL_RETRY_INTERVAL_S)


async def _exchange(
    name: str, kind: dns.rdatatype.RdataType, server: Address
) -> dns.message.Message:
    """Send a query over UDP, and over TCP if the reply is too long for UDP."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=4096)
    problem: Exception | None = None
    for _ in range(MAX_ATTEMPTS):
        try:
            reply, _is_tcp = await dns.asyncquery.udp_with_fallback(
                query, server.host, QUERY_TIMEOUT_S, server.port
            )
        except (dns.exception.DNSException, OSError) as error:
            problem = error
        else:
            return reply
    raise NoDnsServerError(f"DNS at {server} did not answer for {name}: {problem or 'timeout'}")
