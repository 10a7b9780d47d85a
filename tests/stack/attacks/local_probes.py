"""What a process on a machine can reach from there: run as a program, by nobody or in a task, with nothing but Python's library.

The first argument is JSON: ``probes`` (their names), ``nomad`` (URL of the client's API there), ``files`` (paths). Prints
as JSON, by probe, whether it got what it looked for, and what it saw.
"""

import errno
import json
import os
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 3
METADATA = "http://169.254.169.254/metadata/v1/user-data"
CONSUL = "http://127.0.0.1:8500"
ETH_P_ALL = 3

Seen = tuple[bool, str]


def asked(url: str, body: object = None, method: str = "GET") -> Seen:
    """Whether there was a good answer, and what there was."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body else None, method=method
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody)
    )
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return True, f"{answer.status} {answer.read(300).decode(errors='replace')}"
    except urllib.error.HTTPError as refused:
        return False, f"{refused.code} {refused.read(300).decode(errors='replace')}"
    except OSError as failed:
        return False, str(failed)


def metadata(told: dict[str, Any]) -> Seen:
    """What the machine was told at its first boot."""
    return asked(METADATA)


def by_interface(told: dict[str, Any]) -> Seen:
    """The metadata service, past all routes: bound to the interface that leads there."""
    with socket.socket() as bound:
        bound.settimeout(SECONDS)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            bound.connect(("169.254.169.254", 80))
            bound.sendall(b"GET /metadata/v1/user-data HTTP/1.0\r\n\r\n")
            return True, bound.recv(300).decode(errors="replace")
        except OSError as failed:
            return False, str(failed)


def consul(told: dict[str, Any]) -> Seen:
    """A key's value from the agent, without a token."""
    return asked(f"{CONSUL}/v1/kv/attacks/planted?raw")


def certificate(told: dict[str, Any]) -> Seen:
    """The certificate, with its key, of the service that speaks to backserve."""
    return asked(f"{CONSUL}/v1/agent/connect/ca/leaf/frontserve")


def register(told: dict[str, Any]) -> Seen:
    return asked(
        f"{CONSUL}/v1/agent/service/register", {"Name": "backserve", "ID": "false-backserve"}, "PUT"
    )


def login(told: dict[str, Any]) -> Seen:
    """Consul takes this task, by the identity that Nomad gave it, for somebody; where nobody has to be somebody, it is."""
    answer = asked(
        f"{CONSUL}/v1/acl/login",
        {"AuthMethod": "nomad-workloads", "BearerToken": os.environ["NOMAD_TOKEN_STRANGER"]},
        "POST",
    )
    return (
        asked(f"{CONSUL}/v1/agent/connect/ca/leaf/made-up")
        if "ACL support disabled" in answer[1]
        else answer
    )


def nomad(told: dict[str, Any]) -> Seen:
    return asked(f"{told['nomad']}/v1/jobs")


def files(told: dict[str, Any]) -> Seen:
    """Any of the files that hold keys or tokens."""
    read, refused = [], []
    for path in told["files"]:
        try:
            Path(path).read_bytes()
            read.append(path)
        except OSError as failed:
            refused.append(f"{path}: {errno.errorcode.get(failed.errno or 0)}")
    return bool(read), f"read: {read}; not: {refused}"


def ports(told: dict[str, Any]) -> Seen:
    """What listens on loopback; whether that is too much is for who asks."""
    found = []
    for port in range(1, 65536):
        with socket.socket() as tried:
            tried.settimeout(SECONDS)
            if tried.connect_ex(("127.0.0.1", port)) == 0 and tried.getsockname() != (
                "127.0.0.1",
                port,
            ):
                found.append(port)
    return True, json.dumps(found)


def root(told: dict[str, Any]) -> Seen:
    """Is root, or may become it."""
    try:
        os.setuid(0)
    except OSError as failed:
        return False, f"user {os.getuid()}: {failed.strerror}"
    return True, f"user {os.getuid()}"


def overhears(told: dict[str, Any]) -> Seen:
    """Opens what shows all packets of the machine."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)).close()
    except OSError as failed:
        return False, str(failed.strerror)
    return True, "a packet socket"


def neighbours(told: dict[str, Any]) -> Seen:
    """The environment of a process that is not of this one's kin."""
    refused = 0
    for directory in Path("/proc").glob("[0-9]*"):
        if int(directory.name) in (os.getpid(), os.getppid()):
            continue
        try:
            if (directory / "environ").read_bytes():
                return True, f"of {(directory / 'cmdline').read_bytes()!r}"
        except OSError:
            refused += 1
    return False, f"none of {refused} others"


PROBES: dict[str, Callable[[dict[str, Any]], Seen]] = {
    probe.__name__: probe
    for probe in (
        metadata,
        by_interface,
        consul,
        certificate,
        register,
        login,
        nomad,
        files,
        ports,
        root,
        overhears,
        neighbours,
    )
}


def main() -> None:
    told = json.loads(sys.argv[1])
    print(json.dumps({name: PROBES[name](told) for name in told["probes"]}))


if __name__ == "__main__":
    main()
