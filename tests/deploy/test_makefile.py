"""Make verbs with a wrong ``CLOUD`` stop before they reach any account."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.support.http_server import HttpServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", ["status", "ssh", "logs", "shell", "env", "reset", "down"])
def test_a_wrong_cloud_is_a_usage_error_in_one_sentence(
    verb: str, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "token-of-a-real-account")
    monkeypatch.setenv("DIGITALOCEAN_API_URL", http_server.url)
    monkeypatch.setenv("SHELL", "/bin/false")
    refused = subprocess.run(
        ["make", "--silent", verb, "CLOUD=no-such-cloud"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stdout == ""
    [message] = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    assert message.startswith("there is no cloud no-such-cloud: ")
    assert http_server.requests == {}
