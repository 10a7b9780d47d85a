"""Attacks that replace a program: a service's file in Spaces, or Consul's release."""

import hashlib
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.stack.attacks import nomad_task
from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.target import Target

OUTPUT = "output of a replaced program"
PROGRAM = f"print({OUTPUT!r})\n".encode()
VERSION = "1.22.3"
ZIP, SUMS = f"consul_{VERSION}_linux_amd64.zip", f"consul_{VERSION}_SHA256SUMS"


@contextmanager
def replaced_object(target: Target, url: str) -> Iterator[None]:
    """Replace an object's content until the block ends; its type and permissions stay."""
    _, bucket, key = urlsplit(url).path.split("/", 2)
    genuine = target.spaces.get_object(Bucket=bucket, Key=key)
    content = genuine["Body"].read()

    def store(body: bytes) -> None:
        target.spaces.put_object(
            Bucket=bucket,
            Key=key,
            Body=body,
            ACL="public-read",
            ContentType=genuine["ContentType"],
        )

    store(PROGRAM)
    try:
        yield
    finally:
        store(content)


def _run_replaced_service(target: Target) -> Outcome:
    """Run backserve's artifact as Nomad does for backserve."""
    [group] = target.nomad_as_manager("/v1/job/backserve").json["TaskGroups"]
    [artifact] = group["Tasks"][0]["Artifacts"]
    with replaced_object(target, artifact["GetterSource"]):
        output = nomad_task.run_task(target, [artifact["RelativeDest"]], [artifact])
    return Outcome(OUTPUT in output, output[-400:])


class _FileHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _install_replaced_release(target: Target, *, with_checksum: bool) -> Outcome:
    """Install from a mirror with another zip file.

    Args:
        with_checksum: Whether the checksum file names the new zip, under the genuine signature.
    """
    with tempfile.TemporaryDirectory() as directory:
        folder, bin_dir = Path(directory, "site", "consul", VERSION), Path(directory, "bin")
        folder.mkdir(parents=True)
        bin_dir.mkdir()
        for name in (SUMS, f"{SUMS}.sig"):
            shutil.copy(target.releases / "consul" / VERSION / name, folder)
        with zipfile.ZipFile(folder / ZIP, "w") as archive:
            archive.writestr("consul", PROGRAM)
        if with_checksum:
            digest = hashlib.sha256((folder / ZIP).read_bytes()).hexdigest()
            (folder / SUMS).write_text(f"{digest}  {ZIP}\n")
        handler = partial(_FileHandler, directory=f"{directory}/site")
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            result = target.install(f"http://127.0.0.1:{server.server_port}", bin_dir)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        program = bin_dir / "consul"
        is_installed = program.exists() and program.read_bytes() == PROGRAM
    return Outcome(is_installed, result)


ATTACKS = [
    Attack(
        "Replace a service's artifact in Spaces and have it run",
        _run_replaced_service,
        "(?i)checksum",
        "the artifact's checksum in the job",
    ),
    Attack(
        "Install another zip file as Consul's release",
        lambda target: _install_replaced_release(target, with_checksum=False),
        "has SHA-256",
        "the release's checksum",
    ),
    Attack(
        "Install another zip file as Consul's release, with its checksum",
        lambda target: _install_replaced_release(target, with_checksum=True),
        "signature",
        "the signature of the checksums",
    ),
]
