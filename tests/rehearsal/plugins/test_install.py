"""Installed emulators, started like the engine starts plugins and called over gRPC."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.plugins import VERSIONS
from rehearsal.plugins.install import install, is_emulator
from tests.rehearsal.plugins.support.service import Call, Reply, Service


def launcher(home: Path, name: str) -> Path:
    return home / f"plugins/resource-{name}-v{VERSIONS[name]}/pulumi-resource-{name}"


@contextmanager
def running(home: Path, name: str, config: dict[str, str]) -> Iterator[Any]:
    """Start a plugin and yield the gRPC stub of the configured provider."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    process = subprocess.Popen(
        [launcher(home, name), "127.0.0.1:1"], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(provider_pb2.ConfigureRequest(args=struct(config)))
            yield stub
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        process.stdout.close()


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def urn(token: str) -> str:
    return f"urn:pulumi:dev::slipway::{token}::thing"


def test_every_emulator_starts_and_stops(tmp_path: Path) -> None:
    assert install(tmp_path, Path(sys.executable)) == [
        "digitalocean",
        "nomad",
        "consul",
        "random",
        "tls",
    ]
    assert install(tmp_path, Path(sys.executable)) == [
        "digitalocean",
        "nomad",
        "consul",
        "random",
        "tls",
    ]
    for name, version in VERSIONS.items():
        assert is_emulator(tmp_path, name)
        with running(tmp_path, name, {}) as stub:
            assert stub.GetPluginInfo(empty_pb2.Empty()).version == version


def test_an_official_plugin_is_not_overwritten(tmp_path: Path) -> None:
    official = launcher(tmp_path, "nomad")
    official.parent.mkdir(parents=True)
    official.write_bytes(b"\x7fELF official")
    assert install(tmp_path, Path(sys.executable)) == ["digitalocean", "consul", "random", "tls"]
    assert official.read_bytes() == b"\x7fELF official"
    assert not is_emulator(tmp_path, "nomad")


def test_a_partial_failure_contains_the_resource_state(tmp_path: Path) -> None:
    def answer(call: Call) -> Reply:
        return (
            Reply(202, {"firewall": {"id": "f1"}})
            if call.method == "POST"
            else Reply(403, {"message": "not yours"})
        )

    install(tmp_path, Path(sys.executable))
    token = "digitalocean:index/firewall:Firewall"
    request = provider_pb2.CreateRequest(
        urn=urn(token),
        properties=struct({"name": "fw", "tags": ["web"], "inboundRules": [{"protocol": "icmp"}]}),
    )
    with (
        Service(answer) as service,
        running(tmp_path, "digitalocean", {"token": "t", "apiEndpoint": service.url}) as stub,
    ):
        failure = stub.Create.future(request).exception()
    details = dict(failure.trailing_metadata())["grpc-status-details-bin"]
    partial = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(details).details[0].Unpack(partial)
    assert (partial.id, partial.properties["name"], list(partial.inputs["tags"])) == (
        "f1",
        "fw",
        ["web"],
    )
    assert "403 not yours" in partial.reasons[0]


def test_errors_are_plain_messages(tmp_path: Path) -> None:
    install(tmp_path, Path(sys.executable))
    with running(tmp_path, "consul", {}) as stub:
        with pytest.raises(grpc.RpcError) as failure:
            stub.Create(
                provider_pb2.CreateRequest(
                    urn=urn("consul:index/intention:Intention"), properties=struct({})
                )
            )
        assert (
            failure.value.details()
            == "resource consul:index/intention:Intention is not supported by the provider emulator"
        )
        checked = stub.CheckConfig(provider_pb2.CheckRequest(news=struct({"adress": "x"})))
        assert [(item.property, item.reason) for item in checked.failures] == [
            ("adress", "'adress' is not in schema")
        ]


def test_creates_run_concurrently(tmp_path: Path) -> None:
    """The service responds only after it has received all 24 requests."""
    together = threading.Barrier(24, timeout=20)
    kinds = ("droplets", "images", "volumes", "volume_snapshots", "databases")
    tag = {"tag": {"name": "t", "resources": {"count": 0, **{key: {"count": 0} for key in kinds}}}}

    def answer(call: Call) -> Reply:
        if call.method == "POST":
            together.wait()
        return Reply(201, tag)

    install(tmp_path, Path(sys.executable))
    request = provider_pb2.CreateRequest(
        urn=urn("digitalocean:index/tag:Tag"), properties=struct({"name": "t"})
    )
    with (
        Service(answer) as service,
        running(tmp_path, "digitalocean", {"token": "t", "apiEndpoint": service.url}) as stub,
    ):
        creates = [stub.Create.future(request) for _ in range(together.parties)]
        assert {create.result().id for create in creates} == {"t"}
