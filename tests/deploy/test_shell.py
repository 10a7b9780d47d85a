"""A command is given the operator's means, and nothing of them is left when it has ended, however it did."""

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
LOOK = """
import json, os, pathlib
files = {name: os.environ[name] for name in os.environ if name.endswith(("CACERT", "CLIENT_CERT", "CLIENT_KEY"))}
modes = {name: oct(pathlib.Path(file).stat().st_mode)[-3:] for name, file in files.items()}
folder = pathlib.Path(files["CONSUL_CACERT"]).parent
told = {name: value for name, value in os.environ.items() if name.startswith(("CONSUL_", "NOMAD_"))}
print(json.dumps({"modes": modes, "folder": str(folder), "mode": oct(folder.stat().st_mode)[-3:], "told": told}))
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for the file system in memory."""
    place = tmp_path / "shm"
    place.mkdir()
    monkeypatch.setattr(shell, "MEMORY", place)
    return place


@pytest.fixture
def stack(outputs: dict[str, Any], tools_on_path: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.stack.outputs", lambda *_: outputs)


def test_the_clients_find_all_that_they_look_at(
    memory: Path, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOMAD_SKIP_VERIFY", "true")
    monkeypatch.setenv("CONSUL_HTTP_TOKEN_FILE", "another cluster's")
    seen = tmp_path / "seen"
    assert shell.run(access, ["sh", "-c", f"{sys.executable} -c '{LOOK}' > {seen}; exit 5"]) == 5
    found = json.loads(seen.read_text())
    folder = found["folder"]
    assert Path(folder).parent == memory and found["mode"] == "700"
    assert set(found["modes"].values()) == {"600"}
    assert found["told"] == {
        "CONSUL_HTTP_ADDR": access["consul"],
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_TOKEN": "token-of-consul",
        "CONSUL_CACERT": f"{folder}/ca.pem",
        "CONSUL_CLIENT_CERT": f"{folder}/cert.pem",
        "CONSUL_CLIENT_KEY": f"{folder}/key.pem",
        "NOMAD_ADDR": access["nomad"],
        "NOMAD_TOKEN": "token-of-nomad",
        "NOMAD_CACERT": f"{folder}/ca.pem",
        "NOMAD_CLIENT_CERT": f"{folder}/cert.pem",
        "NOMAD_CLIENT_KEY": f"{folder}/key.pem",
    }
    assert list(memory.iterdir()) == []


CURL = """
curl --silent --fail --noproxy '*' --cacert $CONSUL_CACERT --cert $CONSUL_CLIENT_CERT --key $CONSUL_CLIENT_KEY \\
  -H @<(printf 'X-Consul-Token: %s' $CONSUL_HTTP_TOKEN) $CONSUL_HTTP_ADDR/v1/status/leader
"""


@pytest.mark.usefixtures("memory", "stack")
def test_curl_may_ask_as_the_page_on_operations_says(
    agents: HttpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    agents.by_path["/v1/status/leader"] = "10.10.0.2:8300"
    assert main(["shell", "dev", "--", "bash", "-c", CURL]) == 0
    assert capfd.readouterr().out == '"10.10.0.2:8300"'
    assert agents.asked["/v1/status/leader"]["X-Consul-Token"] == "token-of-consul"


@pytest.mark.usefixtures("stack")
def test_what_is_not_there_is_told(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", "dev", "no-such-command", "-x"]) == 2
    assert "no-such-command is not on PATH" in capsys.readouterr().err
    assert list(memory.iterdir()) == []


@pytest.mark.usefixtures("stack")
def test_without_a_command_it_is_the_users_shell(
    memory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "my-shell"
    own.write_text("#!/bin/sh\nexit 9\n")
    own.chmod(0o700)
    monkeypatch.setenv("SHELL", str(own))
    assert main(["shell", "dev"]) == 9
    assert list(memory.iterdir()) == []


RUNS = """
import json, sys
from pathlib import Path
from deploy import shell
shell.MEMORY = Path(sys.argv[1])
sys.exit(shell.run(json.loads(sys.stdin.read()), ["sh", "-c", sys.argv[2]]))
"""


@pytest.mark.parametrize(
    ("number", "to_all", "script", "code"),
    [
        (
            signal.SIGINT,
            True,
            "exec sleep 60",
            130,
        ),  # as a terminal does; a dash that is just starting something may miss it
        (signal.SIGINT, True, "trap 'exit 3' INT; sleep 60 & wait", 3),
        (signal.SIGTERM, False, "trap 'exit 4' TERM; sleep 60 & wait", 4),
        (signal.SIGHUP, False, "exec sleep 60", 129),
    ],
)
def test_an_interruption_is_the_commands_and_leaves_nothing(
    memory: Path, access: Access, number: int, to_all: bool, script: str, code: int
) -> None:
    words = [sys.executable, "-c", RUNS, str(memory), f"touch {memory}/began; {script}"]
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


def test_an_interruption_that_reaches_us_after_the_command(memory: Path, access: Access) -> None:
    script = "(sleep 0.1; kill -INT $PPID) & kill -INT $$"
    words = [sys.executable, "-c", RUNS, str(memory), script]
    done = subprocess.run(
        words, cwd=ROOT, input=json.dumps(access), text=True, timeout=30, check=False
    )
    assert done.returncode == 130
    assert list(memory.iterdir()) == []
