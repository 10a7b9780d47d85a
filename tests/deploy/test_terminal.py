"""A terminal shows colours, a file does not; neither shows secrets."""

import io

import pytest

from deploy.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen, file = Screen(), io.StringIO()
    Terminal(screen).text("done", "green")
    Terminal(file).text("done", "green")
    assert screen.getvalue() == "\x1b[32mdone\x1b[0m\n"
    assert file.getvalue() == "done\n"


def test_no_color_turns_colours_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    Terminal(screen).text("done", "green")
    assert screen.getvalue() == "done\n"


def test_secrets_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "dop_v1_0123456789")
    file = io.StringIO()
    Terminal(file).line("GET with Bearer dop_v1_0123456789 failed")
    assert "dop_v1" not in file.getvalue()
    assert "Bearer [secret] failed" in file.getvalue()


def test_table_columns_are_aligned() -> None:
    file = io.StringIO()
    Terminal(file).table(("name", "status"), [("worker01nyc3", "alive"), ("prime01nyc3", "left")])
    assert (
        file.getvalue() == "  name          status\n  worker01nyc3  alive\n  prime01nyc3   left\n"
    )
