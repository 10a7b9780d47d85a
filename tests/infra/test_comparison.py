"""What an API returns, compared with what the program declares."""

from typing import Any

import pytest

from infra.drift.comparison import contains, matches


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ({"name": "a"}, {"name": "a", "id": 7}),
        ({"port": 80.0}, {"port": 80}),
        ({"tags": []}, {"tags": None}),
        ({"tags": []}, {}),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}),
        ({"ports": "all"}, {"ports": "0"}),
        ({"addresses": ["198.18.0.2/32", "::/0"]}, {"addresses": ["::/0", "198.18.0.2"]}),
        ({"region": "nyc3"}, {"region": {"slug": "nyc3", "name": "New York 3"}}),
        ({"HTTP": "http://198.18.0.9/"}, {"HTTP": "http://198.18.0.9/"}),
        ({}, {"Name": "method"}),
    ],
)
def test_equal(declared: Any, actual: Any) -> None:
    assert matches(declared, actual)


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ({}, None),
        ({"name": "a"}, None),
        ({"name": "a"}, {"name": "b"}),
        ({"name": "a"}, {}),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}),
        ({"tags": ["a", "b"]}, {"tags": ["a", "c"]}),
        ({"tags": []}, {"tags": ["a"]}),
        ({"rules": [{"ports": "22"}]}, {"rules": [{"ports": "23"}]}),
        ({"ports": "22"}, {"ports": "0"}),
        ({"addresses": ["198.18.0.2/32"]}, {"addresses": ["0.0.0.0/0"]}),
        ({"region": "nyc3"}, {"region": {"slug": "ams3"}}),
    ],
)
def test_different(declared: Any, actual: Any) -> None:
    assert not matches(declared, actual)


def test_one_of_a_list() -> None:
    assert contains([{"ID": "1"}, {"ID": "2", "Name": "b"}], {"ID": "2"})
    assert not contains([], {"ID": "2"})
