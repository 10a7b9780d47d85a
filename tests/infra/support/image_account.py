"""A fake account with images, droplets, keys and tags, and a fake ``packer`` that uses it."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "dop_v1_test"

PACKER = """\
#!{python}
import json, os, signal, sys, time, urllib.request

def api(method, path, body=None):
    request = urllib.request.Request(os.environ["DIGITALOCEAN_API_URL"] + path, method=method,
        data=json.dumps(body).encode() if body else None,
        headers={{"Authorization": "Bearer " + os.environ["DIGITALOCEAN_TOKEN"],
                  "Content-Type": "application/json"}})
    answer = urllib.request.urlopen(request).read()
    return json.loads(answer) if answer else None

with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "init":
    sys.exit(0)
variables = dict(word.split("=", 1) for flag, word in zip(sys.argv, sys.argv[1:]) if flag == "-var")
droplet = api("POST", "/v2/droplets", {{"name": variables["build_name"]}})["droplet"]
print("==> Provisioning with shell script: /somewhere/scripts/install-node.sh", flush=True)
mode = {mode!r}
def builds():
    return api("GET", "/v2/droplets")["droplets"] + api("GET", "/v2/images")["images"]

while mode == "meet" and len(builds()) < 2:
    time.sleep(0.02)
if mode == "fail":
    print("==> no space left", flush=True)
    sys.exit(1)
api("POST", "/test/images", {{"name": variables["build_name"], "region": variables["region"]}})
if mode == "hang":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
    print("==> hanging", flush=True)
    while True:
        signal.pause()
api("DELETE", "/v2/droplets/%d" % droplet["id"])
"""
"""Modes: ``fail`` leaves a droplet; ``hang`` leaves a droplet and an image without tags.

``meet`` continues when another build runs too.
"""


class FakeAccount:
    """What there is; read and changed directly by tests."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.Lock()
        self.images: list[dict[str, Any]] = []
        self.droplets: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []
        self.tags: set[str] = set()
        self.refuse: dict[tuple[str, str], int] = {}
        """Method and path -> the status that the API answers instead."""
        self.droplet_limit = 25
        self.locked = 0
        """How many times a droplet is refused to be destroyed."""
        self._ids = 100

    def add_image(self, name: str, regions: list[str], tags: list[str]) -> int:
        self._ids += 1
        self.images.append(
            {"id": self._ids, "name": name, "regions": regions, "tags": tags, "status": "available"}
        )
        self.tags.update(tags)
        return self._ids

    def add(self, among: list[dict[str, Any]], name: str) -> dict[str, Any]:
        self._ids += 1
        among.append({"id": self._ids, "name": name})
        return among[-1]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if (method, path) in self.refuse:
                return self.refuse[method, path], {"id": "refused", "message": "not today"}
            for pattern, handler in self._routes(body).items():
                if found := re.fullmatch(pattern, f"{method} {path}"):
                    status, answer = handler(
                        *(int(group) if group.isdigit() else group for group in found.groups())
                    )
                    return (
                        (404, {"id": "not_found", "message": "no such thing"})
                        if status == 404
                        else (status, answer)
                    )
            raise AssertionError(f"no answer prepared for {method} {path}")

    def _routes(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "GET /v2/account": lambda: (200, {"account": {"droplet_limit": self.droplet_limit}}),
            "GET /v2/(images|droplets)": lambda key: (200, {key: getattr(self, key)}),
            "GET /v2/account/keys": lambda: (200, {"ssh_keys": self.keys}),
            "POST /v2/account/keys": lambda: (201, {"ssh_key": self.add(self.keys, body["name"])}),
            "POST /v2/droplets": lambda: (202, {"droplet": self.add(self.droplets, body["name"])}),
            "POST /test/images": lambda: (
                201,
                {"image": self.add_image(body["name"], [body["region"]], [])},
            ),
            "GET /v2/images/(\\d+)": lambda id_: self._image(id_),
            "PUT /v2/images/(\\d+)": lambda id_: self._image(id_, name=body["name"]),
            "POST /v2/images/(\\d+)/actions": lambda id_: self._transfer(id_, body["region"]),
            "GET /v2/images/(\\d+)/actions/1": lambda id_: (
                200,
                {"action": {"id": 1, "status": "completed"}},
            ),
            "DELETE /v2/account/keys/(\\d+)": lambda id_: self._drop(self.keys, id_),
            "DELETE /v2/images/(\\d+)": lambda id_: self._drop(self.images, id_),
            "DELETE /v2/droplets/(\\d+)": lambda id_: self._destroy(id_),
            "POST /v2/tags": lambda: self._make_tag(body["name"]),
            "POST /v2/tags/([^/]+)/resources": lambda tag: self._tag(
                tag, int(body["resources"][0]["resource_id"])
            ),
            "DELETE /v2/tags/([^/]+)": lambda tag: self._untag(tag),
        }

    def _image(self, id_: int, **change: str) -> tuple[int, dict[str, Any]]:
        found = next((image for image in self.images if image["id"] == id_), None)
        if found is None:
            return 404, {}
        found.update(change)
        return 200, {"image": found}

    def _transfer(self, id_: int, region: str) -> tuple[int, dict[str, Any]]:
        self._image(id_)[1]["image"]["regions"].append(region)
        return 201, {"action": {"id": 1, "status": "in-progress"}}

    def _drop(self, among: list[dict[str, Any]], id_: int) -> tuple[int, dict[str, Any]]:
        found = [thing for thing in among if thing["id"] == id_]
        for thing in found:
            among.remove(thing)
        return (204, {}) if found else (404, {})

    def _destroy(self, id_: int) -> tuple[int, dict[str, Any]]:
        if self.locked:
            self.locked -= 1
            return 422, {"message": "Droplet already has a pending event."}
        return self._drop(self.droplets, id_)

    def _make_tag(self, tag: str) -> tuple[int, dict[str, Any]]:
        self.tags.add(tag)
        return 201, {"tag": {"name": tag}}

    def _tag(self, tag: str, id_: int) -> tuple[int, dict[str, Any]]:
        self._image(id_)[1]["image"]["tags"].append(tag)
        return 204, {}

    def _untag(self, tag: str) -> tuple[int, dict[str, Any]]:
        if tag not in self.tags:
            return 404, {}
        self.tags.remove(tag)
        for image in self.images:
            image["tags"] = [other for other in image["tags"] if other != tag]
        return 204, {}


@contextmanager
def serve() -> Iterator[FakeAccount]:
    """The account, answering on a loopback port."""
    account = FakeAccount()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = json.loads(
                self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
            )
            status, answer = 401, {"id": "unauthorized", "message": "Unable to authenticate you"}
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, answer = account.answer(
                    self.command, unquote(urlsplit(self.path).path), body
                )
            data = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        # The names that http.server calls.
        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    account.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield account
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def install_packer(directory: Path, mode: str) -> Path:
    """Put the ``packer`` in ``directory``; returns the file in which it notes how it was called."""
    log = directory / "packer.log"
    program = directory / "packer"
    program.write_text(PACKER.format(python=sys.executable, log=str(log), mode=mode))
    program.chmod(0o755)
    log.touch()
    return log
