"""What the zones of a fabric answer, by the rules of RFC 1034: aliases, delegations, wildcards, and what is not there."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from rehearsal.topology.protocol import Zone

log = logging.getLogger("rehearsal")

WILD = dns.name.Name([b"*"])
Sets = dict[dns.rdatatype.RdataType, dns.rrset.RRset]


@dataclass
class Found:
    """A part of an answer, about one name."""

    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    exists: bool = True
    """Whether there is such a name."""
    authoritative: bool = True
    """False for what another server was made responsible for."""
    alias: dns.name.Name | None = None
    """The name where the answer goes on."""


class Zones:
    """Zones, ready to be asked."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._contents = {dns.name.from_text(zone.name): _Contents(zone) for zone in zones}

    def look(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found | None:
        """What is known of a name; None if it is in no zone."""
        above = name
        while above not in self._contents:
            if above == dns.name.root:
                return None
            above = above.parent()
        return self._contents[above].look(name, kind)


class _Contents:
    """One zone."""

    def __init__(self, zone: Zone) -> None:
        self._origin = dns.name.from_text(zone.name)
        self._names: dict[dns.name.Name, Sets] = {self._origin: {}}
        """With those that have no records but stand above some."""
        for record in zone.records:
            try:
                name = dns.name.from_text(record.name)
                one = dns.rrset.from_text(name, record.ttl, "IN", record.type, record.data)
            except dns.exception.DNSException as error:
                log.error("%s %s is no record: %s", record.name, record.type, error)
                continue
            sets = self._names.setdefault(name, {})
            sets.setdefault(one.rdtype, one).add(one[0])
            while name != self._origin and (name := name.parent()) not in self._names:
                self._names[name] = {}

    def look(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        """What is known of a name at or below the zone's own."""
        for depth in range(len(self._origin) + 1, len(name) + 1):
            above = name.split(depth)[1]
            delegated = self._names.get(above, {}).get(dns.rdatatype.NS)
            if delegated and not (above == name and kind == dns.rdatatype.NS):
                return Found(authority=[delegated], authoritative=False)
        sets = self._names.get(name)
        if sets is None:
            wild = self._wild(name)
            if wild is None:
                return Found(authority=self._absence(), exists=False)
            sets = {kind: _renamed(one, name) for kind, one in wild.items()}
        return self._answer(sets, kind)

    def _answer(self, sets: Sets, kind: dns.rdatatype.RdataType) -> Found:
        if kind == dns.rdatatype.ANY and sets:
            return Found(answer=list(sets.values()))
        if kind in sets:
            return Found(answer=[sets[kind]])
        alias = sets.get(dns.rdatatype.CNAME)
        if alias:
            return Found(answer=[alias], alias=alias[0].target)
        return Found(authority=self._absence())

    def _wild(self, name: dns.name.Name) -> Sets | None:
        """The wildcard that stands for a name: the one right below the nearest name that there is."""
        above = name.parent()
        while above not in self._names:
            above = above.parent()
        return self._names.get(WILD.concatenate(above))

    def _absence(self) -> list[dns.rrset.RRset]:
        """How long not to ask again: the SOA, for no longer than it says itself."""
        soa = self._names[self._origin].get(dns.rdatatype.SOA)
        if soa is None:
            return []
        ttl = min(soa.ttl, soa[0].minimum)
        return [dns.rrset.from_rdata_list(self._origin, ttl, list(soa))]


def _renamed(one: dns.rrset.RRset, name: dns.name.Name) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, one.ttl, list(one))
