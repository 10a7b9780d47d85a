"""Answers from zones by RFC 1034: aliases, delegations, wildcards, and names that do not exist."""

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

WILDCARD = dns.name.Name([b"*"])
RecordSets = dict[dns.rdatatype.RdataType, dns.rrset.RRset]


@dataclass
class ZoneAnswer:
    """The part of a response that concerns one name."""

    records: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    exists: bool = True
    """Whether the name exists, with or without records of the requested type."""
    authoritative: bool = True
    """False for a name that is delegated to another server."""
    alias: dns.name.Name | None = None
    """The target of a CNAME, where the resolution continues."""


class Zones:
    """All zones of the cloud."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {dns.name.from_text(zone.name): _ZoneRecords(zone) for zone in zones}

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> ZoneAnswer | None:
        """Return the answer for a name; None if it is in no zone."""
        origin = name
        while origin not in self._zones:
            if origin == dns.name.root:
                return None
            origin = origin.parent()
        return self._zones[origin].find(name, kind)


class _ZoneRecords:
    """The records of one zone, by name and type."""

    def __init__(self, zone: Zone) -> None:
        self._origin = dns.name.from_text(zone.name)
        self._names: dict[dns.name.Name, RecordSets] = {self._origin: {}}
        """Includes names without records that are parents of others."""
        for record in zone.records:
            try:
                name = dns.name.from_text(record.name)
                new = dns.rrset.from_text(name, record.ttl, "IN", record.type, record.data)
            except dns.exception.DNSException as error:
                log.error("%s %s is not a valid record: %s", record.name, record.type, error)
                continue
            sets = self._names.setdefault(name, {})
            sets.setdefault(new.rdtype, new).add(new[0])
            while name != self._origin and (name := name.parent()) not in self._names:
                self._names[name] = {}

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> ZoneAnswer:
        """Return the answer for a name at or below the zone's origin."""
        for depth in range(len(self._origin) + 1, len(name) + 1):
            parent = name.split(depth)[1]
            delegation = self._names.get(parent, {}).get(dns.rdatatype.NS)
            if delegation and not (parent == name and kind == dns.rdatatype.NS):
                return ZoneAnswer(authority=[delegation], authoritative=False)
        sets = self._names.get(name)
        if sets is None:
            wildcard = self._find_wildcard(name)
            if wildcard is None:
                return ZoneAnswer(authority=self._negative_authority(), exists=False)
            sets = {kind: _rename(records, name) for kind, records in wildcard.items()}
        return self._answer(sets, kind)

    def _answer(self, sets: RecordSets, kind: dns.rdatatype.RdataType) -> ZoneAnswer:
        if kind == dns.rdatatype.ANY and sets:
            return ZoneAnswer(list(sets.values()))
        if kind in sets:
            return ZoneAnswer([sets[kind]])
        alias = sets.get(dns.rdatatype.CNAME)
        if alias:
            return ZoneAnswer([alias], alias=alias[0].target)
        return ZoneAnswer(authority=self._negative_authority())

    def _find_wildcard(self, name: dns.name.Name) -> RecordSets | None:
        """Return the records of the wildcard directly below the closest parent that exists."""
        parent = name.parent()
        while parent not in self._names:
            parent = parent.parent()
        return self._names.get(WILDCARD.concatenate(parent))

    def _negative_authority(self) -> list[dns.rrset.RRset]:
        """Return the SOA record, whose TTL limits how long clients cache a negative answer."""
        soa = self._names[self._origin].get(dns.rdatatype.SOA)
        if soa is None:
            return []
        ttl = min(soa.ttl, soa[0].minimum)
        return [dns.rrset.from_rdata_list(self._origin, ttl, list(soa))]


def _rename(records: dns.rrset.RRset, name: dns.name.Name) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, records.ttl, list(records))
