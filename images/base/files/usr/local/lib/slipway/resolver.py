"""The host's resolver: Consul first, then the resolvers that the droplet had at its first boot."""

from ipaddress import ip_address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
"""Where systemd-resolved lists the resolvers that it uses."""
SAVED_RESOLVERS = Path("/etc/slipway/resolvers")
METADATA_HOST, METADATA_PATH = "169.254.169.254", "/metadata/v1/dns/nameservers"
METADATA_TIMEOUT_S = 2
MAX_NAMESERVERS = 3
"""The C library reads no more."""


def parse_nameservers(text: str) -> list[str]:
    """Return the nameservers of a resolv.conf, without loopback addresses."""
    lines = [line.split() for line in text.splitlines()]
    addresses = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [
        address for address in addresses if not ip_address(address.partition("%")[0]).is_loopback
    ]


def fetch_from_metadata() -> list[str]:
    """Return the nameservers of the metadata service; none if it does not answer."""
    import http.client  # Slow to load, and rarely needed.

    connection = http.client.HTTPConnection(METADATA_HOST, timeout=METADATA_TIMEOUT_S)
    try:
        connection.request("GET", METADATA_PATH)
        response = connection.getresponse()
        return response.read().decode().split() if response.status == 200 else []
    except OSError:
        return []
    finally:
        connection.close()


def original_resolvers() -> list[str]:
    """Return the resolvers of the first boot; save them, because resolv.conf will name Consul."""
    if SAVED_RESOLVERS.exists():
        return SAVED_RESOLVERS.read_text().split()
    for source in (SYSTEMD_RESOLV_CONF, RESOLV_CONF):
        addresses = parse_nameservers(source.read_text()) if source.exists() else []
        if addresses:
            break
    else:
        addresses = fetch_from_metadata()
    SAVED_RESOLVERS.write_text("".join(f"{address}\n" for address in addresses))
    return addresses


def render(current: str, upstream: list[str]) -> str:
    """Return a resolv.conf with Consul first and ``upstream`` for when Consul is down.

    It keeps the search domains of ``current``.
    """
    keywords = (["search"], ["domain"])
    domains = [line for line in current.splitlines() if line.split()[:1] in keywords]
    servers = ["127.0.0.1", *upstream][:MAX_NAMESERVERS]
    lines = ["# Written by tool-enrol: Consul is this host's resolver.", *domains]
    lines += [f"nameserver {address}" for address in servers]
    return "\n".join([*lines, "options timeout:2 attempts:2", ""])


def use_consul(upstream: list[str]) -> None:
    """Write resolv.conf, also if it is a symlink to another resolver's file or a bind mount."""
    current = RESOLV_CONF.read_text() if RESOLV_CONF.exists() else ""
    text = render(current, upstream)
    if current == text and not RESOLV_CONF.is_symlink():
        return
    new = RESOLV_CONF.with_name(".resolv.conf.new")
    new.write_text(text)
    new.chmod(0o644)
    try:
        new.replace(RESOLV_CONF)
    except OSError:  # A bind mount cannot be replaced, only written.
        RESOLV_CONF.write_text(text)
        new.unlink()
