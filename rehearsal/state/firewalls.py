"""Firewall records, and the changes that resources make to them."""

from collections.abc import Iterable, Set
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from rehearsal.state.records import Droplet, RecordPart
from rehearsal.state.store import Record, Store

T = TypeVar("T")


class Peers(RecordPart):
    """Sources of an inbound rule, or destinations of an outbound rule."""

    addresses: list[str] = Field(default_factory=list)
    droplet_ids: list[int] = Field(default_factory=list)
    load_balancer_uids: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)


class FirewallRule(RecordPart):
    protocol: Literal["tcp", "udp", "icmp"]
    ports: str
    """``0`` for all ports."""
    peers: Peers


class Firewall(Record):
    """A firewall. Methods that change it return a changed copy."""

    kind: ClassVar[str] = "firewall"
    id: str
    name: str
    created_at: str
    inbound: list[FirewallRule]
    outbound: list[FirewallRule]
    droplet_ids: list[int]
    tags: list[str]

    def applies_to(self, droplet: Droplet) -> bool:
        """Return whether the droplet is assigned to the firewall, by id or by tag."""
        return droplet.id in self.droplet_ids or not set(self.tags).isdisjoint(droplet.tags)

    def with_droplets(self, ids: Iterable[int]) -> "Firewall":
        return self.model_copy(update={"droplet_ids": unique([*self.droplet_ids, *ids])})

    def without_droplets(self, ids: Iterable[int]) -> "Firewall":
        return self.model_copy(update={"droplet_ids": _difference(self.droplet_ids, ids)})

    def with_tags(self, tags: Iterable[str]) -> "Firewall":
        return self.model_copy(update={"tags": unique([*self.tags, *tags])})

    def without_tags(self, tags: Iterable[str]) -> "Firewall":
        """Return the firewall without tags, whose names are case-insensitive."""
        removed = {tag.lower() for tag in tags}
        return self.model_copy(
            update={"tags": [tag for tag in self.tags if tag.lower() not in removed]}
        )

    def with_rules(
        self, inbound: Iterable[FirewallRule], outbound: Iterable[FirewallRule]
    ) -> "Firewall":
        return self.model_copy(
            update={
                "inbound": unique([*self.inbound, *inbound]),
                "outbound": unique([*self.outbound, *outbound]),
            }
        )

    def without_rules(
        self, inbound: Iterable[FirewallRule], outbound: Iterable[FirewallRule]
    ) -> "Firewall":
        return self.model_copy(
            update={
                "inbound": _difference(self.inbound, inbound),
                "outbound": _difference(self.outbound, outbound),
            }
        )

    def without_references(
        self, droplet_ids: Set[int], tags: Set[str], load_balancer_ids: Set[str]
    ) -> "Firewall":
        """Return the firewall without resources that are deleted, also in its rules."""

        def rewrite(rules: list[FirewallRule]) -> list[FirewallRule]:
            return [
                rule.model_copy(
                    update={
                        "peers": Peers(
                            addresses=rule.peers.addresses,
                            droplet_ids=_difference(rule.peers.droplet_ids, droplet_ids),
                            load_balancer_uids=_difference(
                                rule.peers.load_balancer_uids, load_balancer_ids
                            ),
                            tags=_difference(rule.peers.tags, tags),
                        )
                    }
                )
                for rule in rules
            ]

        return self.model_copy(
            update={
                "inbound": rewrite(self.inbound),
                "outbound": rewrite(self.outbound),
                "droplet_ids": _difference(self.droplet_ids, droplet_ids),
                "tags": _difference(self.tags, tags),
            }
        )


def remove_references(
    store: Store,
    droplet_ids: Set[int] = frozenset(),
    tags: Set[str] = frozenset(),
    load_balancer_ids: Set[str] = frozenset(),
) -> None:
    """Remove resources that are deleted from all firewalls; call in a transaction."""
    for firewall in store.all(Firewall):
        changed = firewall.without_references(droplet_ids, tags, load_balancer_ids)
        if changed != firewall:
            store.put(changed)


def unique(items: Iterable[T]) -> list[T]:
    """Return the items in order, without repetitions. Rules are not hashable."""
    result: list[T] = []
    for item in items:
        if item not in result:
            result.append(item)
    return result


def _difference(items: Iterable[T], removed: Iterable[T]) -> list[T]:
    excluded = list(removed)
    return [item for item in items if item not in excluded]
