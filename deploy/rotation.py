"""What of a stack's secrets a rotation makes anew; the update that does so hands them on to all that hold them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deploy.failure import name_of
from deploy.progress import Change

RANDOM = "random:index/randomPassword:RandomPassword"
PARTS: dict[str, dict[str, re.Pattern[str]]] = {
    "gossip": {RANDOM: re.compile("secrets-gossip-(consul|nomad)")},
    "tokens": {
        RANDOM: re.compile(r"secrets-(bootstrap-(consul|nomad)|dns|[a-z]+\d+-(agent|nomad))"),
        "consul:index/aclToken:AclToken": re.compile("operator.*"),
        "nomad:index/aclToken:AclToken": re.compile("operator.*"),
    },
    "certificates": {
        "tls:index/privateKey:PrivateKey": re.compile("authority-.+-key"),
        "tls:index/certRequest:CertRequest": re.compile("authority-.+-request"),
        "tls:index/locallySignedCert:LocallySignedCert": re.compile("authority-.+-certificate"),
    },
}
"""Each kind's resources, by type and name. Not among them: the authority itself, host keys, the key of enrolment."""
ALL = "all"
KINDS = (*PARTS, ALL)


def chosen(kind: str, resources: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The URNs of what a rotation of ``kind`` replaces among a state's ``resources``, by kind."""
    there = {
        one["urn"]: one["type"] for one in resources
    }  # once each: what waits to be deleted has the same URN
    return {
        part: [
            urn
            for urn, type in there.items()
            if type in names and names[type].fullmatch(name_of(urn))
        ]
        for part, names in PARTS.items()
        if kind in (part, ALL)
    }


def done(changes: Sequence[Change], parts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The names of what an update replaced of ``parts``, by kind."""
    replaced = {change.name for change in changes if change.action == "replaced"}
    return {part: sorted(replaced & set(map(name_of, urns))) for part, urns in parts.items()}
