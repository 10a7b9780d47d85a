"""Probes that a process on a machine runs there, with nothing but Python's standard library.

The first argument is JSON: ``probes`` (their names), ``nomad`` (URL of the local client's API),
``files`` (paths). The output is JSON: for each probe whether it succeeded, and the detail.
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

TIMEOUT_S = 3
METADATA = "http://169.254.169.254/metadata/v1/user-data"
CONSUL = "http://127.0.0.1:8500"
ETH_P_ALL = 3

Result = tuple[bool, str]
Arguments = dict[str, Any]


def request(url: str, body: object = None, method: str = "GET") -> Result:
    """Send a request without verifying the server; it succeeds with a status below 400."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    content = json.dumps(body).encode() if body else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(
            urllib.request.Request(url, content, method=method), timeout=TIMEOUT_S
        ) as response:
            return True, f"{response.status} {response.read(300).decode(errors='replace')}"
    except urllib.error.HTTPError as error:
        return False, f"{error.code} {error.read(300).decode(errors='replace')}"
    except OSError as error:
        return False, str(error)


def metadata(args: Arguments) -> Result:
    """Read user_data."""
    return request(METADATA)


def metadata_by_interface(args: Arguments) -> Result:
    """Read user_data through a socket bound to eth0, which ignores routes."""
    with socket.socket() as bound:
        bound.settimeout(TIMEOUT_S)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            bound.connect(("169.254.169.254", 80))
            bound.sendall(b"GET /metadata/v1/user-data HTTP/1.0\r\n\r\n")
            return True, bound.recv(300).decode(errors="replace")
        except OSError as error:
            return False, str(error)


def consul_kv(args: Arguments) -> Result:
    """Read a KV value from the Consul agent without a token."""
    return request(f"{CONSUL}/v1/kv/attacks/secret?raw")


def leaf_certificate(args: Arguments) -> Result:
    """Get the mesh certificate, with its key, of the service that may call backserve."""
    return request(f"{CONSUL}/v1/agent/connect/ca/leaf/frontserve")


def register_service(args: Arguments) -> Result:
    """Register a false backserve."""
    service = {"Name": "backserve", "ID": "false-backserve"}
    return request(f"{CONSUL}/v1/agent/service/register", service, "PUT")


def consul_login(args: Arguments) -> Result:
    """Log in to Consul with the task's identity; without ACLs, use what a login would open."""
    login = {
        "AuthMethod": "nomad-workloads",
        "BearerToken": os.environ["NOMAD_TOKEN_STRANGER"],
    }
    result = request(f"{CONSUL}/v1/acl/login", login, "POST")
    if "ACL support disabled" in result[1]:
        return request(f"{CONSUL}/v1/agent/connect/ca/leaf/made-up")
    return result


def nomad_jobs(args: Arguments) -> Result:
    return request(f"{args['nomad']}/v1/jobs")


def files(args: Arguments) -> Result:
    """Read any file that holds keys or tokens."""
    read, denied = [], []
    for path in args["files"]:
        try:
            Path(path).read_bytes()
            read.append(path)
        except OSError as error:
            denied.append(f"{path}: {errno.errorcode.get(error.errno or 0)}")
    return bool(read), f"read: {read}; denied: {denied}"


def ports(args: Arguments) -> Result:
    """Return the open loopback ports as JSON; the caller compares them with the expected ones."""
    found = []
    for port in range(1, 65536):
        with socket.socket() as connection:
            connection.settimeout(TIMEOUT_S)
            address = ("127.0.0.1", port)
            # A connection to a port of the ephemeral range may connect to itself.
            if connection.connect_ex(address) == 0 and connection.getsockname() != address:
                found.append(port)
    return True, json.dumps(found)


def become_root(args: Arguments) -> Result:
    try:
        os.setuid(0)
    except OSError as error:
        return False, f"user {os.getuid()}: {error.strerror}"
    return True, f"user {os.getuid()}"


def packet_socket(args: Arguments) -> Result:
    """Open a socket that receives all packets of the machine."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)).close()
    except OSError as error:
        return False, str(error.strerror)
    return True, "a packet socket"


def environments(args: Arguments) -> Result:
    """Read the environment of any process but this one and its parent."""
    denied = 0
    for directory in Path("/proc").glob("[0-9]*"):
        if int(directory.name) in (os.getpid(), os.getppid()):
            continue
        try:
            if (directory / "environ").read_bytes():
                return True, f"of {(directory / 'cmdline').read_bytes()!r}"
        except OSError:
            denied += 1
    return False, f"none of {denied} others"


PROBES: dict[str, Callable[[Arguments], Result]] = {
    probe.__name__: probe
    for probe in (
        metadata,
        metadata_by_interface,
        consul_kv,
        leaf_certificate,
        register_service,
        consul_login,
        nomad_jobs,
        files,
        ports,
        become_root,
        packet_socket,
        environments,
    )
}


def main() -> None:
    args = json.loads(sys.argv[1])
    print(json.dumps({name: PROBES[name](args) for name in args["probes"]}))


if __name__ == "__main__":
    main()
