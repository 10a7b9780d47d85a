"""Settings: what is right, what is wrong, and how it is reported."""

import itertools
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.addresses import VPC_RANGES
from infra.settings import Settings, SettingsError, check, load
from infra.settings.sources import ENVIRONMENT

RIGHT = {"admin_cidrs": "203.0.113.0/24"}
ROOT = Path(__file__).parents[2]


def problems(**values: Any) -> list[str]:
    return check("test", {**RIGHT, **values}, {})[1]


def test_defaults_are_those_of_the_design() -> None:
    settings = load("test", RIGHT, {})
    assert (settings.region, settings.primes, settings.workers, settings.vpc_cidr) == (
        "nyc3",
        1,
        4,
        IPv4Network("10.10.0.0/20"),
    )


def test_the_stack_of_this_checkout_needs_only_its_administrators() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    own = {
        key.removeprefix("slipway:"): str(value)
        for key, value in config.items()
        if key.startswith("slipway:")
    }
    assert check("dev", own, {"SLIPWAY_ADMIN_CIDRS": "198.18.0.2/32"})[1] == []
    assert [problem.split(":")[0] for problem in check("dev", own, {})[1]] == ["admin_cidrs"]


def test_values_are_parsed_from_text() -> None:
    values = {
        "workers": "7",
        "primes": "3",
        "admin_cidrs": '["203.0.113.0/24", "2001:db8::/48"]',
        "vpc_cidr": "192.168.0.0/24",
    }
    settings = load("test", values, {})
    assert (settings.workers, settings.primes, [str(cidr) for cidr in settings.admin_cidrs]) == (
        7,
        3,
        ["203.0.113.0/24", "2001:db8::/48"],
    )


@pytest.mark.parametrize(
    ("values", "setting", "message"),
    [
        ({"wrokers": "3"}, "wrokers", "did you mean 'workers'?"),
        ({"zzz": "3"}, "zzz", "the settings are region, primes"),
        ({"region": "mars"}, "region", "'mars' is not allowed"),
        ({"region": "nyc1"}, "region", "has no Spaces"),
        ({"primes": "2"}, "primes", "1, 3 or 5"),
        ({"primes": "two"}, "primes", "1, 3 or 5"),
        ({"workers": "many"}, "workers", "valid integer"),
        ({"workers": "2"}, "workers", "set at least 3"),
        ({"workers": "4", "service_count": "4"}, "workers", "set at least 5"),
        ({"prime_size": ""}, "prime_size", "is not allowed"),
        ({"vpc_cidr": "10.10.0.5/20"}, "vpc_cidr", "not a valid IPv4 network"),
        ({"vpc_cidr": "10.0.0.0/8"}, "vpc_cidr", "/16 to /28"),
        ({"vpc_cidr": "198.51.100.0/24"}, "vpc_cidr", "not a private range"),
        ({"vpc_cidr": "10.244.16.0/20"}, "vpc_cidr", "overlaps 10.244.0.0/16"),
        (
            {"vpc_cidr": "10.10.0.0/28", "workers": "4"},
            "vpc_cidr",
            "addresses for 8 droplets, and the stack has up to 10 while its 5 machines are",
        ),
        ({"admin_cidrs": ""}, "admin_cidrs", "SLIPWAY_ADMIN_CIDRS"),
        ({"admin_cidrs": "0.0.0.0/0"}, "admin_cidrs", "everyone"),
        ({"admin_cidrs": "203.0.113.0/24,::/0"}, "admin_cidrs", "everyone"),
        ({"admin_cidrs": "office"}, "admin_cidrs", "'office' is not allowed"),
        ({"admin_cidrs": "[1"}, "admin_cidrs", "is not allowed"),
        ({"admin_cidrs": "10.10.1.0/24"}, "admin_cidrs", "overlaps vpc_cidr"),
        ({"frontserve_port": "8500"}, "frontserve_port", "is a port of sshd, Consul or Nomad"),
        ({"frontserve_port": "80"}, "frontserve_port", "greater than or equal to 1024"),
        ({"task_driver": "docker"}, "task_driver", "'exec' or 'raw_exec'"),
        ({"batch": "worker1"}, "batch", "is not allowed"),
        ({"nomad_version": "1.11.2"}, "nomad_version", "set a later version"),
        ({"consul_version": "latest"}, "consul_version", "'latest' is not allowed"),
        ({"artifacts_bucket": "My.Bucket"}, "artifacts_bucket", "is not allowed"),
        (
            {"ssh_public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"},
            "ssh_public_key",
            "is not allowed",
        ),
    ],
)
def test_wrong_value_is_reported_with_its_remedy(
    values: dict[str, str], setting: str, message: str
) -> None:
    (problem,) = problems(**values)
    assert problem.startswith(f"{setting}:")
    assert message in problem


