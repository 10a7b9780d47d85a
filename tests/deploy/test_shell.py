"""A command gets the operator's credentials, and no file of them stays when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy import shell
from deploy.__main__ import main
from infra.mtls import Access
from tests.deploy.support.http_server import HttpServer

ROOT = Path(__file__).resolve().parents[2]
INSPECT = """
import json, os, pathlib
suffixes = ("CACERT", "CLIENT_CERT", "CLIENT_KEY")
files = {name: os.environ[name] for name in os.environ if name.endswith(suffixes)}
modes = {name: oct(pathlib.Path(file).stat().st_mode)[-3:] for name, file in files.items()}
directory = pathlib.Path(files["CONSUL_CACERT"]).parent
prefixes = ("CONSUL_", "NOMAD_")
variables = {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
mode = oct(directory.stat().st_mode)[-3:]
report = {"modes": modes, "directory": str(directory), "mode": mode, "variables": variables}
print(json.dumps(report))
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in the place of the file system in memory."""
    directory = tmp_path / "shm"
    directory.mkdir()
    monkeypatch.setattr(shell, "MEMORY_DIRECTORY", directory)
    return directory


@pytest.fixture
def stack(outputs: dict[str, Any], tools_on_path: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.stack.outputs", lambda *_: outputs)


def test_the_clients_get_addresses_tokens_and_certificates(
    memory: Path, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOMAD_SKIP_VERIFY", "true")
    monkeypatch.setenv("CONSUL_HTTP_TOKEN_FILE", "another cluster's")
    output = tmp_path / "report"
    script = f"{sys.executable} -c '{INSPECT}' > {output}; exit 5"
    assert shell.run(access, ["sh", "-c", script]) == 5
    report = json.loads(output.read_text())
    directory = report["directory"]
    assert Path(directory).parent == memory and report["mode"] == "700"
    assert set(report["modes"].values()) == {"600"}
    assert report["variables"] == {
        "CONSUL_HTTP_ADDR": access["consul"][0],
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_TOKEN": "token-of-consul",
        "CONSUL_CACERT": f"{directory}/ca.pem",
        "CONSUL_CLIENT_CERT": f"{directory}/cert.pem",
        "CONSUL_CLIENT_KEY": f"{directory}/key.pem",
        "NOMAD_ADDR": access["nomad"][0],
        "NOMAD_TOKEN": "token-of-nomad",
        "NOMAD_CACERT": f"{directory}/ca.pem",
        "NOMAD_CLIENT_CERT": f"{directory}/cert.pem",
        "NOMAD_CLIENT_KEY": f"{directory}/key.pem",
    }
    assert list(memory.iterdir()) == []


CURL = """
curl --silent --fail --noproxy '*' --cacert $CONSUL_CACERT \\
  --cert $CONSUL_CLIENT_CERT --key $CONSUL_CLIENT_KEY \\
  -H @<(printf 'X-Consul-Token: %s' $CONSUL_HTTP_TOKEN) $CONSUL_HTTP_ADDR/v1/status/leader
"""


@pytest.mark.usefixtures("memory", "stack")
def test_curl_works_as_the_operations_page_says(
    agents: HttpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    agents.by_path["/v1/status/leader"] = "10.10.0.2:8300"
    assert main(["shell", "dev", "--", "bash", "-c", CURL]) == 0
    assert capfd.readouterr().out == '"10.10.0.2:8300"'
    assert agents.requests["/v1/status/leader"]["X-Consul-Token"] == "token-of-consul"


@pytest.mark.usefixtures("stack")
def test_a_missing_command_is_an_error(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "dev", "no-such-command", "-x"]) == 2
    assert "no-such-command is not on PATH" in capsys.readouterr().err
    assert list(memory.iterdir()) == []


@pytest.mark.usefixtures("stack")
def test_the_users_shell_is_the_default(
    memory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user_shell = tmp_path / "my-shell"
    user_shell.write_text("#!/bin/sh\nexit 9\n")
    user_shell.chmod(0o700)
    monkeypatch.setenv("SHELL", str(user_shell))
    assert main(["shell", "dev"]) == 9
    assert list(memory.iterdir()) == []


RUNS = """
import json, sys
from pathlib import Path
from deploy import shell
shell.MEMORY_DIRECTORY = Path(sys.argv[1])
sys.exit(shell.run(json.loads(sys.stdin.read()), ["sh", "-c", sys.argv[2]]))
"""


@pytest.mark.parametrize(
    ("number", "to_all", "script", "code"),
    [
        (
            signal.SIGINT,
            True,
            "BEGIN; exec sleep 60",
            130,
        ),  # As a terminal does. `exec`, because dash can miss a signal while it starts a command.
        (signal.SIGINT, True, "trap 'exit 3' INT; BEGIN; while :; do sleep 0.1; done", 3),
        (signal.SIGTERM, False, "trap 'exit 4' TERM; BEGIN; while :; do sleep 0.1; done", 4),
        (signal.SIGHUP, False, "BEGIN; exec sleep 60", 129),
    ],
)
def test_a_signal_ends_the_command_and_no_file_stays(
    memory: Path, access: Access, number: int, to_all: bool, script: str, code: int
) -> None:
    script = script.replace("BEGIN", f"touch {memory}/began")
    words = [sys.executable, "-c", RUNS, str(memory), script]
    running = subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert running.stdin
        running.stdin.write(json.dumps(access))
        running.stdin.close()
        while not (memory / "began").exists():
            assert running.poll() is None
            time.sleep(0.02)
        assert len(list(memory.iterdir())) == 2
        (os.killpg if to_all else os.kill)(running.pid, number)
        assert running.wait(timeout=30) == code
        assert [file.name for file in memory.iterdir()] == ["began"]
    finally:
        os.killpg(running.pid, signal.SIGKILL) if running.poll() is None else None


def test_a_signal_may_arrive_after_the_command_has_ended(memory: Path, access: Access) -> None:
    script = "(sleep 0.1; kill -INT $PPID) & kill -INT $$"
    words = [sys.executable, "-c", RUNS, str(memory), script]
    done = subprocess.run(
        words, cwd=ROOT, input=json.dumps(access), text=True, timeout=30, check=False
    )
    assert done.returncode == 130
    assert list(memory.iterdir()) == []
