"""Networks and addresses."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from infra import addresses


@pytest.mark.parametrize(
    ("networks", "everyone"),
    [
        (["203.0.113.0/24"], False),
        (["0.0.0.0/0"], True),
        (["::/0"], True),
        (["128.0.0.0/1", "0.0.0.0/1"], True),
        (["::/1", "8000::/1", "203.0.113.7/32"], True),
        (["0.0.0.0/1", "::/1"], False),
    ],
)
def test_is_everyone_combines_networks(networks: list[str], everyone: bool) -> None:
    assert addresses.is_everyone([ip_network(text) for text in networks]) is everyone


def test_is_everyone_accepts_ipv4_and_ipv6() -> None:
    mixed: list[addresses.Network] = [IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32")]
    assert not addresses.is_everyone(mixed)


def test_capacity_excludes_reserved_addresses() -> None:
    assert addresses.capacity(IPv4Network("10.10.0.0/28")) == 8


@pytest.mark.parametrize(
    ("network", "taken", "free"),
    [
        ("10.10.0.0/20", ["10.10.8.0/24", "10.10.16.0/20"], "10.10.32.0/20"),
        ("10.228.0.0/16", ["10.228.0.0/16"], "10.230.0.0/16"),
        ("192.168.0.0/16", ["192.168.3.0/24"], None),
    ],
)
def test_a_free_range_has_the_same_size(network: str, taken: list[str], free: str | None) -> None:
    """It is in none of the ranges that DigitalOcean reserves."""
    found = addresses.find_free(IPv4Network(network), [*map(IPv4Network, taken)])
    assert found == (free and IPv4Network(free))
