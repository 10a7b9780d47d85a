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
def test_everyone_is_seen_in_pieces_too(networks: list[str], everyone: bool) -> None:
    assert addresses.is_everyone([ip_network(text) for text in networks]) is everyone


def test_networks_of_both_kinds_are_told_apart() -> None:
    mixed: list[addresses.Network] = [IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32")]
    assert not addresses.is_everyone(mixed)


def test_a_vpc_has_fewer_places_than_addresses() -> None:
    assert addresses.capacity(IPv4Network("10.10.0.0/28")) == 8
