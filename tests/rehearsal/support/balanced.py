"""Load balancers before web servers in namespaces, for packet tests."""

import asyncio
import json
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.network.load_balancers import LoadBalancers
from rehearsal.topology.protocol import ForwardingRule, HealthCheck, LoadBalancer, NetworkState
from tests.rehearsal.support.small_cloud import BALANCER_PRIVATE, VPC, SmallCloud, wait_for

WEB = """
import http.server, json, ssl, sys
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/health"):
            status = int(open(sys.argv[2]).read())
        else:
            status = 200
        content = {
            "name": sys.argv[1], "client": self.client_address[0], "headers": dict(self.headers)
        }
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        with open(sys.argv[2] + ".log", "a") as log:
            log.write(self.path + chr(10))
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443 if sys.argv[3:] else 8085), Web)
if sys.argv[3:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
"""A web server that returns the request as JSON; with a certificate, over TLS on port 8443."""


def balancer(cloud: SmallCloud, *targets: IPv4Address, **changes: object) -> LoadBalancer:
    """Return an HTTP load balancer of the small cloud, with ``changes`` to its fields."""
    fields: dict[str, object] = {
        "id": "edge",
        "public": cloud.balancer_public,
        "private": BALANCER_PRIVATE,
        "vpc_id": VPC.id,
        "algorithm": "round_robin",
        "forwarding_rules": [
            ForwardingRule(
                entry_protocol="http", entry_port=80, target_protocol="http", target_port=8085
            )
        ],
        "health_check": HealthCheck(
            protocol="http",
            port=8085,
            path="/health",
            interval_s=1,
            timeout_s=1,
            unhealthy_threshold=2,
            healthy_threshold=2,
        ),
        "sticky_cookie": None,
        "sticky_seconds": 0,
        "redirect_http_to_https": False,
        "proxy_protocol": False,
        "keepalive": False,
        "idle_seconds": 30,
        "targets": list(targets),
    }
    return LoadBalancer.model_validate(fields | changes)


class Web:
    """A web server on each droplet; ``health`` sets the status of its health check."""

    def __init__(self, cloud: SmallCloud, state: Path) -> None:
        self.cloud, self._state = cloud, state
        for droplet in cloud.droplets:
            self.health(droplet.id, 200)
            status_file = str(state / f"health{droplet.id}")
            cloud.start(cloud.place(droplet), "python3", "-c", WEB, droplet.name, status_file)
            cloud.wait_listening(cloud.place(droplet), 8085)

    def health(self, droplet_id: int, status: int) -> None:
        (self._state / f"health{droplet_id}").write_text(str(status))

    def requested_paths(self, droplet_id: int) -> list[str]:
        """Return the paths of the droplet's requests, without health checks."""
        log = self._state / f"health{droplet_id}.log"
        return (
            [path for path in log.read_text().split() if not path.startswith("/health")]
            if log.exists()
            else []
        )

    def start_secure(self, droplet_id: int, pem: Path) -> None:
        """Start a web server with TLS on one droplet."""
        (droplet,) = [droplet for droplet in self.cloud.droplets if droplet.id == droplet_id]
        place = self.cloud.place(droplet)
        self.cloud.start(
            place,
            "python3",
            "-c",
            WEB,
            droplet.name,
            str(self._state / f"health{droplet_id}"),
            str(pem),
        )
        self.cloud.wait_listening(place, 8443)

    def get(
        self, path: str = "/", cookie: str = ""
    ) -> tuple[int, dict[str, str], dict[str, object]]:
        """Send a request from the host to the load balancer; return status, headers and body."""
        script = (
            "import http.client, json, sys; c = http.client.HTTPConnection(sys.argv[1], timeout=5);"
            "headers = {'Cookie': sys.argv[3]} if sys.argv[3] else {};"
            "c.request('GET', sys.argv[2], headers=headers); a = c.getresponse();"
            "print(json.dumps([a.status, dict(a.headers), a.read().decode()]))"
        )
        command = [
            "ip",
            "netns",
            "exec",
            self.cloud.place(None),
            "python3",
            "-c",
            script,
            str(self.cloud.balancer_public),
            path,
            cookie,
        ]
        status, headers, body = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
        return status, headers, json.loads(body) if status == 200 else {}


def apply(balancers: LoadBalancers, *wanted: LoadBalancer) -> None:
    asyncio.run(balancers.apply(NetworkState(load_balancers=list(wanted))))


def wait_up(balancers: LoadBalancers, *targets: IPv4Address) -> None:
    wait_for(
        lambda: asyncio.run(balancers.find_serving_targets()).get("edge", set()) == set(targets)
    )