def test_all_settings_problems_are_reported_together() -> None:
    with pytest.raises(SettingsError) as bad:
        load("Te.st", {"primes": "4", "wrokers": "1", "workers": "2", "region": "mars"}, {})
    lines = str(bad.value).splitlines()
    assert lines[0].startswith("Pulumi.Te.st.yaml and its environment have 6 problems")
    assert {line.split(":")[0].strip(" -") for line in lines[1:-1]} == {
        "primes",
        "wrokers",
        "workers",
        "region",
        "admin_cidrs",
    }
    assert "stack name 'Te.st'" in lines[-1]


def test_wrong_value_is_reported_once() -> None:
    assert [problem.split(":")[0] for problem in problems(workers="x", service_count="50")] == [
        "workers"
    ]


def test_every_region_has_a_default_range_of_its_own() -> None:
    """So a stack can move to another region: ranges of an account must not overlap."""
    ranges = [load("test", {**RIGHT, "region": region}, {}).vpc_cidr for region in VPC_RANGES]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(ranges, 2))
    own = {**RIGHT, "region": "ams3", "vpc_cidr": "10.99.0.0/20"}
    assert str(load("test", own, {}).vpc_cidr) == "10.99.0.0/20"


def test_the_environment_adds_administrators_and_gives_what_the_file_lacks() -> None:
    environment = {
        "SLIPWAY_ADMIN_CIDRS": "198.18.0.2/32",
        "SLIPWAY_SSH_PUBLIC_KEY": "ssh-ed25519 AAAA me\n",
    }
    settings = load("test", RIGHT, environment)
    assert [str(cidr) for cidr in settings.admin_cidrs] == ["203.0.113.0/24", "198.18.0.2/32"]
    assert settings.ssh_public_key == "ssh-ed25519 AAAA me"
    assert (
        load("test", {**RIGHT, "ssh_public_key": "ssh-ed25519 BBBB"}, environment).ssh_public_key
        == "ssh-ed25519 BBBB"
    )


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        assert f"| `{name}` | {default} | {field.description} |" in page, (
            f"docs/settings.md lacks {name}, or tells it otherwise"
        )
    for variable in ENVIRONMENT.values():
        assert f"`{variable}`" in page


def test_replacements_are_parsed_from_the_json_that_pulumi_passes() -> None:
    assert load("test", RIGHT, {}).replace == {}
    assert load("test", {**RIGHT, "replace": '{"worker01": 2}'}, {}).replace == {"worker01": 2}
    assert load("test", {**RIGHT, "replace": {"prime01": "1"}}, {}).replace == {"prime01": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replace", "worker01"),
        ("replace", '{"worker01": "often"}'),
        ("drain_deadline", "359"),
        ("max_unavailable", "0"),
    ],
)
def test_wrong_settings_of_a_replacement_are_reported(name: str, value: str) -> None:
    [problem] = problems(**{name: value})
    assert problem.startswith(f"{name}: ") and value in problem
