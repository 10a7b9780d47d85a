"""Fixtures: a project in the environment of a rehearsal, an HTTP server, and agents with mTLS."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from deploy.orphans import removal
from infra.mtls import Access
from rehearsal.api import secrets_service
from rehearsal.lifecycle import environment
from tests.deploy.support.certificates import CertificateAuthority
from tests.deploy.support.http_server import HttpServer
from tests.deploy.support.throwaway import Project
from tests.infra.support.account_api import TOKEN as ACCOUNT_TOKEN
from tests.infra.support.account_api import AccountApi, serving
from toolchain import python, tools

TOKEN = "token-of-the-secrets-service"


@pytest.fixture(scope="session")
def secrets_url() -> Iterator[str]:
    """The URL of a running secrets service."""
    application = FastAPI()
    application.include_router(secrets_service.router(b"k" * 32, TOKEN))
    server = uvicorn.Server(
        uvicorn.Config(application, port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def tools_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the pinned tools, Pulumi's CLI among them, first on PATH."""
    path = os.pathsep.join([str(python.VENV / "bin"), str(tools.bin_dir()), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    for command in ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python"):
        if not shutil.which(command, path=path):
            pytest.skip(f"there is no {command}: run `make setup`")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountApi]:
    """The account of the environment, without resources."""
    monkeypatch.setattr(removal, "POLL_INTERVAL_S", 0.01)
    monkeypatch.delenv("SPACES_ACCESS_KEY_ID", raising=False)
    with serving(AccountApi()) as api:
        monkeypatch.setenv("DIGITALOCEAN_TOKEN", ACCOUNT_TOKEN)
        monkeypatch.setenv("DIGITALOCEAN_API_URL", api.url)
        yield api


@pytest.fixture
def project(
    tmp_path: Path,
    secrets_url: str,
    tools_on_path: None,
    account: AccountApi,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A project without a stack, in the environment that a rehearsal gives."""
    for name in ("home", "state", "credentials", "project", "modules"):
        (tmp_path / name).mkdir()
    # The language host runs pip several times an operation to find plugins; there are none.
    (tmp_path / "modules/pip.py").write_text("print([])\n")
    (tmp_path / "credentials/credentials.json").write_text(
        environment.pulumi_credentials(secrets_url, TOKEN)
    )
    (tmp_path / "passphrase").write_text("only for stacks that `pulumi stack init` makes")
    for name, value in {
        "PULUMI_HOME": tmp_path / "home",
        "PYTHONPATH": tmp_path / "modules",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CREDENTIALS_PATH": tmp_path / "credentials",
        "PULUMI_CONFIG_PASSPHRASE_FILE": tmp_path / "passphrase",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "SLIPWAY_SECRETS_URL": secrets_url,
    }.items():
        monkeypatch.setenv(name, str(value))
    return Project(tmp_path / "project")


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    serving = HttpServer()
    yield serving
    serving.close()


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    """The stack's certificate authority."""
    return CertificateAuthority("the stack")


@pytest.fixture
def agents(authority: CertificateAuthority, tmp_path: Path) -> Iterator[HttpServer]:
    """A server for Consul and Nomad that requires a client certificate of the stack."""
    serving = HttpServer(authority.server(tmp_path))
    yield serving
    serving.close()


@pytest.fixture
def access(agents: HttpServer, authority: CertificateAuthority) -> Access:
    """The operator's credentials."""
    return Access(
        consul=[agents.url],
        nomad=[agents.url],
        **authority.credentials(),
        consul_token="token-of-consul",
        nomad_token="token-of-nomad",
    )


@pytest.fixture
def outputs(access: Access) -> dict[str, Any]:
    """The stack outputs about the cluster."""
    operator = {name: value for name, value in access.items() if name not in ("consul", "nomad")}
    return {
        "consul_addresses": access["consul"],
        "nomad_addresses": access["nomad"],
        "operator": operator,
    }
