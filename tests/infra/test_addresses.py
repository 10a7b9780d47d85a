"""Names and networks."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from infra import addresses


def test_a_name_tells_role_number_and_region() -> None:
    assert [addresses.droplet_name("worker", number, "nyc3") for number in (1, 12, 100)] == [
        "worker01nyc3",
        "worker12nyc3",
        "worker100nyc3",
    ]


def test_a_bucket_is_named_after_its_account_and_fits_a_dns_label() -> None:
    names = {
        addresses.bucket_name(addresses.prefix("slipway", "s" * 30), "nyc3", account)
        for account in ("mine", "yours")
    }
    assert len(names) == 2
    assert all(len(name) <= 63 and addresses.is_slug(name[:30].strip("-")) for name in names)
    assert addresses.bucket_name("a", "nyc3", "mine") == addresses.bucket_name("a", "nyc3", "mine")


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


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("dev", True),
        ("team-1", True),
        ("Dev", False),
        ("a--b", False),
        ("-a", False),
        ("a.b", False),
        ("a" * 31, False),
    ],
)
def test_a_stack_name_fits_wherever_it_goes(name: str, slug: bool) -> None:
    assert addresses.is_slug(name) is slug
