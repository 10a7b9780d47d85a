"""Programs with something else in their place: a service's file in Spaces, and Consul's release."""

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
from tests.stack.attacks.target import Victim

WORDS = "not what was meant to run"
PROGRAM = f"print({WORDS!r})\n".encode()
VERSION = "1.22.3"
ZIP, SUMS = f"consul_{VERSION}_linux_amd64.zip", f"consul_{VERSION}_SHA256SUMS"


@contextmanager
def spoiled(victim: Victim, url: str) -> Iterator[None]:
    """Other content under the same key, as readable as it was, until the block ends."""
    _, bucket, key = urlsplit(url).path.split("/", 2)
    genuine = victim.store.get_object(Bucket=bucket, Key=key)["Body"].read()
    victim.store.put_object(Bucket=bucket, Key=key, Body=PROGRAM, ACL="public-read")
    try:
        yield
    finally:
        victim.store.put_object(Bucket=bucket, Key=key, Body=genuine, ACL="public-read")


def _tampered(victim: Victim) -> Outcome:
    """As Nomad runs backserve, from the file that backserve is."""
    [group] = victim.nomad_manager("/v1/job/backserve").json["TaskGroups"]
    [artifact] = group["Tasks"][0]["Artifacts"]
    with spoiled(victim, artifact["GetterSource"]):
        printed = nomad_task.ran(victim, [artifact["RelativeDest"]], [artifact])
    return Outcome(WORDS in printed, printed[-400:])


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _released(victim: Victim, *, listed: bool) -> Outcome:
    """A mirror's zip is another one; with ``listed`` its checksum is what the mirror says, under the genuine signature."""
    with tempfile.TemporaryDirectory() as own:
        folder, target = Path(own, "site", "consul", VERSION), Path(own, "bin")
        folder.mkdir(parents=True)
        target.mkdir()
        for name in (SUMS, f"{SUMS}.sig"):
            shutil.copy(victim.releases / "consul" / VERSION / name, folder)
        with zipfile.ZipFile(folder / ZIP, "w") as zipped:
            zipped.writestr("consul", PROGRAM)
        if listed:
            digest = hashlib.sha256((folder / ZIP).read_bytes()).hexdigest()
            (folder / SUMS).write_text(f"{digest}  {ZIP}\n")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=f"{own}/site"))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            said = victim.install(f"http://127.0.0.1:{server.server_port}", target)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        installed = (target / "consul").read_bytes() if (target / "consul").exists() else b""
    return Outcome(installed == PROGRAM, said)


ATTACKS = [
    Attack("A service's file is changed where it is kept, and run", _tampered, "(?i)checksum"),
    Attack(
        "Another zip under a release's name is installed",
        lambda victim: _released(victim, listed=False),
        "has SHA-256",
    ),
    Attack(
        "Another zip with a checksum to fit is installed",
        lambda victim: _released(victim, listed=True),
        "signature",
    ),
]
