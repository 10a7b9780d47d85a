"""The host's resolver: Consul first, then the resolvers that the droplet was born with."""

from ipaddress import ip_address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
UPSTREAM_OF_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
KEPT = Path("/etc/slipway/resolvers")
METADATA = ("169.254.169.254", "/metadata/v1/dns/nameservers")
METADATA_SECONDS = 2
MAX_NAMESERVERS = 3
"""The C library reads no more."""


def nameservers(text: str) -> list[str]:
    """The nameservers of a resolv.conf that are not this machine itself."""
    words = [line.split() for line in text.splitlines()]
    found = [pair[1] for pair in words if len(pair) > 1 and pair[0] == "nameserver"]
    return [address for address in found if not ip_address(address.partition("%")[0]).is_loopback]


def from_metadata() -> list[str]:
    """What the metadata service names; nothing if it does not answer."""
    import http.client  # slow to load, and seldom needed

    host, path = METADATA
    connection = http.client.HTTPConnection(host, timeout=METADATA_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read().decode().split() if answer.status == 200 else []
    except OSError:
        return []
    finally:
        connection.close()


def original() -> list[str]:
    """The resolvers of the droplet's first boot, kept from then on: resolv.conf will name Consul."""
    if KEPT.exists():
        return KEPT.read_text().split()
    for source in (UPSTREAM_OF_RESOLVED, RESOLV_CONF):
        found = nameservers(source.read_text()) if source.exists() else []
        if found:
            break
    else:
        found = from_metadata()
    KEPT.write_text("".join(f"{address}\n" for address in found))
    return found


def render(current: str, upstream: list[str]) -> str:
    """The resolv.conf: Consul answers, and while it is down the next one does. Search domains are kept."""
    kept = [line for line in current.splitlines() if line.split()[:1] in (["search"], ["domain"])]
    servers = ["127.0.0.1", *upstream][:MAX_NAMESERVERS]
    lines = ["# Consul is this host's resolver; written by tool-enrol.", *kept]
    lines += [f"nameserver {address}" for address in servers]
    return "\n".join([*lines, "options timeout:2 attempts:2", ""])


def use_consul(upstream: list[str]) -> None:
    """Write resolv.conf, also where it is a symlink of another resolver or a mount."""
    current = RESOLV_CONF.read_text() if RESOLV_CONF.exists() else ""
    wanted = render(current, upstream)
    if current == wanted and not RESOLV_CONF.is_symlink():
        return
    fresh = RESOLV_CONF.with_name(".resolv.conf.new")
    fresh.write_text(wanted)
    fresh.chmod(0o644)
    try:
        fresh.replace(RESOLV_CONF)
    except OSError:  # a bind mount cannot be replaced, only written
        RESOLV_CONF.write_text(wanted)
        fresh.unlink()
