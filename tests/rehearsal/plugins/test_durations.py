"""Durations in Go's format."""

import pytest

from rehearsal.plugins.durations import format_duration, is_same_duration, parse_duration


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (300_000_000_000, "5m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (1_500_000_000, "1.5s"),
        (250_000_000, "250ms"),
        (90_000_000_000, "1m30s"),
        (1_500, "1.5µs"),
    ],
)
def test_durations_are_formatted_like_go(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0), ("0s", 0), ("1h30m", 5_400_000_000_000), ("1.5s", 1_500_000_000), ("2µs", 2_000)],
)
def test_durations_are_read(text: str, length: int) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "5", "h", "1 h", "-1s", "soon"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


def test_equal_durations_are_equivalent() -> None:
    assert is_same_duration("1h", "60m0s")
    assert not is_same_duration("1h", "61m")
    assert not is_same_duration("soon", "soon")
