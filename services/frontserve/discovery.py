"""Where a service's instances are, by Consul's DNS."""

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

TIMEOUT = 1.0
"""Seconds for one question."""
TRIES = 2
PATIENCE = 2.0
"""Seconds for which SERVFAIL is asked again: an agent whose tokens are being changed answers so for a moment."""
PAUSE = 0.1


class DiscoveryError(Exception):
    """The instances could not be asked for; the message tells why."""


@dataclass(frozen=True, order=True)
class Instance:
    """Where one instance listens."""

    address: str
    port: int


async def instances(service: str, server: str, port: int) -> list[Instance]:
    """The healthy instances of ``service``, in a stable order; none if Consul knows none.

    ``server`` and ``port`` are the DNS server's. Consul leaves out unhealthy instances itself, and sends the addresses
    of the SRV targets along as additional records.

    Raises:
        DiscoveryError: no answer, or one that is an error.
    """
    answer = await _ask(f"{service}.service.consul.", dns.rdatatype.SRV, server, port)
    addresses = {
        str(rrset.name): rdata.address
        for rrset in answer.additional
        for rdata in rrset
        if isinstance(rdata, A)
    }
    found = set[Instance]()
    for srv in (rdata for rrset in answer.answer for rdata in rrset if isinstance(rdata, SRV)):
        target = str(srv.target)
        if target not in addresses:
            addresses[target] = await _address(target, server, port)
        found.add(Instance(addresses[target], srv.port))
    return sorted(found)


async def _address(name: str, server: str, port: int) -> str:
    answer = await _ask(name, dns.rdatatype.A, server, port)
    known = [rdata.address for rrset in answer.answer for rdata in rrset if isinstance(rdata, A)]
    if not known:
        raise DiscoveryError(f"{name} has no address")
    return str(random.choice(known))


async def _ask(
    name: str, kind: dns.rdatatype.RdataType, server: str, port: int
) -> dns.message.Message:
    """One question, asked again as long as the server fails for a moment only."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE
    while True:
        answer = await _exchange(name, kind, server, port)
        if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return answer
        if answer.rcode() != dns.rcode.SERVFAIL or clock() > deadline:
            raise DiscoveryError(
                f"DNS at {server}:{port} answered {dns.rcode.to_text(answer.rcode())} for {name}"
            )
        await asyncio.sleep(PAUSE)


async def _exchange(
    name: str, kind: dns.rdatatype.RdataType, server: str, port: int
) -> dns.message.Message:
    """Over UDP, over TCP if the answer is too long, again if it is lost."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=4096)
    problem: Exception | None = None
    for _ in range(TRIES):
        try:
            answer, _tcp = await dns.asyncquery.udp_with_fallback(query, server, TIMEOUT, port)
        except (dns.exception.DNSException, OSError) as error:
            problem = error
        else:
            return answer
    raise DiscoveryError(
        f"DNS at {server}:{port} did not answer for {name}: {problem or 'timeout'}"
    )
