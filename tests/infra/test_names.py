"""Names, tags and logical names of a stack."""

from ipaddress import IPv4Network

import pytest

from infra import names


def test_droplet_name_has_role_number_and_region() -> None:
    assert [names.droplet_name("worker", number, "nyc3") for number in (1, 12, 100)] == [
        "worker01nyc3",
        "worker12nyc3",
        "worker100nyc3",
    ]


def test_networks_of_one_stack_have_different_names_that_belong_to_it() -> None:
    networks = [
        names.network_name("slipway-dev", region, IPv4Network(vpc_cidr))
        for region in ("nyc3", "ams3")
        for vpc_cidr in ("10.10.0.0/20", "10.10.16.0/20")
    ]
    assert networks[0] == "slipway-dev-nyc3-10-10-0-0" and len(set(networks)) == 4
    for name in (*networks, "slipway-dev"):
        assert names.is_network_name("slipway-dev", name)
    for name in ("slipway-dev-2", "slipway-dev-2-nyc3-10-10-0-0", "slipway", "other"):
        assert not names.is_network_name("slipway-dev", name)


def test_a_bucket_is_named_after_its_account_and_fits_a_dns_label() -> None:
    buckets = {
        names.bucket_name(names.stack_prefix("slipway", "s" * 30), "nyc3", account)
        for account in ("mine", "yours")
    }
    assert len(buckets) == 2
    assert all(len(name) <= 63 and names.is_slug(name[:30].strip("-")) for name in buckets)
    assert names.bucket_name("a", "nyc3", "mine") == names.bucket_name("a", "nyc3", "mine")


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
    assert names.is_slug(name) is slug


def test_label_of_droplet_inverts_droplet_name() -> None:
    for region in ("nyc3", "sfo2"):
        assert names.label_of_droplet(names.droplet_name("worker", 100, region)) == "worker100"
    assert names.label_of_droplet("other") == "other"


def test_base_image_pattern_matches_image_names_only() -> None:
    name = names.image_name(names.IMAGE_FAMILY, "2026.01.31", 12)
    assert names.BASE_IMAGE_NAME.fullmatch(name)
    assert not names.BASE_IMAGE_NAME.fullmatch(f"{name}-copy")


def test_generations_have_numbered_names_from_the_second_on() -> None:
    assert names.generation_name("worker01nyc3", 1) == "worker01nyc3"
    assert names.generation_name("worker01nyc3", 2) == "worker01nyc3-2"
    for number in (1, 2, 10):
        name = names.generation_name("worker01nyc3", number)
        assert names.generation_number("worker01nyc3", name) == number
        assert names.suffix_number(name) == number
        assert names.label_of_droplet(name) == "worker01"


@pytest.mark.parametrize(
    "name", ["worker02nyc3", "worker010nyc3-2", "worker01nyc3-", "worker01nyc3-2-2", "worker01ams3"]
)
def test_machines_of_other_slots_have_no_generation(name: str) -> None:
    assert names.generation_number("worker01nyc3", name) == 0
